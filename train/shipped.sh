#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the shipped model from the one before it: the same data, seeds and numbers of steps. About 25 minutes for the data
# and 100 for training, on two processor cores. Bit for bit only on the same processor and libraries, else within the
# noise that docs/model.md tells.
#
# usage: cd train; MAKEHUMAN_DIR=... ./shipped.sh PHOTOS WORK
set -euo pipefail
photos=$1 work=$2
former=e63ed1f      # the commit with the model before
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
[ -d /usr/lib/x86_64-linux-gnu/blis-openmp ] && export LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/blis-openmp
python=${PYTHON:-/usr/bin/python3}
data=$work/data renders=$work/data/renders
mkdir -p "$renders"
git show "$former:data/model/likeness-small.safetensors" >"$work/former.safetensors"
$python -m styleres.fastconv --build

$python -m heads quads "$renders" --first 0 --count 450 &
$python -m heads quads "$renders" --turned --first 200000 --count 450
wait
$python -m portraits align ../data/landmarks/landmarks.safetensors "$photos" "$data" \
  --leave-out W000808 E000295 P000612 R000600 S001198 D000096
$python -m portraits pose "$data" &
$python -m portraits age "$data"
wait

pairs=(--data "$data" --renders "$renders" --set train.freeze_norm_from=0.0 --set 'train.favour=[0.7,3.0,2.0]'
  --set 'train.mix={render=2,portrait=2}' --set loss.edit=2.5)
# The former file's directions are in these units.
torchrun --standalone -r 1 -t 1 --log_dir "$work/log" --nproc_per_node 2 -m styleres.train "$work/trunk.pt" "${pairs[@]}" \
  --init "$work/former.safetensors" --set 'edits.smile={label="Smile",full=1.25,safe=[-3.0,5.0]}' \
  --set 'edits.pose={label="Pose",full=1.2,safe=[-2.0,2.0]}' --set 'train.stages=[[0.0,64]]' --set train.steps=4400 \
  --set train.decay_from=1.0 --set train.learning_rate=2e-3 --set train.warmup=100
pairs+=(--init "$work/trunk.pt" --set 'train.stages=[[0.0,128]]' --set train.decay_from=0.25 --set train.learning_rate=1.8e-3
  --set train.warmup=60 --set loss.cycle=1.0 --set loss.perceptual=1.0 --set 'judges.perceptual="judges/perceptual-loss.safetensors"')
$python -m styleres.train "$work/a.pt" "${pairs[@]}" --set train.steps=3600 --set train.seed=2 &
$python -m styleres.train "$work/b.pt" "${pairs[@]}" --set train.steps=3200 --set train.seed=3 --set loss.adversarial=0.05 \
  --set gan.critic_rate=0.5 --set 'gan.discriminator={ 4 = 64, 8 = 64, 16 = 48, 32 = 32, 64 = 16, 128 = 8 }'
wait
$python -m styleres.average "$work/a.pt" "$work/b.pt" "$work/mean.pt"
$python -m styleres.grow "$work/mean.pt" "$work/grown.pt" --data "$data" --keep --steps 500
$python -m styleres.export "$work/grown.pt" "$work/three.safetensors" --config config.toml
$python -m styleres.directions "$work/three.safetensors" "$work/directions" --data "$data" --names smile yaw gender hair --components 0 \
  --longest 4 --add hair:-5:2.5 --to "$work/likeness-small.safetensors" --card ../docs/model.md
$python -m styleres.evaluate "$work/likeness-small.safetensors" "$data/real256.npz" "$work/scores" \
  --landmarks ../data/landmarks/landmarks.safetensors
