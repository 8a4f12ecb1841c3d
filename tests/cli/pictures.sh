#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# invert, edit, sheet: what they write.
. "$(dirname "$0")/common.sh"

silent() {
  local output
  output=$("$@" 2>&1) && [ -z "$output" ]
}

check "invert, without a word" silent tiny invert photo.png -o inversion.png --aligned
check "bare picture's size" is "$(png_size inversion.png)" 64x64
check "invert again" tiny invert photo.png -o again.png --aligned
check "same picture" cmp inversion.png again.png
check "edit at 0" tiny edit photo.png -o zero.png --aligned --set age=0 --set pose=0
check "edit at 0 is the inversion" cmp inversion.png zero.png
check "edit" tiny edit photo.png -o older.png --aligned --set age=3
check "edit changes the picture" differ inversion.png older.png
check "two sliders" tiny edit photo.png -o both.png --aligned -s age=3 -s smile=-2.5
check "two sliders are not one" differ older.png both.png
check "code alone" tiny invert photo.png -o code.png --aligned --inversion e4e
check "code alone is not StyleRes" differ inversion.png code.png
check "over an old file" tiny edit photo.png -o zero.png --aligned --set age=3
check "the new picture is there" cmp older.png zero.png

# ---- formats ----

starts() { is "$(head -c "$2" "$1" | od -A n -t x1 | tr -d ' ')" "$3"; }
check "JPEG" tiny edit photo.png -o bare.jpg --aligned -s age=3 --quality 40
check "is JPEG" starts bare.jpg 3 ffd8ff
check "better JPEG" tiny edit photo.png -o better.JPEG --aligned -s age=3 --quality 99 --full-chroma
check "is larger" [ "$(stat -c %s better.JPEG)" -gt "$(stat -c %s bare.jpg)" ]
check "TIFF" tiny edit photo.png -o bare.tiff --aligned -s age=3
check "is TIFF" starts bare.tiff 4 49492a00
check "WebP" tiny edit photo.png -o bare.webp --aligned -s age=3
check "is WebP" starts bare.webp 4 52494646
check "from TIFF" tiny edit photo.tif -o same.png --aligned -s age=3
check "the same as from PNG" cmp older.png same.png
check "from WebP" tiny edit photo.webp -o same.png --aligned -s age=3
check "the same as from PNG" cmp older.png same.png

# ---- dump ----

shape_is() { head -c 128 "dump/$1.npy" | tr -d '\0' | grep -aq -- "'descr': '<f4', 'fortran_order': False, 'shape': ($2)"; }
check "dump" tiny edit photo.png -o dumped.png --aligned --set age=3 --dump dump
check "dump changes nothing" cmp older.png dumped.png
check "stages" is "$(cd dump && echo *)" \
  "aligned.npy delta_f.npy enc_feat.npy extracted.npy f_edit.npy f_feats.npy fused.npy gate.npy image.npy w_edit.npy w_plus.npy"
check "w_plus" shape_is w_plus "10, 24"
check "image" shape_is image "1, 3, 64, 64"
check "gate" shape_is gate "1, 1, 8, 8"
check "image's size" is "$(stat -c %s dump/image.npy)" $((128 + 4 * 3 * 64 * 64))
check "dump of the code alone" tiny invert photo.png -o dumped.png --aligned --inversion e4e --dump code
check "its stages" is "$(cd code && echo *)" "enc_feat.npy f_edit.npy image.npy w_edit.npy w_plus.npy"
check "its picture" cmp code.png dumped.png

# ---- sheet ----

sheet_prints_its_files() {
  tiny sheet photo.png -o sheet --aligned --dump cells >list || return 1
  is "$(sort list)" "$(find sheet -type f | sort)"
}
check "sheet prints the paths of its files" sheet_prints_its_files
check "sheet's files" is "$(cd sheet && echo *)" "age-minus.png age-plus.png before.png inversion.png \
pose-minus.png pose-plus.png sheet.png smile-minus.png smile-plus.png"
check "sheet's inversion" cmp sheet/inversion.png inversion.png
check "sheet's size" is "$(png_size sheet/sheet.png)" "$((5 * 72 + 8))x$((4 * 72 + 8))"
check "sheet's stages" is "$(cd cells && echo *)" "age-minus age-plus inversion pose-minus pose-plus smile-minus smile-plus"
check "an end's code is edited" differ cells/age-plus/w_edit.npy cells/age-plus/w_plus.npy
check "the inversion's is not" cmp cells/inversion/w_edit.npy cells/inversion/w_plus.npy
check "sheet's slider ends differ" differ sheet/age-minus.png sheet/age-plus.png

# ---- a whole photo ----

sample=$(find "$LIKENESS_DATA/samples" -name '*.jpg' 2>/dev/null | sort | head -n 1)
if [ -n "$sample" ]; then
  check "a photo's inversion" tiny invert "$sample" -o whole.png
  check "a photo's edit" tiny edit "$sample" -o edited.png --set smile=4
  check "the whole photo is written" is "$(png_size edited.png)" "$(png_size whole.png)"
  check "the face is edited" differ whole.png edited.png
  check "a face that is not there" fails 1 "Face 40" tiny invert "$sample" -o none.png --face 40
else
  skip "a whole photo" "no sample photo"
fi

# ---- interrupted ----

interrupted() {
  local status
  timeout --foreground --preserve-status -s "$1" 2 "$LIKENESS_CLI" bench --runs 1000 --model tiny.safetensors 2>stderr
  status=$?
  is $status 1 && is "$(cat stderr)" "likeness-cli: cancelled"
}
check "an interrupt ends it" interrupted INT
check "so does a request to end" interrupted TERM
finish
