/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A tensor's elements in the order of its dimensions, wherever its strides say they lie in the storage.
 */
#include "f16.h"
#include "torch_private.h"

#include <string.h>

/* Elements that do not lie in a row are looked up in pages. A transposed matrix of N columns needs N pages at a time. */
#define PAGE_SIZE 4096
#define N_PAGES   8192

#define PIECE 8192 /* elements converted at a time */

struct _LkTorchPages {
    const LkTorchStorage *storage;
    guint64 indices[N_PAGES]; /* of the page in the slot, plus 1; 0: none */
    guint8 *slots[N_PAGES];
};

void lk_torch_pages_free(LkTorchPages *pages)
{
    for (guint i = 0; pages != NULL && i < N_PAGES; i++)
        g_free(pages->slots[i]);
    g_free(pages);
}

/* ---- numbers ---- */

static float bf16_to_float(guint16 half)
{
    const guint32 bits = (guint32)half << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

#define CONVERT(type, expression)                                                                            \
    for (gsize i = 0; i < n; i++) {                                                                          \
        type number;                                                                                         \
        memcpy(&number, bytes + i * sizeof number, sizeof number);                                           \
        values[i] = (expression);                                                                            \
    }                                                                                                        \
    break

static void convert(LkTorchDtype dtype, const guint8 *bytes, gsize n, float *values)
{
    switch (dtype) {
    case LK_TORCH_F16:
        CONVERT(guint16, lk_f16_to_float(number));
    case LK_TORCH_BF16:
        CONVERT(guint16, bf16_to_float(number));
    case LK_TORCH_F32:
        memcpy(values, bytes, n * sizeof *values);
        break;
    case LK_TORCH_F64:
        CONVERT(double, (float)number);
    case LK_TORCH_I64:
        CONVERT(gint64, (float)number);
    case LK_TORCH_I32:
        CONVERT(gint32, (float)number);
    case LK_TORCH_I16:
        CONVERT(gint16, (float)number);
    case LK_TORCH_I8:
        CONVERT(gint8, (float)number);
    case LK_TORCH_U8:
        CONVERT(guint8, (float)number);
    case LK_TORCH_BOOLEAN:
        CONVERT(guint8, number ? 1.0f : 0.0f);
    }
}

/* ---- in a row ---- */

static gboolean is_contiguous(const LkTorchView *view)
{
    guint64 step = 1;

    for (guint i = view->shape.n_dims; i-- > 0;) {
        if (view->shape.shape[i] != 1 && view->strides[i] != step)
            return FALSE;
        step *= view->shape.shape[i];
    }
    return TRUE;
}

static gboolean read_row(LkTorchFile *file, const LkTorchView *view, guint64 first, gsize n, float *values,
                         GError **error)
{
    const guint size = lk_torch_dtype_size(view->shape.dtype);
    guint8 bytes[PIECE * 8];

    while (n > 0) {
        const gsize piece = MIN(n, PIECE);
        if (!lk_torch_read_storage(file, view->storage, (view->offset + first) * size, bytes, piece * size,
                                   error))
            return FALSE;
        convert(view->shape.dtype, bytes, piece, values);
        first += piece;
        values += piece;
        n -= piece;
    }
    return TRUE;
}

/* ---- scattered ---- */

/* The page with a byte of the storage; the storage's last page is short. */
static const guint8 *get_page(LkTorchFile *file, const LkTorchStorage *storage, guint64 index, GError **error)
{
    LkTorchPages *pages = file->pages;
    const guint slot = (guint)(index % N_PAGES);
    const guint64 start = index * PAGE_SIZE;
    const gsize n = (gsize)MIN(storage->n_bytes - start, PAGE_SIZE);

    if (pages->storage != storage)
        memset(pages->indices, 0, sizeof pages->indices);
    pages->storage = storage;
    if (pages->indices[slot] == index + 1)
        return pages->slots[slot];
    if (pages->slots[slot] == NULL)
        pages->slots[slot] = g_malloc(PAGE_SIZE);
    pages->indices[slot] = 0;
    if (!lk_torch_read_storage(file, storage, start, pages->slots[slot], n, error))
        return NULL;
    pages->indices[slot] = index + 1;
    return pages->slots[slot];
}

typedef struct {
    const LkTorchView *view;
    guint64 at[LK_TORCH_MAX_DIMS]; /* along each dimension */
    guint64 element;               /* in the storage */
} Walk;

static void walk_start(Walk *walk, const LkTorchView *view, guint64 first)
{
    walk->view = view;
    walk->element = view->offset;
    for (guint i = view->shape.n_dims; i-- > 0;) {
        walk->at[i] = first % view->shape.shape[i];
        first /= view->shape.shape[i];
        walk->element += walk->at[i] * view->strides[i];
    }
}

static void walk_on(Walk *walk)
{
    const LkTorchView *view = walk->view;

    for (guint i = view->shape.n_dims; i-- > 0;) {
        walk->element += view->strides[i];
        if (++walk->at[i] < view->shape.shape[i])
            return;
        walk->element -= view->shape.shape[i] * view->strides[i];
        walk->at[i] = 0;
    }
}

static gboolean read_scattered(LkTorchFile *file, const LkTorchView *view, guint64 first, gsize n,
                               float *values, GError **error)
{
    const guint size = lk_torch_dtype_size(view->shape.dtype); /* divides a page */
    Walk walk;

    if (file->pages == NULL)
        file->pages = g_new0(LkTorchPages, 1);
    walk_start(&walk, view, first);
    for (gsize i = 0; i < n; i++) {
        const guint64 byte = walk.element * size;
        const guint8 *page = get_page(file, view->storage, byte / PAGE_SIZE, error);
        if (page == NULL)
            return FALSE;
        convert(view->shape.dtype, page + byte % PAGE_SIZE, 1, &values[i]);
        walk_on(&walk);
    }
    return TRUE;
}

gboolean lk_torch_read(LkTorchFile *file, const LkTorchValue *tensor, guint64 first, gsize n, float *values,
                       GError **error)
{
    const LkTorchView *view = tensor->view;
    gboolean good;

    g_return_val_if_fail(tensor->type == LK_TORCH_TENSOR, FALSE);
    g_return_val_if_fail(first <= view->shape.n_elements && n <= view->shape.n_elements - first, FALSE);
    if (n == 0)
        return TRUE;
    good = is_contiguous(view) ? read_row(file, view, first, n, values, error)
                               : read_scattered(file, view, first, n, values, error);
    if (!good) {
        g_autofree char *shown = g_filename_display_name(file->path);
        g_prefix_error(error, "%s: ", shown);
    }
    return good;
}
