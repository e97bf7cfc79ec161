"""Areas far wider than the scene, and footprints where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import Transformer

from geoseg.io.raster.scene import read_array
from tests.faults.case import MAP, MODEL, Case, geojson
from tests.faults.corpus.layers import BURN, footprints_of, text

AREA = f"extract scene.tif -o new.gpkg --aoi odd.geojson {MODEL}"
EVERYWHERE = geojson([[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]])
TILED = "tile scene.tif -o new --size 32 --labels odd.geojson"
TILES = "tile scene.tif -o new --size 32 --aoi odd.geojson"


def burnt(rows: slice) -> Callable[[Path, dict[str, Any]], None]:
    """The mask is 1 in ``rows`` and nowhere else, to a row."""

    def check(folder: Path, _: dict[str, Any]) -> None:
        expected = np.zeros(MAP.shape, bool)
        expected[rows] = True
        found = read_array(folder / "new.tif")[0][0] > 0
        assert (found != expected).mean() <= 1.5 / MAP.height

    return check


def country(south: float, north: float, west: float = 5, east: float = 25) -> Any:
    """An area of four corners in degrees; latitudes are rows of the scene, degrees beyond."""

    def make(folder: Path) -> None:
        edges = [_latitude(row) if row >= 0 else -row for row in (south, north)]
        ring = [[west, edges[0]], [east, edges[0]], [east, edges[1]], [west, edges[1]]]
        (folder / "odd.geojson").write_text(geojson([[*ring, ring[0]]]))

    return make


def _latitude(row: float) -> float:
    x, y = MAP.transform * (MAP.width / 2, row)
    return float(Transformer.from_crs(32633, 4326, always_xy=True).transform(x, y)[1])


def wide(size: str, crs: int = 32633) -> Callable[[Path], None]:
    """A square around the origin of ``crs`` whose corners are as far away as ``size`` says."""
    far = float(size)
    ring = [[-far, -far], [far, -far], [far, far], [-far, far], [-far, -far]]
    return text("odd.geojson", geojson([ring], f"urn:ogc:def:crs:EPSG::{crs}"))


def labelled(share: float) -> Callable[[Path, dict[str, Any]], None]:
    """The masks of chips are 1 in a share of the pixels."""

    def check(folder: Path, _: dict[str, Any]) -> None:
        masks = [read_array(path)[0] for path in folder.glob("new/masks/*.tif")]
        known = np.concatenate([mask[mask != 255] for mask in masks])
        assert abs((known == 1).mean() - share) <= 0.02

    return check


def none_burnt(folder: Path, _: dict[str, Any]) -> None:
    assert not read_array(folder / "new.tif")[0].any()


CASES = [
    *(
        Case(f"area_{name}_burnt", BURN.format("odd.geojson"), 0, "reprojected", make, burnt(rows))
        for name, make, rows in (
            ("of_a_country", country(-45, -55), slice(None)),
            ("with_an_edge_in_the_scene", country(48, -55), slice(48)),
            ("from_the_south", country(-45, 20), slice(20, None)),
            ("of_longitudes_to_360", country(-1, -80, 0, 360), slice(None)),
            ("of_the_earth", text("odd.geojson", EVERYWHERE), slice(None)),
        )
    ),
    Case("area_of_a_country_extract", AREA, 0, "", country(-45, -55), footprints_of(19)),
    Case(
        "area_of_the_earth_extract", AREA, 0, "", text("odd.geojson", EVERYWHERE), footprints_of(19)
    ),
    *(
        Case(f"area_{name}_tiled", TILED, 0, "reprojected", make, labelled(share))
        for name, make, share in (
            ("of_a_country", country(-45, -55), 1),
            ("with_an_edge_in_the_scene", country(48, -55), 0.5),
        )
    ),
    *(
        Case(f"area_{name}_tile", TILES, 0, "reprojected", make)
        for name, make in (
            ("of_a_country", country(-45, -55)),
            ("with_an_edge_in_the_scene", country(48, -55)),
            ("of_longitudes_to_360", country(-1, -80, 0, 360)),
            ("of_the_earth", text("odd.geojson", EVERYWHERE)),
        )
    ),
    *(
        Case(
            f"area_{size}_wide", BURN.format("odd.geojson"), 0, "^$", wide(size), burnt(slice(None))
        )
        for size in ("1e7", "1e9", "1e14")
    ),
    *(
        Case(
            f"area_{size}_wide",
            BURN.format("odd.geojson"),
            0,
            "too far away",
            wide(size),
            none_burnt,
        )
        for size in ("1e18", "1e300", "1.7e308")
    ),
    Case(
        "area_1e308_wide_reprojected",
        BURN.format("odd.geojson"),
        0,
        "too far away",
        wide("1e308", 3857),
        none_burnt,
    ),
    Case("area_1e9_wide_extract", AREA, 0, "", wide("1e9"), footprints_of(19)),
    Case("area_that_ends_before_the_scene", AREA, 4, "no overlap", country(-45, 300)),
]
