/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "likeness-config.h"

#include "paths.h"

static gboolean runs_from_build_folder(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

    return program != NULL && g_str_has_prefix(program, LK_BUILD_ROOT "/");
}

const char *lk_locale_dir(void)
{
    return runs_from_build_folder() ? LK_BUILD_LOCALEDIR : LK_LOCALEDIR;
}

/* From the build folder its own schema comes first: an installed one may be of another version. */
static GSettingsSchema *find_schema(void)
{
    GSettingsSchemaSource *installed = g_settings_schema_source_get_default();
    g_autoptr(GSettingsSchemaSource) built = NULL;

    if (runs_from_build_folder())
        built = g_settings_schema_source_new_from_directory(LK_BUILD_ROOT "/data", installed, FALSE, NULL);
    if (built == NULL && installed == NULL)
        return NULL;
    return g_settings_schema_source_lookup(built != NULL ? built : installed, LK_APP_ID, TRUE);
}

GSettings *lk_settings_new(void)
{
    g_autoptr(GSettingsSchema) schema = find_schema();

    if (schema == NULL) {
        g_debug("no settings schema %s: nothing is remembered", LK_APP_ID);
        return NULL;
    }
    return g_settings_new_full(schema, NULL, NULL);
}

static char *first_jpeg(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autofree char *first = NULL;
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(name, ".jpg") && (first == NULL || g_strcmp0(name, first) < 0)) {
            g_free(first);
            first = g_strdup(name);
        }
    }
    return first != NULL ? g_build_filename(folder, first, NULL) : NULL;
}

char *lk_sample_path(void)
{
    const char *roots[] = {g_getenv("LIKENESS_DATA"), LK_PKGDATADIR, LK_SOURCE_DATADIR};

    for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
        g_autofree char *folder = roots[i] != NULL ? g_build_filename(roots[i], "samples", NULL) : NULL;
        char *path = folder != NULL ? first_jpeg(folder) : NULL;
        if (path != NULL)
            return path;
    }
    return NULL;
}
