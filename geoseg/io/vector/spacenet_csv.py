"""Footprints of the SpaceNet challenges: ``ImageId, BuildingId, PolygonWKT_Pix, PolygonWKT_Geo``
and perhaps ``Confidence``.

An image without buildings has one row, ``POLYGON EMPTY``. Coordinates in pixels run from the
image's upper left, x right and y down; the others are WGS 84.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely

from geoseg.core.layer import Layer
from geoseg.core.transformation import LONLAT
from geoseg.errors import UnsuitableError

LONGEST_CELL = 2**26  # characters of a polygon, where Python would take 2**17
_GEO = "PolygonWKT_Geo"
_PIX = "PolygonWKT_Pix"
# Parts of file names that ImageIds lack: RGB-PanSharpen, PAN, MUL, PS-RGB, SAR-Intensity,
# Pan-Sharpen, 3band, 8bit
_PRODUCT = re.compile(r"(rgb|rgbnir|mul|ms|pan|ps|sar)(-.*)?|(3|8)band|(8|16)bit")
Row = dict[str, str]


def read_spacenet(path: Path, scene: str | None, pixels: bool) -> Layer:
    """Footprints on the ground, or in ``pixels`` or where they have no other coordinates, in
    pixels.

    Of several images that of ``scene``, a file name, is taken; without one all of them. Raises
    ValueError (malformed numbers, not UTF-8), GEOSException (malformed WKT) and UnsuitableError (no
    such image, no such coordinates).
    """
    names, images = _table(path, path.stat().st_mtime_ns)
    rows = [row for image in images.values() for row in image]
    on_ground, in_pixels = (any(_solid(row, column) for row in rows) for column in (_GEO, _PIX))
    if pixels and on_ground and not in_pixels:
        raise UnsuitableError(
            f"{path}: has no {_PIX} for an image without a CRS", "assign one with `crs`"
        )
    if on_ground or in_pixels:
        pixels = in_pixels and (pixels or not on_ground)
    else:  # nothing was found anywhere: the header says what there would be
        pixels = pixels and _PIX in names
    column = _PIX if pixels else _GEO
    if scene is not None and (shown := _shown(path, images, scene, pixels)) is not None:
        rows = images[shown]
    rows = [row for row in rows if _solid(row, column)]
    columns: dict[str, np.ndarray] = {
        name: np.array([row[name] for row in rows], object)
        for name in ("ImageId", "BuildingId")
        if name in names
    }
    if "Confidence" in names:
        columns["confidence"] = np.array([row["Confidence"] for row in rows], float)
    geometry = shapely.from_wkt(np.array([row[column] for row in rows], object))
    return Layer(geometry, None if pixels else LONLAT, columns, pixels)


# The scenes of an area share one table
@lru_cache(maxsize=1)
def _table(path: Path, stamp: int) -> tuple[tuple[str, ...], dict[str, list[Row]]]:
    """Names of the columns, and rows by ``ImageId``."""
    images: dict[str, list[Row]] = {}
    csv.field_size_limit(LONGEST_CELL)
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.DictReader(file)
            for row in reader:
                images.setdefault(row.get("ImageId") or "", []).append(row)
        except csv.Error as error:
            raise ValueError(str(error)) from error
    return tuple(reader.fieldnames or ()), images


def _solid(row: Row, column: str) -> bool:
    return "EMPTY" not in (row.get(column) or "EMPTY")


def _shown(path: Path, images: Collection[str], scene: str, pixels: bool) -> str | None:
    """The image that a scene shows, by the end of its name without what names the product; None
    where no name identifies it.

    ``RGB-PanSharpen_AOI_2_Vegas_img7.tif`` and ``SN2_buildings_train_AOI_2_Vegas_PS-RGB_img7.tif``
    show ``AOI_2_Vegas_img7``. Footprints on the ground need no image to be placed, those in pixels
    do: UnsuitableError.
    """
    name = _bare(Path(scene).stem)
    shown = [image for image in images if _bare(image) and f"_{name}".endswith(f"_{_bare(image)}")]
    if not shown and pixels and len(images) > 1:
        what = f"{path}: holds {len(images)} images, and none is {Path(scene).stem}"
        raise UnsuitableError(what, "name the scene as its ImageId")
    # of vegas_img1 and img1, both of which a name may end with, the longer one says more
    return max(shown, key=len, default=None)


def _bare(name: str) -> str:
    """A name in small letters, without the parts that name a product."""
    return "_".join(part for part in name.lower().split("_") if not _PRODUCT.fullmatch(part))
