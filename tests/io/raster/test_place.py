"""Where a scene lies: ground control points, coefficients, transforms that are none, scenes that
are upside down, mirrored or turned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import open_scene
from geoseg.specs import ChipSpec, PolygonSpec, PredictSpec, SceneSpec
from geoseg.tools import extract, info, tile
from tests.io.raster.pictures import CRS, PLACE, SHAPE, picture, save

HEIGHT, WIDTH = SHAPE


def points(place: Affine, shift: float = 0.0) -> list[GroundControlPoint]:
    """The corners and the centre, which lies ``shift`` pixels off."""
    corners = [(row, col) for row in (0, HEIGHT) for col in (0, WIDTH)]
    found = [GroundControlPoint(row, col, *(place * (col, row)), 0) for row, col in corners]
    x, y = place * (WIDTH / 2 + shift, HEIGHT / 2)
    return [*found, GroundControlPoint(HEIGHT / 2, WIDTH / 2, x, y, 0)]


def with_points(path: Path, shift: float = 0.0, crs: object = CRS) -> Path:
    save(path, picture(), crs=None, transform=Affine.identity())
    with rasterio.open(path, "r+") as out:
        out.gcps = points(PLACE, shift), crs
    return path


def test_points_that_an_affine_transform_follows_place_a_scene(tmp_path: Path) -> None:
    path = with_points(tmp_path / "gcp.tif")
    with open_scene(path) as scene:
        assert scene.grid.crs is not None and scene.grid.crs.to_epsg() == 32633
        assert scene.grid.transform.almost_equals(PLACE, 1e-6)
        np.testing.assert_array_equal(scene.read().image, picture())
    about = info.run(str(path)).about
    assert (about["ground_control_points"], about["ground_control_crs"]) == (5, CRS)
    assert about["crs"] == CRS


def test_crs_is_no_way_round_points(tmp_path: Path) -> None:
    bent = with_points(tmp_path / "bent.tif", shift=3)
    for crs in (None, "EPSG:32633"):
        with pytest.raises(UnsuitableError, match=r"bent\.tif: .*EPSG:32633.*gdalwarp") as caught:
            extract.run(
                [str(bent)],
                tmp_path / "a.gpkg",
                PredictSpec(),
                PolygonSpec(),
                scene_spec=SceneSpec(scene_crs=crs),
            )
        assert caught.value.exit_code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["bent.tif"]


def test_points_that_bend_are_refused_and_described(tmp_path: Path) -> None:
    path = with_points(tmp_path / "bent.tif", shift=3)
    with pytest.raises(UnsuitableError, match="gdalwarp"), open_scene(path):
        pass
    with pytest.raises(UnsuitableError, match="gdalwarp"):
        tile.run([str(path)], tmp_path / "chips", ChipSpec(size=32))
    report = info.run(str(path))
    assert report.about["ground_control_points"] == 5 and report.about["crs"] is None
    assert report.about["ground_control_crs"] == CRS
    assert any("gdalwarp" in warning for warning in report.warnings)


def test_points_in_a_line_place_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "line.tif", picture(), crs=None, transform=Affine.identity())
    line = [GroundControlPoint(i, i, *(PLACE * (i, i)), 0) for i in range(4)]
    with rasterio.open(path, "r+") as out:
        out.gcps = line, CRS
    with pytest.raises(UnsuitableError, match="ground control points"), open_scene(path):
        pass


def test_points_without_a_crs_ask_for_one(tmp_path: Path) -> None:
    path = with_points(tmp_path / "gcp.tif", crs=rasterio.CRS())
    with open_scene(path) as scene:
        assert scene.grid.crs is None and scene.grid.transform.almost_equals(PLACE, 1e-6)


def test_polynomial_coefficients_are_not_taken_for_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "rpc.tif", picture(), crs=None, transform=Affine.identity())
    unit = [1.0] + [0.0] * 19
    with rasterio.open(path, "r+") as out:
        out.rpcs = RPC(
            height_off=0, height_scale=1, lat_off=50, lat_scale=1, line_den_coeff=unit,
            line_num_coeff=unit, line_off=1, line_scale=1, long_off=14, long_scale=1,
            samp_den_coeff=unit, samp_num_coeff=unit, samp_off=1, samp_scale=1,
        )  # fmt: skip
    with pytest.raises(UnsuitableError, match=r"rpc\.tif: .*gdalwarp -rpc"), open_scene(path):
        pass
    assert any("gdalwarp -rpc" in warning for warning in info.run(str(path)).warnings)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Affine.identity(), "a CRS but no transform"),
        (Affine(0, 0, 5, 0, 0, 6), "degenerate"),
        (Affine(np.nan, 0, 5, 0, -1, 6), "degenerate"),
        (Affine(0.3, 0, np.inf, 0, -0.3, 6), "degenerate"),
        (Affine(0.3, 0, 0, 0.3, 0, 6), "degenerate"),
    ],
)
def test_a_transform_that_is_none(tmp_path: Path, transform: Affine, message: str) -> None:
    path = save(tmp_path / "odd.tif", picture(), transform=transform)
    with (
        pytest.raises(UnsuitableError, match=rf"odd\.tif: .*{message}") as caught,
        open_scene(path),
    ):
        pass
    assert caught.value.exit_code == 4


# What is turned: a: file pixels -> ground, for each symmetry of the square


def stored(image: np.ndarray, symmetry: int) -> tuple[np.ndarray, Affine]:
    """``image``, north-up at PLACE, as it is stored when turned by one of eight symmetries, with
    the transform that puts each pixel where it was.
    """
    place, turned = PLACE, image
    if symmetry & 1:
        turned = turned[:, ::-1]
        place = place * Affine.translation(0, HEIGHT) * Affine.scale(1, -1)
    if symmetry & 2:
        turned = turned[:, :, ::-1]
        place = place * Affine.translation(WIDTH, 0) * Affine.scale(-1, 1)
    if symmetry & 4:
        turned, place = turned.swapaxes(1, 2), place * Affine(0, 1, 0, 1, 0, 0)
    return np.ascontiguousarray(turned), place


@pytest.mark.parametrize("symmetry", range(8))
def test_turned_scenes_are_read_north_up(tmp_path: Path, symmetry: int) -> None:
    image = picture()
    image[:, 5:9, 20:33] = 0
    turned, place = stored(image, symmetry)
    path = save(tmp_path / "t.tif", turned, transform=place, nodata=0)
    whole = save(tmp_path / "n.tif", image, nodata=0)
    with open_scene(path) as scene, open_scene(whole) as north:
        assert scene.grid.shape == scene.source.shape == north.grid.shape
        assert scene.grid.transform.almost_equals(PLACE, 1e-6)
        for window in (None, Window(11, 3, 40, 20), Window(-4, 30, 30, 33), Window(60, -5, 9, 60)):
            ours, theirs = scene.read(window, (3, 1)), north.read(window, (3, 1))
            np.testing.assert_array_equal(ours.image, theirs.image)
            np.testing.assert_array_equal(ours.valid, theirs.valid)
        inside = Window(11, 3, 40, 20)
        np.testing.assert_array_equal(scene.read_validity(inside), north.read_validity(inside))
        ours, theirs = scene.read_preview(inside, (10, 20)), north.read_preview(inside, (10, 20))
        np.testing.assert_array_equal(ours.valid, theirs.valid)
        np.testing.assert_allclose(ours.image.astype(int), theirs.image, atol=1)


@pytest.mark.parametrize("symmetry", range(1, 8))
def test_turned_scenes_are_resampled_and_read_like_others(tmp_path: Path, symmetry: int) -> None:
    image = picture(1)
    turned, place = stored(image, symmetry)
    path, whole = save(tmp_path / "t.tif", turned, transform=place), save(tmp_path / "n.tif", image)
    with open_scene(path, gsd=0.6) as ours, open_scene(whole, gsd=0.6) as theirs:
        assert ours.grid.shape == theirs.grid.shape
        assert np.abs(ours.read().image.astype(int) - theirs.read().image).max() <= 1
    other = Grid(theirs.grid.crs, PLACE * Affine.translation(7, -4), 40, 80)
    with open_scene(path, like=other) as ours, open_scene(whole, like=other) as theirs:
        np.testing.assert_array_equal(ours.read().image, theirs.read().image)
        np.testing.assert_array_equal(ours.read().valid, theirs.read().valid)
    with open_scene(whole) as scene, open_scene(path, like=scene.grid) as ours:
        np.testing.assert_array_equal(ours.read().image, image)


@given(st.integers(0, 7), st.integers(0, 60), st.integers(0, 40), st.integers(1, 10))
def test_a_window_of_a_turned_grid_is_the_same_ground(
    symmetry: int, col: int, row: int, size: int
) -> None:
    image = np.arange(HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH)
    turned, place = stored(image, symmetry)
    raw = Grid(rasterio.CRS.from_epsg(32633), place, *turned.shape[1:])
    grid, turn = raw.north_up()
    window = Window(col, row, size, min(size + 3, HEIGHT - row))
    own = turn.window(window, grid.shape)
    rows, cols = own.toslices()
    np.testing.assert_array_equal(
        turn.array(turned[:, rows, cols]),
        image[:, row : row + window.height, col : col + size],
    )
    assert raw.window(own).bounds == pytest.approx(grid.window(window).bounds)


def test_what_is_turned_by_less_than_a_quarter_stays(tmp_path: Path) -> None:
    place = PLACE * Affine.rotation(30)
    with open_scene(save(tmp_path / "r.tif", picture(), transform=place)) as scene:
        assert scene.grid.transform.almost_equals(place)
        np.testing.assert_array_equal(scene.read().image, picture())


def test_pictures_without_a_crs_stay(tmp_path: Path) -> None:
    """Their rows go down, whatever the sign of their transform."""
    place = Affine.translation(32, 64)
    with open_scene(save(tmp_path / "p.tif", picture(), crs=None, transform=place)) as scene:
        assert scene.grid.transform == place
        np.testing.assert_array_equal(scene.read().image, picture())


def test_coordinates_outside_of_the_crs_name_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "far.tif", picture(), transform=Affine(1e7, 0, 1e12, 0, -1e7, 1e12))
    for run in (
        lambda: info.run(str(path)),
        lambda: tile.run([str(path)], tmp_path / "chips", ChipSpec(size=32)),
        lambda: extract.run([str(path)], tmp_path / "a.gpkg", PredictSpec(), PolygonSpec()),
    ):
        with pytest.raises(UnsuitableError, match=r"far\.tif: .*outside its CRS"):
            run()
