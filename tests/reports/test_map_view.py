"""The frame of a map of the web: pictures and outlines lie on each other, and where they belong."""

from __future__ import annotations

import io
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from matplotlib.image import imread
from pyproj import CRS, Transformer

from geoseg.api.maps import map_view
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.io.raster.write import write_array
from geoseg.io.vector.copy import copy_footprints
from geoseg.io.vector.read import read_footprints
from geoseg.reports.map_view import MapView
from geoseg.tools import polygonize
from tests.scenes import buildings, picture, write_scene

MASK = buildings(180, 260)
# far from the zone's meridian, where the grid's north leans by three degrees
EDGE = Grid(CRS(32633), Affine(0.3, 0, 166_100, 0, -0.3, 5_548_000), *MASK.shape)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", MASK, EDGE)


@pytest.fixture
def footprints(tmp_path: Path) -> Path:
    write_array(tmp_path / "mask.tif", MASK[None].astype("uint8"), EDGE)
    polygonize.run(tmp_path / "mask.tif", tmp_path / "footprints.gpkg")
    return tmp_path / "footprints.gpkg"


def decoded(webp: bytes) -> np.ndarray:
    return imread(io.BytesIO(webp), format="webp")


def burned(view: MapView, path: Path) -> np.ndarray:
    """The outlines as a mask of the frame's pixels."""
    shapes = []
    for rings in view.outlines(str(path))["rings"]:
        shell, *holes = [np.array(ring).reshape(-1, 2) for ring in rings]
        shapes.append(shapely.Polygon(shell, holes))
    frame = Grid(None, Affine.identity(), view.grid.height, view.grid.width)
    return Burner(np.array(shapes), frame).burn(frame) == 1


def test_outlines_lie_on_the_roofs_of_the_picture(scene: Path, footprints: Path) -> None:
    view = map_view(scene)
    image = decoded(view.scene()).astype(int)
    red = (image[..., 0] > image[..., 1]) & (image[..., 3] > 200)
    mask = burned(view, footprints)
    assert image.shape[:2] == view.grid.shape == mask.shape
    shifts = {(y, x): np.roll(red, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)}
    fit = {shift: (moved & mask).sum() / (moved | mask).sum() for shift, moved in shifts.items()}
    assert max(fit, key=fit.get) == (0, 0) and fit[0, 0] > 0.85  # WebP blurs what is red
    assert fit[0, 1] == pytest.approx(fit[0, -1], abs=0.02)  # nor is it half a pixel off
    assert fit[1, 0] == pytest.approx(fit[-1, 0], abs=0.02)
    # turned by the convergence: not the scene's own pixels
    assert view.grid.height > MASK.shape[0] + 10 and (image[0, 0, 3], image[-1, -1, 3]) == (0, 0)


def test_the_frame_lies_where_the_scene_does(scene: Path) -> None:
    view = map_view(scene)
    lonlat = Transformer.from_crs(view.grid.crs, 4326, always_xy=True)
    own = Transformer.from_crs(32633, 4326, always_xy=True)
    frame = lonlat.transform(*(view.grid.transform * (view.grid.width / 2, view.grid.height / 2)))
    centre = own.transform(*(EDGE.transform * (EDGE.width / 2, EDGE.height / 2)))
    assert frame == pytest.approx(centre, abs=3e-6)
    assert view.metres == pytest.approx(0.3, rel=0.08) and view.placed


def test_a_large_scene_has_a_small_picture(scene: Path, footprints: Path) -> None:
    whole = map_view(scene)
    small = map_view(scene, size=100)
    assert max(small.grid.shape) == 100
    factor = small.grid.width / whole.grid.width
    one, other = (burned(view, footprints).mean() for view in (whole, small))
    assert one == pytest.approx(other, rel=0.1) and factor < 0.5
    assert decoded(small.scene()).shape[:2] == small.grid.shape


def test_a_mask_is_white_on_nothing(scene: Path, footprints: Path, tmp_path: Path) -> None:
    view = map_view(scene)
    image = decoded(view.mask(str(tmp_path / "mask.tif")))
    mask = burned(view, footprints)
    white = image[..., 3] > 127
    assert (white & mask).sum() / (white | mask).sum() > 0.9
    assert (image[white][:, :3] > 250).all()


def test_a_photo_is_its_own_frame(tmp_path: Path) -> None:
    plain = Grid(None, Affine.identity(), *MASK.shape)
    write_array(tmp_path / "photo.png", picture(MASK), plain)
    view = map_view(tmp_path / "photo.png")
    assert view.grid.shape == MASK.shape and view.metres is None and not view.placed
    assert decoded(view.scene()).shape[:2] == MASK.shape


SITE = CRS.from_wkt(
    'ENGCRS["site",EDATUM["a corner"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["metre",1]]'
)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (CRS(3031), Affine(1, 0, -80, 0, -1, 60)),
        (CRS(32633), Affine(0.3, 0, 1e9, 0, -0.3, 5e6)),
        (CRS(32633), Affine(0.3, 0, 1.7e308, 0, -0.3, 1.7e308)),
        (CRS(32633), Affine(1e-12, 0, 5e5, 0, -1e-12, 5e6)),
        (CRS(4326), Affine(0.3, 0, 4.5e5, 0, -0.3, 5.5e6)),
        (CRS(4326), Affine(3e-6, 0, 15, 0, -3e-6, 95)),
        (SITE, Affine(0.3, 0, 20, 0, -0.3, 90)),
    ],
    ids=["pole", "far_east", "largest_numbers", "too_fine", "metres", "beyond_the_pole", "site"],
)
def test_what_has_no_place_on_a_map_of_the_web_is_refused(
    tmp_path: Path, crs: CRS, transform: Affine
) -> None:
    scene = write_scene(tmp_path / "pole.tif", buildings(120, 160), Grid(crs, transform, 120, 160))
    with pytest.raises(UnsuitableError, match=r"pole.tif: has no place on a map of the web"):
        map_view(scene)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize("crs", [CRS(32633), None])
@pytest.mark.parametrize("reach", [400, 1e9, 1e14])
def test_outlines_are_cut_near_the_scene(tmp_path: Path, crs: CRS | None, reach: float) -> None:
    transform = Affine(0.3, 0, 5e5, 0, -0.3, 5e6) if crs else Affine.identity()
    place = Grid(crs, transform, 120, 160)
    scene = write_scene(tmp_path / "scene.tif", buildings(120, 160), place)
    left, bottom, right, top = place.bounds
    wide = shapely.box(left - reach, bottom - reach, (left + right) / 2, top + reach)
    gpd.GeoDataFrame(geometry=[wide], crs=crs).to_file(tmp_path / "wide.gpkg")
    view = map_view(scene)
    (ring,) = view.outlines(str(tmp_path / "wide.gpkg"))["rings"][0]
    x, y = np.reshape(ring, (-1, 2)).T
    height, width = view.grid.shape
    assert x.min() == pytest.approx(-16, abs=3) and x.max() == pytest.approx(width / 2, abs=3)
    assert y.min() == pytest.approx(-12, abs=3) and y.max() == pytest.approx(height + 12, abs=3)


def test_footprints_are_copied_to_another_format(footprints: Path, tmp_path: Path) -> None:
    copy_footprints(footprints, tmp_path / "copy.geojson")
    before, after = (read_footprints(p) for p in (footprints, tmp_path / "copy.geojson"))
    assert isinstance(after, Layer) and len(after) == len(before) > 10
    assert after.crs == CRS(4326) and after.columns.keys() == before.columns.keys()
    np.testing.assert_allclose(after.columns["area_m2"], before.columns["area_m2"])
