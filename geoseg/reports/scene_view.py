"""The part of a scene that a picture shows, with as many pixels as it shows of it, and what lies
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.windows import Window

from geoseg.core.bands import for_display
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.io.raster.part import part_of
from geoseg.io.raster.scene import open_scene
from geoseg.labels.class_raster import ClassRaster, is_vector, open_class_raster
from geoseg.labels.footprints import footprints_on
from geoseg.labels.scene_labels import check_overlap
from geoseg.report import Remarks
from geoseg.specs import PreviewSpec, SceneSpec
from geoseg.specs.vectors import VectorFiles

# Rows that are read at a time
_ROWS = 256


@dataclass(frozen=True)
class View:
    """``window`` of the scene's grid ``source``, drawn as a picture of ``shape`` (height, width).

    A picture without a CRS has coordinates in its own pixels, x to the right and y up from 0 at its
    upper edge.
    """

    source: Grid
    window: Window
    shape: tuple[int, int]

    @property
    def grid(self) -> Grid:
        """Grid of the pixels that are drawn."""
        scale = Affine.scale(self.window.width / self.shape[1], self.window.height / self.shape[0])
        exact = self.source.window(self.window)
        return Grid(exact.crs, exact.transform * scale, *self.shape)

    @property
    def metres(self) -> float | None:
        """Ground that a drawn pixel covers from left to right; None without a CRS."""
        return pixel_size(self.grid)[0] if self.source.crs else None

    def read(self, path: str, spec: PreviewSpec) -> tuple[np.ndarray, np.ndarray]:
        """The scene as it is drawn: uint8 (band, row, col) of one band or three, and valid (row,
        col).
        """
        with open_scene(
            path, spec=SceneSpec(spec.nodata, scene_crs=spec.crs), expand=True
        ) as scene:
            bands = spec.bands or scene.rgb or scene.indexes[: 3 if scene.bands >= 3 else 1]
            chip = scene.read_preview(self.window, self.shape, bands)
        return for_display(chip.image, chip.valid, spec.rescale), chip.valid

    @contextmanager
    def classes(
        self, path: str, spec: PreviewSpec, remarks: Remarks, *, stacked: bool = False
    ) -> Iterator[ClassRaster]:
        """Any raster or vector file as classes on the scene's own pixels in the window, where there
        need not be any.

        ``stacked`` is that of :func:`geoseg.labels.class_raster.open_class_raster`.
        """
        exact = self.source.window(self.window)
        if is_vector(path):
            burner = Burner(self.footprints(path, spec, remarks).geometry, exact)
            yield ClassRaster(
                lambda first, last: burner.burn(
                    exact.window(Window(0, first, exact.width, last - first))
                ),
                None,
            )
            return
        if self.source.crs is not None:
            with open_scene(path) as own:
                if own.grid.crs is not None:  # what has none lies on the whole scene
                    check_overlap(path, own.grid, self.source)
            # a part of the scene's grid would be called another grid
            notes = remarks if exact == self.source else Remarks()
            with open_class_raster(path, exact, spec.threshold, notes, stacked=stacked) as classes:
                yield classes
            return
        # what has no CRS lies on the whole picture, or on none of it
        top = int(self.window.row_off)
        cols = slice(int(self.window.col_off), int(self.window.col_off + self.window.width))
        with open_class_raster(
            path, self.source, spec.threshold, remarks, stacked=stacked
        ) as classes:
            read = classes.read
            scores = classes.scores
            yield replace(
                classes,
                read=lambda first, last: read(first + top, last + top)[:, cols],
                scores=scores and (lambda first, last: _cut(scores(first + top, last + top), cols)),
            )

    def drawn(self, read: Callable[[int, int], Any]) -> Any:
        """Arrays of the pixels that are drawn, by nearest neighbour, of a reader of rows of the
        window as Classes have them.
        """
        # the source pixel under the middle of each drawn one
        rows, cols = (
            ((np.arange(count) + 0.5) * side / count).astype(int)
            for count, side in zip(self.shape, (self.window.height, self.window.width), strict=True)
        )
        parts = []
        for first in range(0, int(self.window.height), _ROWS):
            last = min(first + _ROWS, int(self.window.height))
            wanted = rows[(rows >= first) & (rows < last)] - first
            if len(wanted):
                parts.append(_cut(read(first, last), cols, wanted))
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return np.concatenate(parts)

    def footprints(self, path: str, spec: PreviewSpec, remarks: Remarks) -> Layer:
        """Footprints of a vector file that reach into the view, whole, in the scene's CRS."""
        layer = footprints_on(
            VectorFiles.of(path, spec.layer, spec.where),
            self.source,
            remarks,
            pixel_coords=self.source.crs is None,
            columns=("confidence",),
        )
        frame = shapely.box(*self.grid.bounds)
        return layer.take(
            shapely.intersects(layer.geometry, frame) & ~shapely.is_empty(layer.geometry)
        )

    def in_pixels(self, geometry: np.ndarray) -> np.ndarray:
        """Geometries of the scene's CRS in the pixels that are drawn."""
        return to_crs_coordinates(geometry, ~self.grid.transform)


def _cut(arrays: Any, cols: Any, rows: Any = slice(None)) -> Any:
    """Rows and columns of an array, or of each of several."""
    if isinstance(arrays, tuple):
        return tuple(_cut(array, cols, rows) for array in arrays)
    return arrays[rows][:, cols]


def view_of(
    path: str,
    size: int,
    spec: PreviewSpec,
    aoi: str | None = None,
    remarks: Remarks | None = None,
) -> View:
    """What is to be seen of the scene at ``path``, at most ``size`` pixels a side.

    Raises UnsuitableError where the window, the bounds or the area of interest lies beside the
    scene.
    """
    remarks = Remarks() if remarks is None else remarks
    with open_scene(path, spec=SceneSpec(spec.nodata, scene_crs=spec.crs), expand=True) as scene:
        remarks += scene.warnings
        grid = scene.placed_grid
    window = _window(path, grid, spec, aoi, remarks)
    factor = min(1.0, size / max(window.height, window.width))
    return View(
        grid, window, (max(1, round(window.height * factor)), max(1, round(window.width * factor)))
    )


def _window(path: str, grid: Grid, spec: PreviewSpec, aoi: str | None, remarks: Remarks) -> Window:
    left = 0.0
    top = 0.0
    right = float(grid.width)
    bottom = float(grid.height)
    if spec.window:
        left, top = spec.window[:2]
        right = left + spec.window[2]
        bottom = top + spec.window[3]
    elif spec.bounds_crs:
        part = SceneSpec(bounds=spec.bounds, bounds_crs=spec.bounds_crs)
        return part_of(path, grid, part) or Window(0, 0, grid.width, grid.height)
    elif spec.bounds or aoi:
        # of the rectangle's corners in pixels, as it may be turned
        frame = shapely.box(*(spec.bounds or area_of_interest(str(aoi), grid, remarks).bounds))
        left, top, right, bottom = shapely.bounds(
            to_crs_coordinates(np.array([frame]), ~grid.transform)
        )[0]
    left = max(0, int(np.floor(left)))
    top = max(0, int(np.floor(top)))
    right = min(grid.width, int(np.ceil(right)))
    bottom = min(grid.height, int(np.ceil(bottom)))
    if left >= right or top >= bottom:
        raise UnsuitableError(
            f"{path}: the requested window lies outside", "see its bounds in `geoseg info`"
        )
    return Window(left, top, right - left, bottom - top)


def area_of_interest(aoi: str, grid: Grid, remarks: Remarks) -> Layer:
    """The polygons of the file ``aoi`` on ``grid``. Raises UnsuitableError where there are none."""
    area = VectorFiles.of(aoi, setting=None)
    layer = footprints_on(area, grid, remarks, pixel_coords=grid.crs is None)
    if shapely.is_empty(layer.geometry).all():
        raise UnsuitableError(f"{aoi}: holds no polygons")
    return layer
