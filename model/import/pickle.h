/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pickle.h - running the instructions of a pickle that build a tree of values, and no others.
 *
 * Protocols 2 to 5 (https://docs.python.org/3/library/pickle.html), as far as torch.save and pickle.dump use them for None,
 * truth values, numbers, texts, tuples, lists, dictionaries, and what torch_functions.h knows.
 */
#pragma once

#include "torch_value.h"

G_BEGIN_DECLS

enum { LK_PICKLE_MAX_SIZE = 16 * 1024 * 1024 }; /* the released checkpoint's has 140 KB */

/* Runs the pickle at the start of the bytes. Adds to tree; the value belongs to it and is unchecked (lk_torch_tree_check).
 * used: how many bytes the pickle has. storages: whether persistent ids may name storages, which are added to the tree's.
 * NULL on error; the message is a sentence without the file's name. */
LkTorchValue *lk_pickle_load(LkTorchTree *tree, const guint8 *bytes, gsize size, gboolean storages,
                             gsize *used, GError **error);

G_END_DECLS
