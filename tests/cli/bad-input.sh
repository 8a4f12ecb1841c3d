#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What cannot work says why in one line, ends with 1 and leaves no file.
. "$(dirname "$0")/common.sh"

echo "no picture" >notes.txt
: >empty.jpg
head -c "$(($(stat -c %s photo.jpg) / 2))" photo.jpg >truncated.jpg
head -c 200 photo.png >truncated.png
head -c 3000 tiny.safetensors >truncated.safetensors
cp notes.txt text.safetensors

bad() {
  local what=$1 pattern=$2
  shift 2
  check "$what" fails 1 "$pattern" "$@"
}
bad "not an image" "notes.txt" tiny invert notes.txt -o out.png
bad "empty file" "empty.jpg" tiny invert empty.jpg -o out.png
bad "missing photo" "missing.jpg" tiny invert missing.jpg -o out.png
bad "folder as photo" "is not\|cannot" tiny invert "$work" -o out.png
bad "truncated JPEG" "truncated.jpg" tiny invert truncated.jpg -o out.png --aligned
bad "truncated PNG" "truncated.png" tiny invert truncated.png -o out.png --aligned
bad "1 x 1" "dot.png" tiny invert dot.png -o out.png
bad "1 x 1, aligned" "dot.png" tiny invert dot.png -o out.png --aligned
bad "no face" "landscape.png: .*[Nn]o face" tiny invert landscape.png -o out.png
bad "crop that is not square" "landscape.png: .*240 x 180" tiny invert landscape.png -o out.png --aligned
bad "missing folder" "nowhere/out.png" tiny invert photo.png -o nowhere/out.png --aligned
bad "file as folder" "photo.jpg cannot be written" tiny batch photo.png -o photo.jpg --aligned

bad "missing model" "absent.safetensors" cli invert photo.png -o out.png --aligned --model absent.safetensors
bad "unknown model name" "absent" cli invert photo.png -o out.png --aligned --model absent
bad "truncated model" "truncated.safetensors" cli invert photo.png -o out.png --aligned --model truncated.safetensors
bad "text as model" "text.safetensors" cli invert photo.png -o out.png --aligned --model text.safetensors
bad "picture as model" "photo.png" cli invert photo.png -o out.png --aligned --model ./photo.png
bad "model for bench" "text.safetensors" cli bench --model text.safetensors

set_bad() { bad "$1" "$2" tiny edit photo.png -o out.png --aligned --set "$3"; }
set_bad "unknown slider" "no slider beard; it has age, smile, pose" beard=1
set_bad "no number" "many is not a number" age=many
set_bad "nothing" "nothing is not a number" age=
set_bad "number with a tail" "1x is not a number" age=1x
set_bad "not a number" "nan is not a number" age=nan
set_bad "infinite" "inf is not a number" age=inf
set_bad "beyond the range" "age goes from -5 to 5, not to 5.01" age=5.01
set_bad "far below the range" "smile goes from -5 to 5" smile=-1e30

bad "unknown device" "no-such-device" tiny invert photo.png -o out.png --aligned --device no-such-device
export VK_DRIVER_FILES=/nonexistent VK_ICD_FILENAMES=/nonexistent
bad "no driver" "Vulkan" tiny invert photo.png -o out.png --aligned
bad "no driver, edit" "Vulkan" tiny edit photo.png -o out.png --aligned --set age=1
bad "no driver, batch" "Vulkan" tiny batch photo.png -o out --aligned --set age=1
bad "no driver, sheet" "Vulkan" tiny sheet photo.png -o out --aligned
bad "no driver, bench" "Vulkan" tiny bench
bad "no driver, info" "Vulkan" tiny info
finish
