#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: check-po.sh SOURCE LANGUAGE. Fails where a string of the sources lacks a translation, where one is fuzzy, or
# where a source file with strings is not listed in POTFILES.
set -eu
cd "$1"
po="po/$2.po"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

msgfmt -c -o /dev/null "$po"

grep -v '^#' po/POTFILES > "$temporary/files"
for file in $(grep -lE '[^a-z_]N?_\("|translatable="yes"' app/*.c app/*.ui); do
  grep -qx "$file" "$temporary/files" || { echo "not in po/POTFILES: $file"; exit 1; }
done

xgettext --from-code=UTF-8 -k_ -kN_ -kC_:1c,2 -kg_dngettext:2,3 -f "$temporary/files" -o "$temporary/new.pot"
msgmerge --quiet --no-fuzzy-matching "$po" "$temporary/new.pot" -o "$temporary/new.po"
msgattrib --no-obsolete --untranslated "$temporary/new.po" > "$temporary/missing"
msgattrib --no-obsolete --only-fuzzy "$temporary/new.po" >> "$temporary/missing"
if grep -q '^msgid' "$temporary/missing"; then
  echo "untranslated or fuzzy in $po:"
  cat "$temporary/missing"
  exit 1
fi
# A translation that nothing uses any more is to be removed.
if msgattrib --only-obsolete "$temporary/new.po" | grep '^#~ msgid'; then
  echo "no longer used in $po"
  exit 1
fi
