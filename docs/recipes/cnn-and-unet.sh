#!/usr/bin/env bash
# The CNN of the WHU study beside a U-Net with a ResNet-34: docs/recipes/cnn-and-unet.sh DATA WORK
#
# DATA holds geneva_swissimage25 (images/, labels/: 200 pictures of 0.25 m) and the OpenAerialMap sets oam_zanzibar, oam_banepa and
# oam_banepa_centre. Each network learns each of the two from nothing, with the same crops, and is scored on places it has not seen;
# the table stands in WORK/table.md. Runs that were stopped go on where they stopped. Three quarters of an hour on two CPU cores
# with bfloat16.
set -euo pipefail
data=$1 work=$2
mkdir -p "$work"

[ -d "$work/geneva" ] || geoseg prepare folder "$data/geneva_swissimage25" -o "$work/geneva"

oam() { # NAME FOLDER SCENE SPLIT OVERLAP
    [ -d "$work/$1" ] || geoseg tile "$data/$2/images/$3.tif" -o "$work/$1" --labels "$data/$2/labels/$3_mask.tif" \
        --gsd 0.25 --size 512 --overlap "$5" --split "$4" --split-by scene
}
oam zanzibar oam_zanzibar oam_zanzibar_a 1,0,0 256
oam centre oam_banepa_centre oam_banepa_centre_train 1,0,0 256
oam choose oam_banepa oam_banepa_a 0,1,0 0
oam zanzibar_test oam_zanzibar oam_zanzibar_b 0,0,1 0
oam banepa_test oam_banepa oam_banepa_b 0,0,1 0

learn() { # NAME DATA... -- ARCHITECTURE...
    local name=$1 chips=() resume=()
    shift
    while [ "$1" != -- ]; do chips+=("$work/$1") && shift; done
    shift
    [ -f "$work/$name.safetensors" ] && return
    [ -f "$work/$name.safetensors.run/last.ckpt" ] && resume=(--resume)
    geoseg train "${chips[@]}" -o "$work/$name.safetensors" "$@" \
        --crop 256 --epochs 50 --samples 96 --batch-size 4 --lr 1e-3 --loss bce+dice --augment strong --overwrite "${resume[@]}"
}
score() { # NAME DATA
    geoseg evaluate --data "$work/$2" -m "$work/$1.safetensors" --split test --json >"$work/$1.$2.json"
}

for network in cnn unet; do
    case $network in
    cnn) options=(--arch cnn) ;;
    unet) options=(--arch unet --encoder resnet34) ;;
    esac
    learn "geneva_$network" geneva -- "${options[@]}"
    learn "oam_$network" zanzibar centre choose -- "${options[@]}"
    score "geneva_$network" geneva
    score "oam_$network" zanzibar_test
    score "oam_$network" banepa_test
done

python - "$work" <<'PYTHON' | tee "$work/table.md"
import json, pathlib, sys

print("| tested on | network | pixel IoU | F1 | precision | recall | footprint F1 |\n| --- | --- | --- | --- | --- | --- | --- |")
for data, name in ("geneva", "geneva"), ("zanzibar_test", "oam"), ("banepa_test", "oam"):
    for network in "cnn", "unet":
        found = json.loads(pathlib.Path(sys.argv[1], f"{name}_{network}.{data}.json").read_text())
        pixel = " | ".join(f"{found['pixel'][key]:.3f}" for key in ("iou", "f1", "precision", "recall"))
        print(f"| {data} | {network} | {pixel} | {found['object'].get('f1', float('nan')):.3f} |")
PYTHON
