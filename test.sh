#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test.sh: installs what is missing, builds with warnings as errors, and runs every test.
set -euo pipefail
cd "$(dirname "$(realpath -- "$0")")"
. ./packages.sh

# shellcheck disable=SC2086  # lists of words
install_packages $build_packages $test_packages
build_programs -Dwerror=true

git ls-files '*.c' '*.h' '*.cc' | xargs clang-format --dry-run --Werror

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
meson test -C build --no-rebuild --print-errorlogs --num-processes 2 2>&1 | tee "$log" || status=$?
count() { sed -n "s/^$1: *\([0-9]*\) *$/\1/p" "$log" | tail -n 1; }
failed=$(($(count Fail) + $(count Timeout) + $(count 'Unexpected Pass')))
echo "$(count Ok) passed, $failed failed, $(count Skipped) skipped"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ]
