"""Scenes cut together, areas of interest, the index."""

import json
import tracemalloc
from collections import Counter

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import SafetyError, UnsuitableError, UsageError
from geoseg.io.chip_index import read_index
from geoseg.specs import ChipSpec, SceneSpec
from geoseg.tools import tile
from tests.tools.tiles import GRID, UTM, ground, noise, plain, scene, windows

# Scenes


def test_scenes_of_the_same_name(tmp_path):
    folders = [tmp_path / name for name in ("x", "y", "z")]
    for folder in folders:
        folder.mkdir()
    names = [(folders[0], "a"), (folders[1], "a"), (folders[2], "A"), (folders[2], "a_2")]
    paths = [
        scene(folder / f"{name}.tif", np.full((1, 20, 30), 10 + i, np.uint8))
        for i, (folder, name) in enumerate(names)
    ]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=10, split_by="scene"))
    table = read_index(tmp_path / "chips").table
    assert (
        list(dict.fromkeys(table["scene"])) == ["a", "a_2", "A_3", "a_2_2"]
        and len(set(table["id"])) == 24
    )
    for scene_name, value in zip(("a", "a_2", "A_3", "a_2_2"), range(10, 14), strict=True):
        for name in table[table["scene"] == scene_name]["image"]:
            assert (plain(tmp_path / "chips" / name)[0] == value).all()


def test_scenes_that_do_not_go_together(tmp_path):
    first = scene(tmp_path / "a.tif")
    for path, message in (
        (scene(tmp_path / "b.tif", noise(4)), r"b\.tif: has 4 bands of uint8, .*a\.tif 3 of uint8"),
        (scene(tmp_path / "c.tif", noise(3, "uint16")), r"c\.tif: has 3 bands of uint16"),
        (scene(tmp_path / "d.png", grid=None), r"d\.png: scenes with and without a CRS"),
    ):
        with pytest.raises(UnsuitableError, match=message):
            tile.run([first, path], tmp_path / "chips", ChipSpec(size=40))
    assert (
        tile.run(
            [first, str(tmp_path / "b.tif")], tmp_path / "chips", ChipSpec(size=70, bands=(3, 2, 1))
        ).chips
        == 8
    )


def test_scenes_of_several_crs_are_outlined_in_wgs_84(tmp_path):
    other = Grid(CRS.from_epsg(3857), Affine(0.5, 0, 4_368_223, 0, -0.5, -673_868), 90, 140)
    paths = [scene(tmp_path / "a.tif"), scene(tmp_path / "b.tif", grid=other)]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=70))
    table = gpd.read_parquet(tmp_path / "chips/index.parquet").set_index("id")
    assert table.crs.to_epsg() == 4326
    for name, crs, grid in (("a_r0000_c0001", UTM, GRID), ("b_r0000_c0001", other.crs, other)):
        corner = (
            gpd.GeoSeries([table.loc[name, "geometry"]], crs=4326).to_crs(crs).total_bounds[[0, 3]]
        )
        assert corner == pytest.approx(grid.transform * (70, 0), abs=0.05)


def test_a_turned_scene_has_turned_outlines(tmp_path):
    grid = Grid(UTM, GRID.transform * Affine.rotation(20), 90, 140)
    tile.run([scene(tmp_path / "a.tif", grid=grid)], tmp_path / "chips", ChipSpec(size=70))
    outline = read_index(tmp_path / "chips").table.set_index("id").loc["a_r0000_c0001", "geometry"]
    assert outline.area == pytest.approx(35 * 35) and outline.exterior.coords[1] == pytest.approx(
        grid.transform * (140, 0)
    )


def test_another_gsd(tmp_path):
    paths = [
        scene(tmp_path / "a.tif"),
        scene(tmp_path / "b.tif", grid=Grid(UTM, GRID.transform * Affine.scale(2), 90, 140)),
    ]
    report = tile.run(paths, tmp_path / "chips", ChipSpec(size=45, gsd=1.0))
    table = read_index(tmp_path / "chips").table
    assert (
        Counter(table["scene"]) == {"a": 2, "b": 8}
        and read_index(tmp_path / "chips").info.gsd == 1.0
    )
    with rasterio.open(tmp_path / "chips/images/a_r0000_c0001.tif") as chip:
        assert chip.res == pytest.approx((1, 1), rel=0.01) and chip.bounds.right == pytest.approx(
            512_070
        )
    assert not any("a pixel" in warning for warning in report.warnings)
    report = tile.run(paths, tmp_path / "native", ChipSpec(size=45))
    assert "the scenes have 0.5 to 1 m per pixel; `gsd` resamples them to one" in report.warnings


# Area of interest


@pytest.mark.parametrize("epsg", [32737, 4326])
def test_tiles_outside_the_area_are_left_away(tmp_path, epsg):
    area = gpd.GeoSeries([ground(45, 35, 79.5, 39.5), ground(125, 65, 128, 66)], crs=UTM).to_crs(
        epsg
    )
    gpd.GeoDataFrame(geometry=area).to_file(tmp_path / "aoi.gpkg")
    report = tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=40, edge="pad", split=(1, 0, 0)),
        aoi=tmp_path / "aoi.gpkg",
    )
    assert (
        set(windows(tmp_path / "chips")) == {"a_r0000_c0001", "a_r0001_c0003"}
        and report.skipped == 0
    )


def test_areas_that_do_not_fit(tmp_path):
    gpd.GeoDataFrame(geometry=[ground(400, 5, 420, 9)], crs=UTM).to_file(tmp_path / "aoi.gpkg")
    with pytest.raises(UnsuitableError, match=r"aoi\.gpkg: no tile of a scene lies in it"):
        tile.run(
            [scene(tmp_path / "a.tif")],
            tmp_path / "chips",
            ChipSpec(size=40),
            aoi=tmp_path / "aoi.gpkg",
        )
    with pytest.raises(
        UnsuitableError, match=r"aoi\.gpkg: an area of interest needs scenes with a CRS"
    ):
        tile.run(
            [scene(tmp_path / "b.png", grid=None)],
            tmp_path / "chips",
            ChipSpec(size=40),
            aoi=tmp_path / "aoi.gpkg",
        )


def test_a_scene_that_claims_more_than_it_holds(tmp_path):
    path, area = tmp_path / "bomb.tif", tmp_path / "aoi.gpkg"
    crs = {"crs": UTM.to_wkt(), "transform": GRID.transform}
    profile = {
        "height": 250_000,
        "width": 300_000,
        "count": 1,
        "dtype": "uint8",
        "blockxsize": 4096,
        "blockysize": 4096,
    }
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        tiled=True,
        sparse_ok=True,
        bigtiff="yes",
        compress="zstd",
        **profile,
        **crs,
    ):
        pass
    gpd.GeoDataFrame(geometry=[ground(150_000, 200_000, 150_100, 200_500)], crs=UTM).to_file(area)
    spec = ChipSpec(size=2048, split=(1, 0, 0))
    with pytest.raises(SafetyError, match=r"bomb\.tif: claims 70 GiB of pixels and holds"):
        tile.run([str(path)], tmp_path / "chips", spec, aoi=area)
    tracemalloc.start()
    report = tile.run(
        [str(path)], tmp_path / "chips", spec, aoi=area, scene_spec=SceneSpec(force=True)
    )
    assert report.chips == 1 and list(windows(tmp_path / "chips")) == ["bomb_r0097_c0073"]
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


# The index


def test_the_index_is_geoparquet(tmp_path):
    tile.run([scene(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=40, overlap=8))
    table = gpd.read_parquet(tmp_path / "chips/index.parquet")
    assert list(table.columns) == [
        "id",
        "scene",
        "row",
        "col",
        "image",
        "mask",
        "split",
        "valid_fraction",
        "geometry",
    ]
    assert table.crs == UTM and table["mask"].isna().all() and (table["valid_fraction"] == 1).all()
    metadata = pq.read_schema(tmp_path / "chips/index.parquet").metadata
    geo = json.loads(metadata[b"geo"])
    assert (
        geo["version"] == "1.1.0" and CRS.from_json_dict(geo["columns"]["geometry"]["crs"]) == UTM
    )
    for name, outline in zip(table["image"], table.geometry, strict=True):
        with rasterio.open(tmp_path / "chips" / name) as chip:
            assert outline.bounds == pytest.approx(
                tuple(chip.bounds)
            ) and outline.area == pytest.approx(400)


def test_specs_that_make_no_sense():
    for values in (
        {"size": 0},
        {"overlap": 512},
        {"edge": "wrap"},
        {"split": (0.5, 0.1, 0.1)},
        {"rescale": "percentile:9,2"},
    ):
        with pytest.raises(UsageError):
            ChipSpec(**values)


def test_progress_counts_tiles_and_rows(tmp_path):
    seen = Counter()

    def progress(stage, total):
        seen[f"{stage} of"] = total
        return lambda count: seen.update({stage: count})

    tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=10, rescale="minmax"),
        progress=progress,
    )
    assert seen == {"statistics of": 90, "statistics": 90, "cut of": 126, "cut": 126}
