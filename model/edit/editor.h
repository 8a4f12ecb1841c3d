/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * editor.h - one photo being edited: device, model, networks, face and slider values, all synchronous. The
 * command line uses it directly, the window through LkSession (session.h). One thread at a time.
 */
#pragma once

#include "edit.h"
#include "net.h"
#include "patch.h"
#include "pieces.h"

G_BEGIN_DECLS

typedef struct _LkEditor LkEditor;

typedef struct {
    const char *model;  /* path of a model file; NULL: the built-in one */
    const char *device; /* lk_gpu_open's selector; NULL: automatic */
    LkType storage;     /* LK_F32 (0), or LK_F16 where the device can */
    gboolean may_halve; /* go on with LK_F16 where the device's memory does not suffice for LK_F32 */
    LkNetFlags net_flags;
    LkGpuFlags gpu_flags;
} LkEditorOptions;

/* Opens device and model. Takes up to seconds at the first start (programs are compiled and cached). */
LkEditor *lk_editor_new(const LkEditorOptions *options, GError **error);
/* The same with a model that is open already, of which it keeps a reference; options->model is not looked at. */
LkEditor *lk_editor_new_for_model(const LkEditorOptions *options, LkModel *model, GError **error);
void lk_editor_free(LkEditor *editor); /* NULL is fine */

LkModel *lk_editor_model(const LkEditor *editor); /* owned by the editor */
LkGpu *lk_editor_gpu(const LkEditor *editor);
LkNet *lk_editor_net(const LkEditor *editor);

/* Whether options->may_halve was needed. Where LK_F16 does not fit either, or the device cannot: LK_GPU_ERROR_OUT_OF_MEMORY. */
gboolean lk_editor_is_halved(const LkEditor *editor);

typedef enum {
    LK_OPEN_DETECT,  /* find the face and crop it */
    LK_OPEN_ALIGNED, /* the photo is an aligned crop already */
} LkOpenMode;

/* Where the faces are, the largest first: a GArray of LkQuad with at least one. LK_PHOTO_ERROR_NO_FACE; with LK_OPEN_ALIGNED
 * LK_PHOTO_ERROR_SIZE where the photo is not square. */
GArray *lk_editor_find_faces(LkEditor *editor, LkPhoto *photo, LkOpenMode mode, GCancellable *cancellable,
                             GError **error);

/* Inverts the face in this square of a photo. The editor keeps a reference. LK_PHOTO_ERROR_SIZE where the square's centre is
 * not in the photo. On error, or when cancelled, the photo and face opened before stay. */
gboolean lk_editor_open_at(LkEditor *editor, LkPhoto *photo, const LkQuad *quad, GCancellable *cancellable,
                           GError **error);
/* Both in one. face: its index among those found (0 with LK_OPEN_ALIGNED); LK_PHOTO_ERROR_NO_FACE where there is none of it. */
gboolean lk_editor_open(LkEditor *editor, LkPhoto *photo, LkOpenMode mode, guint face,
                        GCancellable *cancellable, GError **error);
/* Opens a photo whose face was inverted before, without its inversion: net.h's lk_net_restore. Its pictures are those of the
 * editor that saved it. quad: lk_editor_quad of that one; errors as of lk_editor_open_at. */
gboolean lk_editor_open_saved(LkEditor *editor, LkPhoto *photo, const LkQuad *quad,
                              const LkInversion *inversion, GError **error);
/* What to keep of the photo that is open for that; free with lk_inversion_free. Inverts it again where a failure lost it. */
LkInversion *lk_editor_save_inversion(LkEditor *editor, GCancellable *cancellable, GError **error);
LkPhoto *lk_editor_photo(const LkEditor *editor);      /* NULL before a photo is open; owned by the editor */
const LkQuad *lk_editor_quad(const LkEditor *editor);  /* where the face is in the photo */
const float *lk_editor_w_plus(const LkEditor *editor); /* of the inversion, num_ws x w_dim */

/* The values at which nothing changes, one per direction of the model: edit.h. They belong to the photo that is open. */
void lk_editor_neutral_values(const LkEditor *editor, float *values);
gboolean lk_editor_is_neutral(const LkEditor *editor, const float *values);

/* The network's picture (resolution x resolution) for one value per direction of the model (the neutral ones: the
 * inversion). */
LkPhoto *lk_editor_generate(LkEditor *editor, const float *values, LkInversionMode mode,
                            GCancellable *cancellable, GError **error);
const float *lk_editor_edited_w_plus(const LkEditor *editor); /* of the last picture, num_ws x w_dim */
const float *lk_editor_edited_styles(const LkEditor *editor); /* added to the styles of the last picture */

/* The strength of kept original detail where nobody chose one. */
#define LK_DETAIL_DEFAULT 1.0

/* The inversion: the network's picture with no edit. Owned by the editor, made when first asked for (by a call of this, of
 * lk_editor_patch, or of lk_editor_generate with neutral values), as long as the photo is open. */
LkPhoto *lk_editor_inversion(LkEditor *editor, LkInversionMode mode, GCancellable *cancellable,
                             GError **error);

/* What the edit that made picture changes in the photo; nothing where picture is the inversion. picture: of
 * lk_editor_generate in this mode. detail: patch.h's k, 0 to 1. For lk_patch_apply and lk_original_save. */
LkPatch *lk_editor_patch(LkEditor *editor, const LkPhoto *picture, LkInversionMode mode, double detail,
                         GCancellable *cancellable, GError **error);

/* The same as it looks, for as long as a slider moves: of a large face's surroundings, shrunk by a whole number, which takes a
 * fraction of the time. piece, empty before, gets a coarse one, or none where nothing changes; clear it. Only where the face
 * that is open is large. */
gboolean lk_editor_is_large(const LkEditor *editor);
gboolean lk_editor_preview(LkEditor *editor, const LkPhoto *picture, LkInversionMode mode, double detail,
                           LkPiece *piece, GCancellable *cancellable, GError **error);

/* A change that shows the bare picture in the face's place, softly blended towards the square's border. */
LkPatch *lk_editor_paste(const LkEditor *editor, const LkPhoto *picture);

/* The photo with the bare picture in place. */
LkPhoto *lk_editor_compose(const LkEditor *editor, const LkPhoto *picture);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkEditor, lk_editor_free)

G_END_DECLS
