/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "editor.h"

#include <math.h>
#include <string.h>

/* What belongs to the open photo and one way of inverting it; made when first needed. */
typedef struct {
    LkPhoto *inversion;
    LkPatcher *patcher;
    LkPatcher *coarse; /* of the preview */
} Unedited;

/* A large face's surroundings at a size that can be worked on while a slider moves. */
typedef struct {
    LkPhoto *photo; /* NULL: not made yet */
    guint x, y;     /* where it is in the whole photo */
    guint factor;   /* by which it is shrunk */
    LkQuad place;   /* the editor's, in its pixels */
} Preview;

/* Of the face's square, photo pixels: what is larger is shrunk to about the second figure. */
#define LARGE   1536
#define PREVIEW 1024

enum { N_MODES = LK_INVERSION_WPLUS + 1 };

struct _LkEditor {
    LkModel *model;
    LkGpu *gpu;
    LkNet *net;
    LkType storage; /* of net */
    LkNetFlags net_flags;
    gboolean may_halve, is_halved;
    LkFaceFinder *finder; /* made when a face is first looked for */

    LkPhoto *photo; /* NULL: none is open */
    LkPhoto *crop;  /* the photo's face as the encoder sees it, input x input; NULL: it was saved */
    LkInversion *saved;
    LkQuad quad;  /* the square of its face */
    LkQuad place; /* where the crop of it lies in the photo: what is generated belongs there */
    float *w_plus;
    float *inverting; /* room for the next photo's w_plus, so that the old one survives a failure */
    LkEdit *edit;
    float *edited, *styles; /* of the last picture */
    Unedited unedited[N_MODES];
    Preview preview;
    gboolean net_has_crop; /* FALSE: a failed inversion left the net without this photo's features */
};

static void forget_unedited(LkEditor *editor)
{
    for (guint mode = 0; mode < N_MODES; mode++) {
        g_clear_pointer(&editor->unedited[mode].inversion, lk_photo_unref);
        g_clear_pointer(&editor->unedited[mode].patcher, lk_patcher_free);
        g_clear_pointer(&editor->unedited[mode].coarse, lk_patcher_free);
    }
    g_clear_pointer(&editor->preview.photo, lk_photo_unref);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static gboolean make_net(LkEditor *editor, GError **error)
{
    editor->net_has_crop = FALSE;
    editor->net = lk_net_new(editor->gpu, editor->model, editor->storage, editor->net_flags, error);
    return editor->net != NULL;
}

/* After this failure of float32: whether half of the memory may do. The net is gone then, and the error cleared. */
static gboolean halve(LkEditor *editor, GError **failure)
{
    if (!editor->may_halve || editor->storage != LK_F32 || !lk_gpu_info(editor->gpu)->half_storage ||
        !g_error_matches(*failure, LK_GPU_ERROR, LK_GPU_ERROR_OUT_OF_MEMORY))
        return FALSE;
    g_clear_error(failure);
    g_clear_pointer(&editor->net, lk_net_free);
    forget_unedited(editor); /* other numbers */
    editor->storage = LK_F16;
    editor->is_halved = TRUE;
    return TRUE;
}

static gboolean ensure_net(LkEditor *editor, GError **error)
{
    GError *failure = NULL;

    if (editor->net != NULL || make_net(editor, &failure))
        return TRUE;
    if (halve(editor, &failure))
        return make_net(editor, error);
    g_propagate_error(error, failure);
    return FALSE;
}

/* The weights of an inversion come and go, and so it may be the first to find the memory too small. */
static gboolean invert(LkEditor *editor, const LkPhoto *crop, float *w_plus, GCancellable *cancellable,
                       GError **error)
{
    GError *failure = NULL;

    editor->net_has_crop = FALSE;
    if (!ensure_net(editor, error))
        return FALSE;
    editor->net_has_crop = lk_net_invert(editor->net, lk_photo_pixels(crop), w_plus, cancellable, &failure);
    if (editor->net_has_crop)
        return TRUE;
    if (halve(editor, &failure))
        return invert(editor, crop, w_plus, cancellable, error);
    g_propagate_error(error, failure);
    return FALSE;
}

static gboolean restore(LkEditor *editor, const LkInversion *inversion, GError **error)
{
    editor->net_has_crop = FALSE;
    if (!ensure_net(editor, error))
        return FALSE;
    editor->net_has_crop = lk_net_restore(editor->net, inversion, error);
    return editor->net_has_crop;
}

static gboolean open_device(LkEditor *editor, const LkEditorOptions *options, GError **error)
{
    editor->gpu = lk_gpu_open(options->device, options->gpu_flags, error);
    editor->storage = options->storage;
    editor->net_flags = options->net_flags;
    editor->may_halve = options->may_halve;
    return editor->gpu != NULL && ensure_net(editor, error);
}

LkEditor *lk_editor_new_for_model(const LkEditorOptions *options, LkModel *model, GError **error)
{
    g_autoptr(LkEditor) editor = g_new0(LkEditor, 1);
    const LkConfig *config = lk_model_config(model);

    editor->model = lk_model_ref(model);
    editor->w_plus = g_new0(float, (gsize)config->num_ws * config->w_dim);
    editor->inverting = g_new0(float, (gsize)config->num_ws * config->w_dim);
    editor->edited = g_new0(float, (gsize)config->num_ws * config->w_dim);
    editor->styles = g_new0(float, lk_config_n_styles(config));
    editor->edit = lk_edit_new(model);
    if (!open_device(editor, options, error))
        return NULL;
    return g_steal_pointer(&editor);
}

LkEditor *lk_editor_new(const LkEditorOptions *options, GError **error)
{
    g_autofree char *path = options->model ? g_strdup(options->model) : lk_model_builtin_path();
    g_autoptr(LkModel) model = lk_model_open(path, error);

    return model ? lk_editor_new_for_model(options, model, error) : NULL;
}

void lk_editor_free(LkEditor *editor)
{
    if (editor == NULL)
        return;
    lk_face_finder_free(editor->finder);
    lk_net_free(editor->net);
    lk_gpu_free(editor->gpu);
    forget_unedited(editor);
    lk_photo_unref(editor->photo);
    lk_photo_unref(editor->crop);
    lk_inversion_free(editor->saved);
    lk_model_unref(editor->model);
    g_free(editor->w_plus);
    g_free(editor->inverting);
    g_free(editor->edited);
    g_free(editor->styles);
    lk_edit_free(editor->edit);
    g_free(editor);
}

LkModel *lk_editor_model(const LkEditor *editor)
{
    return editor->model;
}

LkGpu *lk_editor_gpu(const LkEditor *editor)
{
    return editor->gpu;
}

LkNet *lk_editor_net(const LkEditor *editor)
{
    return editor->net;
}

gboolean lk_editor_is_halved(const LkEditor *editor)
{
    return editor->is_halved;
}

LkPhoto *lk_editor_photo(const LkEditor *editor)
{
    return editor->photo;
}

const LkQuad *lk_editor_quad(const LkEditor *editor)
{
    return &editor->quad;
}

const float *lk_editor_w_plus(const LkEditor *editor)
{
    return editor->w_plus;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static gboolean check_square(LkPhoto *photo, GError **error)
{
    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);

    if (width == height)
        return TRUE;
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE,
                "An aligned crop is square, but this picture has %u x %u pixels.", width, height);
    return FALSE;
}

static GArray *detect_faces(LkEditor *editor, LkPhoto *photo, GCancellable *cancellable, GError **error)
{
    g_autoptr(GArray) faces = NULL;
    GArray *quads;

    if (editor->finder == NULL)
        editor->finder = lk_face_finder_new(editor->gpu, error);
    if (editor->finder == NULL)
        return NULL;
    faces = lk_face_finder_find(editor->finder, photo, cancellable, error);
    if (faces == NULL)
        return NULL;
    quads = g_array_sized_new(FALSE, FALSE, sizeof(LkQuad), faces->len);
    for (guint i = 0; i < faces->len; i++) {
        const LkQuad quad = lk_quad_from_landmarks(g_array_index(faces, LkFace, i).landmarks);
        g_array_append_val(quads, quad);
    }
    return quads;
}

GArray *lk_editor_find_faces(LkEditor *editor, LkPhoto *photo, LkOpenMode mode, GCancellable *cancellable,
                             GError **error)
{
    if (mode == LK_OPEN_DETECT)
        return detect_faces(editor, photo, cancellable, error);
    if (!check_square(photo, error))
        return NULL;

    const LkQuad whole = lk_quad_whole(photo);
    GArray *quads = g_array_new(FALSE, FALSE, sizeof(LkQuad));
    return g_array_append_val(quads, whole);
}

static gboolean check_face(const GArray *quads, guint face, GError **error)
{
    if (face < quads->len)
        return TRUE;
    g_set_error(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_NO_FACE,
                quads->len == 1 ? "Face %u was asked for, but the picture shows %u face."
                                : "Face %u was asked for, but the picture shows %u faces.",
                face + 1, quads->len);
    return FALSE;
}

/* Whoever says where it is, the square has its centre in the photo and is not many times larger. */
static gboolean check_quad(LkPhoto *photo, const LkQuad *quad, GError **error)
{
    const double width = lk_photo_width(photo), height = lk_photo_height(photo);

    if (quad->centre[0] >= 0 && quad->centre[0] <= width && quad->centre[1] >= 0 &&
        quad->centre[1] <= height && hypot(quad->x[0], quad->x[1]) <= 4 * MAX(width, height))
        return TRUE;
    g_set_error_literal(error, LK_PHOTO_ERROR, LK_PHOTO_ERROR_SIZE, "The face's square is not in the photo.");
    return FALSE;
}

/* The net has the photo; its code is in editor->inverting. One of crop and saved is NULL. */
static void set_photo(LkEditor *editor, LkPhoto *photo, LkPhoto *crop, LkInversion *saved, const LkQuad *quad)
{
    float *w_plus = editor->inverting;

    editor->inverting = editor->w_plus;
    editor->w_plus = w_plus;
    lk_edit_set_code(editor->edit, w_plus);
    forget_unedited(editor);
    lk_photo_ref(photo);
    lk_photo_unref(editor->photo);
    lk_photo_unref(editor->crop);
    lk_inversion_free(editor->saved);
    editor->photo = photo;
    editor->crop = crop;
    editor->saved = saved;
    editor->quad = *quad;
    editor->place = lk_crop_place(photo, quad, lk_model_config(editor->model)->input);
}

gboolean lk_editor_open_at(LkEditor *editor, LkPhoto *photo, const LkQuad *quad, GCancellable *cancellable,
                           GError **error)
{
    g_autoptr(LkPhoto) crop = NULL;

    if (!check_quad(photo, quad, error))
        return FALSE;
    crop = lk_crop(photo, quad, lk_model_config(editor->model)->input);
    if (!invert(editor, crop, editor->inverting, cancellable, error))
        return FALSE;
    set_photo(editor, photo, g_steal_pointer(&crop), NULL, quad);
    return TRUE;
}

gboolean lk_editor_open(LkEditor *editor, LkPhoto *photo, LkOpenMode mode, guint face,
                        GCancellable *cancellable, GError **error)
{
    g_autoptr(GArray) quads = lk_editor_find_faces(editor, photo, mode, cancellable, error);

    return quads != NULL && check_face(quads, face, error) &&
           lk_editor_open_at(editor, photo, &g_array_index(quads, LkQuad, face), cancellable, error);
}

gboolean lk_editor_open_saved(LkEditor *editor, LkPhoto *photo, const LkQuad *quad,
                              const LkInversion *inversion, GError **error)
{
    if (!check_quad(photo, quad, error) || !restore(editor, inversion, error))
        return FALSE;
    memcpy(editor->inverting, inversion->w_plus,
           (gsize)inversion->rows * inversion->width * sizeof *inversion->w_plus);
    set_photo(editor, photo, NULL, lk_inversion_copy(inversion), quad);
    return TRUE;
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

static gboolean ensure_inverted(LkEditor *editor, GCancellable *cancellable, GError **error)
{
    if (editor->net_has_crop)
        return TRUE;
    return editor->saved ? restore(editor, editor->saved, error)
                         : invert(editor, editor->crop, editor->w_plus, cancellable, error);
}

LkInversion *lk_editor_save_inversion(LkEditor *editor, GCancellable *cancellable, GError **error)
{
    g_return_val_if_fail(editor->photo != NULL, NULL);

    return ensure_inverted(editor, cancellable, error) ? lk_net_save(editor->net, error) : NULL;
}

/* styles may be NULL: no offsets. */
static LkPhoto *run_net(LkEditor *editor, const float *w_plus, const float *styles, LkInversionMode mode,
                        GCancellable *cancellable, GError **error)
{
    const guint side = lk_model_config(editor->model)->resolution;
    g_autofree guint8 *pixels = g_malloc((gsize)4 * side * side);

    if (!ensure_inverted(editor, cancellable, error) ||
        !lk_net_generate(editor->net, w_plus, styles, mode, pixels, cancellable, error))
        return NULL;
    return lk_photo_new(side, side, pixels);
}

LkPhoto *lk_editor_generate(LkEditor *editor, const float *values, LkInversionMode mode,
                            GCancellable *cancellable, GError **error)
{
    g_autoptr(LkPhoto) picture = NULL;

    g_return_val_if_fail(editor->photo != NULL, NULL);

    if (!lk_edit_apply(editor->edit, values, editor->edited, editor->styles, error))
        return NULL;
    picture = run_net(editor, editor->edited, editor->styles, mode, cancellable, error);
    if (picture != NULL && lk_editor_is_neutral(editor, values)) {
        LkPhoto **inversion = &editor->unedited[mode].inversion;
        /* One picture of it is enough. */
        if (*inversion == NULL)
            *inversion = lk_photo_ref(picture);
        return lk_photo_ref(*inversion);
    }
    return g_steal_pointer(&picture);
}

const float *lk_editor_edited_w_plus(const LkEditor *editor)
{
    return editor->edited;
}

const float *lk_editor_edited_styles(const LkEditor *editor)
{
    return editor->styles;
}

void lk_editor_neutral_values(const LkEditor *editor, float *values)
{
    for (guint k = 0; k < lk_model_n_directions(editor->model); k++)
        values[k] = lk_edit_neutral(editor->edit, k);
}

gboolean lk_editor_is_neutral(const LkEditor *editor, const float *values)
{
    for (guint k = 0; k < lk_model_n_directions(editor->model); k++)
        if (values[k] != lk_edit_neutral(editor->edit, k))
            return FALSE;
    return TRUE;
}

/* ---- back into the photo ------------------------------------------------------------------------------- */

LkPhoto *lk_editor_inversion(LkEditor *editor, LkInversionMode mode, GCancellable *cancellable,
                             GError **error)
{
    LkPhoto **inversion = &editor->unedited[mode].inversion;

    g_return_val_if_fail(editor->photo != NULL, NULL);

    if (*inversion == NULL)
        *inversion = run_net(editor, editor->w_plus, NULL, mode, cancellable, error);
    return *inversion;
}

LkPatch *lk_editor_patch(LkEditor *editor, const LkPhoto *picture, LkInversionMode mode, double detail,
                         GCancellable *cancellable, GError **error)
{
    LkPhoto *inversion = lk_editor_inversion(editor, mode, cancellable, error);
    LkPatcher **patcher = &editor->unedited[mode].patcher;

    if (inversion == NULL)
        return NULL;
    if (*patcher == NULL)
        *patcher = lk_patcher_new(editor->photo, &editor->place, inversion);
    return lk_patcher_patch(*patcher, picture, detail);
}

/* The part of the photo that the face's square reaches. */
typedef struct {
    guint x, y, width, height;
} Reach;

static Reach reach_of_square(const LkEditor *editor)
{
    const LkQuad *quad = &editor->place;
    const double reach = fabs(quad->x[0]) + fabs(quad->y[0]);
    const double width = lk_photo_width(editor->photo), height = lk_photo_height(editor->photo);
    const double left = CLAMP(floor(quad->centre[0] - reach), 0.0, width);
    const double top = CLAMP(floor(quad->centre[1] - reach), 0.0, height);

    return (Reach){(guint)left, (guint)top, (guint)(CLAMP(ceil(quad->centre[0] + reach), 0.0, width) - left),
                   (guint)(CLAMP(ceil(quad->centre[1] + reach), 0.0, height) - top)};
}

static double side_of_square(const LkEditor *editor)
{
    return 2 * hypot(editor->place.x[0], editor->place.x[1]);
}

gboolean lk_editor_is_large(const LkEditor *editor)
{
    return editor->photo != NULL && side_of_square(editor) > LARGE;
}

static void make_preview(LkEditor *editor)
{
    const Reach reach = reach_of_square(editor);
    const guint factor = (guint)ceil(side_of_square(editor) / PREVIEW);
    const guint width = MAX(reach.width / factor, 1), height = MAX(reach.height / factor, 1);
    g_autoptr(LkPhoto) cut = lk_photo_cut(editor->photo, reach.x, reach.y, MIN(width * factor, reach.width),
                                          MIN(height * factor, reach.height));
    LkQuad place = editor->place;

    for (guint axis = 0; axis < 2; axis++) {
        place.centre[axis] = (place.centre[axis] - (axis == 0 ? reach.x : reach.y)) / factor;
        place.x[axis] /= factor;
        place.y[axis] /= factor;
    }
    editor->preview = (Preview){lk_photo_resize(cut, width, height), reach.x, reach.y, factor, place};
}

gboolean lk_editor_preview(LkEditor *editor, const LkPhoto *picture, LkInversionMode mode, double detail,
                           LkPiece *piece, GCancellable *cancellable, GError **error)
{
    LkPhoto *inversion = lk_editor_inversion(editor, mode, cancellable, error);
    LkPatcher **patcher = &editor->unedited[mode].coarse;
    const Preview *preview = &editor->preview;
    g_autoptr(LkPatch) patch = NULL;

    g_return_val_if_fail(lk_editor_is_large(editor), FALSE);

    if (inversion == NULL)
        return FALSE;
    if (preview->photo == NULL)
        make_preview(editor);
    if (*patcher == NULL)
        *patcher = lk_patcher_new(preview->photo, &preview->place, inversion);
    patch = lk_patcher_patch(*patcher, picture, detail);
    *piece = lk_piece_of(preview->photo, patch);
    piece->x = preview->x + piece->x * preview->factor;
    piece->y = preview->y + piece->y * preview->factor;
    piece->width *= preview->factor;
    piece->height *= preview->factor;
    return TRUE;
}

LkPatch *lk_editor_paste(const LkEditor *editor, const LkPhoto *picture)
{
    g_autoptr(LkPhoto) pasted = lk_editor_compose(editor, picture);
    const Reach reach = reach_of_square(editor);
    LkPatch *patch = g_new(LkPatch, 1);
    float *change;

    *patch = (LkPatch){reach.x, reach.y, reach.width, reach.height, NULL};
    patch->change = change = g_new(float, (gsize)patch->width * patch->height * 3);
    for (guint y = 0; y < patch->height; y++) {
        const gsize first = (gsize)(patch->y + y) * lk_photo_width(editor->photo) + patch->x;
        const guint8 *from = lk_photo_pixels(editor->photo) + 4 * first;
        const guint8 *to = lk_photo_pixels(pasted) + 4 * first;

        for (guint x = 0; x < patch->width; x++, from += 4, to += 4)
            for (guint c = 0; c < 3; c++)
                *change++ = (float)(to[c] - from[c]) / 255.0f;
    }
    return patch;
}

LkPhoto *lk_editor_compose(const LkEditor *editor, const LkPhoto *picture)
{
    g_return_val_if_fail(editor->photo != NULL, NULL);

    return lk_paste(editor->photo, &editor->place, picture);
}
