"""Footprints of several scenes: each building once, in one layer or a file each."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer

from geoseg.errors import OutputError, UnsuitableError, UsageError
from geoseg.io.raster.write import write_array
from geoseg.specs import (
    Area,
    JobSpec,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    VectorTarget,
)
from geoseg.tools import extract
from tests.scenes import buildings, grid, picture, write_scene
from tests.tools.compared import shapes_in

pytest.importorskip("onnx")
MASK = buildings(300, 415)
SPEC = PredictSpec(tile_size=64, overlap=8, precision="fp32")
ALL = PolygonSpec(min_area=Area(0.0), min_hole=Area(0.0))


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", MASK)


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


@pytest.mark.parametrize("processors", [2, 8])
def test_an_output_that_fails_ends_what_runs_ahead(
    model: Path, scene: Path, tmp_path: Path, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows are read and strips are made in threads, and cleaned in one more where there are
    processors for it: they end before the scene is closed, and the error comes out.
    """

    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("os.cpu_count", lambda: processors)
    monkeypatch.setattr("geoseg.io.vector.write.FootprintWriter.write", full)
    before = threading.active_count()
    with pytest.raises(OutputError, match=r"^the disk is full$") as caught:
        extract.run([str(scene)], tmp_path / "out.parquet", SPEC, ALL, model=model)
    assert threading.active_count() == before and caught.tb
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


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
    assert report.area_px == 2 * MASK.sum()


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


def test_scenes_a_quarter_of_the_globe_apart_keep_their_places(model: Path, tmp_path: Path) -> None:
    """At 39 and -51 degrees of longitude, on the equator nearly: neither has coordinates in the UTM
    zone of the other. The second place is shown by two scenes that overlap.
    """
    mask = buildings(100, 415)
    rows, cols = mask.shape
    kenya = replace(grid(rows, cols, 32637), transform=Affine(0.3, 0, 5e5, 0, -0.3, 55_000))
    amapa = replace(kenya, crs=CRS.from_epsg(32622))
    right = rasterio.windows.Window(200, 0, cols - 200, rows)
    scenes = {
        "kenya": write_scene(tmp_path / "kenya.tif", mask, kenya),
        "amapa": write_scene(tmp_path / "amapa.tif", mask, amapa),
        "right": write_scene(tmp_path / "right.tif", mask[:, 200:], amapa.window(right)),
    }
    paths = [str(path) for path in scenes.values()]
    alone = []
    for path in paths[:2]:
        extract.run([path], tmp_path / "one.gpkg", SPEC, ALL, model=model)
        alone.append(gpd.read_file(tmp_path / "one.gpkg", layer="footprints"))
        (tmp_path / "one.gpkg").unlink()
    target = VectorTarget(tmp_path / "both.gpkg", dst_crs="EPSG:4326")
    report = extract.run(paths, target, SPEC, ALL, model=model)
    both = gpd.read_file(target.output, layer="footprints")
    assert report.footprints == len(both) == len(alone[0]) + len(alone[1])
    here = both["scene"] == "kenya"
    for found, expected in zip((both[here], both[~here]), alone, strict=True):
        assert shapes_in(found.to_crs(expected.crs)) == shapes_in(expected)
    with pytest.raises(UnsuitableError, match=r"of amapa have no place in WGS 84 / UTM zone 37N"):
        extract.run(paths[:2], tmp_path / "out.gpkg", SPEC, ALL, model=model)
    assert not (tmp_path / "out.gpkg").exists()


@pytest.mark.parametrize("first", ["across", "east", "pacific"])
def test_scenes_on_both_sides_of_180_degrees(model: Path, tmp_path: Path, first: str) -> None:
    """One that counts on beyond 180 degrees, its columns from there on counted from -180, and the
    same ground in metres.
    """
    mask = buildings(100, 415)
    rows, cols = mask.shape
    side = 0.3 / 111_320
    seam = 200
    lonlat = Affine(side, 0, 180 - seam * side, 0, -side, 0.1)
    across = replace(grid(rows, cols, 4326), transform=lonlat)
    east = replace(
        across, transform=Affine(side, 0, -180, 0, -side, 0.1), height=rows, width=cols - seam
    )
    x, y = Transformer.from_crs(4326, 3832, always_xy=True).transform(180 - seam * side, 0.1)
    pacific = replace(grid(rows, cols, 3832), transform=Affine(0.3, 0, x, 0, -0.3, y))
    scenes = {
        "across": write_scene(tmp_path / "across.tif", mask, across),
        "east": write_scene(tmp_path / "east.tif", mask[:, seam:], east),
        "pacific": write_scene(tmp_path / "pacific.tif", mask, pacific),
    }
    alone = extract.run(
        [str(scenes["pacific"])], tmp_path / "one.gpkg", SPEC, ALL, model=model
    ).footprints
    paths = [str(scenes.pop(first)), *map(str, scenes.values())]
    target = VectorTarget(tmp_path / "all.gpkg", dst_crs="EPSG:4326")
    assert extract.run(paths, target, SPEC, ALL, model=model).footprints == alone
    found = gpd.read_file(target.output, layer="footprints").bounds
    assert (found["maxx"] - found["minx"]).max() < 100 * side
    assert found["minx"].abs().min() > 179.9
    tiles = extract.run(paths, tmp_path / "all.pmtiles", SPEC, ALL, model=model)
    width = gpd.read_file(tmp_path / "all.pmtiles").bounds.eval("maxx - minx").max()
    assert tiles.footprints == alone and width < 100


def test_a_scene_that_fails_is_skipped_whole(model: Path, tmp_path: Path) -> None:
    good = write_scene(tmp_path / "good.tif", MASK)
    bad = write_scene(tmp_path / "bad.tif", MASK)
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size * 2 // 3])
    skip = JobSpec(on_error="skip")
    scenes = [str(bad), str(good)]
    report = extract.run(scenes, tmp_path / "b.gpkg", SPEC, ALL, model=model, job=skip)
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
