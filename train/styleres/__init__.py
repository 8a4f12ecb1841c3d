# SPDX-License-Identifier: GPL-3.0-or-later
"""StyleRes (arXiv 2212.14359) in any size: networks, training, evaluation and export to Likeness' model file."""
