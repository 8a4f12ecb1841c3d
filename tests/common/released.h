/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * released.h - the sizes of the released face model.
 */
#pragma once

#include "model.h"

extern const LkConfig lk_released_config;
