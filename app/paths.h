/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * paths.h - where the window finds what it does not carry inside: also when it runs from its build folder,
 * uninstalled.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Folder of the translations; a constant string. */
const char *lk_locale_dir(void);

/* The settings, or NULL where their schema is not to be found (nothing is remembered then). */
GSettings *lk_settings_new(void);

/* Path of a sample photo: the first *.jpg, by name, of the data folder's samples/. NULL if there is none. */
char *lk_sample_path(void);

G_END_DECLS
