"""Scenes and footprints for a map in a browser: small pictures in web Mercator, outlines in their
pixels.

Maps of the web are drawn in EPSG:3857. A picture of a UTM scene that is merely stretched over its
bounds is off by its convergence, metres at a scene's edge, so pictures are warped first::

      the scene's own grid            the frame, north-up in EPSG:3857
      +---------------+                    .-+-------------.
      |  roof [#]     |     warp           |/  roof [#]   /|
      |               |    ------>         |             / |
      +---------------+                    '------------+--'

Outlines are not resampled: each corner is transformed, and may lie between pixels. What has no CRS
lies in its own pixels, and its frame is the scene itself, made smaller.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from matplotlib.image import imsave
from pyproj import CRS
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import calculate_default_transform, reproject

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.transformation import between
from geoseg.drawing.pictures import heat, picture
from geoseg.errors import UnsuitableError
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.labels.footprints import footprints_in
from geoseg.report import Remarks
from geoseg.reports.scene_view import View, view_of
from geoseg.specs import PreviewSpec
from geoseg.specs.vectors import VectorFiles

WEB_MERCATOR = CRS.from_epsg(3857)
# Where web Mercator ends in each direction, in metres, and a scene's breadth beyond
_END = 20_037_508.35 + 50_000
# Outlines are written in tenths of a pixel of the frame
DECIMALS = 1


@dataclass(frozen=True)
class MapView:
    """The frame that a map of one scene is drawn in: ``grid`` is that of its pixels, ``view`` what
    is read of the scene to fill it.
    """

    path: str
    view: View
    grid: Grid

    @property
    def placed(self) -> bool:
        """Whether the scene has a CRS, and so a place on the earth."""
        return self.view.source.crs is not None

    @property
    def metres(self) -> float | None:
        """Ground that a pixel of the frame covers, at its centre; None without a CRS."""
        return self.grid.gsd if self.placed else None

    def scene(self) -> bytes:
        """The scene as a WebP of the frame's size, clear where there is no data."""
        image, valid = self.view.read(self.path, PreviewSpec())
        return self._encoded(picture(image, valid), valid)

    def probability(self, path: str) -> bytes:
        """A probability raster of the scene as colours, likewise."""
        with self.view.classes(path, PreviewSpec(), Remarks()) as classes:
            if classes.scores is None:
                raise UnsuitableError(f"{path}: holds no probabilities")
            scores, valid = self.view.drawn(classes.scores)
        return self._encoded(heat(scores, valid), valid)

    def mask(self, path: str) -> bytes:
        """A mask on the scene's ground: buildings in white, all else clear."""
        with self.view.classes(path, PreviewSpec(), Remarks()) as classes:
            labels = self.view.drawn(classes.read)
        return self._encoded(np.full((*labels.shape, 3), 255, np.uint8), labels == 1)

    def outlines(self, path: str, columns: tuple[str, ...] = ()) -> dict[str, Any]:
        """Footprints of a vector file in pixels of the frame, and their ``columns``; what lies
        farther out than a tenth of the scene's size is cut off.

        ``rings`` holds, for each footprint, its outer rings and holes, each as [x, y, x, y, ...].
        """
        source = self.view.source
        layer = footprints_in(
            VectorFiles.of(path), source.crs if self.placed else None, Remarks(), columns=columns
        )
        rings = [_rings(geometry) for geometry in self._in_frame(layer)]
        values = {name: layer.columns[name].tolist() for name in columns if name in layer.columns}
        return {"rings": rings} | values

    def _in_frame(self, layer: Layer) -> np.ndarray:
        """Geometries of the scene's CRS, in pixels of the frame."""
        geometry = _clipped(layer.geometry, self.view.grid)
        if not self.placed:
            return to_crs_coordinates(geometry, ~self.grid.transform)
        onward = between(self.view.source.crs, WEB_MERCATOR)
        warped = shapely.transform(geometry, lambda xy: np.column_stack(onward.transform(*xy.T)))
        return to_crs_coordinates(warped, ~self.grid.transform)

    def _encoded(self, image: np.ndarray, valid: np.ndarray) -> bytes:
        """An image uint8 (row, col, 3) of the view, with what of it is valid, as the frame."""
        bands = np.concatenate([image.transpose(2, 0, 1), valid[None] * np.uint8(255)])
        if self.placed:
            bands = self._warped(bands)
        buffer = io.BytesIO()
        imsave(
            buffer, np.ascontiguousarray(bands.transpose(1, 2, 0)), format="webp", pil_kwargs=_WEBP
        )
        return buffer.getvalue()

    def _warped(self, bands: np.ndarray) -> np.ndarray:
        warped = np.zeros((len(bands), *self.grid.shape), np.uint8)
        own = self.view.grid
        reproject(
            bands,
            warped,
            src_transform=own.transform,
            src_crs=own.crs.to_wkt() if own.crs else None,
            dst_transform=self.grid.transform,
            dst_crs=WEB_MERCATOR.to_wkt(),
            resampling=Resampling.bilinear,
        )
        return warped


_WEBP = {"quality": 82}


def map_view(path: str, size: int) -> MapView:
    """The frame of the scene at ``path``, at most ``size`` pixels a side; reads its header alone.

    Raises UnsuitableError where it does not lie in web Mercator, as beyond 85 degrees or in a CRS
    that has no place on the earth, and what opening it raises.
    """
    view = view_of(path, size, PreviewSpec())
    source = view.source
    if source.crs is None:
        return MapView(path, view, view.grid)
    own = view.grid
    try:
        transform, width, height = calculate_default_transform(
            source.crs.to_wkt(), WEB_MERCATOR.to_wkt(), own.width, own.height, *own.bounds
        )
    except (RasterioError, CRSError, CPLE_BaseError) as error:
        raise _off_the_map(path) from error
    factor = max(1.0, max(height, width) / size)
    height = max(1, round(height / factor))
    width = max(1, round(width / factor))
    grid = Grid(WEB_MERCATOR, transform * Affine.scale(factor), height, width)
    if not max(map(abs, grid.bounds)) <= _END:  # NaN neither
        raise _off_the_map(path)
    return MapView(path, view, grid)


def _off_the_map(path: str) -> UnsuitableError:
    return UnsuitableError(
        f"{path}: has no place on a map of the web",
        "check its CRS with `geoseg info`; the map ends at 85 degrees",
    )


def _clipped(geometry: np.ndarray, grid: Grid) -> np.ndarray:
    """``geometry`` within the bounds of ``grid`` and a tenth more on each side: a polygon may reach
    to where web Mercator has no place, or a million pixels beyond the picture.
    """
    left, bottom, right, top = grid.bounds
    x, y = (right - left) / 10, (top - bottom) / 10
    frame = (left - x, bottom - y, right + x, top + y)
    inside = shapely.covers(shapely.box(*frame), shapely.envelope(geometry))
    return np.where(inside, geometry, shapely.clip_by_rect(geometry, *frame))


def _rings(geometry: shapely.Geometry) -> list[list[float]]:
    parts = [part for part in shapely.get_parts(geometry) if isinstance(part, shapely.Polygon)]
    rings = [
        ring for part in parts for ring in (part.exterior, *part.interiors) if len(ring.coords)
    ]
    return [shapely.get_coordinates(ring).round(DECIMALS).ravel().tolist() for ring in rings]
