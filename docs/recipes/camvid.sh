#!/usr/bin/env bash
# Trains FCN-8s on CamVid's 11 classes from nothing: docs/recipes/camvid.sh CAMVID WORK
#
# CAMVID holds train, trainannot, val and valannot. WORK receives chips and the run; a run that was stopped goes on where it
# stopped. About two hours on two CPU cores with bfloat16.
set -euo pipefail
data=$1 work=$2
mkdir -p "$work"

[ -d "$work/chips" ] || geoseg prepare camvid "$data" -o "$work/chips"
resume=()
[ -f "$work/camvid.safetensors.run/last.ckpt" ] && resume=(--resume)
geoseg train "$work/chips" -o "$work/camvid.safetensors" --arch fcn8s --encoder vgg16_bn --option hidden=512 --option dropout=0.1 \
    --crop 256 --scale 0.5,1.2 --samples 734 --batch-size 8 --epochs 30 --lr 1e-3 --loss ce+lovasz --augment standard \
    --overwrite "${resume[@]}"
geoseg evaluate --data "$work/chips" -m "$work/camvid.safetensors" --split val
