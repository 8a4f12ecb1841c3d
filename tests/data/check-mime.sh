#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Usage: check-mime.sh FILE. Fails where the description of the project's type is not taken up.
set -eu
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
mkdir -p "$data/mime/packages"
cp "$1" "$data/mime/packages/"
update-mime-database "$data/mime"
grep -qx 'application/x-likeness:\*\.likeness' "$data/mime/globs"
