"""The shipped scene and footprints, and the program that makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.io.raster.scene import open_scene, read_array

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"
SCENE, FOOTPRINTS = FOLDER / "scene.tif", FOLDER / "footprints.gpkg"
SHAPE = 420, 560
SEED = 6
MADE_WITH = (3, 14, 1)

sys.path.insert(0, str(FOLDER))

import generate as generator  # noqa: E402  (a program beside its data, not an installed module)
from generator.styles import STYLES  # noqa: E402


def overlaps(footprints: geopandas.GeoDataFrame) -> np.ndarray:
    """Areas that two footprints share, m2."""
    shapes = footprints.geometry.to_numpy()
    left, right = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = left < right
    return shapely.area(shapely.intersection(shapes[left[pairs]], shapes[right[pairs]]))


@pytest.fixture(scope="module")
def shipped() -> geopandas.GeoDataFrame:
    return geopandas.read_file(FOOTPRINTS)


@pytest.fixture(scope="module")
def small() -> generator.Sample:
    return generator.render(*SHAPE, seed=4)


def test_shipped_scene_is_a_georeferenced_picture_of_use() -> None:
    with open_scene(SCENE) as scene:
        assert scene.grid.crs is not None
        assert scene.grid.crs.to_epsg() == 32633
        assert scene.grid.gsd == pytest.approx(0.3, rel=1e-3)
        assert scene.grid.width >= 2000
        assert scene.grid.height >= 1500
        assert scene.grid.width != scene.grid.height
        assert (scene.bands, scene.dtype) == (3, "uint8")
    assert 2e6 <= SCENE.stat().st_size <= 5e6


def test_shipped_corner_beyond_the_flight_is_not_valid() -> None:
    image, valid, _ = read_array(SCENE)
    assert 0.02 < 1 - valid.mean() < 0.04
    assert not image[:, ~valid].any()
    assert image[:, valid].max(axis=0).min() > 0, "a valid pixel is black like nodata"
    corners = [bool(valid[row, col]) for row in (5, -5) for col in (5, -5)]
    assert sorted(corners) == [False, True, True, True]


def test_shipped_file_carries_its_mask_inside() -> None:
    with rasterio.open(SCENE) as scene:
        assert scene.nodata is None
        assert set(scene.block_shapes) == {(256, 256)}
        assert scene.files == [str(SCENE)]


def test_shipped_footprints_are_sound(shipped: geopandas.GeoDataFrame) -> None:
    with open_scene(SCENE) as scene:
        left, bottom, right, top = scene.grid.bounds
        assert shipped.crs == scene.grid.crs
    assert len(shipped) > 500
    assert set(shipped.geom_type) == {"Polygon"}
    assert shipped.is_valid.all()
    assert shipped.id.is_unique
    assert (shipped.height_m > 1).all()
    x0, y0, x1, y1 = shipped.total_bounds
    assert x0 >= left - 1e-6
    assert y0 >= bottom - 1e-6
    assert x1 <= right + 1e-6
    assert y1 <= top + 1e-6
    assert overlaps(shipped).max() < 1e-6


def test_shipped_buildings_come_in_all_sizes_and_places(shipped: geopandas.GeoDataFrame) -> None:
    assert {"house", "apartments", "hall", "shed", "garage"} <= set(shipped.kind)
    assert (shipped.area < 25).sum() > 10
    assert shipped.area.max() > 1000
    assert overlaps(shipped).size > 50, "houses that lean on each other"
    with open_scene(SCENE) as scene:
        left, bottom, right, top = scene.grid.bounds
    frame = shapely.box(left, bottom, right, top).exterior
    assert (shipped.distance(frame) < 1e-6).sum() > 10, "buildings cut by the scene's edge"


@pytest.mark.skipif(
    shapely.geos_version != MADE_WITH, reason="another GEOS may cut the blocks in another order"
)
def test_shipped_footprints_are_what_the_program_makes(shipped: geopandas.GeoDataFrame) -> None:
    with open_scene(SCENE) as scene:
        grid = scene.grid
        window = Window(1300, 700, 400, 300)
        picture = scene.read(window).image.astype(int)
    sample = generator.render(grid.height, grid.width, seed=SEED)
    assert len(sample.footprints) == len(shipped)
    burned = rasterize(shipped.geometry, grid.shape, transform=grid.transform) > 0
    assert np.array_equal(burned, sample.roof)
    again = sample.image[:, 700:1000, 1300:1700]
    assert np.abs(picture - again).mean() < 4, "only JPEG may lie between them"


def test_footprints_burn_to_the_roofs_as_drawn(small: generator.Sample) -> None:
    burned = rasterize(small.footprints.geometry, SHAPE, transform=small.transform) > 0
    assert small.roof.any()
    assert np.array_equal(burned, small.roof)
    assert not (small.roof & ~small.valid).any()


def test_shipped_footprints_line_up_with_the_picture(shipped: geopandas.GeoDataFrame) -> None:
    """Outlines follow edges in the picture; pushed aside by two pixels or mirrored they do not."""
    image, valid, grid = read_array(SCENE)
    steep = np.hypot(*np.gradient(image.astype(np.float32).mean(axis=0)))
    roof = rasterize(shipped.geometry, grid.shape, transform=grid.transform) > 0
    rim = (roof ^ np.roll(roof, 1, axis=1)) | (roof ^ np.roll(roof, 1, axis=0))
    rim[:, :3] = rim[:3] = False

    def along(outlines: np.ndarray) -> float:
        return float(steep[outlines & valid].mean())

    others = [
        np.roll(rim, shift, axis=(0, 1)) for shift in ((0, 2), (2, 0), (-3, 0), (0, -3), (5, 9))
    ]
    others += [rim[::-1], rim[:, ::-1]]
    assert all(along(rim) > 1.3 * along(other) for other in others)


def test_same_seed_same_pixels_other_seed_others(small: generator.Sample) -> None:
    image, valid, footprints = generator.generate(*SHAPE, seed=4)
    assert np.array_equal(image, small.image)
    assert np.array_equal(valid, small.valid)
    assert footprints.equals(small.footprints)
    other, _, _ = generator.generate(*SHAPE, seed=5)
    assert (other != image).mean() > 0.5


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_gives_sound_footprints(style: str) -> None:
    sample = generator.render(330, 470, gsd=0.6, seed=12, style=style)
    footprints = sample.footprints
    assert list(footprints.columns) == ["id", "kind", "height_m", "geometry"]
    assert len(footprints) > 3
    assert footprints.is_valid.all()
    assert overlaps(footprints).max(initial=0) < 1e-6
    assert np.array_equal(
        rasterize(footprints.geometry, (330, 470), transform=sample.transform) > 0, sample.roof
    )
    assert sample.image[:, sample.valid].min() >= 1
    assert not sample.image[:, ~sample.valid].any()


def test_nodata_may_be_left_out() -> None:
    _, valid, _ = generator.generate(160, 230, seed=2, nodata=0)
    assert valid.all()


def test_a_bare_scene_is_what_there_is_besides_buildings() -> None:
    scenes = [
        generator.render(240, 300, gsd=0.6, seed=12, style="suburb", nodata=0, bare=bare)
        for bare in (False, True)
    ]
    built, bare = scenes
    assert built.roof.mean() > 0.05 and len(bare.footprints) == 0 and not bare.roof.any()
    assert list(bare.footprints.columns) == list(built.footprints.columns)
    same = (built.image == bare.image).all(axis=0)
    assert same[built.roof].mean() < 0.05 and same[~built.roof].mean() > 0.3


def test_command_line_writes_both_files_and_refuses_to_replace_them(tmp_path: Path) -> None:
    scene, footprints = tmp_path / "scene.tif", tmp_path / "footprints.gpkg"
    command = [
        sys.executable,
        str(FOLDER / "generate.py"),
        "-o",
        str(scene),
        "--footprints",
        str(footprints),
    ]
    command += [
        "--height",
        "280",
        "--width",
        "390",
        "--seed",
        "3",
        "--style",
        "village",
        "--gsd",
        "0.5",
    ]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    image, valid, grid = read_array(scene)
    assert image.shape == (3, 280, 390)
    assert grid.transform.a == 0.5
    assert 0 < (~valid).mean() < 0.06
    assert f"{len(geopandas.read_file(footprints))} footprints" in first.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 6
    assert again.stderr.strip().startswith("Error: ")
    assert "Traceback" not in again.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["footprints.gpkg", "scene.tif"]
