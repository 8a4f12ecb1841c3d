/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * opened.h - what a session's worker has open: a model, a photo, its faces and what their edits change. An opening replaces it
 * as a whole or not at all. Private to model/edit.
 */
#pragma once

#include "face_state.h"
#include "original.h"
#include "pieces.h"
#include "project.h"

G_BEGIN_DECLS

typedef struct {
    LkQuad quad;
    LkInversion *saved; /* NULL: not inverted yet, or open in the editor */
    guint64 networks;   /* lk_model_network_hash of those that saved it */
} LkOpenedFace;

typedef struct {
    LkModel *model;
    LkOriginal *original; /* NULL: no photo */
    char *photo, *etag;   /* its path, and what tells whether the file has changed since */
    GArray *faces;        /* of LkOpenedFace */
    guint face;           /* the chosen one */
    GPtrArray *patches;   /* of LkPatch or NULL: what the last picture of each face changes */
    GArray *pieces;       /* of LkPiece, made of them */
} LkOpened;

/* Without a photo. Keeps a reference of the model. */
LkOpened lk_opened_new(LkModel *model);
void lk_opened_clear(LkOpened *opened);

/* Reads the photo; errors as of lk_original_open. */
gboolean lk_opened_read_photo(LkOpened *opened, const char *path, GError **error);

/* Appends a face that is neither inverted nor edited. */
LkOpenedFace *lk_opened_add_face(LkOpened *opened, const LkQuad *quad);
void lk_opened_remove_last_face(LkOpened *opened);
LkOpenedFace *lk_opened_face(const LkOpened *opened, guint index);
/* Where they are: a new GArray of LkQuad. */
GArray *lk_opened_quads(const LkOpened *opened);

/* Of the chosen face, in place of the one before. Takes the patch. */
void lk_opened_set_patch(LkOpened *opened, LkPatch *patch);
void lk_opened_forget_patches(LkOpened *opened);

/* A project of it. states: of LkFaceState, of all faces; the chosen one's says so. Of more faces than a project has
 * (LK_PROJECT_MAX_FACES) those that were never chosen are left out; LK_PROJECT_ERROR_FORMAT where more were chosen,
 * LK_PROJECT_ERROR_PHOTO where the photo's file is not what it was. */
LkProject *lk_opened_to_project(const LkOpened *opened, GArray *states, GError **error);
/* What the project says of photo and faces, with its model, which is the given one if that has the same networks. Nothing is
 * inverted or edited yet. */
gboolean lk_opened_from_project(LkOpened *opened, const LkProject *project, LkModel *model, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LkOpened, lk_opened_clear)

G_END_DECLS
