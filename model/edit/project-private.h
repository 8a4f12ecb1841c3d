/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "project.h"

G_BEGIN_DECLS

LkProject *lk_project_empty(void);
LkProjectFace *lk_project_face_new(void);
void lk_project_add_slider(LkProjectFace *face, const char *name, float value);

G_END_DECLS
