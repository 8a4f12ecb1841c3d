/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pickle.h"
#include "torch_functions.h"

#include <string.h>

#define MAX_STACK (1 << 20)
#define MAX_MEMO  (1 << 20)

#define refuse(error, ...) lk_torch_refuse(error, LK_IMPORT_ERROR_FORMAT, __VA_ARGS__)

/* The instructions, by the names that pickletools.py gives them. */
enum {
    MARK = '(',
    STOP = '.',
    NONE = 'N',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    BINFLOAT = 'G',
    BINSTRING = 'T',
    SHORT_BINSTRING = 'U',
    BINUNICODE = 'X',
    EMPTY_LIST = ']',
    APPEND = 'a',
    APPENDS = 'e',
    EMPTY_TUPLE = ')',
    TUPLE = 't',
    EMPTY_DICT = '}',
    SETITEM = 's',
    SETITEMS = 'u',
    BINGET = 'h',
    LONG_BINGET = 'j',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    GLOBAL = 'c',
    INST = 'i',
    REDUCE = 'R',
    BUILD = 'b',
    BINPERSID = 'Q',
    PROTO = 0x80,
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    LONG1 = 0x8a,
    LONG4 = 0x8b,
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d,
    STACK_GLOBAL = 0x93,
    MEMOIZE = 0x94,
    FRAME = 0x95,
};

typedef struct {
    const guint8 *at, *end;
    LkTorchTree *tree;
    gboolean storages;
    GPtrArray *stack; /* LkTorchValue */
    GArray *marks;    /* guint: heights of the stack */
    GPtrArray *memo;  /* LkTorchValue, or NULL where nothing was put */
    guint n_memo;     /* entries that are not NULL */
    GError **error;
} Machine;

/* ---- the bytes ---- */

static const guint8 *take(Machine *machine, guint64 n)
{
    const guint8 *bytes = machine->at;

    if (n > (guint64)(machine->end - machine->at)) {
        refuse(machine->error, "it ends in the middle of its description (is it truncated?)");
        machine->at = machine->end;
        return NULL;
    }
    machine->at += n;
    return bytes;
}

/* Little-endian. */
static gboolean take_number(Machine *machine, guint n, guint64 *number)
{
    const guint8 *bytes = take(machine, n);

    *number = 0;
    for (guint i = 0; i < n && bytes != NULL; i++)
        *number |= (guint64)bytes[i] << (8 * i);
    return bytes != NULL;
}

/* A length of so many bytes, and as many bytes as it says. */
static const guint8 *take_block(Machine *machine, guint n, guint64 *length)
{
    return take_number(machine, n, length) ? take(machine, *length) : NULL;
}

static const char *take_line(Machine *machine, gsize *length)
{
    const guint8 *start = machine->at;
    const guint8 *end = memchr(start, '\n', (gsize)(machine->end - start));

    if (end == NULL) {
        take(machine, G_MAXUINT64);
        return NULL;
    }
    *length = (gsize)(end - start);
    machine->at = end + 1;
    return (const char *)start;
}

/* ---- the stack ---- */

static guint floor_of(const Machine *machine)
{
    return machine->marks->len ? g_array_index(machine->marks, guint, machine->marks->len - 1) : 0;
}

static gboolean refuse_lack(Machine *machine)
{
    return refuse(machine->error, "its description takes a value where there is none");
}

/* n values must lie above the last mark. */
static gboolean need(Machine *machine, guint n)
{
    return machine->stack->len - floor_of(machine) >= n || refuse_lack(machine);
}

/* NULL is an error that was set before. */
static gboolean push(Machine *machine, LkTorchValue *value)
{
    if (value == NULL)
        return FALSE;
    if (machine->stack->len == MAX_STACK)
        return refuse(machine->error, "its description needs too large a stack");
    g_ptr_array_add(machine->stack, value);
    return TRUE;
}

static LkTorchValue *pop(Machine *machine)
{
    return need(machine, 1) ? g_ptr_array_remove_index(machine->stack, machine->stack->len - 1) : NULL;
}

static LkTorchValue *top(Machine *machine)
{
    return need(machine, 1) ? g_ptr_array_index(machine->stack, machine->stack->len - 1) : NULL;
}

/* Drops the last mark; the values above it are from first on. */
static gboolean pop_mark(Machine *machine, guint *first)
{
    *first = 0;
    if (machine->marks->len == 0)
        return refuse(machine->error, "its description ends a list that it did not begin");
    *first = floor_of(machine);
    g_array_set_size(machine->marks, machine->marks->len - 1);
    return TRUE;
}

static LkTorchValue *make(Machine *machine, guint type)
{
    return lk_torch_value_new(machine->tree, type, machine->error);
}

/* ---- plain values ---- */

static gboolean push_int(Machine *machine, guint type, gint64 integer)
{
    LkTorchValue *value = make(machine, type);

    if (value != NULL)
        value->integer = integer;
    return push(machine, value);
}

/* Two's complement of any length. */
static gboolean push_long(Machine *machine, guint length_bytes)
{
    guint64 n, number = 0;
    const guint8 *bytes = take_block(machine, length_bytes, &n);
    LkTorchValue *value;

    if (bytes == NULL)
        return FALSE;
    if (n <= sizeof number) {
        for (guint i = 0; i < sizeof number; i++) {
            const guint8 sign = n > 0 && bytes[n - 1] & 0x80 ? 0xff : 0;
            number |= (guint64)(i < n ? bytes[i] : sign) << (8 * i);
        }
        return push_int(machine, LK_TORCH_INT, (gint64)number);
    }
    value = make(machine, LK_TORCH_LONG);
    if (value == NULL)
        return FALSE;
    if (n > LK_TORCH_MAX_LONG)
        return refuse(machine->error, "it holds a whole number of more than %d bits", 8 * LK_TORCH_MAX_LONG);
    memcpy(value->bytes, bytes, (gsize)n);
    value->n_bytes = (guint)n;
    return push(machine, value);
}

static gboolean push_float(Machine *machine)
{
    const guint8 *bytes = take(machine, 8);
    LkTorchValue *value = bytes ? make(machine, LK_TORCH_FLOAT) : NULL;
    guint64 bits = 0;

    if (value == NULL)
        return FALSE;
    for (guint i = 0; i < 8; i++) /* big-endian */
        bits = bits << 8 | bytes[i];
    memcpy(&value->real, &bits, sizeof value->real);
    return push(machine, value);
}

static gboolean push_text(Machine *machine, guint length_bytes)
{
    guint64 n;
    const guint8 *bytes = take_block(machine, length_bytes, &n);

    return bytes && push(machine, lk_torch_value_text(machine->tree, bytes, (gsize)n, machine->error));
}

static gboolean push_number(Machine *machine, guint n_bytes)
{
    guint64 number;

    if (!take_number(machine, n_bytes, &number))
        return FALSE;
    return push_int(machine, LK_TORCH_INT, n_bytes == 4 ? (gint32)(guint32)number : (gint64)number);
}

/* ---- lists and dictionaries ---- */

/* Moves the stack's values from first on into a new tuple. */
static gboolean push_tuple(Machine *machine, guint first)
{
    LkTorchValue *tuple = make(machine, LK_TORCH_LIST);

    if (tuple == NULL)
        return FALSE;
    tuple->tuple = TRUE;
    for (guint i = first; i < machine->stack->len; i++)
        if (!lk_torch_value_append(machine->tree, tuple, g_ptr_array_index(machine->stack, i),
                                   machine->error))
            return FALSE;
    g_ptr_array_set_size(machine->stack, (gint)first);
    return push(machine, tuple);
}

static gboolean push_marked_tuple(Machine *machine)
{
    guint first;

    return pop_mark(machine, &first) && push_tuple(machine, first);
}

static gboolean push_short_tuple(Machine *machine, guint n)
{
    return need(machine, n) && push_tuple(machine, machine->stack->len - n);
}

/* Moves the stack's values from first on into the list below them. */
static gboolean append(Machine *machine, guint first)
{
    LkTorchValue *list;

    if (first <= floor_of(machine))
        return refuse_lack(machine);
    list = g_ptr_array_index(machine->stack, first - 1);
    if (list->type != LK_TORCH_LIST || list->tuple)
        return refuse(machine->error, "its description adds to a list that is none");
    for (guint i = first; i < machine->stack->len; i++)
        if (!lk_torch_value_append(machine->tree, list, g_ptr_array_index(machine->stack, i), machine->error))
            return FALSE;
    g_ptr_array_set_size(machine->stack, (gint)first);
    return TRUE;
}

/* Moves the stack's keys and values from first on into the dictionary below them. */
static gboolean set_items(Machine *machine, guint first)
{
    LkTorchValue *dict;

    if (first <= floor_of(machine))
        return refuse_lack(machine);
    dict = g_ptr_array_index(machine->stack, first - 1);
    if (dict->type != LK_TORCH_DICT)
        return refuse(machine->error, "its description adds to a dictionary that is none");
    if ((machine->stack->len - first) % 2 != 0)
        return refuse(machine->error, "its description has a key without a value");
    for (guint i = first; i < machine->stack->len; i += 2)
        if (!lk_torch_value_set(machine->tree, dict, g_ptr_array_index(machine->stack, i),
                                g_ptr_array_index(machine->stack, i + 1), machine->error))
            return FALSE;
    g_ptr_array_set_size(machine->stack, (gint)first);
    return TRUE;
}

/* Either the value or the key and value on top, or all above the last mark. */
static gboolean add_top(Machine *machine, guint n, gboolean (*add)(Machine *, guint))
{
    return need(machine, n) && add(machine, machine->stack->len - n);
}

static gboolean add_marked(Machine *machine, gboolean (*add)(Machine *, guint))
{
    guint first;

    return pop_mark(machine, &first) && add(machine, first);
}

/* ---- the memo ---- */

static gboolean put(Machine *machine, guint64 index)
{
    LkTorchValue *value = top(machine);

    if (value == NULL)
        return FALSE;
    if (index >= MAX_MEMO)
        return refuse(machine->error, "its description remembers too many values");
    if (index >= machine->memo->len)
        g_ptr_array_set_size(machine->memo, (gint)index + 1);
    if (g_ptr_array_index(machine->memo, index) == NULL)
        machine->n_memo++;
    g_ptr_array_index(machine->memo, index) = value;
    return TRUE;
}

static gboolean put_at(Machine *machine, guint n_bytes)
{
    guint64 index;

    return take_number(machine, n_bytes, &index) && put(machine, index);
}

static gboolean get(Machine *machine, guint n_bytes)
{
    guint64 index;

    if (!take_number(machine, n_bytes, &index))
        return FALSE;
    if (index >= machine->memo->len || g_ptr_array_index(machine->memo, index) == NULL)
        return refuse(machine->error, "its description refers to a value that it has not made");
    return push(machine, g_ptr_array_index(machine->memo, index));
}

/* ---- classes and functions ---- */

static gboolean push_global(Machine *machine, const char *module, gsize module_n, const char *name,
                            gsize name_n)
{
    const LkTorchFunction *function = lk_torch_function(module, module_n, name, name_n, machine->error);
    LkTorchValue *value = function ? make(machine, LK_TORCH_GLOBAL) : NULL;

    if (value != NULL)
        value->function = function;
    return push(machine, value);
}

static gboolean push_named_global(Machine *machine)
{
    gsize module_n = 0, name_n = 0;
    const char *module = take_line(machine, &module_n);
    const char *name = module ? take_line(machine, &name_n) : NULL;

    return name && push_global(machine, module, module_n, name, name_n);
}

static gboolean push_stack_global(Machine *machine)
{
    const LkTorchValue *name = pop(machine), *module = name ? pop(machine) : NULL;

    if (module == NULL)
        return FALSE;
    if (module->type != LK_TORCH_STRING || name->type != LK_TORCH_STRING)
        return refuse(machine->error, "its description asks for a class without a name");
    return push_global(machine, module->text, strlen(module->text), name->text, strlen(name->text));
}

static gboolean reduce(Machine *machine)
{
    const LkTorchValue *arguments = pop(machine), *function = arguments ? pop(machine) : NULL;

    if (function == NULL)
        return FALSE;
    if (function->type != LK_TORCH_GLOBAL || arguments->type != LK_TORCH_LIST || !arguments->tuple)
        return refuse(machine->error, "its description calls something that is no function");
    return push(machine,
                lk_torch_function_call(machine->tree, function->function, arguments, machine->error));
}

/* What state dictionaries have besides their items, _metadata, is about versions of modules, and nothing here needs it. */
static gboolean build(Machine *machine)
{
    const LkTorchValue *state = pop(machine), *object = state ? top(machine) : NULL;

    if (object == NULL)
        return FALSE;
    return (object->type == LK_TORCH_DICT && object->ordered && state->type == LK_TORCH_DICT) ||
           lk_torch_refuse(machine->error, LK_IMPORT_ERROR_REFUSED,
                           "it sets the state of an object, which reading weights does not need");
}

static gboolean push_storage(Machine *machine)
{
    const LkTorchValue *id = pop(machine);

    if (id == NULL)
        return FALSE;
    if (!machine->storages)
        return lk_torch_refuse(machine->error, LK_IMPORT_ERROR_REFUSED,
                               "it refers to something outside of it, which no plain pickle needs");
    return push(machine, lk_torch_storage_value(machine->tree, id, machine->error));
}

/* ---- what is refused ---- */

static const char *instruction_name(guint8 code)
{
    static const struct {
        guint8 code;
        const char *name;
    } names[] = {{'P', "PERSID"},
                 {'o', "OBJ"},
                 {0x81, "NEWOBJ"},
                 {0x92, "NEWOBJ_EX"},
                 {0x82, "EXT1"},
                 {0x83, "EXT2"},
                 {0x84, "EXT4"},
                 {'B', "BINBYTES"},
                 {'C', "SHORT_BINBYTES"},
                 {0x8e, "BINBYTES8"},
                 {0x8f, "EMPTY_SET"},
                 {0x90, "ADDITEMS"},
                 {0x91, "FROZENSET"},
                 {'0', "POP"},
                 {'1', "POP_MARK"},
                 {'2', "DUP"},
                 {'I', "INT"},
                 {'L', "LONG"},
                 {'F', "FLOAT"},
                 {'S', "STRING"},
                 {'V', "UNICODE"},
                 {'p', "PUT"},
                 {'g', "GET"},
                 {'l', "LIST"},
                 {'d', "DICT"},
                 {0x96, "BYTEARRAY8"},
                 {0x97, "NEXT_BUFFER"},
                 {0x98, "READONLY_BUFFER"}};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

static gboolean refuse_instruction(Machine *machine, guint8 code)
{
    const char *name = instruction_name(code);

    if (name == NULL)
        return refuse(machine->error, "its description has an instruction 0x%02x that there is not", code);
    return lk_torch_refuse(machine->error, LK_IMPORT_ERROR_REFUSED,
                           "it uses the pickle instruction %s, which reading weights does not need", name);
}

/* An object of a class that it names; the classes that are known here are not made so. */
static gboolean refuse_instance(Machine *machine)
{
    return push_named_global(machine) && refuse_instruction(machine, 'o');
}

/* ---- running ---- */

static gboolean check_protocol(Machine *machine)
{
    guint64 protocol;

    if (!take_number(machine, 1, &protocol))
        return FALSE;
    return (protocol >= 2 && protocol <= 5) ||
           refuse(machine->error, "it is a pickle of the unknown protocol %d", (int)protocol);
}

static gboolean push_mark(Machine *machine)
{
    if (machine->marks->len == MAX_STACK)
        return refuse(machine->error, "its description needs too large a stack");
    g_array_append_val(machine->marks, machine->stack->len);
    return TRUE;
}

static gboolean run_plain(Machine *machine, guint8 code)
{
    switch (code) {
    case NONE:
        return push(machine, make(machine, LK_TORCH_NONE));
    case NEWTRUE:
    case NEWFALSE:
        return push_int(machine, LK_TORCH_BOOL, code == NEWTRUE);
    case BININT:
        return push_number(machine, 4);
    case BININT1:
        return push_number(machine, 1);
    case BININT2:
        return push_number(machine, 2);
    case LONG1:
        return push_long(machine, 1);
    case LONG4:
        return push_long(machine, 4);
    case BINFLOAT:
        return push_float(machine);
    case SHORT_BINSTRING:
    case SHORT_BINUNICODE:
        return push_text(machine, 1);
    case BINSTRING:
    case BINUNICODE:
        return push_text(machine, 4);
    case BINUNICODE8:
        return push_text(machine, 8);
    case EMPTY_LIST:
        return push(machine, make(machine, LK_TORCH_LIST));
    case EMPTY_DICT:
        return push(machine, make(machine, LK_TORCH_DICT));
    case EMPTY_TUPLE:
        return push_short_tuple(machine, 0);
    default:
        return refuse_instruction(machine, code);
    }
}

static gboolean run_instruction(Machine *machine, guint8 code)
{
    switch (code) {
    case PROTO:
        return check_protocol(machine);
    case FRAME: /* how many bytes to read at once; they are all here */
        return take(machine, 8) != NULL;
    case MARK:
        return push_mark(machine);
    case TUPLE:
        return push_marked_tuple(machine);
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        return push_short_tuple(machine, code - TUPLE1 + 1u);
    case APPEND:
        return add_top(machine, 1, append);
    case APPENDS:
        return add_marked(machine, append);
    case SETITEM:
        return add_top(machine, 2, set_items);
    case SETITEMS:
        return add_marked(machine, set_items);
    case BINPUT:
        return put_at(machine, 1);
    case LONG_BINPUT:
        return put_at(machine, 4);
    case MEMOIZE:
        return put(machine, machine->n_memo);
    case BINGET:
        return get(machine, 1);
    case LONG_BINGET:
        return get(machine, 4);
    case GLOBAL:
        return push_named_global(machine);
    case STACK_GLOBAL:
        return push_stack_global(machine);
    case INST:
        return refuse_instance(machine);
    case REDUCE:
        return reduce(machine);
    case BUILD:
        return build(machine);
    case BINPERSID:
        return push_storage(machine);
    default:
        return run_plain(machine, code);
    }
}

static LkTorchValue *run(Machine *machine)
{
    const guint8 *code;

    while ((code = take(machine, 1)) != NULL && *code != STOP)
        if (!run_instruction(machine, *code))
            return NULL;
    if (code == NULL)
        return NULL;
    if (machine->marks->len > 0 || machine->stack->len != 1) {
        refuse(machine->error, "its description ends with more or less than one value");
        return NULL;
    }
    return g_ptr_array_index(machine->stack, 0);
}

LkTorchValue *lk_pickle_load(LkTorchTree *tree, const guint8 *bytes, gsize size, gboolean storages,
                             gsize *used, GError **error)
{
    g_autoptr(GPtrArray) stack = g_ptr_array_new(), memo = g_ptr_array_new();
    g_autoptr(GArray) marks = g_array_new(FALSE, FALSE, sizeof(guint));
    Machine machine = {.at = bytes,
                       .end = bytes + size,
                       .tree = tree,
                       .storages = storages,
                       .stack = stack,
                       .marks = marks,
                       .memo = memo,
                       .error = error};
    LkTorchValue *value;

    if (size > 0 && bytes[0] != PROTO) {
        refuse(error, "it is not a file of PyTorch");
        return NULL;
    }
    value = run(&machine);
    *used = (gsize)(machine.at - bytes);
    return value;
}
