#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh [PHOTO]: installs what is missing, builds, and opens the editor on PHOTO or on a bundled sample. Without a
# display it does the same job by the command line and says where the pictures are.
set -euo pipefail
photo=${1:+$(realpath -- "$1")}
cd "$(dirname "$(realpath -- "$0")")"
. ./packages.sh

# shellcheck disable=SC2086  # lists of words
install_packages $build_packages
build_programs

if [ -z "$photo" ]; then
  samples=(data/samples/*.jpg)
  photo=${samples[0]}
fi
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec build/app/likeness "$photo"
fi
echo "No display here: making the pictures by the command line."
exec build/app/likeness-cli sheet "$photo" -o out
