"""Quantize a model to 8 bits: python docs/recipes/default_model_int8.py WORK MODEL.onnx OUTPUT.onnx

Weights and activations become int8 where NNCF (pip install nncf) finds it safe, by crops of the
chips of WORK that train; OpenVINO and ONNX Runtime compute the result.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nncf
import numpy as np
import onnx
import torch
from onnx import numpy_helper

from geoseg.chips.scene_windows import chips_of
from geoseg.io.chip_index import read_index
from geoseg.training.augment import Geometry
from geoseg.training.data import ChipDataset
from geoseg.training.pixels import as_unit

CROPS = 100
ZOOM = 1.25  # chips have 0.2 m, the model 0.25 m


def with_float32_weights(graph: onnx.GraphProto) -> None:
    """Weights that are stored as float16 and cast, as float32: NNCF does not see through a cast."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]:
        half = stored[node.input[0]]
        full = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.remove(half)
        graph.initializer.append(numpy_helper.from_array(full, node.output[0]))
        graph.node.remove(node)


def main() -> None:
    work, model, output = map(Path, sys.argv[1:])
    network = onnx.load(model)
    with_float32_weights(network.graph)
    shown = network.graph.input[0]
    size = shown.type.tensor_type.shape.dim[-1].dim_value
    folders = [line.rsplit(" ", 1)[0] for line in (work / "sets.txt").read_text().splitlines()]
    chips = [chip for folder in folders for chip in chips_of(read_index(folder)).splits["train"]]
    data = ChipDataset(chips, geometry=Geometry(size, (ZOOM, ZOOM)))
    torch.manual_seed(0)
    chosen = torch.randint(len(chips), (CROPS,)).tolist()
    crops = [{shown.name: as_unit(data[i][0])[None].numpy()} for i in chosen]
    preset = nncf.QuantizationPreset.MIXED
    quantized = nncf.quantize(network, nncf.Dataset(crops), subset_size=CROPS, preset=preset)
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(network.metadata_props)
    quantized.ir_version = network.ir_version
    onnx.save(quantized, output)


if __name__ == "__main__":
    main()
