# SPDX-License-Identifier: GPL-3.0-or-later
"""Portrait photos as training material: alignment, pseudo pairs of smile, yaw and age, and the landmark network."""
