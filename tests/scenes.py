"""Scenes, masks and a model whose right answers are known, for the tests of everything that runs a
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec

GROUND = (90, 140, 80)
ROOF = (200, 60, 50)
RED = ((-20, 20, 0), (20, -20, 0))


def buildings(height: int, width: int, period: int = 37) -> np.ndarray:
    """Mask bool (row, col) of L-shaped and hollow buildings laid so densely that they lie on every
    seam of any tiling.
    """
    row, col = np.mgrid[:height, :width]
    y, x = row % period, (col + row // period * 11) % (period + 8)
    block = (y > 3) & (y < period - 6) & (x > 4) & (x < period - 2)
    notch = (y > period // 2) & (x > period // 2)
    court = (abs(y - 10) < 3) & (abs(x - 12) < 4)
    return block & ~notch & ~court


def grid(height: int, width: int, epsg: int = 32633, gsd: float = 0.3) -> Grid:
    return Grid(CRS.from_epsg(epsg), Affine(gsd, 0, 458_000, 0, -gsd, 5_548_000), height, width)


def picture(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    """uint8 (3, row, col): red roofs on green ground, with noise that leaves them apart."""
    colours = np.where(mask, np.array(ROOF)[:, None, None], np.array(GROUND)[:, None, None])
    noise = np.random.default_rng(seed).integers(-12, 13, colours.shape)
    return np.clip(colours + noise, 1, 255).astype("uint8")


def write_scene(path: Path, mask: np.ndarray, on: Grid | None = None, **keywords: object) -> Path:
    write_array(path, picture(mask), on or grid(*mask.shape), **keywords)
    return path


def red_model(
    path: Path, spec: ModelSpec | None = None, weights: Sequence[Sequence[float]] = RED
) -> Path:
    """An ONNX model of one 1x1 convolution: the building's probability rises from green to red,
    pixel by pixel.

    ``weights`` are those of red, green and blue, a row a class; of a multi-label model a sigmoid
    each.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    spec = spec or ModelSpec("red", margin=0)
    weight = np.array(weights, "float32")[..., None, None]
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"])
        if spec.multilabel
        else helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    shape = ["batch", spec.bands, 512, 512]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "red",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(
                    "probabilities", TensorProto.FLOAT, ["batch", len(weights), 512, 512]
                )
            ],
            [numpy_helper.from_array(weight, "weight")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    model.metadata_props.add(key="geoseg", value=spec.to_json())
    onnx.save(model, path)
    return path
