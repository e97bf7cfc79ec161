"""Masks against ``solaris.vector.mask``, pixel by pixel.

solaris widens a mask by a square of an odd number of pixels, geoseg goes by distance: its width of
1 pixel is the square of 3, that of 2.4 pixels the square of 5. From there on a square reaches
farther over its corners than any distance does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.geometry.targets import Target, Targets
from geoseg.io.raster.scene import read_array
from geoseg.specs import MaskSpec
from geoseg.tools import rasterize

pytestmark = pytest.mark.slow

# solaris' square and the width in pixels that is the same
WIDTHS = {3: 1.0, 5: 2.4}
# Pixels, by layer, that only one of the two draws: all are explained by the test that counts them
OUTER = {"generated": {3: 8, 5: 26}, "atlanta": {3: 13, 5: 33}, "banepa": {3: 27, 5: 74}}
INNER = {
    "generated": {3: 6948, 5: 11825},
    "atlanta": {3: 136, 5: 232},
    "banepa": {3: 2271, 5: 3741},
}
WALLS = {"generated": {3: 6903, 5: 11673}, "atlanta": {3: 0, 5: 0}, "banepa": {3: 1531, 5: 2348}}
CORNERS = {"generated": 13192, "atlanta": 4189, "banepa": 34654}


@dataclass(frozen=True)
class Layer:
    """Footprints in pixels of a raster of ``shape``."""

    name: str
    geometry: np.ndarray
    shape: tuple[int, int]

    def ours(self, *targets: Target) -> np.ndarray:
        grid = Grid(None, Affine.identity(), *self.shape)
        return Targets(self.geometry, grid, targets).burn(Window(0, 0, grid.width, grid.height)) > 0

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({"geometry": self.geometry})

    def border(self, width: int) -> np.ndarray:
        """Pixels within ``width`` of the raster's border."""
        out = np.ones(self.shape, bool)
        out[width:-width, width:-width] = False
        return out


def generated() -> Layer:
    """Turned blocks, courts and pairs with a common wall, overlapping here and there, on the border
    too.
    """
    rng = np.random.default_rng(7)
    blocks: list[shapely.Polygon] = []
    for i, (x, y) in enumerate(rng.uniform((0, 0), (610, 430), (150, 2))):
        wide, high = rng.uniform(8, 40, 2)
        block = shapely.box(x, y, x + wide, y + high)
        if i % 5 == 0:
            block = block.difference(shapely.buffer(block.centroid, min(wide, high) / 4))
        pair = [shapely.box(x - wide, y, x, y + high), block] if i % 4 == 0 else [block]
        blocks += [shapely.affinity.rotate(each, 30, origin=(x, y)) for each in pair]
    return Layer("generated", np.array(blocks), (430, 610))


def real(name: str, scene: Path, labels: Path, shape: tuple[int, int]) -> Layer:
    """Footprints that reach the upper left part of a scene."""
    with rasterio.open(scene) as file:
        transform, crs = ~file.transform, file.crs
    frame = gpd.read_file(labels).to_crs(crs)
    pixels = shapely.transform(
        frame.geometry.to_numpy(), lambda xy: np.column_stack(transform * tuple(xy.T))
    )
    return Layer(name, pixels[shapely.intersects(pixels, shapely.box(0, 0, *shape[::-1]))], shape)


@pytest.fixture(scope="module", params=["generated", "atlanta", "banepa"])
def layer(request: pytest.FixtureRequest) -> Layer:
    if request.param == "generated":
        return generated()
    if request.param == "atlanta":
        folder = request.getfixturevalue("solaris_data")
        return real(
            "atlanta", folder / "sample_geotiff.tif", folder / "geotiff_labels.geojson", (900, 760)
        )
    folder = request.getfixturevalue("shared_data") / "oam_banepa_centre"
    scene, labels = (
        folder / "images/oam_banepa_centre_train.tif",
        folder / "labels/oam_banepa_centre_train.geojson",
    )
    return real("banepa", scene, labels, (1300, 1700))


@pytest.fixture
def masks(solaris: ModuleType) -> ModuleType:
    return solaris.vector.mask


def count(mask: np.ndarray) -> int:
    return int(np.count_nonzero(mask))


def test_footprints_are_equal(masks, layer):
    theirs = masks.footprint_mask(layer.frame, shape=layer.shape) > 0
    ours = layer.ours(Target("footprint"))[0]
    assert count(ours != theirs) == 0 < count(ours)


@pytest.mark.parametrize("square", WIDTHS)
def test_boundaries_outside_differ_at_the_border_alone(masks, layer, square):
    """solaris does not see buildings just beyond it; geoseg does, lest chips differ from their
    scene.
    """
    footprint = masks.footprint_mask(layer.frame, shape=layer.shape)
    theirs = masks.boundary_mask(footprint, boundary_width=square, boundary_type="outer") > 0
    ours = layer.ours(Target("boundary", WIDTHS[square], "outer"))[0]
    assert count(theirs & ~ours) == 0
    assert (
        count(ours & ~theirs)
        == count(ours & ~theirs & layer.border(square // 2))
        == OUTER[layer.name][square]
    )


@pytest.mark.parametrize("square", WIDTHS)
def test_boundaries_inside_differ_at_walls_and_at_the_border_alone(masks, layer, square):
    """solaris erodes all buildings as one: two that touch have no boundary between them, where
    geoseg has one, that a network may learn to part them. At the border solaris does not see
    outlines just beyond it.
    """
    footprint = masks.footprint_mask(layer.frame, shape=layer.shape)
    theirs = masks.boundary_mask(footprint, boundary_width=square, boundary_type="inner") > 0
    target = Target("boundary", WIDTHS[square])
    ours = layer.ours(target)[0]
    assert count(theirs & ~ours) == 0
    assert count(ours & ~theirs) == INNER[layer.name][square]
    assert count(ours & ~theirs & ~layer.border(square // 2)) == WALLS[layer.name][square]
    as_one = Layer(layer.name, np.array([shapely.union_all(layer.geometry)]), layer.shape).ours(
        target
    )[0]
    assert count((as_one ^ theirs) & ~layer.border(square // 2)) == 0


def test_wide_boundaries_lack_the_corners_of_the_square(masks, layer):
    """6 pixels at most from the outline, where the square of 13 reaches 8.5 over a corner."""
    footprint = masks.footprint_mask(layer.frame, shape=layer.shape)
    theirs = masks.boundary_mask(footprint, boundary_width=13, boundary_type="outer") > 0
    ours, reach = (
        layer.ours(Target("boundary", width, "outer"))[0]
        for width in (6, np.hypot(5.5, 5.5) + 0.01)
    )
    assert count(ours & ~theirs & ~layer.border(6)) == 0 == count(theirs & ~reach)
    assert count(theirs & ~ours) == CORNERS[layer.name] < 0.25 * count(theirs)


@pytest.mark.parametrize("spacing", [4, 10, 25])
def test_contacts_are_equal(masks, layer, spacing):
    theirs = masks.contact_mask(layer.frame, contact_spacing=spacing, shape=layer.shape) > 0
    ours = layer.ours(Target("contact", spacing))[0]
    assert count(ours != theirs) == 0
    assert count(ours) > 0 or (layer.name, spacing) == ("atlanta", 4)


@pytest.fixture
def atlanta(solaris_data: Path) -> tuple[Path, Path]:
    return solaris_data / "geotiff_labels.geojson", solaris_data / "sample_geotiff.tif"


def test_the_command_writes_what_solaris_writes(masks, atlanta, tmp_path):
    """From files to files, on the whole scene, where it has a CRS."""
    labels, scene = atlanta
    masks.df_to_px_mask(
        gpd.read_file(labels)[["geometry"]],
        ["footprint", "boundary"],
        out_file=str(tmp_path / "theirs.tif"),
        reference_im=str(scene),
        do_transform=True,
        boundary_width=3,
        boundary_type="outer",
        burn_value=200,
    )
    spec = MaskSpec(("footprint", "boundary"), side="outer", value=200)
    rasterize.run(labels, scene, tmp_path / "ours.tif", spec)
    (theirs, _, grid), (ours, _, same) = (
        read_array(tmp_path / "theirs.tif"),
        read_array(tmp_path / "ours.tif"),
    )
    assert grid == same
    assert count(ours != theirs) == 0 and np.unique(ours).tolist() == [0, 200]


def test_instances_are_the_bands_of_solaris(masks, atlanta, tmp_path):
    """One band with the numbers of the buildings in place of a band for each; of two that overlap
    the later.
    """
    labels, scene = atlanta
    theirs = masks.instance_mask(
        gpd.read_file(labels)[["geometry"]],
        reference_im=str(scene),
        do_transform=True,
        burn_value=1,
    )
    numbers = (theirs.astype("uint32") * np.arange(1, theirs.shape[2] + 1, dtype="uint32")).max(
        axis=2
    )
    rasterize.run(labels, scene, tmp_path / "ours.tif", MaskSpec(("instance",)))
    ours = read_array(tmp_path / "ours.tif")[0][0]
    assert theirs.shape[2] == 43 and len(np.unique(ours)) == 44
    assert count(ours != numbers) == 0
