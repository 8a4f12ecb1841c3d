#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# edit --project, and edit of what it wrote: each in a process of its own.
. "$(dirname "$0")/common.sh"

check "edit an aligned crop" tiny edit photo.png -o first.png --aligned --set age=1.1 --set smile=-0.3 --project first.likeness
check "reopen it" cli edit first.likeness -o again.png --model tiny.safetensors
check "the same picture" cmp first.png again.png
check "the model is found by itself" cli edit first.likeness -o again.png
check "the same picture" cmp first.png again.png
check "with another slider" cli edit first.likeness -o moved.png --set age=0 --set pose=2
check "as if edited so from the start" tiny edit photo.png -o other.png --aligned --set smile=-0.3 --set pose=2
check "the same picture" cmp moved.png other.png
check "the code alone" cli edit first.likeness -o code.png --inversion e4e
check "as if inverted so from the start" tiny edit photo.png -o other.png --aligned --inversion e4e --set age=1.1 --set smile=-0.3
check "the same picture" cmp code.png other.png
check "saved again, over itself" cli edit first.likeness -o moved.png --set pose=2 --project first.likeness
check "reopened" cli edit first.likeness -o again.png
check "the same picture" cmp moved.png again.png
check "half precision" tiny edit photo.png -o half.png --aligned --f16 --set age=1.1 --project half.likeness
check "reopened in half precision" cli edit half.likeness -o again.png
check "the same picture" cmp half.png again.png

if stages=$(tiny edit photo.png -o dumped.png --aligned --dump before --set age=1 --project dumped.likeness && cli edit dumped.likeness -o dumped.png --dump after); then
  check "the same stages" diff -r before after
else
  check "stages are written, too: $stages" false
fi

# ---- moved, changed, missing ----

mkdir -p trip/photos
cp photo.png trip/photos/
check "photo in a folder" tiny edit trip/photos/photo.png -o trip/out.png --aligned --set age=2 --project trip/edit.likeness
mv trip moved
check "moved together" cli edit moved/edit.likeness -o again.png
check "the same picture" cmp moved/out.png again.png
echo >>moved/photos/photo.png
check "changed photo" fails 1 "edit.likeness: .*photo.png .*has changed" cli edit moved/edit.likeness -o none.png
rm moved/photos/photo.png
check "no photo" fails 1 "edit.likeness: .*photo.png is not there" cli edit moved/edit.likeness -o none.png
check "another model" fails 1 "first.likeness: .*other" cli edit first.likeness -o none.png --model "$LIKENESS_DATA/model/likeness-small.safetensors"
check "over the photo" fails 1 "would overwrite the photo" tiny edit photo.png -o photo.png --aligned --project none.likeness
check "over the project's photo" fails 1 "would overwrite the photo" cli edit first.likeness -o photo.png --project none.likeness
check "no folder" fails 1 "nowhere/a.likeness cannot be written" tiny edit photo.png -o none.png --aligned --project nowhere/a.likeness
head -c 3000 first.likeness >short.likeness
check "truncated" fails 1 "short.likeness: " cli edit short.likeness -o none.png
check "no such project" fails 1 "none.likeness" cli edit none.likeness -o none.png
check "a slider out of range" fails 1 "age goes from" cli edit first.likeness -o none.png --set age=1000
check "not the way to call it" fails 2 "must end in .likeness" tiny edit photo.png -o none.png --project none.txt
check "a project has its face" fails 2 "the face is the project's" cli edit first.likeness -o none.png --face 2
check "a bare picture has no detail" fails 1 "bare picture" cli edit first.likeness -o none.png --detail 0.5
sed 's/"age"/"beard"/' first.likeness >beard.likeness
says_unknown() { cli edit beard.likeness -o again.png 2>stderr && grep -q "no slider beard" stderr; }
check "a slider of another model is named" says_unknown

# ---- a whole photo and the built-in model ----

sample=$(find "$LIKENESS_DATA/samples" -name '*.jpg' 2>/dev/null | sort | head -n 1)
if [ -n "$sample" ] && [ -f "$LIKENESS_DATA/model/likeness-small.safetensors" ]; then
  check "built-in model" cli edit "$sample" -o first.png --set smile=1.5 --detail 0.6 --project whole.likeness
  check "reopen" cli edit whole.likeness -o again.png
  check "the same photo" cmp first.png again.png
  check "with all detail" cli edit whole.likeness -o other.png --detail 1
  check "another one" differ first.png other.png

  # Two faces, far from each other, each edited on its own; then both in one project.
  check "the larger face" cli edit two.png -o one.png --set smile=2 --project one.likeness
  check "the other one" cli edit two.png -o two-edited.png --face 2 --set age=3 --detail 0.5 --project two.likeness
  "$PYTHON" - <<'END'
import json
both, other = json.load(open("one.likeness")), json.load(open("two.likeness"))
both["faces"] += other["faces"]
both["face"] = 1
json.dump(both, open("both.likeness", "w"))
both["faces"][1] = {key: value for key, value in both["faces"][1].items() if key not in ("w_plus", "enc_feat")}
both["face"] = 0
json.dump(both, open("untouched.likeness", "w"))
END
  has_both() {
    "$PYTHON" - "$1" <<'END'
import sys
from PIL import Image
image = lambda name: Image.open(name).convert("RGB")
both, left, right = image(sys.argv[1]), image("two-edited.png"), image("one.png")
middle = both.width // 2 - 30  # the larger one is on the right
sides = (0, 0, middle, both.height), (middle, 0, both.width, both.height)
assert both.crop(sides[0]).tobytes() == left.crop(sides[0]).tobytes() != right.crop(sides[0]).tobytes()
assert both.crop(sides[1]).tobytes() == right.crop(sides[1]).tobytes() != left.crop(sides[1]).tobytes()
END
  }
  check "both faces" cli edit both.likeness -o both.png
  check "show their edits" has_both both.png
  check "a face that was not inverted" cli edit untouched.likeness -o again.png
  check "shows its edit, too" has_both again.png
  check "another slider, saved again" cli edit both.likeness -o again.png --set age=0 --set pose=1 --project both.likeness
  check "reopened" cli edit both.likeness -o third.png
  check "the same photo" cmp again.png third.png
  check "not as before" differ both.png third.png
else
  skip "a whole photo" "no sample photo or no built-in model"
fi
finish
