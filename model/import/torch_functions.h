/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * torch_functions.h - the few classes and functions that a state dictionary's pickle names, as what they are here: recipes for
 * tensors from a storage, a size and strides.
 *
 * torch._utils: _rebuild_tensor, _rebuild_tensor_v2, _rebuild_parameter. torch: Size, and the storages HalfStorage,
 * BFloat16Storage, FloatStorage, DoubleStorage, LongStorage, IntStorage, ShortStorage, CharStorage, ByteStorage, BoolStorage.
 * collections: OrderedDict. No others; UntypedStorage only stands for storages that are no tensor's.
 */
#pragma once

#include "torch_value.h"

G_BEGIN_DECLS

/* NULL with LK_IMPORT_ERROR_REFUSED, which tells the name, if it is none of them. */
const LkTorchFunction *lk_torch_function(const char *module, gsize module_n, const char *name, gsize name_n,
                                         GError **error);

/* What the function makes of its arguments, a tuple. NULL on error. */
LkTorchValue *lk_torch_function_call(LkTorchTree *tree, const LkTorchFunction *function,
                                     const LkTorchValue *arguments, GError **error);

/* The storage that a persistent id - ('storage', type, key, device, elements[, view]) - names. NULL on error. */
LkTorchValue *lk_torch_storage_value(LkTorchTree *tree, const LkTorchValue *id, GError **error);

G_END_DECLS
