#!/usr/bin/env bash
# Trains the bundled model: docs/recipes/default-model.sh DATA WORK
#
# DATA holds the sets that default-model.toml names (see geoseg/weights/default.md); oam_zanzibar_b, oam_banepa_b, Geneva and others
# are left out and only tested on, by benchmarks/model.py. WORK receives chips and the run; a run that was stopped goes on where it
# stopped. An epoch takes under two minutes on two free CPU cores with bfloat16.
set -euo pipefail
data=$1 work=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$work"

python "$root/docs/recipes/default_model_chips.py" "$data" "$work"
mapfile -t sets < <(cut -d' ' -f1 "$work/sets.txt")
shares=$(cut -d' ' -f2 "$work/sets.txt" | paste -sd,)

resume=()
[ -f "$work/default.safetensors.run/last.ckpt" ] && resume=(--resume)
geoseg train "${sets[@]}" --data-weights "$shares" -o "$work/default.safetensors" \
    --arch unet --encoder efficientnet_lite0 --weights imagenet --option decoder_channels=128,64,32,32,16 \
    --gsd 0.3 --scale 0.5,1.9 --crop 256 --batch-size 16 --samples 1040 --epochs 20 \
    --lr 1e-3 --warmup 0.15 --ema 0.99 --augment strong --overwrite "${resume[@]}"
geoseg export "$work/default.safetensors" -o "$root/geoseg/weights/default.onnx" --overwrite
