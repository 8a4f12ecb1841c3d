/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * items.c - which photos a batch has, and which file each becomes.
 */
#include "cli.h"

#include <glib/gstdio.h>
#include <string.h>

static void item_free(CliItem *item)
{
    g_free(item->path);
    g_free(item->output);
    g_free(item->name);
    g_clear_error(&item->error);
    g_free(item);
}

/* Formats that we read and do not write. */
static gboolean is_read_only_format(const char *name)
{
    static const char *const endings[] = {".heic", ".heif", ".hif", ".avif"};
    g_autofree char *small = g_ascii_strdown(name, -1);

    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(small, endings[i]))
            return TRUE;
    return FALSE;
}

/* In a folder there may be all sorts of files; what is called a picture is one, or is reported. */
static gboolean is_called_picture(const char *name)
{
    LkFileFormat format;

    return *name != '.' && (lk_file_format_from_path(name, &format) || is_read_only_format(name));
}

/* ---- the photos --------------------------------------------------------------------------------------------- */

typedef struct {
    GPtrArray *items;
    GHashTable *known; /* canonical paths */
} List;

static void add_item(List *list, const char *path, GError *error)
{
    CliItem *item;

    if (!g_hash_table_add(list->known, g_canonicalize_filename(path, NULL))) {
        g_clear_error(&error);
        return;
    }
    item = g_new0(CliItem, 1);
    item->path = g_strdup(path);
    item->error = error;
    g_ptr_array_add(list->items, item);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Folders in the folder are left alone. */
static void add_folder(List *list, const char *folder)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (is_called_picture(name))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
            add_item(list, path, NULL);
    }
    if (dir != NULL && names->len == 0)
        g_set_error(&error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: there are no pictures in this folder",
                    folder);
    if (error != NULL)
        add_item(list, folder, error);
}

/* ---- their files -------------------------------------------------------------------------------------------- */

static char *stem(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && dot != name ? g_strndup(name, dot - name) : g_strdup(name);
}

/* With the dot. The photo's own, where its format is kept. */
static const char *choose_ending(const CliOptions *options, CliItem *item)
{
    static const char *const endings[] = {
        [LK_FILE_PNG] = ".png", [LK_FILE_JPEG] = ".jpg", [LK_FILE_TIFF] = ".tif", [LK_FILE_WEBP] = ".webp"};
    LkFileFormat own;
    const gboolean has_own = lk_file_format_from_path(item->path, &own);

    item->format = options->has_format ? options->export.format : has_own ? own : LK_FILE_PNG;
    return has_own && own == item->format ? strrchr(item->path, '.') : endings[item->format];
}

/* Takes a name unless it is in use. On a memory card Photo.jpg and photo.jpg are the same, and the stages' folders have no
 * ending. */
static gboolean claim(const CliOptions *options, GHashTable *claimed, CliItem *item, char *name,
                      const char *ending)
{
    g_autofree char *file_name = g_strconcat(name, ending, NULL);
    const char *key = options->dump ? name : file_name;

    if (!g_hash_table_add(claimed, g_ascii_strdown(key, -1))) {
        g_free(name);
        return FALSE;
    }
    item->name = name;
    item->output = g_build_filename(options->output, file_name, NULL);
    return TRUE;
}

/* A photo's file is called as the photo is; the second of a name gets "-2". All names as they are go first. */
static void name_outputs(const CliOptions *options, GPtrArray *items)
{
    g_autoptr(GHashTable) claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint round = 1; round <= 2; round++) {
        for (guint i = 0; i < items->len; i++) {
            CliItem *item = g_ptr_array_index(items, i);
            g_autofree char *base = g_path_get_basename(item->path);
            g_autofree char *own = stem(base);
            const char *ending = choose_ending(options, item);

            if (item->output != NULL)
                continue;
            if (round == 1)
                claim(options, claimed, item, g_strdup(own), ending);
            for (guint n = 2; round == 2 && item->output == NULL; n++)
                claim(options, claimed, item, g_strdup_printf("%s-%u", own, n), ending);
        }
    }
}

/* Of what is there: device and number of the file, behind all links. */
static char *identity(const char *path)
{
    GStatBuf info;

    if (g_stat(path, &info) != 0)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64)info.st_dev,
                           (guint64)info.st_ino);
}

static gboolean check_photos_stay(GPtrArray *items, GError **error)
{
    g_autoptr(GHashTable) photos = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < items->len; i++) {
        char *photo = identity(((CliItem *)g_ptr_array_index(items, i))->path);
        if (photo != NULL)
            g_hash_table_add(photos, photo);
    }
    for (guint i = 0; i < items->len; i++) {
        const CliItem *item = g_ptr_array_index(items, i);
        g_autofree char *there = identity(item->output);
        if (there != NULL && g_hash_table_contains(photos, there)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                        "%s would overwrite a photo; choose another folder with -o", item->output);
            return FALSE;
        }
    }
    return TRUE;
}

GPtrArray *cli_list_items(const CliOptions *options, GError **error)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    List list = {items, known};

    for (char **path = options->photos; *path != NULL; path++) {
        if (g_file_test(*path, G_FILE_TEST_IS_DIR))
            add_folder(&list, *path);
        else
            add_item(&list, *path, NULL);
    }
    name_outputs(options, items);
    return check_photos_stay(items, error) ? g_steal_pointer(&items) : NULL;
}
