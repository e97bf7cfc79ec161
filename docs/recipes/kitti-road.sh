#!/usr/bin/env bash
# Shows that FCN-8s can learn street photos by heart: docs/recipes/kitti-road.sh KITTI WORK
#
# KITTI holds image_2 and gt_image_2 of the KITTI road benchmark, or training/ with both; all photos are trained on and, for this
# is no test, scored. WORK receives chips, the run, a picture; a run that was stopped goes on where it stopped.
set -euo pipefail
data=$1 work=$2
mkdir -p "$work"

[ -d "$work/chips" ] || geoseg prepare kitti-road "$data" -o "$work/chips" --split 1,0,0
resume=()
[ -f "$work/road.safetensors.run/last.ckpt" ] && resume=(--resume)
geoseg train "$work/chips" -o "$work/road.safetensors" --arch fcn8s --encoder vgg16_bn --option hidden=512 --option dropout=0 \
    --crop 352 --scale 0.8,1.1 --samples 44 --batch-size 4 --epochs 50 --lr 1e-3 --loss bce+dice --augment light \
    --overwrite "${resume[@]}"
geoseg evaluate --data "$work/chips" -m "$work/road.safetensors" --split train
photo=$(find "$work/chips/images" -name 'um_000000.*')
geoseg predict "$photo" -o "$work/um_000000.png" -m "$work/road.safetensors" --overwrite
geoseg preview "$photo" "$work/um_000000.png" --truth "$work/chips/masks/um_000000.png" -o "$work/um_000000_preview.png" --overwrite
