#!/usr/bin/env bash
# Trains the bundled model: docs/recipes/default-model.sh DATA WORK
#
# DATA holds the OpenAerialMap sets oam_zanzibar, oam_banepa and oam_banepa_centre (see geoseg/weights/default.md);
# oam_zanzibar_b and oam_banepa_b are left out and only tested on. WORK receives chips and the run; a run that was stopped goes
# on where it stopped. About an hour and a quarter on two CPU cores with bfloat16.
set -euo pipefail
data=$1 work=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$work"

cut_chips() { # NAME SCENE MASK SPLIT
    [ -d "$work/$1" ] || geoseg tile "$2" -o "$work/$1" --labels "$3" --gsd 0.22 --size 640 --overlap 320 --split "$4" --split-by scene
}

oam() { # FOLDER SCENE NAME SPLIT
    cut_chips "$3" "$data/$1/images/$2.tif" "$data/$1/labels/$2_mask.tif" "$4"
}

oam oam_zanzibar oam_zanzibar_a zanzibar 1,0,0
oam oam_banepa_centre oam_banepa_centre_train centre 1,0,0
oam oam_banepa oam_banepa_a banepa 0,1,0

# generated scenes in every style add roofs, grounds and lights that the few real places lack
generated=()
for style in mixed suburb dense arid tropical village; do
    for seed in 11 12; do
        name=$style$seed
        scene=$work/$name.tif
        [ -f "$scene" ] || python "$root/sample_data/generate.py" -o "$scene" --footprints "$work/$name.gpkg" \
            --height 1300 --width 1950 --gsd 0.22 --seed "$seed" --style "$style"
        mask=$work/$name.mask.tif
        [ -f "$mask" ] || geoseg rasterize "$work/$name.gpkg" --like "$scene" -o "$mask"
        split=1,0,0
        [ "$seed" = 12 ] && [ "$style" = mixed ] && split=0,1,0
        cut_chips "$name" "$scene" "$mask" "$split"
        generated+=("$work/$name")
    done
done

resume=()
[ -f "$work/default.safetensors.run/last.ckpt" ] && resume=(--resume)
# the real places count six times: three chips in five are real
real=("$work/zanzibar" "$work/centre")
geoseg train "${real[@]}" "${real[@]}" "${real[@]}" "${real[@]}" "${real[@]}" "${real[@]}" "$work/banepa" "${generated[@]}" \
    -o "$work/default.safetensors" --arch unet --encoder resnet18 --option decoder_channels=128,64,32,32,16 \
    --gsd 0.3 --scale 0.733,1.833 --crop 256 --batch-size 16 --samples 1040 --epochs 40 --lr 2e-3 \
    --augment strong --overwrite "${resume[@]}"
geoseg export "$work/default.safetensors" -o "$root/geoseg/weights/default.onnx" --overwrite
