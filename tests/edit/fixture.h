/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * fixture.h - a folder with a tiny model and pictures in it, for the tests of model/edit.
 */
#pragma once

#include "editor.h"

G_BEGIN_DECLS

typedef struct {
    char *folder;
    char *model_path;
    LkModel *model;
    char *photo_path, *other_path; /* two different aligned crops */
    char *text_path;               /* not a picture */
    LkEditorOptions options;       /* with validation */
} EditFixture;

EditFixture *edit_fixture_new(void);
void edit_fixture_free(EditFixture *fixture);

/* A path in the folder. */
char *edit_fixture_path(const EditFixture *fixture, const char *name);

/* Bit for bit, alpha included. */
gboolean edit_same_picture(const LkPhoto *a, const LkPhoto *b);

G_END_DECLS
