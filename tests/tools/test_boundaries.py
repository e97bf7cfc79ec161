"""Terraced houses, which only a class of boundaries tells apart: burnt, predicted, extracted,
polygonized.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from shapely import affinity

from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.models.store import read_spec
from geoseg.specs import (
    Area,
    ChipSpec,
    MaskSpec,
    ModelSpec,
    PolygonSpec,
    PredictSpec,
    RasterTarget,
    VectorTarget,
)
from geoseg.tools import evaluate, extract, polygonize, predict, rasterize, tile, tune
from tests.scenes import GROUND, ROOF, grid, red_model

pytest.importorskip("onnx")
GRID = grid(260, 330)
WALL = (60, 60, 210)
CLASSES = ("background", "building", "boundary")
WEIGHTS = ((-20, 20, -20), (20, -20, -20), (-20, -20, 20))
SPEC = PredictSpec(tile_size=96, overlap=24, precision="fp32")
ALL = PolygonSpec(min_area=Area(0.0))


def terraces() -> np.ndarray:
    """Rows of houses wall to wall, each row turned by an angle of its own."""
    left, _, _, top = GRID.bounds
    rows = []
    for row in range(3):
        houses = [shapely.box(6 * i, 0, 6 * i + 6, 9) for i in range(12)]
        turned = affinity.rotate(shapely.MultiPolygon(houses), (4, -3, 9)[row], origin=(36, 4))
        rows += affinity.translate(turned, left + 14, top - 24 - 23 * row).geoms
    return np.array(rows)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the footprints, the scene, its class raster and a model of three classes."""
    folder = tmp_path_factory.mktemp("town")
    gpd.GeoDataFrame(geometry=terraces(), crs=GRID.crs).to_file(folder / "truth.gpkg")
    write_array(folder / "like.tif", np.zeros((1, *GRID.shape), np.uint8), GRID)
    rasterize.run(
        folder / "truth.gpkg", folder / "like.tif", folder / "classes.tif", MaskSpec(("edges:0.4",))
    )
    with rasterio.open(folder / "classes.tif") as file:
        colours = np.array([GROUND, ROOF, WALL], np.uint8)[file.read(1)]
    write_array(folder / "scene.tif", np.ascontiguousarray(colours.transpose(2, 0, 1)), GRID)
    red_model(folder / "model.onnx", ModelSpec("red", classes=CLASSES, margin=0), WEIGHTS)
    return folder


def matched(layer: gpd.GeoDataFrame) -> np.ndarray:
    """The best IoU of each true house."""
    true, found = terraces(), layer.geometry.to_numpy()
    one, other = shapely.STRtree(found).query(true, predicate="intersects")
    common = shapely.area(shapely.intersection(true[one], found[other]))
    best = np.zeros(len(true))
    np.maximum.at(
        best, one, common / (shapely.area(true[one]) + shapely.area(found[other]) - common)
    )
    return best


def test_edges_are_classes_that_name_themselves(town: Path) -> None:
    with rasterio.open(town / "classes.tif") as file:
        labels, tags = file.read(1), file.tags()
    assert tags["GEOSEG_CLASSES"] == "background,building,boundary"
    assert tags["GEOSEG_KIND"] == "classes"
    assert set(np.unique(labels)) == {0, 1, 2}
    rasterize.run(
        town / "truth.gpkg",
        town / "like.tif",
        town / "both.tif",
        MaskSpec(("footprint", "boundary:0.4")),
    )
    with rasterio.open(town / "both.tif") as file:
        np.testing.assert_array_equal(labels, file.read(1) + file.read(2))


def test_extract_parts_what_the_boundary_parts(town: Path, tmp_path: Path) -> None:
    layers = {}
    for name, spec in {
        "auto": ALL,
        "none": PolygonSpec(min_area=Area(0.0), separate="none"),
    }.items():
        extract.run(
            [str(town / "scene.tif")],
            tmp_path / f"{name}.gpkg",
            SPEC,
            spec,
            model=town / "model.onnx",
        )
        layers[name] = gpd.read_file(tmp_path / f"{name}.gpkg", layer="footprints")
    assert len(layers["none"]) == 3  # the boundary is part of its building
    assert len(layers["auto"]) == 36
    assert set(layers["auto"]["class"]) == {"building"}
    assert matched(layers["auto"]).min() > 0.85
    assert (layers["auto"]["confidence"] > 0.95).all()
    whole = PredictSpec(tile_size=352, overlap=0, precision="fp32")
    extract.run(
        [str(town / "scene.tif")], tmp_path / "whole.gpkg", whole, ALL, model=town / "model.onnx"
    )
    same = gpd.read_file(tmp_path / "whole.gpkg", layer="footprints")
    assert same.geometry.geom_equals_exact(layers["auto"].geometry, 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_predict_and_polygonize_are_the_halves_of_extract(
    dtype: str, town: Path, tmp_path: Path
) -> None:
    predict.run(
        [str(town / "scene.tif")],
        RasterTarget(tmp_path / "p.tif", dtype=dtype),
        SPEC,
        model=town / "model.onnx",
    )
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.count == 3
    spec = PolygonSpec(min_area=Area(0.0), regularize="orthogonal", outline="subpixel")
    report = polygonize.run(tmp_path / "p.tif", tmp_path / "b.gpkg", spec)
    layer = gpd.read_file(tmp_path / "b.gpkg", layer="footprints")
    assert report.footprints == len(layer) == 36
    assert set(layer["class"]) == {"building"}
    assert layer["regularized"].all() and layer["vertices"].median() == 4
    assert matched(layer).min() > 0.85
    with pytest.raises(UsageError, match="no footprints in class 2"):
        polygonize.run(tmp_path / "p.tif", tmp_path / "c.gpkg", ALL, class_value=2)


@pytest.mark.parametrize("kind", ["probabilities", "predicted", "burnt"])
def test_evaluate_takes_boundaries_for_building_and_parts_by_them(
    kind: str, town: Path, tmp_path: Path
) -> None:
    raster = town / "classes.tif"
    if kind != "burnt":
        raster = tmp_path / "p.tif"
        predict.run(
            [str(town / "scene.tif")],
            RasterTarget(raster, classes=kind == "predicted"),
            SPEC,
            model=town / "model.onnx",
        )
    report = evaluate.run(raster, town / "truth.gpkg")
    assert (
        report.pixel["classes"].keys() == {"background", "building"} and report.pixel["iou"] > 0.95
    )
    assert (report.object["tp"], report.object["fp"], report.object["fn"]) == (36, 0, 0)
    rasterize.run(town / "truth.gpkg", town / "like.tif", tmp_path / "mask.tif", MaskSpec())
    assert evaluate.run(raster, tmp_path / "mask.tif").pixel["iou"] == report.pixel["iou"]


def test_tune_counts_whole_buildings_where_labels_have_boundaries_too(
    town: Path, tmp_path: Path
) -> None:
    spec = ChipSpec(size=512, split=(0, 1, 0))
    tile.run([str(town / "scene.tif")], tmp_path / "chips", spec, labels=town / "classes.tif")
    report = tune.run(
        tmp_path / "chips", tmp_path / "m.onnx", model=town / "model.onnx", predict_spec=SPEC
    )
    assert [report.after[name] for name in ("tp", "fp", "fn")] == [36, 0, 0]
    assert read_spec(tmp_path / "m.onnx").classes == CLASSES


def test_bands_that_are_told_apart(town: Path, tmp_path: Path) -> None:
    """Footprints and their boundaries as two bands, each with a probability of its own, as other
    programs write them.
    """
    rasterize.run(
        town / "truth.gpkg",
        town / "like.tif",
        tmp_path / "both.tif",
        MaskSpec(("footprint", "boundary:0.4")),
    )
    with rasterio.open(tmp_path / "both.tif") as file:
        profile, masks = file.profile | {"dtype": "float32"}, file.read()
    with rasterio.open(tmp_path / "p.tif", "w", **profile) as out:
        out.write(0.1 + 0.8 * masks.astype(np.float32))
        out.descriptions = ("footprint", "boundary")
    polygonize.run(tmp_path / "p.tif", tmp_path / "b.gpkg", ALL)
    layer = gpd.read_file(tmp_path / "b.gpkg", layer="footprints")
    assert len(layer) == 36 and matched(layer).min() > 0.85
    polygonize.run(tmp_path / "p.tif", tmp_path / "c.gpkg", PolygonSpec(separate="none"))
    assert len(gpd.read_file(tmp_path / "c.gpkg", layer="footprints")) == 3


def test_class_rasters_are_parted_too(town: Path, tmp_path: Path) -> None:
    """As burnt they give the houses back, as predicted nearly so."""
    predict.run(
        [str(town / "scene.tif")],
        RasterTarget(tmp_path / "classes.tif", classes=True),
        SPEC,
        model=town / "model.onnx",
    )
    for raster in (town / "classes.tif", tmp_path / "classes.tif"):
        polygonize.run(raster, VectorTarget(tmp_path / "b.gpkg", overwrite=True), PolygonSpec())
        layer = gpd.read_file(tmp_path / "b.gpkg", layer="footprints")
        assert len(layer) == 36 and set(layer["class"]) == {"building"}
        assert matched(layer).min() > 0.85
    alone = polygonize.run(town / "classes.tif", tmp_path / "c.gpkg", PolygonSpec(), class_value=2)
    with rasterio.open(town / "classes.tif") as file:
        # holes of less than 5 square metres filled
        assert alone.area_m2 > (file.read(1) == 2).sum() * 0.09


def test_bands_that_nothing_names_are_refused(tmp_path: Path) -> None:
    write_array(tmp_path / "p.tif", np.zeros((3, 20, 31), np.float32), grid(20, 31))
    with pytest.raises(UnsuitableError, match="nothing names"):
        polygonize.run(tmp_path / "p.tif", tmp_path / "b.gpkg", PolygonSpec())
    write_array(tmp_path / "m.tif", np.zeros((3, 20, 31), np.uint8), grid(20, 31), overwrite=True)
    with pytest.raises(UnsuitableError, match="one"):
        polygonize.run(tmp_path / "m.tif", tmp_path / "b.gpkg", PolygonSpec())
