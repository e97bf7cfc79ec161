"""More of where scenes lie: odd CRSs, points, worldfiles, and what of them goes before what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint

from geoseg.io.raster.write import write_array
from geoseg.io.vector.read import read_footprints
from tests.faults.case import EXTRACT, MAP, MASK, PICTURE, SHAPE, Case
from tests.faults.corpus.georeference import RAW, _write, area_of_scene, placed, rational

HEIGHT, WIDTH = SHAPE
LINE = RAW.format("odd.tif")
SQUARE_METRES = 0.09


def in_crs(crs: object, transform: Affine = MAP.transform) -> Callable[[Path], None]:
    return placed(transform, crs)


def area(least: float, most: float) -> Callable[[Path, dict[str, Any]], None]:
    """Footprints whose areas together lie between two numbers of square metres."""

    def check(_: Path, shown: dict[str, Any]) -> None:
        assert least <= shown["area_m2"] <= most, shown["area_m2"]
        assert shown["footprints"] > 3

    return check


def control(points: list[tuple[float, float, float, float]], crs: int = 32633) -> Any:
    """Ground control points (row, column, x, y) in place of a transform."""

    def make(folder: Path) -> None:
        with rasterio.open(
            folder / "odd.tif",
            "w",
            driver="GTiff",
            height=HEIGHT,
            width=WIDTH,
            count=3,
            dtype="uint8",
        ) as out:
            found = [GroundControlPoint(*point) for point in points]
            out.gcps = found, rasterio.CRS.from_epsg(crs)
            out.write(PICTURE)

    return make


def corner(row: float, col: float) -> tuple[float, float, float, float]:
    x, y = MAP.transform * (col, row)
    return row, col, x, y


CORNERS = [corner(0, 0), corner(0, WIDTH), corner(HEIGHT, 0), corner(HEIGHT, WIDTH)]


def world(suffix: str, crs: object, transform: Affine, own: Affine | None = None) -> Any:
    """A TIFF and a worldfile of ``transform`` beside it; its own transform is ``own``."""

    def make(folder: Path) -> None:
        _write(folder / "odd.tif", PICTURE, own, crs)
        a, b, c, d, e, f = (transform * Affine.translation(0.5, 0.5))[:6]
        (folder / f"odd{suffix}").write_text("\n".join(map(repr, (a, d, b, e, c, f))))

    return make


def pam(crs: str, transform: Affine) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_array(folder / "odd.png", PICTURE)
        place = ", ".join(map(str, transform.to_gdal()))
        (folder / "odd.png.aux.xml").write_text(
            f"<PAMDataset><SRS>{crs}</SRS><GeoTransform>{place}</GeoTransform></PAMDataset>"
        )

    return make


def rational_and_placed(folder: Path) -> None:
    rational(folder)
    with rasterio.open(folder / "odd.tif", "r+") as out:
        out.transform = MAP.transform
        out.crs = "EPSG:32633"


def across(folder: Path, _: dict[str, Any]) -> None:
    """Longitudes of RFC 7946, those beyond 180 on the other side."""
    found = read_footprints(folder / "new.geojson").geometry
    left, _, right, _ = shapely.total_bounds(found)
    assert left >= -180 and right <= 180
    assert left < -179 and right > 179


ROOFS = float((PICTURE[0] > 150).sum()) * SQUARE_METRES
SITE = 'LOCAL_CS["site",LOCAL_DATUM["site",0],UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]'
NO_WAY = r"(odd|footprints|new)\S*: no transformation is known"
OWN = (
    "+proj=tmerc +lat_0=50 +lon_0=14 +k=1 +x_0=458000 +y_0=5548000 +ellps=GRS80 "
    "+towgs84=10,20,30,0,0,0,0 +units=m"
)
PLACES: dict[str, tuple[object, Affine, float]] = {
    # CRS, transform, and by how much a square metre of it may be off one on the ground
    "own_projection": (OWN, MAP.transform, 0.01),
    "degrees": ("EPSG:4326", Affine(3e-6, 0, 14.4, 0, -3e-6, 50), 0.5),
    "degrees_of_three_axes": ("EPSG:4979", Affine(3e-6, 0, 14.4, 0, -3e-6, 50), 0.5),
    "nad83_degrees": ("EPSG:4269", Affine(3e-6, 0, -80, 0, -3e-6, 30), 0.5),
    "grads": ("EPSG:4807", Affine(3.3e-6, 0, 0.5, 0, -3.3e-6, 53), 0.5),
    "south_oriented": ("EPSG:2054", Affine(0.3, 0, -5e4, 0, -0.3, 3.1e6), 0.01),
    "polar": ("EPSG:3031", Affine(0.3, 0, -20, 0, -0.3, 14), 0.1),
    "web_mercator_far_north": ("EPSG:3857", Affine(0.9, 0, 1.6e6, 0, -0.9, 1.13e7), 0.3),
    "antimeridian_utm": ("EPSG:32660", Affine(0.3, 0, 8.33e5, 0, -0.3, 5e5), 0.01),
    "rotated_by_a_hair": ("EPSG:32633", MAP.transform * Affine.rotation(0.001), 0.01),
    "sheared": ("EPSG:32633", MAP.transform * Affine.shear(10, 0), 0.01),
    "state_plane_us_feet": ("EPSG:2236", Affine(1, 0, 7e5, 0, -1, 5e5), 0.1),
}

CASES = [
    *(
        Case(
            f"place_{name}",
            LINE,
            make=in_crs(crs, transform),
            check=area(ROOFS * (1 - off) * 0.8, ROOFS * (1 + off) * 1.25),
        )
        for name, (crs, transform, off) in PLACES.items()
    ),
    Case("place_on_a_site", LINE, make=in_crs(SITE), check=area(ROOFS * 0.9, ROOFS * 1.1)),
    *(
        Case(f"place_on_a_site_{name}", line, 4, NO_WAY, in_crs(SITE))
        for name, line in {
            "geojson": LINE.replace("gpkg", "geojson"),
            "pmtiles": LINE.replace("gpkg", "pmtiles"),
            "reprojected": LINE + " --dst-crs EPSG:4326",
            "bounds": LINE + " --bounds 1,1,2,2 --bounds-crs EPSG:4326",
            "burnt": "rasterize footprints.geojson --like odd.tif -o new.tif",
            "area": LINE + " --aoi footprints.geojson",
            "labels": "tile odd.tif -o new --labels footprints.geojson",
            "parquet_tiles": LINE.replace("new.gpkg", "new/ -f parquet-tiles"),
            "two_scenes": "tile scene.tif odd.tif -o new",
        }.items()
    ),
    *(
        Case(f"place_on_a_site_{name}", line, make=in_crs(SITE))
        for name, line in {
            "tile": "tile odd.tif -o new",
            "info": "info odd.tif",
            "preview": "preview odd.tif -o new.png",
            "shp": LINE.replace("gpkg", "shp"),
            "parquet": LINE.replace("gpkg", "parquet"),
        }.items()
    ),
    Case(
        "place_on_a_site_mask",
        "evaluate odd.tif footprints.geojson",
        4,
        NO_WAY,
        placed(MAP.transform, SITE, MASK[None].astype("uint8")),
    ),
    Case(
        "place_on_a_site_labels_of_a_scene",
        "tile scene.tif -o new --labels odd.tif",
        4,
        NO_WAY,
        placed(MAP.transform, SITE, MASK[None].astype("uint8")),
    ),
    Case(
        "place_of_heights",
        EXTRACT.format("odd.png"),
        4,
        r"odd\.png: its CRS EGM96 height is one of heights",
        pam("EPSG:5773", MAP.transform),
    ),
    Case(
        "place_across_antimeridian_geojson",
        LINE.replace("gpkg", "geojson"),
        make=in_crs("EPSG:4326", Affine(3e-6, 0, 180 - 60 * 3e-6, 0, -3e-6, -17)),
        check=across,
    ),
    Case(
        "place_vast_pixels",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: ",
        in_crs("EPSG:32633", Affine(1e300, 0, 0, 0, -1e300, 0)),
    ),
    Case(
        "place_of_largest_numbers",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: ",
        in_crs("EPSG:32633", Affine(0.3, 0, 1.7e308, 0, -0.3, 1.7e308)),
    ),
    Case(
        "place_of_rounded_origin",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: ",
        in_crs("EPSG:32633", Affine(1e-12, 0, 5e5, 0, -1e-12, 5e6)),
    ),
    Case("points_of_corners", LINE, make=control(CORNERS), check=area_of_scene),
    Case("points_two", EXTRACT.format("odd.tif"), 4, r"odd\.tif: .*2 ground", control(CORNERS[:2])),
    Case(
        "points_in_a_line",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: .*ground control",
        control([corner(0, 0), corner(40, 40), corner(80, 80)]),
    ),
    Case(
        "points_all_one",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: .*ground control",
        control([corner(4, 7)] * 4),
    ),
    Case(
        "points_nan",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: .*ground control",
        control([*CORNERS, (3, 9, float("nan"), float("nan"))]),
    ),
    Case("rational_and_placed", LINE, make=rational_and_placed, check=area_of_scene),
    Case(
        "worldfile_of_a_tiff",
        LINE,
        make=world(".tfw", "EPSG:32633", MAP.transform),
        check=area_of_scene,
    ),
    Case(
        "worldfile_against_a_transform",
        LINE,
        make=world(".tfw", "EPSG:32633", Affine(9, 0, 0, 0, -9, 0), MAP.transform),
        check=area_of_scene,
    ),
    Case(
        "worldfile_without_crs",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: has no CRS \(.*--crs",
        world(".tfw", None, MAP.transform),
    ),
    Case(
        "worldfile_and_crs_named",
        LINE + " --crs EPSG:32633",
        make=world(".tfw", None, MAP.transform),
        check=area_of_scene,
    ),
    Case(
        "worldfile_of_commas",
        EXTRACT.format("odd.tif"),
        3,
        r"odd\.tfw: is no worldfile",
        lambda folder: (
            world(".tfw", "EPSG:32633", MAP.transform)(folder),
            (folder / "odd.tfw").write_text("0,3\n0\n0\n-0,3\n458000,15\n5547999,85\n"),
        ),
    ),
    Case(
        "aux_xml_places_a_png",
        RAW.format("odd.png"),
        make=pam("EPSG:32633", MAP.transform),
        check=area_of_scene,
    ),
    Case(
        "aux_xml_of_no_crs",
        EXTRACT.format("odd.png"),
        4,
        r"odd\.png: ",
        pam("EPSG:999999", MAP.transform),
    ),
    Case(
        "aux_xml_place_of_words",
        EXTRACT.format("odd.png"),
        4,
        r"odd\.png: ",
        lambda folder: (
            pam("EPSG:32633", MAP.transform)(folder),
            (folder / "odd.png.aux.xml").write_text(
                "<PAMDataset><SRS>EPSG:32633</SRS><GeoTransform>a,b,c</GeoTransform></PAMDataset>"
            ),
        ),
    ),
    Case(
        "pixel_is_point",
        LINE,
        make=lambda folder: _tagged_point(folder),
        check=area_of_scene,
    ),
]


def _tagged_point(folder: Path) -> None:
    """Pixels as points: the file's tie point is the centre of the first one."""
    with rasterio.open(
        folder / "odd.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=3, dtype="uint8",
        crs="EPSG:32633", transform=MAP.transform,
    ) as out:  # fmt: skip
        out.update_tags(AREA_OR_POINT="Point")
        out.write(np.ascontiguousarray(PICTURE))


assert CRS.from_user_input(SITE).is_engineering
