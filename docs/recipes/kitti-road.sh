#!/usr/bin/env bash
# Shows that FCN-8s can fit the street photos that it is shown: docs/recipes/kitti-road.sh KITTI WORK
#
# KITTI holds image_2 and gt_image_2 of the KITTI road benchmark, or training/ with both; all photos are trained on and, for this
# is no test, scored. WORK receives chips, the runs, a picture; a run that was stopped goes on where it stopped. Half an hour on two
# CPU cores with bfloat16.
#
# The first run learns what roads look like from crops that are mirrored and coloured. Where lanes are labelled, a mirrored crop does
# not show which of two lanes is meant, so that the others go on from it with the photos as they are; the last one for the IoU itself.
set -euo pipefail
data=$1 work=$2
mkdir -p "$work"

[ -d "$work/chips" ] || geoseg prepare kitti-road "$data" -o "$work/chips" --split 1,0,0

learn() { # NAME OPTIONS...
    local name=$1 resume=()
    shift
    [ -f "$work/$name.safetensors" ] && return
    [ -f "$work/$name.safetensors.run/last.ckpt" ] && resume=(--resume)
    geoseg train "$work/chips" -o "$work/$name.safetensors" \
        --crop 352 --samples 44 --batch-size 4 --loss bce+dice --overwrite "${resume[@]}" "$@"
}
learn looks --arch fcn8s --encoder vgg16_bn --option hidden=512 --option dropout=0 --augment light --scale 0.8,1.1 --epochs 50
learn lanes --init "$work/looks.safetensors" --augment none --foreground 0.5 --epochs 30
learn edges --init "$work/lanes.safetensors" --augment none --foreground 0.5 --epochs 18 --lr 5e-4
learn road --init "$work/edges.safetensors" --augment none --loss bce+lovasz --epochs 16 --lr 5e-4

windows=(--tile-size 352 --overlap 176) # as large as the crops, or photos would be filled up with mirrored pixels
geoseg evaluate --data "$work/chips" -m "$work/road.safetensors" --split train "${windows[@]}"
photo=$(find "$work/chips/images" -name 'um_000000.*')
geoseg predict "$photo" -o "$work/um_000000.png" -m "$work/road.safetensors" "${windows[@]}" --overwrite
geoseg preview "$photo" "$work/um_000000.png" --truth "$work/chips/masks/um_000000.png" \
    -o "$work/um_000000_preview.png" --overwrite
