#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Help, version, and the wrong ways to call it.
. "$(dirname "$0")/common.sh"

says() {
  local pattern=$1 output
  shift
  output=$("$@" 2>stderr) && [ ! -s stderr ] && grep -q -- "$pattern" <<<"$output"
}

check "help" says "^Usage: likeness-cli COMMAND" cli --help
check "version" says "^likeness-cli [0-9]*\.[0-9]*\.[0-9]*$" cli --version
for command in info invert edit batch sheet bench import; do
  check "help names $command" says "^  $command " cli --help
  check "$command --help" says "likeness-cli $command \[OPTION" cli "$command" --help
  check "$command --version" says "^likeness-cli [0-9]" cli "$command" --version
done

wrong() {
  local what=$1 pattern=$2
  shift 2
  check "wrong usage: $what" fails 2 "$pattern" cli "$@"
}
wrong "no command" "say what to do"
wrong "unknown command" "no command frobnicate" frobnicate
wrong "unknown option" "--frobnicate" invert photo.png -o out.png --frobnicate
wrong "no photo" "which photo" invert -o out.png
wrong "two photos" "batch" invert photo.png other.png -o out.png
wrong "no output" "-o" invert photo.png
wrong "output of another kind" "png" invert photo.png -o out.jpg
wrong "edit without --set" "--set" edit photo.png -o out.png
wrong "--set without value" "NAME=VALUE" edit photo.png -o out.png --set age
wrong "--set without name" "NAME=VALUE" edit photo.png -o out.png --set =1
wrong "face 0" "--face" invert photo.png -o out.png --face 0
wrong "face of an aligned crop" "--aligned" invert photo.png -o out.png --aligned --face 2
wrong "face that is no number" "--face" invert photo.png -o out.png --face first
wrong "inversion" "styleres or e4e" invert photo.png -o out.png --inversion magic
wrong "no runs" "--runs" bench --runs 0
wrong "photo for info" "no photo" info photo.png
finish
