#!/usr/bin/env bash
# What the bundled model gains by half a scene of the place: docs/recipes/fine-tune.sh SCENE LABELS WORK
#
# SCENE is an image of three bands, LABELS are its footprints. The bundled model goes on learning from the left half, and is scored on
# the right half as it was and as it is then. A run that was stopped goes on where it stopped. A few minutes on two free CPU cores with
# bfloat16.
set -euo pipefail
scene=$1 labels=$2 work=$3
mkdir -p "$work"

read -r height width < <(geoseg info "$scene" --json |
    python -c 'import json, sys; about = json.load(sys.stdin)["about"]; print(about["height"], about["width"])')
half=$((width / 2))
[ -d "$work/learn" ] || geoseg tile "$scene" --labels "$labels" -o "$work/learn" --window "0,0,$half,$height" \
    --size 1024 --overlap 256 --split 0.8,0.2,0 --split-by random
[ -d "$work/test" ] || geoseg tile "$scene" --labels "$labels" -o "$work/test" --window "$half,0,$((width - half)),$height" \
    --size 1024 --split 0,0,1

if [ ! -f "$work/more.safetensors" ]; then
    resume=()
    [ -f "$work/more.safetensors.run/last.ckpt" ] && resume=(--resume)
    geoseg train "$work/learn" -o "$work/more.safetensors" --init bundled --crop 256 --epochs 5 --samples 64 --batch-size 8 \
        --lr 5e-4 --ema 0.9 --scale 0.8,1.25 --augment strong --overwrite "${resume[@]}"
fi

for model in bundled "$work/more.safetensors"; do
    geoseg evaluate --data "$work/test" -m "$model" --split test --json |
        python -c 'import json, sys; scores = json.load(sys.stdin); pixel = scores["pixel"]
print(sys.argv[1], *(f"{name} {pixel[name]:.3f}" for name in ("iou", "f1", "precision", "recall")))' "$model"
done
