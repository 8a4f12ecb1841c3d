# SPDX-License-Identifier: GPL-3.0-or-later
"""Software renderer of synthetic heads from CC0 MakeHuman assets: labelled training images without a photo of anybody."""
