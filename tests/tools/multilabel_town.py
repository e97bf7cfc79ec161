"""Terraced houses whose walls, gaps and roofs are classes of their own, in files of every kind."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

pytest.importorskip("onnx")

from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import (
    ChipSpec,
    MaskSpec,
    ModelSpec,
)
from geoseg.tools import (
    rasterize,
    tile,
)
from tests.scenes import GROUND, ROOF, red_model
from tests.tools.test_boundaries import GRID, WALL, terraces

KINDS = ("footprint", "boundary", "contact")
# footprint is all but green, boundary is blue, contact is none of the three
WEIGHTS = ((8, -10, 6), (-20, -20, 20), (-20, -20, -20))
CUT = ChipSpec(size=96, split=(0.8, 0.2, 0.0), split_by="random", seed=2)


def make_town(folder: Path) -> Path:
    """``folder`` with footprints, masks in bands, the scene, chips and a model of three classes."""
    gpd.GeoDataFrame(geometry=terraces(), crs=GRID.crs).to_file(folder / "truth.gpkg")
    write_array(folder / "like.tif", np.zeros((1, *GRID.shape), np.uint8), GRID)
    kinds = MaskSpec(("footprint", "boundary:0.6", "contact:1"), value=7)
    rasterize.run(folder / "truth.gpkg", folder / "like.tif", folder / "kinds.tif", kinds)
    masks = read_array(folder / "kinds.tif")[0] > 0
    colours = np.array([GROUND, ROOF, WALL], np.uint8)[masks[0].astype(int) + masks[1]]
    write_array(folder / "scene.tif", np.ascontiguousarray(colours.transpose(2, 0, 1)), GRID)
    red_model(
        folder / "model.onnx", ModelSpec("red", classes=KINDS, multilabel=True, margin=0), WEIGHTS
    )
    tile.run([str(folder / "scene.tif")], folder / "chips", CUT, labels=folder / "kinds.tif")
    return folder
