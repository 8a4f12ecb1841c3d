/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * npy.c - the networks' stages as NumPy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */
#include "cli.h"

#include <glib/gstdio.h>
#include <string.h>

/* Version 1.0: magic, a little-endian length, then a Python literal filled up with spaces to a multiple of 64 bytes. */
static void append_header(GByteArray *file, const char *shape)
{
    static const guint8 magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    g_autoptr(GString) header = g_string_new(NULL);

    g_string_printf(header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    while ((sizeof magic + 2 + header->len + 1) % 64 != 0)
        g_string_append_c(header, ' ');
    g_string_append_c(header, '\n');

    const guint8 length[] = {header->len & 0xff, header->len >> 8};
    g_byte_array_append(file, magic, sizeof magic);
    g_byte_array_append(file, length, sizeof length);
    g_byte_array_append(file, (const guint8 *)header->str, header->len);
}

static void append_values(GByteArray *file, const float *values, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        guint32 bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = GUINT32_TO_LE(bits);
        g_byte_array_append(file, (const guint8 *)&bits, sizeof bits);
    }
}

/* shape: as Python writes a tuple, without its brackets. */
static gboolean write_file(const char *folder, const char *name, const char *shape, const float *values,
                           gsize n, GError **error)
{
    g_autofree char *file_name = g_strconcat(name, ".npy", NULL);
    g_autofree char *path = g_build_filename(folder, file_name, NULL);
    g_autoptr(GByteArray) file = g_byte_array_new();

    append_header(file, shape);
    append_values(file, values, n);
    return g_file_set_contents(path, (const char *)file->data, file->len, error);
}

static gboolean dump_stage(LkNet *net, const char *stage, const char *folder, GError **error)
{
    guint shape[3];
    g_autofree float *values = lk_net_read_stage(net, stage, shape, error);
    g_autofree char *shape_text = NULL;

    if (values == NULL)
        return FALSE;
    if (strcmp(stage, "w_plus") == 0)
        shape_text = g_strdup_printf("%u, %u", shape[1], shape[2]);
    else
        shape_text = g_strdup_printf("1, %u, %u, %u", shape[0], shape[1], shape[2]);
    return write_file(folder, stage, shape_text, values, (gsize)shape[0] * shape[1] * shape[2], error);
}

static gboolean dump_edited_code(LkEditor *editor, const char *folder, GError **error)
{
    const LkConfig *config = lk_model_config(lk_editor_model(editor));
    g_autofree char *shape = g_strdup_printf("%u, %u", config->num_ws, config->w_dim);

    return write_file(folder, "w_edit", shape, lk_editor_edited_w_plus(editor),
                      (gsize)config->num_ws * config->w_dim, error);
}

/* Offsets that are all 0 have no file, nor may they seem to have that of another edit. */
static gboolean dump_styles(LkEditor *editor, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "styles.npy", NULL);
    const float *styles = lk_editor_edited_styles(editor);
    const guint n = lk_config_n_styles(lk_model_config(lk_editor_model(editor)));
    g_autofree char *shape = g_strdup_printf("%u,", n);

    for (guint i = 0; i < n; i++)
        if (styles[i] != 0)
            return write_file(folder, "styles", shape, styles, n, error);
    g_unlink(path);
    return TRUE;
}

/* Without residual features there are no stages of E1 and E2. */
static gboolean stage_was_run(const char *stage, LkInversionMode mode)
{
    static const char *const of_code[] = {"w_plus", "enc_feat", "f_edit", "image", NULL};

    return mode == LK_INVERSION_STYLERES || g_strv_contains(of_code, stage);
}

gboolean cli_dump_stages(const CliOptions *options, LkEditor *editor, const char *folder, GError **error)
{
    LkNet *net = lk_editor_net(editor);

    if (!cli_make_folder(folder, error))
        return FALSE;
    for (const char *const *stage = lk_net_stage_names(net); *stage != NULL; stage++)
        if (stage_was_run(*stage, options->inversion) && !dump_stage(net, *stage, folder, error))
            return FALSE;
    return dump_edited_code(editor, folder, error) && dump_styles(editor, folder, error);
}
