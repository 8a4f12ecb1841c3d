/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "project-private.h"

#include <math.h>
#include <string.h>

G_DEFINE_QUARK(lk - project - error - quark, lk_project_error)

/* ---- a project in memory --------------------------------------------------------------------------------- */

static void clear_slider(gpointer slider)
{
    g_free(((LkProjectSlider *)slider)->name);
}

LkProjectFace *lk_project_face_new(void)
{
    LkProjectFace *face = g_new0(LkProjectFace, 1);

    face->sliders = g_array_new(FALSE, FALSE, sizeof(LkProjectSlider));
    g_array_set_clear_func(face->sliders, clear_slider);
    return face;
}

static void face_free(gpointer data)
{
    LkProjectFace *face = data;

    g_array_unref(face->sliders);
    lk_inversion_free(face->inversion);
    g_free(face);
}

LkProject *lk_project_empty(void)
{
    LkProject *project = g_new0(LkProject, 1);

    project->faces = g_ptr_array_new_with_free_func(face_free);
    return project;
}

void lk_project_free(LkProject *project)
{
    if (project == NULL)
        return;
    g_free(project->photo);
    g_free(project->relative);
    g_free(project->folder);
    g_free(project->photo_sha256);
    g_free(project->model_name);
    g_free(project->model_path);
    g_ptr_array_unref(project->faces);
    g_free(project);
}

void lk_project_add_slider(LkProjectFace *face, const char *name, float value)
{
    const LkProjectSlider slider = {g_strdup(name), value};

    g_array_append_val(face->sliders, slider);
}

LkProjectFace *lk_project_add_face(LkProject *project, const LkPhoto *photo, const LkQuad *quad,
                                   const LkInversion *inversion)
{
    const LkQuad whole = lk_quad_whole(photo);
    LkProjectFace *face = lk_project_face_new();

    face->quad = *quad;
    face->aligned = memcmp(quad, &whole, sizeof whole) == 0;
    face->detail = LK_DETAIL_DEFAULT;
    face->inversion = inversion != NULL ? lk_inversion_copy(inversion) : NULL;
    g_ptr_array_add(project->faces, face);
    return face;
}

void lk_project_face_set(LkProjectFace *face, const LkModel *model, const float *values, const float *neutral,
                         LkInversionMode mode, double detail)
{
    face->mode = mode;
    face->detail = detail;
    g_array_set_size(face->sliders, 0);
    for (guint k = 0; k < lk_model_n_directions(model); k++)
        if (values[k] != neutral[k])
            lk_project_add_slider(face, lk_model_direction(model, k)->name, values[k]);
}

/* ---- the photo ------------------------------------------------------------------------------------------- */

/* Size and SHA-256 of a file; the latter to be freed with g_free, NULL on error. */
static char *hash_file(const char *path, guint64 *size, GError **error)
{
    enum { PIECE = 1 << 16 };
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) stream = g_file_read(file, NULL, error);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guint8 *piece = g_malloc(PIECE);
    gssize n = -1;

    *size = 0;
    while (stream != NULL &&
           (n = g_input_stream_read(G_INPUT_STREAM(stream), piece, PIECE, NULL, error)) > 0) {
        g_checksum_update(checksum, piece, n);
        *size += (guint64)n;
    }
    return n == 0 ? g_strdup(g_checksum_get_string(checksum)) : NULL;
}

LkProject *lk_project_new(const char *photo, const LkModel *model, GError **error)
{
    g_autoptr(LkProject) project = lk_project_empty();

    project->photo = g_canonicalize_filename(photo, NULL);
    project->photo_sha256 = hash_file(photo, &project->photo_size, error);
    if (project->photo_sha256 == NULL)
        return NULL;
    project->model_name = g_strdup(lk_model_name(model));
    project->model_path = g_canonicalize_filename(lk_model_path(model), NULL);
    project->network_hash = lk_model_network_hash(model);
    return g_steal_pointer(&project);
}

static gboolean is_same_photo(const LkProject *project, const char *path)
{
    guint64 size;
    g_autofree char *sha256 = hash_file(path, &size, NULL);

    return size == project->photo_size && g_strcmp0(sha256, project->photo_sha256) == 0;
}

char *lk_project_find_photo(const LkProject *project, GError **error)
{
    g_autofree char *beside =
        project->relative ? g_canonicalize_filename(project->relative, project->folder) : NULL;
    const char *const paths[] = {beside ? beside : project->photo, project->photo};
    g_autofree char *shown = g_filename_display_name(paths[0]);

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        if (g_file_test(paths[i], G_FILE_TEST_IS_REGULAR) && is_same_photo(project, paths[i]))
            return g_strdup(paths[i]);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        if (g_file_test(paths[i], G_FILE_TEST_EXISTS)) {
            g_autofree char *changed = g_filename_display_name(paths[i]);
            g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO,
                        "%s is another photo, or has changed, since the project was saved", changed);
            return NULL;
        }
    }
    g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO, "the project's photo %s is not there",
                shown);
    return NULL;
}

/* ---- the model ------------------------------------------------------------------------------------------- */

gboolean lk_project_check_model(const LkProject *project, const LkModel *model, GError **error)
{
    if (lk_model_network_hash(model) == project->network_hash)
        return TRUE;
    g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_MODEL,
                "the project was made with the model \"%s\"; the networks of \"%s\" are others",
                project->model_name, lk_model_name(model));
    return FALSE;
}

static LkModel *open_if_same(const LkProject *project, const char *path)
{
    g_autoptr(LkModel) model = lk_model_open(path, NULL);

    return model && lk_project_check_model(project, model, NULL) ? g_steal_pointer(&model) : NULL;
}

LkModel *lk_project_open_model(const LkProject *project, GError **error)
{
    g_autoptr(GPtrArray) paths = lk_model_list();
    LkModel *model = open_if_same(project, project->model_path);

    for (guint i = 0; model == NULL && i < paths->len; i++)
        model = open_if_same(project, g_ptr_array_index(paths, i));
    if (model == NULL) {
        g_autofree char *shown = g_filename_display_name(project->model_path);
        g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_MODEL,
                    "the model \"%s\" that the project was made with is neither at %s nor among the models",
                    project->model_name, shown);
    }
    return model;
}

float *lk_project_face_values(const LkProjectFace *face, const LkEditor *editor, GPtrArray *unknown)
{
    const LkModel *model = lk_editor_model(editor);
    const guint n = lk_model_n_directions(model);
    float *values = g_new0(float, n + 1);

    lk_editor_neutral_values(editor, values);
    for (guint i = 0; i < face->sliders->len; i++) {
        const LkProjectSlider *slider = &g_array_index(face->sliders, LkProjectSlider, i);
        guint k = 0;
        while (k < n && strcmp(lk_model_direction(model, k)->name, slider->name) != 0)
            k++;
        if (k < n)
            values[k] = CLAMP(slider->value, lk_model_direction(model, k)->minimum,
                              lk_model_direction(model, k)->maximum);
        else if (unknown)
            g_ptr_array_add(unknown, g_strdup(slider->name));
    }
    return values;
}
