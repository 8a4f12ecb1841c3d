/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * inversion.h - numbers as devices store them, and those of a saved inversion (LkInversion, net.h).
 */
#pragma once

#include "net.h"

G_BEGIN_DECLS

/* The bytes that n numbers of type take on a device, where everything is whole words. */
gsize lk_numbers_bytes(LkType type, gsize n);

/* n numbers in another type (or the same), lk_numbers_bytes long; free with g_free. */
gpointer lk_numbers_convert(gconstpointer numbers, LkType from, LkType to, gsize n);

/* enc_feat in the given type; as lk_numbers_convert. */
gpointer lk_inversion_features(const LkInversion *inversion, LkType type);

/* enc_feat += photo's enc_feat - found, found being as many numbers of photo's type. */
void lk_inversion_add_missing(LkInversion *inversion, const LkInversion *photo, gconstpointer found);

/* Of w_plus and enc_feat; never 0. */
guint64 lk_inversion_hash(const LkInversion *inversion);

G_END_DECLS
