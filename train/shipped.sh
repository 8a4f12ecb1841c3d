#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the shipped model from the one before it: the same data, seeds and numbers of steps. About 25 minutes for the data
# and 95 for training, on two processor cores. Bit for bit only on the same processor and libraries, else within the
# noise that docs/model.md tells. What WORK has already is kept, so a run that was cut off can go on.
#
# usage: cd train; MAKEHUMAN_DIR=... ./shipped.sh PHOTOS WORK
set -euo pipefail
photos=$1 work=$2
former=20e4ef2      # the commit with the model before
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
[ -d /usr/lib/x86_64-linux-gnu/blis-openmp ] && export LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/blis-openmp
python=${PYTHON:-/usr/bin/python3}
data=$work/data renders=$work/data/renders
mkdir -p "$renders"
git show "$former:data/model/likeness-small.safetensors" >"$work/former.safetensors"
$python -m styleres.fastconv --build

once() { [ -e "$1" ] || "${@:2}"; }     # FILE COMMAND...: unless the file is there
resume() { [ ! -e "$1" ] || echo --resume; }
all() { local job; for job in $(jobs -p); do wait "$job"; done; }   # what runs in the background must succeed

{ $python -m heads quads "$renders" --count 360
  $python -m heads quads "$renders" --kind turned --first 200000 --count 180; } &
{ $python -m heads quads "$renders" --kind recoloured --first 400000 --count 420
  $python -m heads quads "$renders" --kind turned --first 200180 --count 120; } &
all
once "$data/real256.npz" $python -m portraits align ../data/landmarks/landmarks.safetensors "$photos" "$data" \
  --leave-out W000808 E000295 P000612 R000600 S001198 D000096
{ once "$data/turns.npz" $python -m portraits pose "$data"
  once "$data/smiles.npz" $python -m portraits smile "$data"; } &
once "$data/age.npz" $python -m portraits age "$data" &
all

# One refinement, which takes less time than the two that the model has. The sliders of the model before are read with its own `full`
# and `mix`.
pairs=(--set model.refinements=1 --data "$data" --renders "$renders" --init "$work/former.safetensors" --set train.freeze_norm_from=0.0
  --set 'edits.age={label="Age",full=1.5,safe=[-4.0,4.0],mix={smile=-0.12}}' --set 'edits.smile={label="Smile",full=1.15,safe=[-3.5,3.5]}'
  --set 'edits.pose={label="Pose",full=1.04,safe=[-2.4,2.4]}'
  --set 'train.favour=[1.2,4.0,2.0,0.7]' --set 'train.mix={render=2,portrait=2}' --set loss.edit=2.5
  --set 'train.stages=[[0.0,128]]' --set train.decay_from=0.3 --set train.learning_rate=1.4e-3 --set train.warmup=60
  --set loss.cycle=8.0 --set loss.motion_cycle=8.0 --set loss.motion=4.0 --set loss.carry=0.3 --set train.gate_rate=0.3
  --set loss.perceptual=1.0 --set 'judges.perceptual="judges/perceptual-loss.safetensors"')
run() {     # SEED UNTIL STEPS STEPS': first on the schedule of STEPS, then with other losses of closing mouths, on that of STEPS'
  local file=$work/seed$1.pt
  [ -e "$file.first" ] || { $python -m styleres.train "$file" $(resume "$file") "${pairs[@]}" --set "train.seed=$1" --until "$2" \
    --set "train.steps=$3" --set loss.closes=-0.55; cp "$file" "$file.first"; }
  $python -m styleres.train "$file" --resume "${pairs[@]}" --set "train.seed=$1" --set "train.steps=$4" --set loss.contrast=2.0
}
run 10 1776 2300 2800 &
run 11 1216 2300 2100 &
all
$python -m styleres.average "$work/seed10.pt" "$work/seed11.pt" "$work/mean.pt"
$python -m styleres.grow "$work/mean.pt" "$work/grown.pt" --data "$data" --keep --steps 500
$python -m styleres.export "$work/grown.pt" "$work/likeness-small.safetensors" --config config.toml --card ../docs/model.md
$python -m styleres.evaluate "$work/likeness-small.safetensors" "$data/real256.npz" "$work/scores" \
  --landmarks ../data/landmarks/landmarks.safetensors
