/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * model_private.h - what only the networks may take from a model.
 */
#pragma once

#include "model.h"
#include "weights.h"

const LkWeights *lk_model_weights(const LkModel *model);
