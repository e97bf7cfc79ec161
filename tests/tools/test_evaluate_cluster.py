"""Pixels that the workers of a Dask cluster count are those of one machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoseg.io.raster.write import write_array
from geoseg.specs import ComparedGround, EvaluateSpec
from geoseg.tools import evaluate, polygonize
from tests.scenes import buildings, grid

pytest.importorskip("distributed")
SHAPE = (560, 17_003)  # three strips


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks, class rasters, a probability raster and footprints; one side of each is moved."""
    folder = tmp_path_factory.mktemp("compared")
    mask = buildings(*SHAPE).astype(np.uint8)
    moved = np.roll(mask, (3, -2), (0, 1))
    moved[300:340, 200:400] = 255
    on = grid(*SHAPE)
    write_array(folder / "truth.tif", mask[None], on, nodata=255)
    write_array(folder / "found.tif", moved[None], on, nodata=255)
    write_array(folder / "classes.tif", (mask * (1 + np.arange(SHAPE[1]) % 3))[None], on)
    likely = np.where(moved == 255, 255, moved * 150 + 40).astype(np.uint8)
    write_array(folder / "likely.tif", likely[None], on, nodata=255, scale=1 / 254)
    polygonize.run(folder / "truth.tif", folder / "truth.gpkg")
    return folder


@pytest.mark.parametrize(
    ("found", "truth", "sweep"),
    [
        ("found.tif", "truth.tif", False),
        ("classes.tif", "truth.tif", False),
        ("likely.tif", "truth.gpkg", True),
    ],
)
def test_a_cluster_counts_the_same(
    found: str,
    truth: str,
    sweep: bool,
    files: Path,
    scheduler: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    spec = EvaluateSpec(sweep=sweep, bootstrap=20)
    ground = ComparedGround(image="found.tif") if truth.endswith("tif") else ComparedGround()
    steps: list[int] = []
    here, there = (
        evaluate.run(
            found,
            truth,
            spec,
            ground=ground,
            scheduler=address,
            progress=lambda stage, total: steps.append,
        ).to_dict()
        | {"seconds": 0}
        for address in (None, scheduler)
    )
    assert here == there
    assert here["pixel"]["tp" if found != "classes.tif" else "mean_iou"] > 0
    assert len(steps) >= 6 and sum(steps) >= 2 * SHAPE[0]
