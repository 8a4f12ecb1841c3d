/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "application.h"
#include "paths.h"

#include <glib/gi18n.h>
#include <locale.h>

int main(int argc, char **argv)
{
    g_autoptr(GtkApplication) application = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(LK_GETTEXT_PACKAGE, lk_locale_dir());
    bind_textdomain_codeset(LK_GETTEXT_PACKAGE, "UTF-8");
    textdomain(LK_GETTEXT_PACKAGE);
    g_set_application_name(_("Likeness"));

    application = lk_application_new();
    return g_application_run(G_APPLICATION(application), argc, argv);
}
