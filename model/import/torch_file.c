/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "torch_file.h"

G_DEFINE_QUARK(likeness-import-error-quark, lk_import_error)
