"""What `tile` cuts by default `stitch` puts together again, pixel for pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import create_raster, write_array
from geoseg.specs import ChipSpec
from geoseg.tools import stitch, tile
from tests.tools.tiles import plain

PLACES = {
    32737: Affine(0.3, 0, 512_000.1, 0, -0.3, 9_300_000.7),
    4326: Affine(2.7123456789e-6, 0, 85.5123456789, 0, -2.7123456789e-6, 27.6123),
}
LAYOUTS = ["none", "value", "zero", "alpha", "msk", "internal", "nan", "undeclared nan"]


def write(path: Path, layout: str, image: np.ndarray, valid: np.ndarray, grid: Grid) -> Path:
    """A scene whose pixels that are not ``valid`` are marked by ``layout``."""
    bands = len(image)
    if layout == "none":
        write_array(path, image, grid)
    elif layout in ("value", "zero", "nan", "undeclared nan"):
        fill = {"value": 7, "zero": 0}.get(layout, np.nan)
        marked = np.where(valid, image, np.asarray(fill, image.dtype))
        write_array(path, marked, grid, nodata=None if layout == "undeclared nan" else fill)
    elif layout == "internal":
        with create_raster(path, grid, count=bands, dtype=str(image.dtype)) as out:
            out.write(image)
            out.write_mask(valid)
    else:
        profile = {"driver": "GTiff", "width": grid.width, "height": grid.height}
        profile |= {"crs": grid.crs.to_wkt(), "transform": grid.transform, "dtype": image.dtype}
        alpha = layout == "alpha"
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
            rasterio.open(path, "w", **profile, count=bands + alpha) as out,
        ):
            out.write(image, range(1, bands + 1))
            if alpha:
                out.write(np.where(valid, 255, 0).astype(image.dtype), bands + 1)
                colours = [rasterio.enums.ColorInterp.gray] * bands
                out.colorinterp = [*colours, rasterio.enums.ColorInterp.alpha]
            else:
                out.write_mask(valid)
        assert Path(f"{path}.msk").exists() == (not alpha)
    return path


@settings(
    max_examples=40,
    phases=set(Phase) - {Phase.shrink},
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from(["shift", "pad", "partial", "drop"]),
    st.sampled_from(["tif", "png"]),
    st.sampled_from(sorted(PLACES)),
    st.tuples(st.integers(20, 60), st.integers(61, 100)),
    st.integers(9, 70),
    st.floats(0, 0.7),
    st.sampled_from([1, 3]),
    st.integers(0, 2**32 - 1),
)
def test_stitched_chips_are_the_scene(
    tmp_path_factory, layout, edge, kind, epsg, shape, size, share, bands, seed
):
    folder = tmp_path_factory.mktemp("round")
    random = np.random.default_rng(seed)
    dtype = "float32" if "nan" in layout else random.choice(["uint8", "uint16"])
    if dtype == "float32":
        kind = "tif"
    image = random.integers(8, 255, (bands, *shape)).astype(dtype)
    valid = np.ones(shape, bool)
    if layout != "none":
        valid[:, : random.integers(0, 60)] = False  # whole tiles, at the border too
        valid[5:18, 11:50] = False
        valid[-1, -1] = True
    grid = Grid(CRS.from_epsg(epsg), PLACES[epsg], *shape)
    path = write(folder / "a.tif", layout, image, valid, grid)
    spec = ChipSpec(size=size, overlap=int(size * share), edge=edge, format=kind)
    if edge == "drop":
        whole = [(side - size) // spec.tiling.stride * spec.tiling.stride + size for side in shape]
        valid = valid[: max(0, whole[0]), : max(0, whole[1])]
        if size > min(shape) or not valid.any():
            with pytest.raises(UnsuitableError, match="no tile"):
                tile.run([str(path)], folder / "chips", spec)
            return
    report = tile.run([str(path)], folder / "chips", spec)
    assert report.dropped == report.skipped == 0 and report.splits == {}
    chips = sorted((folder / "chips/images").glob(f"*.{kind}"))
    assert len(chips) == report.chips
    stitch.run(chips, folder / "b.tif")
    stitched, seen, on = read_array(folder / "b.tif")
    assert on == Grid(grid.crs, grid.transform, *valid.shape)
    np.testing.assert_array_equal(seen, valid)
    np.testing.assert_array_equal(stitched, image[:, : len(valid), : len(valid[0])] * valid)
    if layout in ("value", "zero", "nan", "undeclared nan"):
        # to programs that know of no mask too
        rows, cols = (slice(side) for side in valid.shape)
        np.testing.assert_array_equal(plain(folder / "b.tif")[0], plain(path)[0][:, rows, cols])


def test_nothing_is_split_unless_asked_for(tmp_path):
    grid = Grid(CRS.from_epsg(32737), PLACES[32737], 90, 140)
    image = np.random.default_rng(0).integers(1, 9, (3, 90, 140), "uint8")
    write_array(tmp_path / "a.tif", image, grid)
    write_array(tmp_path / "m.tif", image[:1] // 5, grid)
    paths, wanted = [str(tmp_path / "a.tif")], {}
    for name, spec, labels in (
        ("plain", ChipSpec(size=40), None),
        ("split", ChipSpec(size=40, split=(0.5, 0.25, 0.25), block_size=1), None),
        ("random", ChipSpec(size=40, split_by="random"), None),
        ("labels", ChipSpec(size=40, block_size=1), tmp_path / "m.tif"),
    ):
        tile.run(paths, tmp_path / name, spec, labels=labels)
        wanted[name] = set(read_index(tmp_path / name).table["split"].dropna())
    every = {"train", "val", "test"}
    assert wanted == {"plain": set(), "split": every, "random": every, "labels": every}


def test_png_chips_keep_place_and_transparency(tmp_path):
    grid = Grid(CRS.from_epsg(4326), PLACES[4326], 50, 70)
    image = np.random.default_rng(0).integers(8, 255, (3, 50, 70), "uint8")
    valid = np.ones((50, 70), bool)
    valid[3:9, 30:50] = False
    write(tmp_path / "a.tif", "msk", image, valid, grid)
    tile.run([str(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(size=40, format="png"))
    names = [f"a_r{row:04d}_c{col:04d}" for row in (0, 1) for col in (0, 1)]
    there = sorted(path.name for path in (tmp_path / "chips/images").iterdir())
    assert there == sorted(n + e for n in names for e in (".png", ".pgw", ".png.aux.xml"))
    chip = tmp_path / "chips/images/a_r0000_c0001.png"
    with rasterio.open(chip) as file:
        assert file.crs.to_epsg() == 4326 and file.colorinterp[-1].name == "alpha"
        assert file.transform == grid.transform * Affine.translation(30, 0)
        np.testing.assert_array_equal(file.read(4) > 0, valid[:40, 30:])
    numbers = [float(line) for line in chip.with_suffix(".pgw").read_text().splitlines()]
    assert numbers[0] == grid.transform.a and numbers[1:3] == [0, 0]
    assert numbers[4:] == pytest.approx(grid.transform * (30.5, 0.5), abs=1e-13)
    with rasterio.open(tmp_path / "chips/images/a_r0001_c0000.png") as file:
        assert file.count == 3  # all of it is data


@pytest.mark.parametrize("bands", [2, 4])
def test_bands_that_a_png_takes_for_transparency_are_refused(tmp_path, bands):
    grid = Grid(CRS.from_epsg(32737), PLACES[32737], 50, 70)
    write_array(tmp_path / "a.tif", np.ones((bands, 50, 70), "uint8"), grid)
    with pytest.raises(UnsuitableError, match=f"{bands} bands of uint8 do not fit into PNG"):
        tile.run([str(tmp_path / "a.tif")], tmp_path / "chips", ChipSpec(format="png"))
