/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * replay [--mutations N] FILE|FOLDER...: runs a fuzz target, to which this is linked instead of libFuzzer, on files and on N
 * changed copies of each, always the same ones.
 */
#include "fuzz_file.h"

#include <stdlib.h>
#include <string.h>

static guint32 draw(guint64 *state, guint32 n)
{
    *state = *state * G_GUINT64_CONSTANT(6364136223846793005) + G_GUINT64_CONSTANT(1442695040888963407);
    return (guint32)(*state >> 33) % n;
}

/* Numbers that readers get wrong. */
static void put_number(guint8 *at, gsize room, guint64 *state)
{
    static const guint64 numbers[] = {0,
                                      1,
                                      0x7f,
                                      0xff,
                                      0x7fff,
                                      0xffff,
                                      0x7fffffff,
                                      0xffffffff,
                                      G_MAXINT64,
                                      G_MAXUINT64,
                                      G_GUINT64_CONSTANT(1) << 63};
    const guint64 number = numbers[draw(state, G_N_ELEMENTS(numbers))];
    const gsize size = (gsize)1 << draw(state, 4), n = MIN(room, size);

    for (gsize i = 0; i < n; i++)
        at[i] = (guint8)(number >> (8 * i));
}

static void mutate(GByteArray *bytes, guint64 *state)
{
    const guint n_changes = 1 + draw(state, 4);

    for (guint i = 0; i < n_changes && bytes->len > 0; i++) {
        const guint at = draw(state, bytes->len), most = 1 + draw(state, 64), n = MIN(most, bytes->len - at);
        switch (draw(state, 6)) {
        case 0:
            bytes->data[at] ^= (guint8)(1u << draw(state, 8));
            break;
        case 1:
            bytes->data[at] = (guint8)draw(state, 256);
            break;
        case 2:
            put_number(bytes->data + at, bytes->len - at, state);
            break;
        case 3:
            g_byte_array_remove_range(bytes, at, n);
            break;
        case 4: /* the same again at another place */
            memmove(bytes->data + draw(state, bytes->len - n + 1), bytes->data + at, n);
            break;
        default:
            if (draw(state, 4) == 0)
                g_byte_array_set_size(bytes, at);
            else
                g_byte_array_append(bytes, (guint8[8]){0}, 8);
        }
    }
}

static guint replay_file(const char *path, guint n_mutations)
{
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    guint64 state = 1;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, &error))
        g_error("%s", error->message);
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    for (guint i = 0; i < n_mutations; i++) {
        g_autoptr(GByteArray) copy = g_byte_array_new();
        /* Of its own size, so that a sanitizer sees who reads beyond it. */
        g_autofree uint8_t *exact = NULL;
        g_byte_array_append(copy, (const guint8 *)bytes, (guint)size);
        mutate(copy, &state);
        exact = g_memdup2(copy->data, copy->len);
        LLVMFuzzerTestOneInput(exact, copy->len);
    }
    return 1 + n_mutations;
}

static guint replay(const char *path, guint n_mutations)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    guint n_runs = 0;

    if (folder == NULL)
        return replay_file(path, n_mutations);
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        n_runs += replay(inner, n_mutations);
    }
    return n_runs;
}

int main(int argc, char **argv)
{
    guint n_mutations = 0, n_runs = 0;

    for (int i = 1; i < argc; i++) {
        if (g_str_equal(argv[i], "--mutations") && i + 1 < argc)
            n_mutations = (guint)atoi(argv[++i]);
        else
            n_runs += replay(argv[i], n_mutations);
    }
    g_print("%u runs\n", n_runs);
    return n_runs > 0 ? 0 : 1;
}
