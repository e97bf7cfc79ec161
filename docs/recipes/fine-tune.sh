#!/usr/bin/env bash
# What the bundled model gains by chips of the place: docs/recipes/fine-tune.sh DATA WORK
#
# DATA holds geneva_swissimage25 (images/, labels/: 200 pictures of 0.25 m). The bundled model is scored on the test split as it is
# and after it went on learning from the train split; a network of the same kind learns from nothing, with the same crops. Runs that
# were stopped go on where they stopped. Six minutes on two CPU cores with bfloat16.
set -euo pipefail
data=$1 work=$2
mkdir -p "$work"

[ -d "$work/geneva" ] || geoseg prepare folder "$data/geneva_swissimage25" -o "$work/geneva"

learn() { # NAME START...
    local name=$1 resume=()
    shift
    [ -f "$work/$name.safetensors" ] && return
    [ -f "$work/$name.safetensors.run/last.ckpt" ] && resume=(--resume)
    geoseg train "$work/geneva" -o "$work/$name.safetensors" "$@" \
        --crop 256 --epochs 25 --samples 96 --batch-size 4 --lr 1e-3 --loss bce+dice --augment strong --overwrite "${resume[@]}"
}
learn nothing --arch unet --encoder efficientnet_lite0 --weights none --option decoder_channels=128,64,32,32,16
learn more --init bundled

for model in bundled "$work/nothing.safetensors" "$work/more.safetensors"; do
    geoseg evaluate --data "$work/geneva" -m "$model" --split test --json |
        python -c 'import json, sys; pixel = json.load(sys.stdin)["pixel"]
print(sys.argv[1], *(f"{name} {pixel[name]:.3f}" for name in ("iou", "f1", "precision", "recall")))' "$model"
done
