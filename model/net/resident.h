/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * resident.h - what of a graph is on the device: its memory, its weights, its recorded stages.
 *
 * The encoder's weights are the larger half of the face model and are needed once per photo. They and the stages recorded
 * with them come when such a stage is to run, and go when the caller says so; everything else stays.
 */
#pragma once

#include "graph.h"
#include "plan.h"

G_BEGIN_DECLS

typedef struct _LkResident LkResident;

/* Gives memory to all values but the encoder's weights, uploads the weights and records the stages. graph and weights must
 * stay. Errors: LK_GPU_ERROR, LK_MODEL_ERROR. */
LkResident *lk_resident_new(LkGpu *gpu, const LkGraph *graph, const LkWeights *weights, GError **error);
void lk_resident_free(LkResident *resident); /* NULL is fine */

const LkPlan *lk_resident_plan(const LkResident *resident);

/* Where a value lies; no arena for 0, and for what is not there. */
LkTensor lk_resident_tensor(const LkResident *resident, LkValue value);

/* The streams of stages (guint), streams having room for one each, after uploading the encoder's weights if one of them reads
 * these. They are valid until the weights go. On error, also G_IO_ERROR_CANCELLED, nothing of the encoder is left there. */
gboolean lk_resident_streams(LkResident *resident, const GArray *stages, LkStream **streams,
                             GCancellable *cancellable, GError **error);

void lk_resident_drop_encoder(LkResident *resident);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LkResident, lk_resident_free)

G_END_DECLS
