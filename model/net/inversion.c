/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "inversion.h"
#include "f16.h"
#include "hash.h"

void lk_inversion_free(LkInversion *inversion)
{
    if (inversion == NULL)
        return;
    g_free(inversion->w_plus);
    g_clear_pointer(&inversion->enc_feat, g_bytes_unref);
    g_free(inversion);
}

LkInversion *lk_inversion_copy(const LkInversion *inversion)
{
    LkInversion *copy = g_memdup2(inversion, sizeof *inversion);

    copy->w_plus =
        g_memdup2(inversion->w_plus, (gsize)inversion->rows * inversion->width * sizeof *inversion->w_plus);
    g_bytes_ref(copy->enc_feat);
    return copy;
}

gsize lk_numbers_bytes(LkType type, gsize n)
{
    return (n * lk_type_size(type) + 3) / 4 * 4;
}

static float get(gconstpointer numbers, LkType type, gsize i)
{
    if (type == LK_F32)
        return ((const float *)numbers)[i];
    return lk_f16_to_float(((const guint16 *)numbers)[i]);
}

static void set(gpointer numbers, LkType type, gsize i, float value)
{
    if (type == LK_F32)
        ((float *)numbers)[i] = value;
    else
        ((guint16 *)numbers)[i] = lk_f16_from_float(value);
}

gpointer lk_numbers_convert(gconstpointer numbers, LkType from, LkType to, gsize n)
{
    gpointer converted = g_malloc0(lk_numbers_bytes(to, n));

    if (to == from)
        return memcpy(converted, numbers, n * lk_type_size(to));
    for (gsize i = 0; i < n; i++)
        set(converted, to, i, get(numbers, from, i));
    return converted;
}

static gsize n_features(const LkInversion *inversion)
{
    return (gsize)inversion->c * inversion->h * inversion->w;
}

gpointer lk_inversion_features(const LkInversion *inversion, LkType type)
{
    gconstpointer features = g_bytes_get_data(inversion->enc_feat, NULL);

    return lk_numbers_convert(features, inversion->type, type, n_features(inversion));
}

void lk_inversion_add_missing(LkInversion *inversion, const LkInversion *photo, gconstpointer found)
{
    const LkType type = inversion->type;
    const gsize n = n_features(inversion);
    gconstpointer wanted = g_bytes_get_data(photo->enc_feat, NULL);
    gpointer sum = lk_inversion_features(inversion, type);

    for (gsize i = 0; i < n; i++)
        set(sum, type, i, get(sum, type, i) + get(wanted, photo->type, i) - get(found, photo->type, i));
    g_bytes_unref(inversion->enc_feat);
    inversion->enc_feat = g_bytes_new_take(sum, n * lk_type_size(type));
}

guint64 lk_inversion_hash(const LkInversion *inversion)
{
    gsize size;
    const void *features = g_bytes_get_data(inversion->enc_feat, &size);
    guint64 hash = lk_hash_bytes(LK_HASH_START, inversion->w_plus,
                                 (gsize)inversion->rows * inversion->width * sizeof(float));

    hash = lk_hash_bytes(hash, features, size);
    return hash ? hash : 1;
}
