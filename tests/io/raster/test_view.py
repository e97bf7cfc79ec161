"""Alpha wherever it stands, palettes as colours, red, green and blue as declared, nodata that a
user names, a part of a scene.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import CRS as Crs
from pyproj import Transformer
from rasterio.enums import ColorInterp as Colour
from rasterio.windows import Window

from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster.scene import open_scene
from geoseg.specs import ChipSpec, SceneSpec
from geoseg.tools import tile
from tests.io.raster.pictures import CRS, PLACE, SHAPE, picture, save

ALPHA = np.full((1, *SHAPE), 255, "uint8")
ALPHA[:, :, :15] = 0
RGB = [Colour.red, Colour.green, Colour.blue]


@pytest.mark.parametrize("place", range(5))
def test_alpha_is_validity_wherever_it_stands(tmp_path: Path, place: int) -> None:
    bands = picture(4)
    image = np.insert(bands, place, ALPHA[0], axis=0)
    colours: list[Colour] = [*RGB, Colour.undefined]
    colours.insert(place, Colour.alpha)
    path = save(tmp_path / "five.tif", image, colours=colours, photometric="MINISBLACK")
    with open_scene(path) as scene:
        data = tuple(band for band in range(1, 6) if band != place + 1)
        assert (scene.indexes, scene.rgb, scene.bands) == (data, data[:3], 4)
        chip = scene.read()
        np.testing.assert_array_equal(chip.valid, ALPHA[0] > 0)
        np.testing.assert_array_equal(chip.image, bands * (ALPHA > 0))
        own = scene.read(Window(10, 5, 20, 9), (data[2], data[0]))
        np.testing.assert_array_equal(own.image, (bands * (ALPHA > 0))[[2, 0], 5:14, 10:30])
        with pytest.raises(UnsuitableError, match=rf"has 4 bands, not {place + 1}"):
            scene.read(bands=(place + 1,))
    with open_scene(path, gsd=0.6) as scene:
        chip = scene.read()
        assert chip.image.shape == (4, 25, 35)
        assert not chip.valid[:, :7].any() and chip.valid[:, 8:].all()
        means = bands[:, :, 20:].reshape(4, 25, 2, 25, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(chip.image[:, :, 10:], means, atol=1)


def test_chips_of_five_bands_with_alpha(tmp_path: Path) -> None:
    image = np.concatenate([picture(4), ALPHA])
    colours = [*RGB, Colour.undefined, Colour.alpha]
    path = save(tmp_path / "five.tif", image, colours=colours, photometric="RGB")
    report = tile.run([str(path)], tmp_path / "chips", ChipSpec(size=15, max_nodata=0.5))
    assert report.chips and report.skipped == 4


def test_alpha_first_beside_a_nodata_value(tmp_path: Path) -> None:
    image = np.concatenate([ALPHA, picture()])
    image[1:, 30:, 40:] = 9
    colours = [Colour.alpha, *RGB]
    path = save(tmp_path / "a.tif", image, colours=colours, photometric="MINISBLACK", nodata=9)
    for gsd, step in ((None, 1), (0.6, 2)):
        with open_scene(path, gsd=gsd) as scene:
            chip = scene.read()
            assert len(chip.image) == 3
            assert not chip.valid[30 // step :, 40 // step :].any()
            assert chip.valid[: 30 // step, : 40 // step].all()


# Palettes


def paletted(path: Path, clear: int | None = None, **profile: object) -> tuple[Path, np.ndarray]:
    """A picture of 200 colours whose numbers say nothing of them, and its red, green and blue."""
    random = np.random.default_rng(7)
    colours = random.integers(0, 256, (200, 3))
    values = random.integers(0, 200, (1, *SHAPE)).astype("uint8")
    values[0, 20:30, 10:40] = 5
    table = {i: (*map(int, c), 0 if i == clear else 255) for i, c in enumerate(colours)}
    if path.suffix == ".png":  # which holds clear colours
        profile |= {"driver": "PNG", "crs": None, "transform": None}
    save(path, values, palette=table, **profile)
    return path, colours[values[0]].transpose(2, 0, 1)


def test_a_palette_is_read_as_its_colours_or_as_its_values(tmp_path: Path) -> None:
    path, colours = paletted(tmp_path / "pal.tif")
    with open_scene(path, expand=True) as scene:
        assert (scene.bands, scene.rgb, scene.expanded) == (3, (1, 2, 3), True)
        assert scene.colormap is None and scene.scales == (1, 1, 1)
        np.testing.assert_array_equal(scene.read().image, colours)
        assert scene.read().valid.all()
    with rasterio.open(path) as plain, open_scene(path) as scene:
        assert (scene.bands, scene.rgb, scene.expanded) == (1, None, False)
        np.testing.assert_array_equal(scene.read().image, plain.read())
        assert scene.colormap == plain.colormap(1)


def test_a_palette_is_expanded_before_it_is_averaged(tmp_path: Path) -> None:
    path, colours = paletted(tmp_path / "pal.tif")
    with open_scene(path, gsd=0.6, expand=True) as scene:
        means = colours.reshape(3, 25, 2, 35, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(scene.read().image, means, atol=1)


def test_clear_colours_and_nodata_of_a_palette_are_not_valid(tmp_path: Path) -> None:
    hole = np.zeros(SHAPE, bool)
    hole[20:30, 10:40] = True
    clear, colours = paletted(tmp_path / "clear.png", clear=5)
    named, _ = paletted(tmp_path / "named.tif", nodata=5)
    for path in (clear, named):
        with open_scene(path, expand=True) as scene:
            chip = scene.read()
            assert scene.nodata is None and not chip.valid[hole].any()
            assert chip.valid.mean() > 0.85
            np.testing.assert_array_equal(chip.image, colours * chip.valid)


def test_chips_of_a_palette_have_its_colours(tmp_path: Path) -> None:
    path, colours = paletted(tmp_path / "pal.tif")
    report = tile.run([str(path)], tmp_path / "chips", ChipSpec(size=32))
    assert any("has a palette" in warning for warning in report.warnings)
    with open_scene(tmp_path / "chips/images/pal_r0000_c0000.tif") as chip:
        np.testing.assert_array_equal(chip.read().image, colours[:, :32, :32])


def test_chips_of_an_order_that_is_declared_otherwise_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "bgr.tif", picture(), colours=RGB[::-1], photometric="MINISBLACK")
    report = tile.run([str(path)], tmp_path / "chips", ChipSpec(size=32))
    assert any("`bands` 3,2,1" in warning for warning in report.warnings)
    report = tile.run([str(path)], tmp_path / "more", ChipSpec(size=32, bands=(3, 2, 1)))
    assert not any("`bands`" in warning for warning in report.warnings)


# A nodata value by the user


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("int16", -99), ("float32", -9999.5)])
def test_a_nodata_value_that_the_file_does_not_name(
    tmp_path: Path, dtype: str, value: float
) -> None:
    image = picture().astype(dtype)
    image[:, 10:20, 30:50] = value
    path = save(tmp_path / "a.tif", image)
    spec = SceneSpec(nodata=value)
    with open_scene(path) as plain, open_scene(path, spec=spec) as scene:
        assert plain.read().valid.all() and scene.nodata == value and scene.has_mask
        chip = scene.read()
        assert not chip.valid[10:20, 30:50].any() and chip.valid.sum() == 50 * 70 - 200
        np.testing.assert_array_equal(chip.image[:, chip.valid], image[:, chip.valid])
    with open_scene(path, gsd=0.6, spec=spec) as scene:
        assert not scene.read().valid[5:10, 15:25].any() and scene.read().valid.sum() == 875 - 50


def test_a_nodata_value_for_a_scene_that_has_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture(), nodata=0)
    with (
        pytest.raises(UsageError, match=r"a\.tif: says itself"),
        open_scene(path, spec=SceneSpec(nodata=7)),
    ):
        pass
    path = save(tmp_path / "b.tif", picture())
    with (
        pytest.raises(UsageError, match=r"b\.tif: is uint8, which does not hold"),
        open_scene(path, spec=SceneSpec(nodata=-1)),
    ):
        pass


# A part


@pytest.mark.parametrize("flipped", [False, True])
def test_a_window_of_a_scene_is_a_scene(tmp_path: Path, flipped: bool) -> None:
    image, place = picture(), PLACE
    if flipped:
        image, place = image[:, ::-1], PLACE * type(PLACE)(1, 0, 0, 0, -1, 50)
    path = save(tmp_path / "a.tif", image, transform=place)
    with open_scene(path, spec=SceneSpec(window=(20, 5, 40, 30))) as scene:
        assert scene.grid.shape == scene.source.shape == (30, 40)
        assert scene.grid.transform.almost_equals(PLACE * type(PLACE).translation(20, 5), 1e-6)
        np.testing.assert_array_equal(scene.read().image, picture()[:, 5:35, 20:60])
        assert not scene.read(Window(-3, -3, 8, 8)).valid[:3].any()
    with open_scene(path, spec=SceneSpec(window=(60, 40, 40, 30))) as scene:
        np.testing.assert_array_equal(scene.read().image, picture()[:, 40:, 60:])
    with (
        pytest.raises(UnsuitableError, match=r"a\.tif: the window lies beside it"),
        open_scene(path, spec=SceneSpec(window=(70, 0, 10, 10))),
    ):
        pass


def test_bounds_hold_every_pixel_that_they_touch(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture())
    left, top = PLACE * (20, 5)
    right, bottom = PLACE * (60, 35)
    exact = (round(left, 4), round(bottom, 4), round(right, 4), round(top, 4))
    with open_scene(path, spec=SceneSpec(bounds=exact)) as scene:
        np.testing.assert_array_equal(scene.read().image, picture()[:, 5:35, 20:60])
    wider = (left - 0.1, bottom - 0.1, right + 0.1, top + 0.1)
    with open_scene(path, spec=SceneSpec(bounds=wider)) as scene:
        np.testing.assert_array_equal(scene.read().image, picture()[:, 4:36, 19:61])


def test_bounds_in_another_crs(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture())
    to_degrees = Transformer.from_crs(Crs(CRS), 4326, always_xy=True)
    corners = [to_degrees.transform(*(PLACE * p)) for p in ((20, 5), (60, 5), (60, 35), (20, 35))]
    xs, ys = zip(*corners, strict=True)
    spec = SceneSpec(bounds=(min(xs), min(ys), max(xs), max(ys)), bounds_crs="EPSG:4326")
    with open_scene(path, spec=spec) as scene:
        height, width = scene.grid.shape
        assert 30 <= height <= 33 and 40 <= width <= 43
        assert scene.grid.bounds[0] <= (PLACE * (20, 5))[0]
    for bounds, error in (((14, 50, 13, 51), UsageError), ((1, 2, 3, 4), UnsuitableError)):
        with pytest.raises(error), open_scene(path, spec=SceneSpec(bounds=bounds)):
            pass
    with (
        pytest.raises(UsageError, match="EPSG:9 is no CRS"),
        open_scene(path, spec=SceneSpec(bounds=(1, 2, 3, 4), bounds_crs="EPSG:9")),
    ):
        pass


def test_a_part_with_a_mask_beside_the_scene(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as out:
        out.write_mask(ALPHA[0] > 0)
    with open_scene(path, spec=SceneSpec(window=(10, 5, 40, 30))) as scene:
        np.testing.assert_array_equal(scene.read().valid, (ALPHA[0] > 0)[5:35, 10:50])


@pytest.mark.parametrize("photometric", ["MINISBLACK", "RGB"])
def test_a_mask_of_four_bands_stays_when_they_are_resampled(
    tmp_path: Path, photometric: str
) -> None:
    """GDAL takes the alpha of a warped raster for its mask beside one or three bands alone. The
    fourth band beside red, green and blue is alpha, and does not count where there is a mask.
    """
    alpha = {"MINISBLACK": "no", "RGB": "yes"}[photometric]
    path = save(tmp_path / "a.tif", picture(4), photometric=photometric, alpha=alpha)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as out:
        out.write_mask(ALPHA[0] > 0)
    with open_scene(path, gsd=0.6) as scene:
        chip = scene.read()
        assert not chip.valid[:, :7].any() and chip.valid[:, 8:].all()
        window = Window(2, 3, 20, 9)
        np.testing.assert_array_equal(scene.read_validity(window), chip.valid[3:12, 2:22])
        seen = scene.read_preview(Window(0, 0, 34, 24), (12, 17))
        assert not seen.valid[:, :3].any() and seen.valid[:, 4:].all()


def test_a_crs_for_a_scene_that_has_a_place_alone(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", picture(), crs=None)
    with open_scene(path, spec=SceneSpec(scene_crs=CRS)) as scene:
        assert scene.grid.crs == Crs(CRS) and scene.grid.transform == PLACE
    bare = save(tmp_path / "b.tif", picture(), crs=None, transform=None)
    placed = save(tmp_path / "c.tif", picture())
    for where, crs, error in (
        (bare, CRS, UnsuitableError),
        (placed, CRS, UsageError),
        (path, "EPSG:0", UsageError),
    ):
        with pytest.raises(error), open_scene(where, spec=SceneSpec(scene_crs=crs)):
            pass
