"""Scenes that lie nowhere, in odd places, or turned."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from geoseg.io.raster.write import write_array
from geoseg.io.vector.read import read_footprints
from tests.faults.case import EXTRACT, HOLLOW, MAP, MODEL, PICTURE, PREDICT, SHAPE, Case

RAW = f"extract {{}} -o new.gpkg --raw {MODEL}"
HEIGHT, WIDTH = SHAPE


def placed(
    transform: Affine | None = None, crs: object = "EPSG:32633", image: np.ndarray = PICTURE
) -> Any:
    """What writes odd.tif with ``transform``, by rasterio itself: geoseg would refuse to."""

    def make(folder: Path) -> None:
        _write(folder / "odd.tif", image, transform, crs)

    return make


def _write(
    path: Path, image: np.ndarray, transform: Affine | None, crs: object, **more: Any
) -> None:
    placing = {} if transform is None else {"transform": transform}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=image.shape[1],
        width=image.shape[2],
        count=len(image),
        dtype=image.dtype,
        crs=crs,
        **placing,
        **more,
    ) as out:
        out.write(image)


def area_of_scene(folder: Path, _: dict[str, Any]) -> None:
    """The footprints of odd.tif are those of scene.tif, to a rounding of coordinates."""
    from geoseg.cli.main import run

    assert run(RAW.format("scene.tif").replace("new.gpkg", "straight.gpkg").split()) == 0
    found, straight = (
        shapely.normalize(read_footprints(folder / name).geometry)
        for name in ("new.gpkg", "straight.gpkg")
    )
    assert len(found) == len(straight) > 3
    for shape in straight:  # to a thousandth of a pixel
        assert min(shapely.hausdorff_distance(found, shape)) < 3e-4


def turned(image: np.ndarray, transform: Affine) -> Any:
    return placed(MAP.transform * transform, image=np.ascontiguousarray(image))


# Stored otherwise, the same ground: the transform takes the file's pixels to the scene's
TURNS = {
    "south_up": (PICTURE[:, ::-1], Affine(1, 0, 0, 0, -1, HEIGHT)),
    "mirrored": (PICTURE[:, :, ::-1], Affine(-1, 0, WIDTH, 0, 1, 0)),
    "half_turn": (PICTURE[:, ::-1, ::-1], Affine(-1, 0, WIDTH, 0, -1, HEIGHT)),
    "transposed": (PICTURE.swapaxes(1, 2), Affine(0, 1, 0, 1, 0, 0)),
    "quarter_turn": (np.rot90(PICTURE, 1, (1, 2)), Affine(0, -1, WIDTH, 1, 0, 0)),
    "quarter_turn_back": (np.rot90(PICTURE, -1, (1, 2)), Affine(0, 1, 0, -1, 0, HEIGHT)),
}


def points(folder: Path, bend: float) -> None:
    """Ground control points in place of a transform, one of them off by ``bend`` metres."""
    corners = [(0, 0), (0, WIDTH), (HEIGHT, 0), (HEIGHT, WIDTH), (HEIGHT / 3, WIDTH / 4)]
    placed = []
    for row, col in corners:
        x, y = MAP.transform * (col, row)
        placed.append(GroundControlPoint(row, col, x + bend * (col == WIDTH / 4), y))
    with rasterio.open(
        folder / "odd.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=3, dtype="uint8"
    ) as out:
        out.gcps = placed, rasterio.CRS.from_epsg(32633)
        out.write(PICTURE)


def rational(folder: Path) -> None:
    one = [1.0] + [0.0] * 19
    placing = RPC(
        height_off=0,
        height_scale=1,
        lat_off=50,
        lat_scale=1,
        line_den_coeff=one,
        line_num_coeff=one,
        line_off=48,
        line_scale=48,
        long_off=10,
        long_scale=1,
        samp_den_coeff=one,
        samp_num_coeff=one,
        samp_off=65,
        samp_scale=65,
    )
    _write(folder / "odd.tif", PICTURE, None, None)
    with rasterio.open(folder / "odd.tif", "r+") as out:
        out.rpcs = placing


def worldfile(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_array(folder / "odd.png", PICTURE)
        (folder / "odd.wld").write_text(text)

    return make


def side(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_array(folder / "odd.tif", PICTURE)
        (folder / "odd.tif.aux.xml").write_text(text)

    return make


def far(name: str, transform: Affine, crs: str, says: str = "outside its CRS") -> list[Case]:
    return [
        Case(
            f"{name}_{verb}",
            line.format("odd.tif"),
            4,
            rf"odd\.tif: .*{says}",
            placed(transform, crs),
        )
        for verb, line in (("extract", EXTRACT), ("predict", PREDICT))
    ]


NAN = float("nan")
DEGENERATE = {
    "nan": Affine(NAN, 0, 0, 0, NAN, 0),
    "nan_origin": Affine(0.3, 0, NAN, 0, -0.3, 5e6),
    "infinite": Affine(float("inf"), 0, 5e5, 0, -0.3, 5e6),
    "zero_width": Affine(0, 0, 5e5, 0, -0.3, 5e6),
    "collinear": Affine(0.3, 0.6, 5e5, 0.15, 0.3, 5e6),
}
PIXEL_TINY = Affine(1e-300, 0, 5e5, 0, -1e-300, 5e6)
LINES = {
    "extract": EXTRACT,
    "predict": PREDICT,
    "tile": "tile {} -o new",
    "rasterize": "rasterize footprints.geojson --like {} -o new.tif",
    "polygonize": "polygonize {} -o new.gpkg",
}

CASES = [
    *(
        Case(
            f"degenerate_{name}_{verb}",
            line.format("odd.tif"),
            4,
            r"odd\.tif: .*degenerate",
            placed(transform),
        )
        for name, transform in DEGENERATE.items()
        for verb, line in LINES.items()
    ),
    *(
        Case(
            f"crs_without_place_{verb}",
            line.format("odd.tif"),
            4,
            r"odd\.tif: .*no transform",
            placed(),
        )
        for verb, line in LINES.items()
    ),
    Case("crs_without_place_info", "info odd.tif", 0, "no transform", placed()),
    *(
        Case(f"turned_{name}", RAW.format("odd.tif"), make=turned(*turn), check=area_of_scene)
        for name, turn in TURNS.items()
    ),
    Case(
        "rotated_thirty_degrees",
        RAW.format("odd.tif"),
        make=placed(MAP.transform * Affine.rotation(30)),
    ),
    Case("points_affine", RAW.format("odd.tif"), make=partial(points, bend=0), check=area_of_scene),
    Case("points_bent", EXTRACT.format("odd.tif"), 4, "gdalwarp", partial(points, bend=5)),
    Case("points_bent_info", "info odd.tif", 0, "gdalwarp", partial(points, bend=5)),
    Case("rational_polynomials", EXTRACT.format("odd.tif"), 4, "gdalwarp -rpc", rational),
    *far("far_east", Affine(0.3, 0, 1e9, 0, -0.3, 5e6), "EPSG:32633"),
    *far("latitude_of_metres", Affine(0.3, 0, 4.5e5, 0, -0.3, 5.5e6), "EPSG:4326"),
    *far("beyond_the_pole", Affine(3e-6, 0, 15, 0, -3e-6, 95), "EPSG:4326"),
    *far("pixel_of_nothing", PIXEL_TINY, "EPSG:32633", "degenerate"),
    *far("pixel_of_a_continent", Affine(1e5, 0, 0, 0, -1e4, 5e6), "EPSG:32633", "too coarse"),
    *far("coarse", Affine(30, 0, 5e5, 0, -30, 5e6), "EPSG:32633", "too coarse"),
    Case(
        "geocentric_crs",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif",
        placed(MAP.transform, "EPSG:4978"),
    ),
    Case("compound_crs", RAW.format("odd.tif"), make=placed(MAP.transform, "EPSG:32633+5773")),
    Case("no_crs_extract", EXTRACT.format("picture.tif"), 4, r"picture\.tif: has no CRS \(.*--crs"),
    Case("no_crs_polygonize", "polygonize picture.tif -o new.gpkg", 4, r"picture\.tif: has no CRS"),
    Case(
        "no_crs_rasterize",
        "rasterize footprints.geojson --like picture.tif -o new.tif",
        4,
        r"picture\.tif: has no CRS",
    ),
    Case(
        "crs_unknown",
        f"extract picture.tif -o new.gpkg --crs EPSG:1 {HOLLOW}",
        2,
        "EPSG:1 is no CRS",
    ),
    Case("crs_named_twice", "tile scene.tif -o new --crs EPSG:32634", 2, r"scene\.tif: has a CRS"),
    Case(
        "worldfile_short",
        EXTRACT.format("odd.png"),
        3,
        r"odd\.wld: is no worldfile",
        worldfile("0.3 0 0 -0.3 5"),
    ),
    Case(
        "worldfile_of_words",
        EXTRACT.format("odd.png"),
        3,
        r"odd\.wld: is no worldfile",
        worldfile("a b c d e f"),
    ),
    Case(
        "worldfile_nan",
        "tile odd.png -o new",
        4,
        r"odd\.png: .*degenerate",
        worldfile("nan 0 0 -0.3 5 5"),
    ),
    Case("worldfile_empty", "tile odd.png -o new", 3, r"odd\.wld: is no worldfile", worldfile("")),
    Case(
        "worldfile_binary",
        "tile odd.png -o new",
        3,
        r"odd\.wld: is no worldfile",
        lambda f: (worldfile("")(f), (f / "odd.wld").write_bytes(b"\xff\xfe\0" * 40)),
    ),
    Case("aux_xml_broken", "info odd.tif", 0, r"aux\.xml: is not looked at", side("<PAMDataset")),
    Case(
        "aux_xml_with_entities",
        "info odd.tif",
        0,
        r"aux\.xml: is not looked at",
        side('<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset/>'),
    ),
    Case(
        "aux_xml_crs_of_words",
        "info odd.tif",
        make=side("<PAMDataset><SRS>nowhere</SRS></PAMDataset>"),
    ),
    Case(
        "antimeridian",
        RAW.format("odd.tif"),
        make=placed(Affine(3e-6, 0, 179.9999, 0, -3e-6, -17), "EPSG:4326"),
    ),
    Case(
        "longitude_beyond_180",
        RAW.format("odd.tif"),
        make=placed(Affine(3e-6, 0, 190, 0, -3e-6, -17), "EPSG:4326"),
    ),
    Case("feet", RAW.format("odd.tif"), make=placed(Affine(1, 0, 2e6, 0, -1, 6e5), "EPSG:2264")),
    Case(
        "pixels_not_square", RAW.format("odd.tif"), make=placed(Affine(0.25, 0, 5e5, 0, -0.36, 5e6))
    ),
]
