"""What the cores convolve at most: 3 x 3 convolutions by OpenVINO and by torch.

python benchmarks/convolution.py --precision bf16 --to convolutions.jsonl

Of each library the fastest run of several layers in a row, of several sizes, counts: its operations
a second, a multiplication and an addition being two. A line of JSON is added to the file, in
GFLOP/s.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from geoseg.models.openvinofile import import_openvino, openvino_core

# Channels in and out, pixels a side
SIZES = ((128, 128), (256, 128), (512, 64))
# What goes in and comes out is moved to the layout of the library once, so that it hardly counts
LAYERS = 8


def layer_operations(channels: int, side: int) -> int:
    return 2 * side**2 * channels**2 * 9


def arrays(channels: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Image float32 (1, channel, side, side) and weights float32 (channel, channel, 3, 3), which
    keep the values of about the same size.
    """
    random = np.random.default_rng(0)
    image = random.standard_normal((1, channels, side, side), np.float32)
    weights = random.standard_normal((channels, channels, 3, 3), np.float32)
    return image, weights / np.float32(3 * channels**0.5)


def by_openvino(precision: str, channels: int, side: int) -> Callable[[], object]:
    openvino, image_and_weights = import_openvino(), arrays(channels, side)
    layers = openvino.opset8
    image, weights = image_and_weights
    taken = out = layers.parameter(image.shape, np.float32)
    for _ in range(LAYERS):
        out = layers.convolution(out, layers.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
    }
    model = openvino.Model([out], [taken])
    request = openvino_core().compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer([image], share_inputs=True, share_outputs=True)


def by_torch(precision: str, channels: int, side: int) -> Callable[[], object]:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(os.cpu_count() or 1)  # an environment may name fewer
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    image, weights = (
        torch.from_numpy(each).to(dtype=dtype, memory_format=torch.channels_last)
        for each in arrays(channels, side)
    )

    def convolve() -> object:
        out = image
        with torch.inference_mode():
            for _ in range(LAYERS):
                out = F.conv2d(out, weights, padding=1)
        return out

    return convolve


def fastest(run: Callable[[], object], seconds: float) -> float:
    """Of the runs in so many ``seconds``, after one that is not counted, in seconds."""
    run()
    end = time.perf_counter() + seconds
    best = float("inf")
    while (start := time.perf_counter()) < end:
        run()
        best = min(best, time.perf_counter() - start)
    return best


def rates(precision: str, seconds: float) -> dict[str, float]:
    """GFLOP/s by library, of the size that it is fastest with."""
    return {
        name: max(
            LAYERS * layer_operations(*size) / fastest(prepare(precision, *size), seconds) / 1e9
            for size in SIZES
        )
        for name, prepare in (("OpenVINO", by_openvino), ("torch", by_torch))
    }


# What a model asks for

# Layers that multiply, and the end at which each of their weights is used once a pixel
CONVOLUTIONS = {
    "Convolution": "output",
    "GroupConvolution": "output",
    "ConvolutionBackpropData": "input",
    "GroupConvolutionBackpropData": "input",
}


def operations(model: Path, bands: int, side: int) -> int:
    """Of the convolutions of an ONNX ``model``, for one window of ``side`` x ``side`` pixels."""
    graph = openvino_core().read_model(model)
    graph.reshape([1, bands, side, side])
    total = 0
    for layer in graph.get_ops():
        if end := CONVOLUTIONS.get(layer.get_type_name()):
            pixels = (layer.output(0) if end == "output" else layer.input(0)).get_shape()
            weights = layer.input(1).get_shape()
            # (batch, channel, row, col): every value takes part with its channel's weights
            total += 2 * prod(pixels) * prod(weights) // pixels[1]
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--seconds", type=float, default=1.5, help="for each size and library")
    parser.add_argument("--to", type=Path, help="file that a line is added to")
    options = parser.parse_args()
    found = rates(options.precision, options.seconds)
    print(", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in found.items()))
    if options.to:
        with options.to.open("a") as file:
            print(json.dumps(found), file=file)


if __name__ == "__main__":
    main()
