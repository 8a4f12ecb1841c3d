/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * guard.h - a way back from libraries that throw. gexiv2 catches exiv2's own exceptions, but not those of C++'s library that
 * exiv2 throws where the sizes in a file overflow. Private to model/photo.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What call returns; FALSE where it was left by an exception. What it passed through must be compiled with -fexceptions, so that
 * automatic cleanups run. */
gboolean lk_guard(gboolean (*call)(gpointer data), gpointer data);

G_END_DECLS
