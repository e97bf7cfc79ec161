"""Scenes that hold one picture in many ways give the same probabilities and footprints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp as Colour

from geoseg.io.raster.scene import read_array
from geoseg.specs import PolygonSpec, PredictSpec
from geoseg.tools import extract, predict
from tests.scenes import buildings, grid, picture, write_scene

pytest.importorskip("onnx")
SHAPE = (90, 133)
MASK = buildings(*SHAPE)
RGB = [Colour.red, Colour.green, Colour.blue]
SPEC = PredictSpec(tile_size=64, precision="fp32")


def save(path: Path, image: np.ndarray, **profile: object) -> Path:
    size = {"count": len(image), "height": image.shape[1], "width": image.shape[2]}
    place = {"crs": grid(*SHAPE).crs.to_wkt(), "transform": grid(*SHAPE).transform}
    with rasterio.open(
        path, "w", **{"driver": "GTiff", "dtype": image.dtype} | size | place | profile
    ) as out:
        out.write(image)
    return path


def colour(path: Path, colours: list[Colour]) -> Path:
    with rasterio.open(path, "r+") as out:
        out.colorinterp = colours
    return path


def probability(path: Path, model: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    target = path.with_suffix(".p.tif")
    report = predict.run([str(path)], target, SPEC, model=model)
    image, valid, _ = read_array(target)
    return image[0], valid, report.warnings


@pytest.fixture
def plain(tmp_path: Path, model: Path) -> np.ndarray:
    """The probability of the picture as red, green and blue."""
    scene = save(tmp_path / "rgb.tif", picture(MASK), photometric="RGB")
    found, valid, warnings = probability(scene, model)
    assert valid.all() and not warnings
    assert ((found >= 127) == MASK).mean() > 0.999
    return found


def test_blue_green_and_red_are_taken_as_declared(
    tmp_path: Path, model: Path, plain: np.ndarray
) -> None:
    path = save(tmp_path / "bgr.tif", picture(MASK)[::-1], photometric="MINISBLACK")
    found, _, warnings = probability(colour(path, RGB[::-1]), model)
    np.testing.assert_array_equal(found, plain)
    assert "3,2,1" in warnings[0]


def test_three_of_eight_bands_are_red_green_and_blue(
    tmp_path: Path, model: Path, plain: np.ndarray
) -> None:
    other = np.random.default_rng(1).integers(1, 255, (8, *SHAPE)).astype("uint8")
    other[[5, 2, 1]] = picture(MASK)
    path = save(tmp_path / "eight.tif", other, photometric="MINISBLACK")
    colours = [Colour.undefined] * 8
    colours[5], colours[2], colours[1] = RGB
    found, _, warnings = probability(colour(path, colours), model)
    np.testing.assert_array_equal(found, plain)
    assert "6,3,2" in warnings[0]


def test_alpha_in_a_fifth_band(tmp_path: Path, model: Path, plain: np.ndarray) -> None:
    alpha = np.full((1, *SHAPE), 255, "uint8")
    alpha[:, :, :40] = 0
    five = np.concatenate([picture(MASK), picture(MASK)[:1], alpha])
    path = save(tmp_path / "five.tif", five, photometric="RGB")
    found, valid, _ = probability(colour(path, [*RGB, Colour.undefined, Colour.alpha]), model)
    assert not valid[:, :40].any() and valid[:, 40:].all()
    assert ((found >= 127) == MASK)[:, 40:].mean() > 0.999


def test_a_mask_beside_the_scene(tmp_path: Path, model: Path) -> None:
    path = save(tmp_path / "ext.tif", picture(MASK))
    keep = np.ones(SHAPE, bool)
    keep[:, :40] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as out:
        out.write_mask(keep)
    np.testing.assert_array_equal(probability(path, model)[1], keep)


def palette(image: np.ndarray) -> tuple[np.ndarray, dict[int, tuple[int, int, int, int]]]:
    """``image`` in 8 x 8 x 4 colours, whose numbers say nothing of them."""
    steps = np.array([8, 8, 4])
    bins = image.astype(int) * steps[:, None, None] // 256
    order = np.random.default_rng(4).permutation(256)
    colours = (np.stack(np.unravel_index(np.argsort(order), steps), 1) + 0.5) * 256 / steps
    table = {i: (*map(int, colour), 255) for i, colour in enumerate(colours)}
    return order[np.ravel_multi_index(bins, steps)].astype("uint8")[None], table


@pytest.mark.parametrize("bands", [None, (1, 1, 1)])
def test_a_palette_goes_to_a_model_as_its_colours(
    tmp_path: Path, model: Path, bands: tuple[int, ...] | None
) -> None:
    values, table = palette(picture(MASK))
    path = save(tmp_path / "pal.tif", values)
    with rasterio.open(path, "r+") as out:
        out.write_colormap(1, table)
    report = predict.run([str(path)], tmp_path / "p.tif", SPEC, model=model, bands=bands)
    found = read_array(tmp_path / "p.tif")[0][0]
    assert ((found >= 127) == MASK).mean() > 0.99
    assert any("palette" in warning for warning in report.warnings) == (bands is not None)


DEEP: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uint16 of 0 to 255": lambda p: p.astype("uint16"),
    "int16 of 0 to 255": lambda p: p.astype("int16"),
    "float of 0 to 255": lambda p: p.astype("float32"),
    "float of 0 to 1": lambda p: p.astype("float32") / 255,
    "times 257": lambda p: p.astype("uint16") * 257,
    "11 bits": lambda p: np.rint(p * (2047 / 255)).astype("uint16"),
    "12 bits": lambda p: p.astype("uint16") * 16,
}


@pytest.mark.parametrize("kind", DEEP)
def test_an_8_bit_picture_in_more_bits_gives_what_it_gives(
    tmp_path: Path, model: Path, plain: np.ndarray, kind: str
) -> None:
    found, _, warnings = probability(save(tmp_path / "deep.tif", DEEP[kind](picture(MASK))), model)
    assert ((found >= 127) == (plain >= 127)).mean() > 0.999
    assert np.abs(found.astype(int) - plain).max() <= 20  # half a shade, steep
    assert "holds an 8-bit picture" in warnings[0]


@pytest.mark.parametrize("turned", ["up", "mirrored", "both", "quarter"])
def test_the_same_ground_gives_the_same_footprints(
    tmp_path: Path, model: Path, turned: str
) -> None:
    """Models see north above: a scene that is stored otherwise is turned before."""
    north = write_scene(tmp_path / "north.tif", MASK)
    image, place = picture(MASK), grid(*SHAPE).transform
    if turned in ("up", "both"):
        image = image[:, ::-1]
        place = place * Affine.translation(0, SHAPE[0]) * Affine.scale(1, -1)
    if turned in ("mirrored", "both"):
        image = image[:, :, ::-1]
        place = place * Affine.translation(SHAPE[1], 0) * Affine.scale(-1, 1)
    if turned == "quarter":
        image = image.swapaxes(1, 2)[:, ::-1]
        place = place * Affine(0, 1, 0, 1, 0, 0)
        place = place * Affine.translation(0, SHAPE[1]) * Affine.scale(1, -1)
    other = save(tmp_path / "other.tif", image, transform=place)
    layers, rasters = [], []
    for path in (north, other):
        out = path.with_suffix(".gpkg")
        extract.run([str(path)], out, SPEC, PolygonSpec(), model=model)
        layers.append(gpd.read_file(out))
        predict.run([str(path)], path.with_suffix(".p.tif"), SPEC, model=model)
        rasters.append(read_array(path.with_suffix(".p.tif")))
    assert len(layers[0]) > 3
    assert layers[0].geometry.to_wkt().tolist() == layers[1].geometry.to_wkt().tolist()
    np.testing.assert_array_equal(rasters[0][0], rasters[1][0])
    assert rasters[0][2].shape == rasters[1][2].shape
    assert rasters[0][2].transform.almost_equals(rasters[1][2].transform, 1e-6)
