"""The main job: footprints of known scenes, the same for any windows, read back by other
programs.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod
from rasterio import features

from geoseg.errors import OutputError, UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.specs import Area, ExtractSpec, PixelReference, PolygonSpec, PredictSpec, VectorTarget
from geoseg.tools import extract
from tests.scenes import buildings, grid, picture, write_scene

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


def halves(folder: Path) -> list[str]:
    """Two scenes that share a third of their rows; no building is as high as that."""
    on = grid(*MASK.shape)
    for name, rows in {"upper": slice(0, 200), "lower": slice(100, 300)}.items():
        write_scene(
            folder / f"{name}.tif",
            MASK[rows],
            on.window(rasterio.windows.Window(0, rows.start, MASK.shape[1], 200)),
        )
    return [str(folder / f"{name}.tif") for name in ("upper", "lower")]


def shapes_in(layer: gpd.GeoDataFrame) -> list[bytes]:
    parts = shapely.get_parts(layer.geometry.to_numpy())
    return sorted(shapely.to_wkb(shapely.normalize(shapely.set_precision(parts, 1e-3))))


def test_buildings_that_two_scenes_show_are_written_once_and_whole(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    parts = halves(tmp_path)
    extract.run([str(scene)], tmp_path / "whole.gpkg", SPEC, ALL, model=model)
    whole = gpd.read_file(tmp_path / "whole.gpkg", layer="footprints")
    for order, output in ((parts, "one.gpkg"), (parts[::-1], "other.parquet")):
        report = extract.run(order, tmp_path / output, SPEC, ALL, model=model)
        layer = (
            gpd.read_parquet(tmp_path / output)
            if "parquet" in output
            else gpd.read_file(tmp_path / output)
        )
        assert shapes_in(layer) == shapes_in(whole)
        assert report.footprints == len(layer) == len(whole)
        assert report.area_m2 == pytest.approx(whole["area_m2"].sum(), abs=0.1)
        assert layer["id"].tolist() == list(range(1, len(layer) + 1))
        assert layer["edge"].sum() == whole["edge"].sum()
        assert set(layer["scene"]) == {"upper", "lower"}
    elsewhere = [parts[0], str(tmp_path / "turned.tif")]
    with rasterio.open(parts[1]) as file:
        to = file.profile | {
            "crs": "EPSG:3857",
            "transform": rasterio.Affine(0.3, 0, 5e5, 0, -0.3, 7e6),
        }
        with rasterio.open(elsewhere[1], "w", **to) as out:
            out.write(file.read())
    each = [
        extract.run(
            [path], VectorTarget(tmp_path / "each.gpkg", overwrite=True), SPEC, ALL, model=model
        )
        for path in elsewhere
    ]
    apart = extract.run(elsewhere, tmp_path / "apart.gpkg", SPEC, ALL, model=model)
    assert apart.footprints == sum(report.footprints for report in each)


def test_pictures_without_a_crs_do_not_lie_over_each_other(model: Path, tmp_path: Path) -> None:
    scenes = [str(tmp_path / "one.png"), str(tmp_path / "two.png")]
    for path in scenes:
        write_array(path, picture(MASK))
    report = extract.run(
        scenes,
        tmp_path / "b.gpkg",
        SPEC,
        ALL,
        model=model,
        reference=PixelReference(pixel_coords=True),
    )
    assert report.area_m2 == 2 * MASK.sum()


def test_appending_leaves_out_what_is_there(model: Path, scene: Path, tmp_path: Path) -> None:
    """Together two scenes are the whole: each building once, and none as the first one's border had
    cut it.
    """
    out, (upper, lower) = tmp_path / "b.gpkg", halves(tmp_path)
    first = extract.run([upper], VectorTarget(out, append=True), SPEC, ALL, model=model)
    second = extract.run([lower], VectorTarget(out, append=True), SPEC, ALL, model=model)
    layer = gpd.read_file(out, layer="footprints")
    extract.run([str(scene)], tmp_path / "whole.gpkg", SPEC, ALL, model=model)
    assert shapes_in(layer) == shapes_in(gpd.read_file(tmp_path / "whole.gpkg", layer="footprints"))
    assert layer["id"].is_unique and layer["id"].max() == first.footprints + second.footprints
    # by the spatial index
    assert len(gpd.read_file(out, layer="footprints", bbox=tuple(layer.total_bounds))) == len(layer)
    with sqlite3.connect(out) as database:
        assert database.execute("select count(*) from layer_styles").fetchone() == (1,)
    again = extract.run([upper], VectorTarget(out, append=True), SPEC, ALL, model=model)
    assert again.footprints == 0
    assert len(gpd.read_file(out, layer="footprints")) == len(layer)
    spec = PolygonSpec(regularize="orthogonal")
    before = out.read_bytes()
    with pytest.raises(UnsuitableError, match="columns differ: regularized"):
        extract.run([upper], VectorTarget(out, append=True), SPEC, spec, model=model)
    with pytest.raises(UsageError, match="cannot be combined"):
        extract.run([upper], VectorTarget(out, overwrite=True, append=True), SPEC, ALL, model=model)
    extract.run([upper], tmp_path / "b.fgb", SPEC, ALL, model=model)
    with pytest.raises(UnsuitableError, match="no GeoPackage"):
        extract.run([upper], VectorTarget(tmp_path / "b.fgb", append=True), SPEC, ALL, model=model)
    assert out.read_bytes() == before


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
        [str(scene)], tmp_path / "b.gpkg", SPEC, ALL, model=model, aoi=tmp_path / "aoi.geojson"
    )
    layer = gpd.read_file(tmp_path / "b.gpkg")
    assert len(layer) and layer.within(area.buffer(0.31)).all()


def test_the_probabilities_may_be_kept(model: Path, scene: Path, tmp_path: Path) -> None:
    extract.run(
        [str(scene)], tmp_path / "b.gpkg", SPEC, ALL, model=model, save_prob=tmp_path / "p.tif"
    )
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


def test_scenes_share_a_layer_or_get_a_file_each(model: Path, tmp_path: Path) -> None:
    scenes = [str(write_scene(tmp_path / "one.tif", MASK[:150, :200]))]
    scenes.append(
        str(write_scene(tmp_path / "two.tif", MASK[:90, :250], grid(90, 250, epsg=32634)))
    )
    extract.run(scenes, tmp_path / "both.gpkg", SPEC, ALL, model=model)
    both = gpd.read_file(tmp_path / "both.gpkg")
    assert list(both["id"]) == list(range(1, len(both) + 1))
    assert both.crs.to_epsg() == 32633 and list(both["scene"].unique()) == ["one", "two"]
    (tmp_path / "each").mkdir()
    extract.run(scenes, tmp_path / "each", SPEC, ALL, model=model)
    second = gpd.read_file(tmp_path / "each" / "two.gpkg")
    assert second.crs.to_epsg() == 32634
    mine = both[both["scene"] == "two"].to_crs(32634).geometry
    assert (
        mine.reset_index(drop=True).hausdorff_distance(second.geometry, align=False) < 1e-3
    ).all()


def test_a_scene_that_fails_is_skipped_whole(model: Path, tmp_path: Path) -> None:
    good = write_scene(tmp_path / "good.tif", MASK)
    bad = write_scene(tmp_path / "bad.tif", MASK)
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size * 2 // 3])
    report = extract.run(
        [str(bad), str(good)], tmp_path / "b.gpkg", SPEC, ALL, model=model, on_error="skip"
    )
    assert list(report.failed) == [str(bad)] and report.outputs == (str(tmp_path / "b.gpkg"),)
    assert set(gpd.read_file(tmp_path / "b.gpkg")["scene"]) == {"good"}
    command = [
        "extract",
        str(bad),
        str(good),
        "-o",
        str(tmp_path / "d.gpkg"),
        "-m",
        str(model),
        "--on-error",
        "skip",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "geoseg", *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 9 and list(json.loads(done.stdout)["failed"]) == [str(bad)]
    assert done.stderr.splitlines()[-1].startswith("Error: 1 of 2 scenes failed: ")
    with pytest.raises(Exception, match=r"bad\.tif"):
        extract.run([str(good), str(bad)], tmp_path / "c.gpkg", SPEC, ALL, model=model)
    assert not list(tmp_path.glob("*c.gpkg*"))


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
    assert report.area_m2 == MASK.sum()
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
        extract.run(
            [str(scene)] * 2,
            tmp_path / "c.gpkg",
            SPEC,
            ALL,
            model=model,
            save_prob=tmp_path / "p.tif",
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.gpkg", "scene.tif"]


def test_a_dry_run_tells_the_plan_and_writes_nothing(
    model: Path, scene: Path, tmp_path: Path
) -> None:
    report = extract.run([str(scene)], tmp_path / "b.gpkg", SPEC, ALL, model=model, dry_run=True)
    assert (
        report.plan and report.plan[0]["windows"] == 6 * 8 and report.plan[0]["shape"] == [300, 415]
    )
    assert report.plan[0]["crs"] == "EPSG:32633"
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]


def test_scenes_of_one_name_have_names_of_their_own(model: Path, tmp_path: Path) -> None:
    on = grid(120, 415)
    paths = []
    for folder, top in (("x", 0), ("y", 150)):
        (tmp_path / folder).mkdir()
        part = MASK[top : top + 120]
        beside = replace(on, transform=on.transform * Affine.translation(0, top))
        paths.append(str(write_scene(tmp_path / folder / "ortho.tif", part, beside)))
    extract.run(paths, tmp_path / "one.gpkg", SPEC, ALL, model=model)
    layer = gpd.read_file(tmp_path / "one.gpkg", layer="footprints")
    assert set(layer["scene"]) == {"ortho", "ortho_2"}
    lower = layer.geometry.centroid.y < on.bounds[1]
    assert (layer["scene"][lower] == "ortho_2").all() and lower.any()
    (tmp_path / "each").mkdir()
    report = extract.run(paths, tmp_path / "each", SPEC, ALL, model=model)
    assert [Path(path).name for path in report.outputs] == ["ortho.gpkg", "ortho_2.gpkg"]
    second = gpd.read_file(tmp_path / "each/ortho_2.gpkg", layer="footprints")
    assert set(second["scene"]) == {"ortho_2"}


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
