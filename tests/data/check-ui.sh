#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: check-ui.sh FILE... Every .ui file is well-formed, and valid where GTK's own types are enough to tell: templates
# of the program's and of Adwaita's types are built by the window's test.
set -eu
for file in "$@"; do
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$file"
  if ! grep -qE '<object class="(Adw|Lk)|parent="(Adw|Lk)' "$file"; then
    gtk4-builder-tool validate "$file"
  fi
done
