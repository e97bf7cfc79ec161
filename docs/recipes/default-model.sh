#!/usr/bin/env bash
# Trains the two bundled models: docs/recipes/default-model.sh DATA WORK
#
# DATA holds the sets that default-model.toml names (see geoseg/weights/default.md); oam_zanzibar_b, oam_banepa_b, the labels of
# Geneva and others are left out and only tested on, by benchmarks/model.py. WORK receives chips and models.
#
# On a GPU eight minutes, added up from their parts: the trainings five (the default model 183 seconds, the fast one 75, the teacher, which need not be as good, 40; an H200
# takes 800 crops of 320 pixels a second), chips, calibration and 8 bits three of two cores. The rate follows the clock: on a slower card, or for
# more crops, set --seconds; 5,600 crops of the trunk and 17,300 of a branch did as well as 30,100 (docs/accuracy.md).
# Without one, `geoseg train` trains the default model alone, on fewer crops, and goes on where it was stopped: 35 minutes in all on
# two free CPU cores with bfloat16. It is not as good (docs/experiments.md, "What helped").
set -euo pipefail
data=$1 work=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/docs/recipes
mkdir -p "$work"

finish() {  # MODEL.safetensors NAME
    python "$here/default_model_calibrate.py" "$work" "$1"
    geoseg export "$1" -o "$work/$2.onnx" --overwrite
}

python "$here/default_model_chips.py" "$data" "$work"
if python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    # crops are made coarse on the card; the copies are for the CPU
    python "$here/default_model_gpu.py" "$work" "$work/teacher.safetensors" --seconds 40 --without coarse
    python "$here/default_model_chips.py" "$data" "$work" "$work/teacher.safetensors"
    for name in default fast; do
        python "$here/default_model_gpu.py" "$work" "$work/$name.safetensors" --model "$name" --without coarse
        finish "$work/$name.safetensors" "$name"
    done
    python "$here/default_model_int8.py" "$work" "$work/fast.onnx" "$work/fast8.onnx"
    cp "$work/fast8.onnx" "$root/geoseg/weights/fast.onnx"
else
    mapfile -t sets < <(cut -d' ' -f1 "$work/sets.txt")
    shares=$(cut -d' ' -f2 "$work/sets.txt" | paste -sd,)
    resume=()
    [ -f "$work/default.safetensors.run/last.ckpt" ] && resume=(--resume)
    geoseg train "${sets[@]}" --data-weights "$shares" -o "$work/default.safetensors" \
        --arch unet --encoder efficientnet_lite2 --weights imagenet --option decoder_channels=128,64,32,16,8 \
        --gsd 0.3 --scale 0.5,1.9 --crop 256 --batch-size 16 --samples 1040 --epochs 20 \
        --lr 1e-3 --warmup 0.15 --ema 0.99 --augment strong --overwrite "${resume[@]}"
    finish "$work/default.safetensors" default
fi
cp "$work/default.onnx" "$root/geoseg/weights/default.onnx"
