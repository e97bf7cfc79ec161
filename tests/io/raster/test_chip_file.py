"""Chips read back as they were written, and a full disk is noticed."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import OutputError
from geoseg.io.raster.chip_file import write_chip

UTM = CRS.from_epsg(32737)
PLAIN = {"COMPRESS": "NONE"}
NORTH_UP = Affine(0.5, 0, 512_000.1, 0, -0.5, 9_300_000)
TURNED = NORTH_UP * Affine.rotation(30)
TRANSFORMS = [NORTH_UP, TURNED, Affine(0.5, 0, 0, 0, 0.5, 0), Affine.identity()]


def noise(bands: int, dtype: str, shape: tuple[int, int] = (90, 140)) -> np.ndarray:
    return np.random.default_rng(bands).uniform(0, 120, (bands, *shape)).astype(dtype)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]),
    st.sampled_from([1, 2, 3, 4, 7]),
    st.sampled_from([(20, 31), (90, 140), (300, 512), (31, 1100)]),
    st.sampled_from([None, UTM, CRS.from_epsg(4326), CRS.from_epsg(2263)]),
    st.sampled_from(TRANSFORMS),
    st.sampled_from([None, 0.0, 7.0]),
    st.sampled_from(
        [
            None,
            PLAIN,
            {"COMPRESS": "DEFLATE"},
            PLAIN | {"INTERLEAVE": "BAND"},
            PLAIN | {"TILED": "YES"},
        ]
    ),
    st.sampled_from(["interleaved", "by band", "zeros", "with a hole"]),
)
def test_a_chip_reads_back_as_it_was(
    tmp_path_factory, dtype, bands, shape, crs, transform, nodata, options, kind
):
    path = tmp_path_factory.mktemp("chips") / "chip.tif"
    image = noise(bands, dtype, shape) * (kind != "zeros")
    if kind == "interleaved":
        image = np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    valid = np.ones(shape, bool)
    valid[4:9, 7:30] = kind != "with a hole"
    grid = Grid(crs, transform, *shape)
    write_chip(path, image, grid, valid=valid, nodata=nodata, options=options)
    with rasterio.open(path) as chip:
        np.testing.assert_array_equal(chip.read(), image)
        assert chip.transform.almost_equals(grid.transform) and chip.nodata == nodata
        placed = crs and not transform.is_identity  # a CRS alone places nothing
        assert (chip.crs and chip.crs.to_epsg()) == (crs.to_epsg() if placed else None)
        np.testing.assert_array_equal(chip.dataset_mask() > 0 if nodata is None else valid, valid)


def test_a_larger_chip_before_it_leaves_nothing(tmp_path):
    for shape in ((90, 140), (20, 30)):
        write_chip(
            tmp_path / "a.tif",
            noise(2, "uint16", shape),
            Grid(UTM, NORTH_UP, *shape),
            options=PLAIN,
        )
    assert (tmp_path / "a.tif").stat().st_size < 20 * 30 * 4 + 1000


def test_what_gdal_cannot_make(tmp_path):
    with pytest.raises(OutputError, match=r"a\.tif: could not be written: .*JPEG"):
        write_chip(
            tmp_path / "a.tif",
            noise(3, "float32"),
            Grid(UTM, NORTH_UP, 90, 140),
            options={"COMPRESS": "JPEG"},
        )


@pytest.mark.parametrize("options", [PLAIN, None])
def test_a_full_disk_is_noticed(tmp_path, options):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_chip(
                tmp_path / "a.tif", noise(3, "uint8"), Grid(UTM, NORTH_UP, 90, 140), options=options
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
