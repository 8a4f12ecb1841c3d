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
wrong "output of no kind" "end in .png, .jpg, .tif or .webp" invert photo.png -o out
wrong "output of another kind" "end in .png, .jpg, .tif or .webp" edit photo.png -o out.gif
wrong "quality 0" "--quality is between 1 and 100" edit photo.png -o out.jpg --quality 0
wrong "quality below 0" "--quality is between 1 and 100" edit photo.png -o out.jpg --quality -1
wrong "quality of PNG" "--quality is for JPEG and WebP" edit photo.png -o out.png --quality 90
wrong "chroma of PNG" "--full-chroma is for JPEG" edit photo.png -o out.png --full-chroma
wrong "depth 12" "--depth is 8 or 16" edit photo.png -o out.png --depth 12
wrong "deep JPEG" "--depth 16 is for PNG and TIFF" edit photo.png -o out.jpg --depth 16
wrong "deep JPEGs" "--depth 16 is for PNG and TIFF" batch photo.png -o out --format jpeg --depth 16
wrong "deep bare picture" "--aligned" edit photo.png -o out.png --aligned --depth 16
wrong "too much detail" "--detail is between 0 and 1" edit photo.png -o out.png --detail 1.5
wrong "detail that is no number" "--detail is between 0 and 1" edit photo.png -o out.png --detail much
wrong "detail of a bare picture" "--aligned" edit photo.png -o out.png --aligned --detail 0.5
wrong "detail of a bare sheet" "--aligned" sheet photo.png -o out --aligned --detail 0.5
wrong "format" "png, jpeg, tiff or webp, not gif" batch photo.png -o out --format gif
wrong "batch without a folder" "-o" batch photo.png
wrong "batch without a photo" "which photo" batch -o out
wrong "--set without value" "NAME=VALUE" edit photo.png -o out.png --set age
wrong "--set without name" "NAME=VALUE" edit photo.png -o out.png --set =1
wrong "face 0" "--face" invert photo.png -o out.png --face 0
wrong "face of an aligned crop" "--aligned" invert photo.png -o out.png --aligned --face 2
wrong "face that is no number" "--face" invert photo.png -o out.png --face first
wrong "inversion" "styleres or e4e" invert photo.png -o out.png --inversion magic
wrong "no runs" "--runs" bench --runs 0
wrong "photo for info" "no photo" info photo.png
finish
