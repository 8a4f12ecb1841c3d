/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "opened.h"

static void clear_face(gpointer face)
{
    g_clear_pointer(&((LkOpenedFace *)face)->saved, lk_inversion_free);
}

LkOpened lk_opened_new(LkModel *model)
{
    LkOpened opened = {.model = lk_model_ref(model),
                       .faces = g_array_new(FALSE, TRUE, sizeof(LkOpenedFace)),
                       .patches = g_ptr_array_new_with_free_func((GDestroyNotify)lk_patch_free),
                       .pieces = lk_pieces_new(0)};

    g_array_set_clear_func(opened.faces, clear_face);
    return opened;
}

void lk_opened_clear(LkOpened *opened)
{
    lk_model_unref(opened->model);
    lk_original_unref(opened->original);
    g_free(opened->photo);
    g_free(opened->etag);
    g_clear_pointer(&opened->faces, g_array_unref);
    g_clear_pointer(&opened->patches, g_ptr_array_unref);
    g_clear_pointer(&opened->pieces, g_array_unref);
    *opened = (LkOpened){0};
}

/* ---- photo and faces ------------------------------------------------------------------------------------- */

/* Changes whenever the file's content does; NULL where there is no file. */
static char *read_etag(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInfo) info =
        g_file_query_info(file, G_FILE_ATTRIBUTE_ETAG_VALUE, G_FILE_QUERY_INFO_NONE, NULL, NULL);

    return info != NULL ? g_strdup(g_file_info_get_etag(info)) : NULL;
}

gboolean lk_opened_read_photo(LkOpened *opened, const char *path, GError **error)
{
    opened->photo = g_canonicalize_filename(path, NULL);
    opened->etag = read_etag(path);
    opened->original = lk_original_open(path, error);
    return opened->original != NULL;
}

static void resize(LkOpened *opened, guint n_faces)
{
    g_array_set_size(opened->faces, n_faces);
    g_ptr_array_set_size(opened->patches, (gint)n_faces);
    g_array_set_size(opened->pieces, n_faces);
}

LkOpenedFace *lk_opened_add_face(LkOpened *opened, const LkQuad *quad)
{
    resize(opened, opened->faces->len + 1);

    LkOpenedFace *face = lk_opened_face(opened, opened->faces->len - 1);
    face->quad = *quad;
    return face;
}

void lk_opened_remove_last_face(LkOpened *opened)
{
    resize(opened, opened->faces->len - 1);
}

LkOpenedFace *lk_opened_face(const LkOpened *opened, guint index)
{
    return &g_array_index(opened->faces, LkOpenedFace, index);
}

GArray *lk_opened_quads(const LkOpened *opened)
{
    GArray *quads = g_array_new(FALSE, FALSE, sizeof(LkQuad));

    for (guint i = 0; i < opened->faces->len; i++)
        g_array_append_val(quads, lk_opened_face(opened, i)->quad);
    return quads;
}

void lk_opened_set_patch(LkOpened *opened, LkPatch *patch)
{
    g_autoptr(LkPatch) before = g_ptr_array_index(opened->patches, opened->face);

    g_ptr_array_index(opened->patches, opened->face) = patch;
    lk_pieces_update(opened->pieces, lk_original_photo(opened->original), opened->patches, before, patch);
}

void lk_opened_forget_patches(LkOpened *opened)
{
    const guint n_faces = opened->faces->len;

    g_ptr_array_set_size(opened->patches, 0);
    g_array_set_size(opened->pieces, 0);
    resize(opened, n_faces);
}

/* ---- projects -------------------------------------------------------------------------------------------- */

static gboolean check_unchanged(const LkOpened *opened, GError **error)
{
    g_autofree char *etag = read_etag(opened->photo);
    g_autofree char *shown = g_filename_display_name(opened->photo);

    if (etag != NULL && g_strcmp0(etag, opened->etag) == 0)
        return TRUE;
    g_set_error(
        error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_PHOTO,
        "%s is not there any more, or has changed since it was opened; a project needs the photo as it was",
        shown);
    return FALSE;
}

static gboolean is_chosen(GArray *states, guint index)
{
    return g_array_index(states, LkFaceState, index).was_chosen;
}

static guint count_chosen(GArray *states)
{
    guint n = 0;

    for (guint i = 0; i < states->len; i++)
        n += is_chosen(states, i);
    return n;
}

static void add_to_project(LkProject *project, const LkOpened *opened, GArray *states, guint index)
{
    const LkOpenedFace *face = lk_opened_face(opened, index);
    const LkFaceState *state = &g_array_index(states, LkFaceState, index);
    const gboolean fits = face->networks == project->network_hash;
    LkProjectFace *kept = lk_project_add_face(project, lk_original_photo(opened->original), &face->quad,
                                              fits ? face->saved : NULL);

    if (state->was_chosen)
        lk_project_face_set(kept, opened->model, state->values, state->neutral, state->mode, state->detail);
    if (index == opened->face)
        project->chosen = project->faces->len - 1;
}

LkProject *lk_opened_to_project(const LkOpened *opened, GArray *states, GError **error)
{
    const guint n_chosen = count_chosen(states);
    g_autoptr(LkProject) project = NULL;
    guint n_others = 0;

    if (n_chosen > LK_PROJECT_MAX_FACES) {
        g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT,
                    "A project has at most %d faces; %u were edited.", LK_PROJECT_MAX_FACES, n_chosen);
        return NULL;
    }
    if (!check_unchanged(opened, error))
        return NULL;
    project = lk_project_new(opened->photo, opened->model, error);
    /* Of a crowd, those that nobody has chosen are left out first. */
    for (guint i = 0; project != NULL && i < opened->faces->len; i++)
        if (is_chosen(states, i) || n_chosen + n_others++ < LK_PROJECT_MAX_FACES)
            add_to_project(project, opened, states, i);
    return g_steal_pointer(&project);
}

gboolean lk_opened_from_project(LkOpened *opened, const LkProject *project, LkModel *model, GError **error)
{
    g_autofree char *photo = lk_project_find_photo(project, error);
    g_autoptr(LkModel) own = NULL;

    if (photo == NULL)
        return FALSE;
    own = lk_project_check_model(project, model, NULL) ? lk_model_ref(model)
                                                       : lk_project_open_model(project, error);
    if (own == NULL)
        return FALSE;
    *opened = lk_opened_new(own);
    if (!lk_opened_read_photo(opened, photo, error))
        return FALSE;
    for (guint i = 0; i < project->faces->len; i++) {
        const LkProjectFace *kept = g_ptr_array_index(project->faces, i);
        LkOpenedFace *face = lk_opened_add_face(opened, &kept->quad);
        face->saved = kept->inversion != NULL ? lk_inversion_copy(kept->inversion) : NULL;
        face->networks = project->network_hash;
    }
    opened->face = project->chosen;
    return TRUE;
}
