"""Masks beside the chips, values and formats of chips."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.warp import reproject, transform_bounds

from geoseg.core.grid import Grid
from geoseg.errors import InputError, UnsuitableError
from geoseg.geometry.burn import burn
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import ChipSpec
from geoseg.tools import tile
from tests.tools.tiles import GRID, HOLE, UTM, ground, noise, plain, scene, windows

# Values


def test_rescaling_is_one_stretch_over_all_scenes(tmp_path):
    images = [noise(2, "uint16", high=high) for high in (3000, 900)]
    images[0][:, *HOLE] = 0
    paths = [
        scene(tmp_path / f"{name}.tif", image, nodata=0)
        for name, image in zip("ab", images, strict=True)
    ]
    tile.run(paths, tmp_path / "chips", ChipSpec(size=70, rescale="percentile:2,98"))
    index = read_index(tmp_path / "chips")
    values = np.concatenate([image[:, image[0] > 0] for image in images], axis=1)
    low, high = np.percentile(values, [2, 98], axis=1, method="inverted_cdf").astype(float)
    assert (
        index.info.stretch.low == tuple(low)
        and index.info.stretch.high == tuple(high)
        and index.info.dtype == "uint16"
    )
    for name, image in (("a_r0000_c0001", images[0]), ("b_r0000_c0001", images[1])):
        pixels, chip = plain(tmp_path / f"chips/images/{name}.tif")
        expected = ((image[:, :70, 70:] - low[:, None, None]) / (high - low)[:, None, None]).clip(
            0, 1
        ) * 255
        assert chip.nodata is None and pixels.dtype == np.uint8
        np.testing.assert_array_equal(chip.valid, image[0, :70, 70:] > 0)
        np.testing.assert_allclose(pixels[:, chip.valid], expected[:, chip.valid], atol=0.51)


def test_minmax(tmp_path):
    image = noise(1, "float32", high=90)
    image[0, 3, 100], image[0, 50, 7], image[0, 8, 8] = -40, 260, np.nan
    tile.run(
        [scene(tmp_path / "a.tif", image)], tmp_path / "chips", ChipSpec(size=70, rescale="minmax")
    )
    stretch = read_index(tmp_path / "chips").info.stretch
    assert (stretch.low, stretch.high) == ((-40,), (260,))


# PNG and pictures


def test_what_no_png_holds_is_refused_at_once(tmp_path):
    for image in (noise(1, "float32"), noise(5)):
        path = scene(tmp_path / "a.tif", image, overwrite=True)
        with pytest.raises(UnsuitableError, match="do not fit into PNG, which holds 1 or 3"):
            tile.run([path], tmp_path / "chips", ChipSpec(size=70, format="png"))
    assert (
        tile.run([path], tmp_path / "chips", ChipSpec(size=70, format="png", bands=(5, 1, 2))).chips
        == 4
    )


def test_pictures_are_outlined_in_pixels(tmp_path):
    image = noise()
    tile.run(
        [scene(tmp_path / "a.png", image, grid=None)],
        tmp_path / "chips",
        ChipSpec(size=70, gsd=0.3),
    )
    index = read_index(tmp_path / "chips")
    outline = index.table.set_index("id").loc["a_r0001_c0001", "geometry"]
    assert outline.bounds == (70, 20, 140, 90) and index.table.crs is None and index.info.gsd == 0.3
    np.testing.assert_array_equal(
        plain(tmp_path / "chips/images/a_r0001_c0001.tif")[0], image[:, 20:, 70:]
    )


# Labels


def test_masks_beside_the_chips(tmp_path):
    boxes = [ground(100, 10, 120, 22), ground(5, 60, 17, 85)]
    gpd.GeoDataFrame(geometry=boxes, crs=UTM).to_crs(3857).to_file(tmp_path / "f.gpkg")
    image = noise()
    image[:, *HOLE] = 0
    spec = ChipSpec(size=40, overlap=8, edge="pad", split=(1, 0, 0))
    report = tile.run(
        [scene(tmp_path / "a.tif", image, nodata=0)],
        tmp_path / "chips",
        spec,
        labels=tmp_path / "f.gpkg",
    )
    expected = burn(boxes, GRID)
    expected[HOLE] = 255
    expected = np.pad(expected, ((0, 40), (0, 40)), constant_values=255)
    for name, (col, row, width, height) in windows(tmp_path / "chips").items():
        mask, profile = plain(tmp_path / f"chips/masks/{name}.tif")
        assert np.count_nonzero(mask[0] != expected[row : row + height, col : col + width]) <= 4
        assert (
            profile.transform == plain(tmp_path / f"chips/images/{name}.tif")[1].transform
            and profile.nodata is None
        )
    assert "reprojected from EPSG:3857 to EPSG:32737" in report.warnings[0]
    assert read_index(tmp_path / "chips").table["mask"].tolist() == [
        f"masks/{name}.tif" for name in windows(tmp_path / "chips")
    ]


def test_creation_options_are_for_images_alone(tmp_path):
    write_array(tmp_path / "mask.tif", np.ones((1, *GRID.shape), np.uint8), GRID)
    options = {"COMPRESS": "DEFLATE", "INTERLEAVE": "BAND"}
    paths = [scene(tmp_path / "a.tif")]
    tile.run(
        paths,
        tmp_path / "out",
        ChipSpec(size=32),
        labels=tmp_path / "mask.tif",
        creation_options=options,
        jobs=2,
    )
    image, mask = (next((tmp_path / "out" / name).iterdir()) for name in ("images", "masks"))
    assert (plain(image)[1].compress, plain(image)[1].interleave) == ("deflate", "band")
    assert plain(mask)[1].compress == "zstd"


def test_a_mask_raster_of_another_crs(tmp_path):
    truth = burn([ground(60, 10, 120, 50)], GRID)
    west, south, east, north = transform_bounds(UTM.to_wkt(), "EPSG:4326", *GRID.bounds)
    lonlat = Grid(
        CRS.from_epsg(4326),
        Affine((east - west) / 500, 0, west, 0, (south - north) / 400, north),
        400,
        500,
    )
    labels = np.full((400, 500), 9, np.uint8)
    reproject(
        truth,
        labels,
        GRID.transform,
        src_crs=UTM.to_wkt(),
        dst_transform=lonlat.transform,
        dst_crs="EPSG:4326",
        dst_nodata=9,
    )
    write_array(tmp_path / "m.tif", labels, lonlat, nodata=9)
    report = tile.run(
        [scene(tmp_path / "a.tif")],
        tmp_path / "chips",
        ChipSpec(size=70),
        labels=tmp_path / "m.tif",
    )
    assert "another grid" in report.warnings[0]
    mask, _ = plain(tmp_path / "chips/masks/a_r0000_c0001.tif")
    known = mask[0] != 255
    assert (
        known.mean() > 0.97
        and (mask[0][known] != truth[:70, 70:][known]).mean() < 0.03
        and mask[0][30, 30] == 1
    )


def test_a_folder_of_labels(tmp_path):
    (tmp_path / "labels").mkdir()
    for name, rows in (("a", 10), ("b", 30)):
        scene(tmp_path / f"{name}.tif")
        labels = np.zeros((90, 140), np.uint8)
        labels[:rows, 100:] = 255
        write_array(tmp_path / f"labels/{name}.png", labels)
    paths = [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    report = tile.run(
        paths, tmp_path / "chips", ChipSpec(size=70, format="png"), labels=tmp_path / "labels"
    )
    for name, rows in (("a", 10), ("b", 30)):
        mask = plain(tmp_path / f"chips/masks/{name}_r0000_c0001.png")[0][0]
        assert mask[:rows, 30:].all() and mask.sum() == rows * 40
    assert not any("grid" in warning for warning in report.warnings)
    with pytest.raises(InputError, match=r"has no labels for .*c\.tif"):
        tile.run(
            [scene(tmp_path / "c.tif")],
            tmp_path / "none",
            ChipSpec(size=70),
            labels=tmp_path / "labels",
        )


def test_the_same_warning_of_many_files_is_one_line(tmp_path):
    (tmp_path / "labels").mkdir()
    paths = [scene(tmp_path / f"{name}.tif") for name in "abc"]
    for name in "abc":
        gpd.GeoDataFrame(geometry=[ground(100, 10, 120, 22)], crs=UTM).to_crs(3857).to_file(
            tmp_path / f"labels/{name}.gpkg"
        )
    report = tile.run(
        paths, tmp_path / "chips", ChipSpec(size=70, split=(1, 0, 0)), labels=tmp_path / "labels"
    )
    assert report.warnings == (
        f"{tmp_path}/labels/a.gpkg: reprojected from EPSG:3857 to EPSG:32737 (and 2 more files)",
    )


# Real scenes


def test_real_labels_agree_with_the_masks_beside_them(tmp_path, shared_data):
    folder = shared_data / "oam_banepa_centre"
    (path,), (labels,) = folder.glob("images/*.tif"), folder.glob("labels/*.geojson")
    spec = ChipSpec(size=1024, edge="drop", split=(1, 0, 0))
    tile.run([str(path)], tmp_path / "chips", spec, labels=labels)
    share = np.mean(
        [(read_array(mask)[0] == 1).mean() for mask in (tmp_path / "chips/masks").iterdir()]
    )
    truth = gpd.read_file(labels).to_crs(3857)
    with rasterio.open(path) as whole:
        covered = (
            truth.clip(shapely.box(*whole.bounds)).union_all().area
            / shapely.box(*whole.bounds).area
        )
    assert share == pytest.approx(covered, rel=0.01)
