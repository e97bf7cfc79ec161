"""The main job: footprints of known scenes, the same for any windows, read back by other
programs.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod
from rasterio import features

from geoseg.errors import OutputError, UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.models.metadata import rewrite
from geoseg.models.store import read_spec
from geoseg.specs import (
    Area,
    ExtractSpec,
    ExtractTarget,
    JobSpec,
    PixelReference,
    PolygonSpec,
    PredictSpec,
)
from geoseg.tools import extract, polygonize, predict
from tests.scenes import buildings, grid, picture, red_model, write_scene
from tests.tools.compared import shapes_in

pytest.importorskip("onnx")
MASK = buildings(300, 415)
SPEC = PredictSpec(tile_size=64, overlap=8, precision="fp32")
ALL = PolygonSpec(min_area=Area(0.0), min_hole=Area(0.0))


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", MASK)


def shapes_of(mask: np.ndarray, on: object) -> set[bytes]:
    """Footprints of the whole raster at once, by rasterio, as normalised WKB."""
    found = features.shapes(mask.astype("uint8"), mask, transform=on.transform)  # type: ignore[attr-defined]
    return {
        shapely.to_wkb(shapely.normalize(shapely.geometry.shape(geometry)).simplify(0))
        for geometry, _ in found
    }


def test_footprints_on_every_seam_are_those_of_the_whole_raster(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    """Windows of 64 pixels: hardly a building that no seam runs through."""
    layers = []
    for name, spec in {
        "tiled": SPEC,
        "other": PredictSpec(tile_size=96, overlap=40, precision="fp32"),
    }.items():
        out = tmp_path / f"{name}.parquet"
        report = extract.run([str(scene)], out, spec, ALL, model=model)
        layers.append(gpd.read_parquet(out))
        assert report.footprints == len(layers[-1])
    out = tmp_path / "whole.parquet"
    extract.run(
        [str(scene)], out, PredictSpec(tile_size=416, overlap=0, precision="fp32"), ALL, model=model
    )
    whole = gpd.read_parquet(out)
    for layer in layers:
        assert layer.drop(columns="confidence").equals(whole.drop(columns="confidence"))
        assert np.abs(layer["confidence"] - whole["confidence"]).max() < 1e-3
    parts = whole.geometry.explode()
    assert {shapely.to_wkb(shapely.normalize(g).simplify(0)) for g in parts} == shapes_of(
        MASK, grid(*MASK.shape)
    )


def test_the_columns_and_what_they_hold(model: Path, scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "buildings.gpkg"
    report = extract.run([str(scene)], out, SPEC, ALL, model=model)
    layer = gpd.read_file(out)
    names = [
        "id",
        "scene",
        "class",
        "confidence",
        "area_m2",
        "perimeter_m",
        "edge",
        "vertices",
        "geometry",
    ]
    assert list(layer.columns) == names
    assert layer.crs.to_epsg() == 32633 and layer.is_valid.all()
    assert list(layer["id"]) == list(range(1, len(layer) + 1))
    assert set(layer["scene"]) == {"scene"} and set(layer["class"]) == {"building"}
    assert (layer["confidence"] > 0.9).all()
    left, bottom, right, top = grid(*MASK.shape).bounds
    bounds = layer.geometry.bounds
    touching = (
        (bounds.minx == left)
        | (bounds.miny == bottom)
        | (bounds.maxx == right)
        | (bounds.maxy == top)
    )
    assert touching.any() and (layer["edge"].astype(bool) == touching).all()
    geod = Geod(ellps="WGS84")
    truth = [abs(geod.geometry_area_perimeter(g)[0]) for g in layer.to_crs(4326).geometry]
    assert np.allclose(layer["area_m2"], truth, rtol=2e-3)
    assert report.area_m2 == pytest.approx(layer["area_m2"].sum(), abs=0.1)
    with sqlite3.connect(out) as database:
        assert (
            database.execute("select table_name from gpkg_contents").fetchone()[0] == "footprints"
        )
        assert "red.onnx" in str(database.execute("select metadata from gpkg_metadata").fetchall())


def test_straight_and_parted_whatever_the_windows(model: Path, scene: Path, tmp_path: Path) -> None:
    spec = PolygonSpec(min_area=Area(0.0), regularize="orthogonal", separate="watershed")
    layers = []
    for name, windows in {
        "tiled": SPEC,
        "whole": PredictSpec(tile_size=416, overlap=0, precision="fp32"),
    }.items():
        out = tmp_path / f"{name}.gpkg"
        extract.run([str(scene)], out, windows, spec, model=model)
        layers.append(gpd.read_file(out, layer="footprints"))
    tiled, whole = layers
    assert tiled.drop(columns="confidence").equals(whole.drop(columns="confidence"))
    assert whole["regularized"].mean() > 0.5
    assert whole["regularized_iou"].notna().tolist() == whole["regularized"].tolist()
    assert whole.is_valid.all()


def test_mercator_areas_are_ground_areas(model: Path, tmp_path: Path) -> None:
    """EPSG:3857 at 60 degrees north is twice as long and four times as large as the ground."""
    on = grid(*MASK.shape, epsg=3857, gsd=0.6)
    north = type(on)(on.crs, rasterio.Affine(0.6, 0, 2_000_000, 0, -0.6, 8_400_000), *on.shape)
    assert north.gsd == pytest.approx(0.3, rel=0.02)
    scene = write_scene(tmp_path / "north.tif", MASK, north)
    report = extract.run([str(scene)], tmp_path / "north.gpkg", SPEC, ALL, model=model)
    assert report.area_m2 == pytest.approx(MASK.sum() * north.gsd**2, rel=0.01)


def test_small_footprints_and_holes_go_by_square_metres(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    spec = PolygonSpec(min_area=Area(20.0), min_hole=Area(10.0))
    extract.run([str(scene)], tmp_path / "b.gpkg", SPEC, spec, model=model)
    layer = gpd.read_file(tmp_path / "b.gpkg")
    assert len(layer) and (layer["area_m2"] >= 20).all()
    holes = [
        shapely.Polygon(ring).area for part in layer.geometry.explode() for ring in part.interiors
    ]
    assert all(area >= 10 for area in holes)


def test_an_area_of_interest_cuts_the_footprints(model: Path, scene: Path, tmp_path: Path) -> None:
    left, bottom, right, top = grid(*MASK.shape).bounds
    area = shapely.box(left + 30, bottom + 10, right - 20, top - 45)
    gpd.GeoDataFrame(geometry=[area], crs=32633).to_crs(4326).to_file(tmp_path / "aoi.geojson")
    extract.run(
        [str(scene)],
        tmp_path / "b.gpkg",
        replace(SPEC, aoi=tmp_path / "aoi.geojson"),
        ALL,
        model=model,
    )
    layer = gpd.read_file(tmp_path / "b.gpkg")
    assert len(layer) and layer.within(area.buffer(0.31)).all()


def test_the_probabilities_may_be_kept(model: Path, scene: Path, tmp_path: Path) -> None:
    target = ExtractTarget(tmp_path / "b.gpkg", save_prob=tmp_path / "p.tif")
    extract.run([str(scene)], target, SPEC, ALL, model=model)
    with rasterio.open(tmp_path / "p.tif") as file:
        assert ((file.read(1) >= 127) == MASK).all()


def test_nothing_found_is_an_empty_layer(model: Path, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "field.tif", np.zeros((80, 130), bool))
    for name in ("b.gpkg", "b.parquet", "b.fgb"):
        report = extract.run([str(scene)], tmp_path / name, SPEC, ALL, model=model)
        layer = (
            gpd.read_parquet(tmp_path / name)
            if name.endswith("parquet")
            else gpd.read_file(tmp_path / name)
        )
        assert report.footprints == len(layer) == 0
        assert layer.crs.to_epsg() == 32633 and "area_m2" in layer.columns


def test_a_picture_wants_a_crs_or_pixels(model: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "photo.png")
    write_array(path, picture(MASK))
    with pytest.raises(UnsuitableError, match="has no CRS"):
        extract.run([path], tmp_path / "b.gpkg", SPEC, ALL, model=model)
    report = extract.run(
        [path],
        tmp_path / "b.gpkg",
        SPEC,
        ALL,
        model=model,
        reference=PixelReference(pixel_coords=True),
    )
    assert (report.area_px, report.area_m2) == (MASK.sum(), None)
    assert {p.name for p in tmp_path.iterdir()} == {"photo.png", "b.gpkg"}


def test_bad_combinations_are_refused_before_any_work(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.gpkg").write_text("mine")
    with pytest.raises(OutputError):
        extract.run([str(scene)], tmp_path / "b.gpkg", SPEC, ALL, model=model)
    with pytest.raises(UsageError):
        extract.run([str(scene)], tmp_path / "b.docx", SPEC, ALL, model=model)
    with pytest.raises(UsageError):
        target = ExtractTarget(tmp_path / "c.gpkg", save_prob=tmp_path / "p.tif")
        extract.run([str(scene)] * 2, target, SPEC, ALL, model=model)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.gpkg", "scene.tif"]


def test_a_dry_run_tells_the_plan_and_writes_nothing(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    dry = JobSpec(dry_run=True)
    report = extract.run([str(scene)], tmp_path / "b.gpkg", SPEC, ALL, model=model, job=dry)
    assert (
        report.plan and report.plan[0]["windows"] == 6 * 8 and report.plan[0]["shape"] == [300, 415]
    )
    assert report.plan[0]["crs"] == "EPSG:32633"
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]


def test_by_default_footprints_are_to_hand_over(model: Path, tmp_path: Path) -> None:
    """Two houses joined by a narrow neck, turned by 20 degrees: parted, with right angles."""
    row, col = np.mgrid[:150, :210]
    x = (col - 105) * np.cos(0.35) + (row - 75) * np.sin(0.35)
    y = (row - 75) * np.cos(0.35) - (col - 105) * np.sin(0.35)
    houses = (abs(y) < 25) & (abs(abs(x) - 40) < 30)
    mask = houses | ((abs(y) < 5) & (abs(x) < 20))
    scene = str(write_scene(tmp_path / "scene.tif", mask))
    extract.run([scene], tmp_path / "d.gpkg", SPEC, model=model)
    layer = gpd.read_file(tmp_path / "d.gpkg", layer="footprints")
    assert len(layer) == 2 and (layer["vertices"] <= 10).all() and layer["regularized"].all()
    on = grid(*mask.shape)
    for side in (-1, 1):
        true = shapely.Polygon(
            on.transform
            * (105 + u * np.cos(0.35) - v * np.sin(0.35), 75 + u * np.sin(0.35) + v * np.cos(0.35))
            for u, v in (
                (40 * side - 30, -25),
                (40 * side + 30, -25),
                (40 * side + 30, 25),
                (40 * side - 30, 25),
            )
        )
        shared = layer.geometry.intersection(true).area
        iou = shared / (layer.geometry.area + true.area - shared)
        assert iou.max() > 0.93
    raw = ExtractSpec(raw=True, min_area=Area(0))
    extract.run([scene], tmp_path / "raw.gpkg", SPEC, raw, model=model)
    traced = gpd.read_file(tmp_path / "raw.gpkg", layer="footprints").geometry.explode()
    found = {shapely.to_wkb(shapely.normalize(shape).simplify(0)) for shape in traced}
    assert found == shapes_of(mask, on)


def test_footprints_by_size_and_confidence(model: Path, scene: Path, tmp_path: Path) -> None:
    extract.run([str(scene)], tmp_path / "all.gpkg", SPEC, ALL, model=model)
    layer = gpd.read_file(tmp_path / "all.gpkg", layer="footprints")
    most, least = layer["area_m2"].max() - 1, layer["confidence"].quantile(0.3)
    spec = replace(ALL, max_area=Area(most), min_confidence=least)
    report = extract.run([str(scene)], tmp_path / "some.gpkg", SPEC, spec, model=model)
    some = gpd.read_file(tmp_path / "some.gpkg", layer="footprints")
    wanted = layer[(layer["area_m2"] <= most + 0.01) & (layer["confidence"] >= least)]
    assert 0 < len(some) < len(layer) and report.footprints == len(some)
    assert shapes_in(some) == shapes_in(wanted)
    assert some["id"].tolist() == list(range(1, len(some) + 1))


def test_a_models_least_confidence_goes_with_its_threshold(scene: Path, tmp_path: Path) -> None:
    # unsure enough that the noise of the roofs shows
    model = red_model(tmp_path / "unsure.onnx", weights=((-1, 1, 0), (1, -1, 0)))

    def found(name: str, spec: PolygonSpec, model: Path) -> gpd.GeoDataFrame:
        extract.run([str(scene)], tmp_path / name, SPEC, spec, model=model)
        return gpd.read_file(tmp_path / name, layer="footprints")

    every = found("all.gpkg", ALL, model)
    least = every["confidence"].quantile(0.3)
    own = read_spec(model)
    strict = tmp_path / "strict.onnx"
    rewrite(model, strict, replace(own, min_confidence=least))
    sure = every[every["confidence"] >= least]
    assert 0 < len(sure) < len(every)
    assert shapes_in(found("sure.gpkg", ALL, strict)) == shapes_in(sure)
    same = replace(ALL, threshold=own.threshold)
    assert shapes_in(found("same.gpkg", same, strict)) == shapes_in(sure)
    for name, spec in {
        "zero": replace(ALL, min_confidence=0.0),
        "threshold": replace(ALL, threshold=own.threshold - 0.001),
        "raw": ExtractSpec(raw=True, min_area=Area(0)),
    }.items():
        assert len(found(f"{name}.gpkg", spec, strict)) == len(every)

    # the probability raster carries it to polygonize
    raster = tmp_path / "p.tif"
    predict.run([str(scene)], raster, SPEC, model=strict)
    for name, spec in {"some": ALL, "each": replace(ALL, min_confidence=0.0)}.items():
        report = polygonize.run(str(raster), tmp_path / f"{name}.gpkg", spec)
        assert report.min_confidence == (0 if name == "each" else pytest.approx(least))
    some, each = (gpd.read_file(tmp_path / f"{name}.gpkg") for name in ("some", "each"))
    assert len(each) == len(every) and some["confidence"].min() >= least
    assert len(some) == (each["confidence"] >= least).sum() < len(each)


def test_a_scene_without_a_pixel_of_data_is_named(model: Path, tmp_path: Path) -> None:
    pixels = np.zeros((3, *MASK.shape), np.uint8)
    empty = tmp_path / "empty.tif"
    write_array(empty, pixels, grid(*MASK.shape), nodata=0)
    report = extract.run([str(empty)], tmp_path / "out.gpkg", SPEC, model=model)
    assert report.warnings == (f"{empty}: no pixel holds data: all are its `nodata`, 0",)
    assert len(gpd.read_file(tmp_path / "out.gpkg")) == 0
