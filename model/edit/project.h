/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * project.h - the .likeness file: an edit that can be taken up again. It has where the photo is, which networks the edit was
 * made with, and for each face its place, its slider values and what the encoder found, so that no new inversion is needed.
 * The format: docs/project-file.md.
 *
 * A file is treated as hostile: all sizes are bounded and checked before use, all numbers must be finite.
 */
#pragma once

#include "editor.h"

G_BEGIN_DECLS

#define LK_PROJECT_SUFFIX ".likeness"

/* More than these no project has. */
enum { LK_PROJECT_MAX_FACES = 32 };

#define LK_PROJECT_ERROR (lk_project_error_quark())
typedef enum {
    LK_PROJECT_ERROR_FORMAT, /* not a project, a newer one, or damaged */
    LK_PROJECT_ERROR_PHOTO,  /* the photo is not there, or its file has changed */
    LK_PROJECT_ERROR_MODEL,  /* the model has other networks than the edit was made with */
} LkProjectError;
GQuark lk_project_error_quark(void);

typedef struct {
    char *name;
    float value;
} LkProjectSlider;

typedef struct {
    LkQuad quad;
    gboolean aligned; /* the photo is an aligned crop: LK_OPEN_ALIGNED */
    LkInversionMode mode;
    double detail;          /* 0 to 1 */
    GArray *sliders;        /* LkProjectSlider: those that are not neutral */
    LkInversion *inversion; /* NULL: a face that nobody has chosen, and that was not inverted */
} LkProjectFace;

typedef struct {
    char *photo;    /* absolute path */
    char *relative; /* the same from the project's folder; of a project that was read, or NULL */
    char *folder;   /* of a project that was read, or NULL */
    guint64 photo_size;
    char *photo_sha256; /* of the photo's file, 64 small hexadecimal digits */
    char *model_name, *model_path;
    guint64 network_hash; /* lk_model_network_hash */
    GPtrArray *faces;     /* LkProjectFace */
    guint chosen;         /* the face that was edited last */
} LkProject;

/* A project without faces. Reads the photo's file for its size and hash; a G_FILE_ERROR that names it. */
LkProject *lk_project_new(const char *photo, const LkModel *model, GError **error);
void lk_project_free(LkProject *project); /* NULL is fine */

/* Adds a face of the photo. Copies quad and inversion (NULL: none); the face is owned by the project and not edited. */
LkProjectFace *lk_project_add_face(LkProject *project, const LkPhoto *photo, const LkQuad *quad,
                                   const LkInversion *inversion);
/* values and neutral: one per direction of the model. */
void lk_project_face_set(LkProjectFace *face, const LkModel *model, const float *values, const float *neutral,
                         LkInversionMode mode, double detail);

/* Whole or not at all, in place of an older file. A G_FILE_ERROR that names path; LK_PROJECT_ERROR_FORMAT where lk_project_read would
 * refuse it for its size. */
gboolean lk_project_write(const LkProject *project, const char *path, GError **error);

/* LK_PROJECT_ERROR_FORMAT or a G_FILE_ERROR; one sentence that names path. */
LkProject *lk_project_read(const char *path, GError **error);

/* The path of the photo as the project knows it: found from the project's folder, so that both can be moved together, else
 * where it was. LK_PROJECT_ERROR_PHOTO where there is none, or all that there are have another size or hash. */
char *lk_project_find_photo(const LkProject *project, GError **error);

/* Opens the model that the edit was made with: where it was, else among lk_model_list. LK_PROJECT_ERROR_MODEL: none. */
LkModel *lk_project_open_model(const LkProject *project, GError **error);
/* Whether model is that one, or another file with the same networks. */
gboolean lk_project_check_model(const LkProject *project, const LkModel *model, GError **error);

/* The face's values for the directions of the editor's model; the editor has the face open. n + 1 floats, free with g_free.
 * unknown: NULL, or has the names (char *, for g_free) of the sliders that the model does not have added to it; values outside
 * of a slider's range are brought into it. */
float *lk_project_face_values(const LkProjectFace *face, const LkEditor *editor, GPtrArray *unknown);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkProject, lk_project_free)

G_END_DECLS
