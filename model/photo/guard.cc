/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

gboolean lk_guard(gboolean (*call)(gpointer data), gpointer data)
{
    try {
        return call(data);
    } catch (...) {
        return FALSE;
    }
}
