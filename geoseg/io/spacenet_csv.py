"""Footprints of the SpaceNet challenges: ``ImageId, BuildingId, PolygonWKT_Pix, PolygonWKT_Geo`` and perhaps ``Confidence``.

An image without buildings has one row, ``POLYGON EMPTY``. Coordinates in pixels run from the image's upper left, x right and
y down; the others are WGS 84.
"""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS

from geoseg.errors import UnsuitableError

_GEO, _PIX = "PolygonWKT_Geo", "PolygonWKT_Pix"
Row = dict[str, str]


def read_spacenet(path: Path, scene: str | None, pixels: bool) -> gpd.GeoDataFrame:
    """Footprints on the ground, or in ``pixels`` or where they have no other coordinates, in pixels: ``attrs["pixels"]``.

    Of several images that of ``scene``, a file name, is taken; without one all of them. Raises ValueError (malformed numbers,
    not UTF-8), GEOSException (malformed WKT) and UnsuitableError (no such image).
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    on_ground, in_pixels = (any(_solid(row, column) for row in rows) for column in (_GEO, _PIX))
    pixels = in_pixels and (pixels or not on_ground)
    column = _PIX if pixels else _GEO
    if scene is not None:
        rows = _of_image(path, rows, scene, pixels)
    rows = [row for row in rows if _solid(row, column)]
    attributes: dict[str, list[str] | list[float]] = {
        name: [row[name] for row in rows] for name in ("ImageId", "BuildingId") if rows and name in rows[0]
    }
    if rows and "Confidence" in rows[0]:
        attributes["confidence"] = [float(row["Confidence"]) for row in rows]
    geometry = shapely.from_wkt(np.array([row[column] for row in rows], object))
    frame = gpd.GeoDataFrame(attributes, geometry=geometry, crs=None if pixels else CRS.from_epsg(4326))
    frame.attrs["pixels"] = pixels
    return frame


def _solid(row: Row, column: str) -> bool:
    return "EMPTY" not in (row.get(column) or "EMPTY")


def _of_image(path: Path, rows: list[Row], scene: str, pixels: bool) -> list[Row]:
    """Rows of the image that the name of ``scene`` ends with: ``PAN_AOI_2_Vegas_img7.tif`` shows ``AOI_2_Vegas_img7``.

    Footprints on the ground need no image to be placed: where the name tells none all are taken.
    """
    images, name = {row.get("ImageId") or "" for row in rows}, Path(scene).stem
    shown = [image for image in images if image and f"_{name}".endswith(f"_{image}")]
    if shown:
        return [row for row in rows if row["ImageId"] == max(shown, key=len)]
    if pixels and len(images) > 1:
        raise UnsuitableError(f"{path}: holds {len(images)} images, and none is {name}", "name the scene as its ImageId")
    return rows
