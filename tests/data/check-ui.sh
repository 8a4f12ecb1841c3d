#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: check-ui.sh FILE... Every .ui file is well-formed, and its objects and properties are valid where GTK's own types
# are enough to tell; files with the program's and Adwaita's types are built by the window's test. Handlers are the
# program's, so they are left out.
set -eu
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
for file in "$@"; do
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$file"
  if ! grep -qE '<object class="(Adw|Lk)|parent="(Adw|Lk)' "$file"; then
    grep -v '<signal ' "$file" > "$temporary/file.ui"
    gtk4-builder-tool validate "$temporary/file.ui" || { echo "in $file"; exit 1; }
  fi
done
