/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * torch_file.h - reading what torch.save wrote (zip archives since PyTorch 1.6, and the older stream of pickles) and plain
 * pickles of numbers and texts, without running any of it.
 *
 * A pickle is a program. This reader knows the instructions that state dictionaries need - numbers, strings, lists,
 * dictionaries, tensors and their storages (torch_functions.h lists every name it answers to) - and refuses everything else
 * by its name. Files are hostile until proven otherwise: every size, offset and stride is checked before use, and the memory
 * used does not depend on what they claim: at most some 150 MB, with a checkpoint of 1.5 GB 7 MB.
 *
 * Also refused: entries of the archive that are compressed, encrypted, there twice, or within each other (PyTorch writes none
 * of these); data of big-endian machines; dictionaries with a key twice; lists that contain themselves, are nested more
 * than 64 deep, or have more than a million values in all; tensors of more than 8 dimensions, with negative strides, or that
 * repeat the numbers of a small storage more than 2^24 times; TorchScript; the tar archives of PyTorch 0.1; pickles of
 * protocols 0 and 1, of bytes, of sets, and of NumPy's arrays.
 *
 * Formats: https://docs.python.org/3/library/pickle.html, pickletools.py, torch/serialization.py (facts only).
 * A file belongs to one thread at a time.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define LK_IMPORT_ERROR (lk_import_error_quark())
typedef enum {
    LK_IMPORT_ERROR_FORMAT,  /* damaged, or not such a file at all */
    LK_IMPORT_ERROR_REFUSED, /* it wants something done that reading weights does not need */
    LK_IMPORT_ERROR_CONTENT, /* a sound file that does not hold what is asked for: keys, shapes, values */
} LkImportError;
GQuark lk_import_error_quark(void);

typedef struct _LkTorchFile LkTorchFile;
typedef struct _LkTorchValue LkTorchValue; /* a node of the file's tree; belongs to the file */

typedef enum {
    LK_TORCH_NONE,
    LK_TORCH_BOOL,
    LK_TORCH_INT, /* as far as 64 bits go; a longer one is refused */
    LK_TORCH_FLOAT,
    LK_TORCH_STRING, /* UTF-8 */
    LK_TORCH_LIST,   /* lists and tuples */
    LK_TORCH_DICT,   /* dict and OrderedDict, in order; keys are strings or ints, no key twice */
    LK_TORCH_TENSOR, /* tensors and parameters */
} LkTorchType;

typedef enum {
    LK_TORCH_F16,
    LK_TORCH_BF16,
    LK_TORCH_F32,
    LK_TORCH_F64,
    LK_TORCH_I64,
    LK_TORCH_I32,
    LK_TORCH_I16,
    LK_TORCH_I8,
    LK_TORCH_U8,
    LK_TORCH_BOOLEAN,
} LkTorchDtype;

enum { LK_TORCH_MAX_DIMS = 8 };

typedef struct {
    LkTorchDtype dtype;
    guint n_dims; /* 0: a scalar */
    guint64 shape[LK_TORCH_MAX_DIMS];
    guint64 n_elements;
} LkTorchTensor;

/* NULL with LK_IMPORT_ERROR or a G_FILE_ERROR; the message names the file. */
LkTorchFile *lk_torch_open(const char *path, GError **error);
void lk_torch_free(LkTorchFile *file); /* NULL is fine */
const char *lk_torch_path(const LkTorchFile *file);

const LkTorchValue *lk_torch_root(const LkTorchFile *file);
LkTorchType lk_torch_type(const LkTorchValue *value);
gint64 lk_torch_int(const LkTorchValue *value);         /* INT and BOOL; else 0 */
double lk_torch_float(const LkTorchValue *value);       /* FLOAT and INT; else 0 */
const char *lk_torch_string(const LkTorchValue *value); /* STRING; else NULL */

/* LIST and DICT (else 0 items). A key that is an int is given in decimal. */
guint lk_torch_n_items(const LkTorchValue *value);
const LkTorchValue *lk_torch_item(const LkTorchValue *value, guint index);
const char *lk_torch_key(const LkTorchValue *value, guint index);
const LkTorchValue *lk_torch_find(const LkTorchValue *value,
                                  const char *key); /* NULL if none; value may be NULL */

/* NULL where the value is no tensor. */
const LkTorchTensor *lk_torch_tensor(const LkTorchValue *value);

/* The tensor's elements first ... first + n - 1, counted in C order whatever its strides, as float32 (F64 and integers are
 * rounded); infinite ones and NaN as they are. Reading a tensor from front to back in pieces is fast, takes no more memory than
 * a piece, and compares the archive's checksum at the end; one that is transposed, or otherwise does not lie in a row, takes
 * up to 32 MB, and its checksum is not looked at. FALSE with LK_IMPORT_ERROR_FORMAT or a G_FILE_ERROR that names the file. */
gboolean lk_torch_read(LkTorchFile *file, const LkTorchValue *tensor, guint64 first, gsize n, float *values,
                       GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkTorchFile, lk_torch_free)

G_END_DECLS
