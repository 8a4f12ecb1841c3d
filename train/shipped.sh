#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the shipped model from the one before it: the same data, seeds and numbers of steps. About 25 minutes for the data
# and 105 for training, on two processor cores. Bit for bit only on the same processor and libraries, else within the
# noise that docs/model.md tells. What WORK has already is kept, so a run that was cut off can go on.
#
# usage: cd train; MAKEHUMAN_DIR=... ./shipped.sh PHOTOS WORK
set -euo pipefail
photos=$1 work=$2
former=d11f916      # the commit with the model before
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
pairs=(--set model.refinements=1 --data "$data" --renders "$renders"
  --set 'edits.age={label="Age",full=1.35,safe=[-4.0,4.0],mix={smile=-0.27}}' --set 'edits.smile={label="Smile",full=1.5,safe=[-3.5,3.5],mix={age=0.2}}'
  --set 'edits.pose={label="Pose",full=1.045,safe=[-2.6,2.6]}' --set 'edits.hair={label="Hair lightness",full=0.44,safe=[-4.0,4.0]}'
  --set 'train.favour=[1.6,4.0,2.0,0.7]' --set 'train.mix={render=2,portrait=2}')
losses=(--set train.freeze_norm_from=0.0 --set loss.edit=2.5
  --set 'train.stages=[[0.0,128]]' --set train.decay_from=0.3 --set train.learning_rate=1.4e-3 --set train.warmup=60
  --set loss.cycle=10.0 --set loss.motion_cycle=12.0 --set loss.motion=6.0 --set loss.turned=6.0 --set loss.carry=0.4 --set loss.contrast=2.0 --set train.gate_rate=0.3
  --set loss.perceptual=1.0 --set 'judges.perceptual="judges/perceptual-loss.safetensors"')
judged() {  # FROM OUT SETTINGS...: a critic that knows what this model makes
  once "$2" env OMP_NUM_THREADS=2 $python -m styleres.critic "$1" "$2" "${pairs[@]}" "${@:3}"
}
run() {     # SEED STEPS SETTINGS...
  $python -m styleres.train "$work/seed$1.pt" $(resume "$work/seed$1.pt") "${pairs[@]}" "${losses[@]}" --init "$work/former.safetensors" --critic "$work/critic.pt" \
    --set "train.seed=$1" --set "train.steps=$2" --set train.turned=10 --set critic.colours=true "${@:3}"
}
judged "$work/former.safetensors" "$work/critic.pt" --set critic.colours=true
run 30 1400 --set loss.adversarial=1.5 &
run 31 1200 --set loss.adversarial=4.0 &
all
once "$work/mean.pt" $python -m styleres.average "$work/seed30.pt" "$work/seed31.pt" "$work/mean.pt"

judged "$work/mean.pt" "$work/critic2.pt"
settle() {  # SEED FROM STEPS SETTINGS...: that ways there and back cancel again
  $python -m styleres.train "$work/settled$1.pt" $(resume "$work/settled$1.pt") "${pairs[@]}" "${losses[@]}" --init "$2" --critic "$work/critic2.pt" --set "train.seed=$1" --set "train.steps=$3" \
    --set train.decay_from=0.2 --set train.learning_rate=7e-4 --set train.warmup=20 "${@:4}"
}
settle 32 "$work/mean.pt" 260 --set loss.adversarial=3.0 --set train.turned=4 --set loss.cycle=14.0 --set loss.motion_cycle=20.0 &
settle 33 "$work/mean.pt" 260 --set loss.adversarial=3.0 --set train.turned=4 --set loss.cycle=14.0 --set loss.motion_cycle=20.0 &
all
once "$work/mean2.pt" $python -m styleres.average "$work/settled32.pt" "$work/settled33.pt" "$work/mean2.pt"
settle 34 "$work/mean2.pt" 360 --set loss.adversarial=2.0 --set train.turned=0 --set loss.cycle=18.0 --set loss.motion_cycle=30.0 &
settle 35 "$work/mean2.pt" 360 --set loss.adversarial=2.0 --set train.turned=0 --set loss.cycle=18.0 --set loss.motion_cycle=30.0 &
all
$python -m styleres.average "$work/settled34.pt" "$work/settled35.pt" "$work/former.safetensors" "$work/former.safetensors" "$work/settled.pt"     # half of what was before
$python -m styleres.grow "$work/settled.pt" "$work/grown.pt" --data "$data" --keep --steps 500
$python -m styleres.export "$work/grown.pt" "$work/likeness-small.safetensors" --config config.toml --card ../docs/model.md
$python -m styleres.evaluate "$work/likeness-small.safetensors" "$data/real256.npz" "$work/scores" \
  --landmarks ../data/landmarks/landmarks.safetensors
