"""Rasters of other programs, whose values nothing explains: kept apart, scaled or refused."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio.features
from scipy import ndimage

from geoseg.chips.scene_windows import windows_of
from geoseg.cli.main import run
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import Area, ChipSpec, Length, MaskSpec, PolygonSpec
from geoseg.tools import evaluate, polygonize, rasterize, tile
from geoseg.training.balance import several_classes
from tests.layers import read
from tests.scenes import grid

GRID = grid(120, 160, gsd=0.5)
CUT = ChipSpec(size=60, split=(0.6, 0.4, 0.0), split_by="random")


def two_roofs() -> np.ndarray:
    """Probabilities float32 (row, col) of two buildings on uneven ground."""
    mask = np.zeros(GRID.shape, "float32")
    mask[20:50, 20:60] = mask[70:100, 80:140] = 1
    noise = np.random.default_rng(5).random(GRID.shape, "float32")
    return (ndimage.gaussian_filter(mask, 1.5) * 0.8 + 0.2 * noise).astype("float32")


def three_fields(values: tuple[int, int, int], dtype: str) -> np.ndarray:
    """Labels (row, col): two fields side by side, a third apart."""
    labels = np.zeros(GRID.shape, dtype)
    for value, (rows, cols) in zip(
        values, (((20, 50), (20, 60)), ((20, 50), (60, 100)), ((70, 100), (80, 140))), strict=True
    ):
        labels[slice(*rows), slice(*cols)] = value
    return labels


def burnt(path: Path) -> np.ndarray:
    shapes = read(path).geometry
    return rasterio.features.rasterize(shapes, GRID.shape, transform=GRID.transform) > 0


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535)])
def test_scores_are_cut_at_the_threshold_that_is_given(
    tmp_path: Path, dtype: str, full: int
) -> None:
    scores = (two_roofs() * full).astype(dtype)
    write_array(tmp_path / "s.tif", scores, GRID)
    spec = PolygonSpec(threshold=0.5, min_area=Area(0.0), min_hole=Area(0.0))
    report = polygonize.run(tmp_path / "s.tif", tmp_path / "s.gpkg", spec)
    np.testing.assert_array_equal(burnt(tmp_path / "s.gpkg"), scores >= 0.5 * full)
    assert report.footprints == 2 and report.warnings == ()
    assert read(tmp_path / "s.gpkg")["confidence"].between(0.8, 1).all()
    truth = tmp_path / "t.tif"
    write_array(truth, (scores >= 0.7 * full).astype("uint8"), GRID)
    found = evaluate.run(tmp_path / "s.tif", truth, evaluate.EvaluateSpec(threshold=0.7))
    assert found.pixel["iou"] == 1


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535)])
def test_scores_without_a_threshold_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str, full: int
) -> None:
    write_array(tmp_path / "s.tif", (two_roofs() * full).astype(dtype), GRID)
    write_array(tmp_path / "scene.tif", np.full((3, *GRID.shape), 7, "uint8"), GRID)
    for words in (
        ["polygonize", "s.tif", "-o", "s.gpkg"],
        ["evaluate", "s.tif", "s.tif"],
        ["tile", "scene.tif", "-o", "chips", "--labels", "s.tif"],
    ):
        paths = [str(tmp_path / word) if "." in word or word == "chips" else word for word in words]
        assert run(paths) == 4
        assert f"s.tif: holds scores of 0 to {full}, not classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "dtype"), [((1, 2, 3), "uint8"), ((2, 3, 1), "int16"), ((3, 7, 200), "uint16")]
)
@pytest.mark.parametrize("simplify", [0.0, 0.7])
def test_classes_without_names_are_footprints_of_their_own(
    tmp_path: Path, values: tuple[int, int, int], dtype: str, simplify: float
) -> None:
    write_array(tmp_path / "c.tif", three_fields(values, dtype), GRID)
    spec = PolygonSpec(min_area=Area(0.0), simplify=Length(simplify))
    polygonize.run(tmp_path / "c.tif", tmp_path / "c.gpkg", spec)
    layer = read(tmp_path / "c.gpkg").set_index("class")
    areas = [300, 300, 450]
    for value, area in zip(values, areas, strict=True):
        assert layer.geometry[str(value)].area == pytest.approx(area)
    one = polygonize.run(tmp_path / "c.tif", tmp_path / "one.gpkg", spec, class_value=values[1])
    assert one.footprints == 1
    itself = evaluate.run(tmp_path / "c.tif", tmp_path / "c.tif").pixel
    assert set(itself["classes"]) == {"0", *map(str, values)}


@pytest.mark.parametrize("verb", ["polygonize", "tile"])
def test_labels_below_0_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    mask = np.where(three_fields((1, 1, 1), "int16") > 0, 1, -1).astype("int16")
    write_array(tmp_path / "neg.tif", mask, GRID)
    write_array(tmp_path / "scene.tif", np.full((3, *GRID.shape), 7, "uint8"), GRID)
    neg, scene, out = (str(tmp_path / name) for name in ("neg.tif", "scene.tif", "out.gpkg"))
    words = {
        "polygonize": ["polygonize", neg, "-o", out],
        "tile": ["tile", scene, "-o", out, "--labels", neg],
    }
    assert run(words[verb]) == 4
    assert "holds labels from -1 to 1" in capsys.readouterr().err


def test_classes_reach_the_training_with_their_names(tmp_path: Path) -> None:
    """Integer classes of footprints, as chips and as windows of the scene."""
    left, _, _, top = GRID.bounds
    fields = [(5, 3), (25, 7), (45, 3)]
    table = gpd.GeoDataFrame(
        {"use": [use for _, use in fields]},
        geometry=gpd.points_from_xy([left + x + 9 for x, _ in fields], [top - 30] * 3).buffer(8),
        crs=GRID.crs,
    )
    table.to_file(tmp_path / "use.gpkg")
    scene = tmp_path / "s.tif"
    write_array(scene, np.full((3, *GRID.shape), 7, "uint8"), GRID)
    labels = tmp_path / "classes.tif"
    rasterize.run(tmp_path / "use.gpkg", scene, labels, MaskSpec(class_field="use"))
    burned = read_array(labels)[0][0]
    assert set(np.unique(burned)) == {0, 3, 7}
    tile.run([str(scene)], tmp_path / "chips", CUT, labels=labels)
    index = read_index(tmp_path / "chips")
    assert index.info.classes == ("background", "3", "7")
    masks = [read_array(index.folder / mask)[0] for mask in index.table["mask"]]
    assert {int(value) for mask in masks for value in np.unique(mask)} == {0, 1, 2}
    windows = windows_of([str(scene)], labels, CUT, [])
    assert windows.info.classes == ("background", "3", "7")
    chips = [chip for split in windows.splits.values() for chip in split]
    assert {int(v) for chip in chips for v in np.unique(chip.labels())} == {0, 1, 2}
    assert several_classes(chips, 3)


@pytest.mark.parametrize(("values", "dtype"), [((1, 2, 1), "uint8"), ((3, 7, 3), "int16")])
def test_classes_without_names_are_no_labels(
    tmp_path: Path, values: tuple[int, int, int], dtype: str
) -> None:
    scene, labels = tmp_path / "s.tif", tmp_path / "c.tif"
    write_array(scene, np.full((3, *GRID.shape), 7, "uint8"), GRID)
    write_array(labels, three_fields(values, dtype), GRID)
    for cut in (
        lambda: tile.run([str(scene)], tmp_path / "chips", CUT, labels=labels),
        lambda: windows_of([str(scene)], labels, CUT, []),
    ):
        with pytest.raises(UnsuitableError, match=r"c\.tif: holds the classes .*rio edit-info"):
            cut()
