/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * model_private.h - what the files of net/ share and others need not see.
 */
#pragma once

#include "model.h"
#include "weights.h"

/* A text that may quote a file, as one line of valid UTF-8. Free with g_free. */
char *lk_one_line(const char *text);

const LkWeights *lk_model_weights(const LkModel *model);

/* Sets the error and gives FALSE, so that a check can end with it. */
gboolean lk_model_refuse(GError **error, LkModelError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
