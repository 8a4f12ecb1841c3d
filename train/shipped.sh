#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the shipped model from the one before it: the same data, seeds and numbers of steps. About 25 minutes for the data
# and 85 for training, on two processor cores. Bit for bit only on the same processor and libraries, else within the
# noise that docs/model.md tells. What WORK has already is kept, so a run that was cut off can go on.
#
# usage: cd train; MAKEHUMAN_DIR=... ./shipped.sh PHOTOS WORK
set -euo pipefail
photos=$1 work=$2
former=6d88648      # the commit with the model before
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456     # memory is kept, not given back and asked for at every layer
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
  $python -m heads quads "$renders" --kind smiling --first 600000 --count 300; } &
{ $python -m heads quads "$renders" --kind recoloured --first 400000 --count 420
  $python -m heads quads "$renders" --kind turned --first 200000 --count 300; } &
all
once "$data/real256.npz" $python -m portraits align ../data/landmarks/landmarks.safetensors "$photos" "$data" \
  --leave-out W000808 E000295 P000612 R000600 S001198 D000096
{ once "$data/turns.npz" $python -m portraits pose "$data"
  once "$data/smiles.npz" $python -m portraits smile "$data"; } &
once "$data/age.npz" $python -m portraits age "$data" "$photos/labels.csv" &
all

# One refinement, which takes less time than the two that the model has. The sliders of the model before are read with its own `full`
# and `mix`.
pairs=(--set model.refinements=1 --data "$data" --renders "$renders" --init "$work/former.safetensors" --set train.freeze_norm_from=0.0
  --set 'edits.age={label="Age",full=1.2,safe=[-4.0,4.0],mix={smile=-0.16}}' --set 'edits.smile={label="Smile",full=1.3,safe=[-3.5,3.5],mix={age=0.2}}'
  --set 'edits.pose={label="Pose",full=0.943,safe=[-2.6,2.6]}' --set 'edits.hair={label="Hair lightness",full=0.4,safe=[-4.0,4.0]}'
  --set 'train.favour=[1.6,4.0,2.0,0.7]' --set 'train.mix={render=2,portrait=2}' --set loss.edit=2.5
  --set 'train.stages=[[0.0,128]]' --set train.decay_from=0.3 --set train.learning_rate=1.4e-3 --set train.warmup=60
  --set loss.cycle=10.0 --set loss.motion_cycle=12.0 --set loss.motion=6.0 --set loss.turned=6.0 --set train.turned=4 --set loss.carry=0.4 --set loss.contrast=2.0 --set train.gate_rate=0.3
  --set loss.perceptual=1.0 --set 'judges.perceptual="judges/perceptual-loss.safetensors"')
run() {     # SEED
  $python -m styleres.train "$work/seed$1.pt" $(resume "$work/seed$1.pt") "${pairs[@]}" --set "train.seed=$1" --set train.steps=1800
}
run 22 &
run 23 &
all
once "$work/mean.pt" $python -m styleres.average "$work/seed22.pt" "$work/seed23.pt" "$work/mean.pt"

settle() {  # SEED FROM STEPS SETTINGS...: that ways there and back cancel again
  $python -m styleres.train "$work/settled$1.pt" $(resume "$work/settled$1.pt") "${pairs[@]}" --init "$2" --set "train.seed=$1" --set "train.steps=$3" \
    --set train.decay_from=0.2 --set train.learning_rate=7e-4 --set train.warmup=20 --set loss.cycle=12.0 --set loss.motion_cycle=16.0 "${@:4}"
}
settle 24 "$work/mean.pt" 300 --set train.turned=2 &
settle 25 "$work/mean.pt" 300 --set train.turned=2 &
all
once "$work/mean2.pt" $python -m styleres.average "$work/settled24.pt" "$work/settled25.pt" "$work/mean2.pt"
settle 26 "$work/mean2.pt" 250 --set train.turned=0 &
settle 27 "$work/mean2.pt" 250 --set train.turned=0 &
all
once "$work/mean3.pt" $python -m styleres.average "$work/settled26.pt" "$work/settled27.pt" "$work/mean3.pt"
settle 28 "$work/mean3.pt" 160 --set train.turned=0 --set loss.cycle=18.0 --set loss.motion_cycle=30.0 &
settle 29 "$work/mean3.pt" 160 --set train.turned=0 --set loss.cycle=18.0 --set loss.motion_cycle=30.0 &
all
$python -m styleres.average "$work/settled28.pt" "$work/settled29.pt" "$work/settled.pt"
$python -m styleres.grow "$work/settled.pt" "$work/grown.pt" --data "$data" --keep --steps 500
$python -m styleres.export "$work/grown.pt" "$work/likeness-small.safetensors" --config config.toml --card ../docs/model.md
$python -m styleres.evaluate "$work/likeness-small.safetensors" "$data/real256.npz" "$work/scores" \
  --landmarks ../data/landmarks/landmarks.safetensors
