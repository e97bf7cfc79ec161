"""Pictures of the places where an evaluation found a prediction good or bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from matplotlib.figure import Figure
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.transformation import between
from geoseg.drawing.colours import FN, FP, TP
from geoseg.drawing.pictures import (
    OUTCOMES,
    PLAIN,
    class_colours,
    opacity_of,
    outcomes,
    picture,
    tint,
)
from geoseg.drawing.sheet import Outlines, Panel, single_panel
from geoseg.errors import UnsuitableError
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.pixels import ComparedPixels
from geoseg.geometry.measure import pixel_size
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.report import Remarks
from geoseg.reports.scene_view import View, view_of
from geoseg.specs import PreviewSpec

SIZE = 720  # pixels of the longer side: pictures are seen small, and enlarged
AROUND = 0.08  # of a place's side that is shown beyond each of its borders
_OPACITY = 0.2

Place = Mapping[str, Any]
Draw = Callable[[Place], Figure]


def drawn_footprints(matched: LayerComparison, image: str | None) -> Draw:
    """A function that draws the footprints of a place by what became of them, on ``image`` where
    that covers it.

    Those of many images are drawn on plain ground.
    """
    groups = _groups(matched)
    image = image if matched.images is None else None

    def draw(place: Place) -> Figure:
        down = matched.images is not None
        view, under = _background(_wider(place["bounds"]), matched.truth.crs, image, down=down)
        number = None if matched.images is None else matched.images.index(place["image"])
        outlines = tuple(group.within(view, number) for group in groups)
        return single_panel(
            Panel("", under, (_frame(place, matched.truth.crs, view), *outlines)), SIZE, view.metres
        )

    return draw


def drawn_pixels(
    names: tuple[str, str], pixels: ComparedPixels, image: str | None, threshold: float | None
) -> Draw:
    """A function that draws the pixels of a place by what became of them; of several classes the
    truth beside what was found.

    ``names`` are the paths of prediction and truth.
    """
    spec = PreviewSpec(threshold=threshold)
    grid = pixels.grid
    colours = class_colours(pixels.names, tuple(range(pixels.matrices.shape[-1])))

    def draw(place: Place) -> Figure:
        view, under = _background(tuple(place["bounds"]), grid.crs, image, grid)
        prediction, truth = _labels(view, names, spec)
        if len(colours) == 1:
            seen = tint(under, outcomes(prediction, truth), OUTCOMES, opacity_of(1, None))
            return single_panel(
                Panel("", seen, (_frame(place, grid.crs, view),)), SIZE, view.metres
            )
        left, right = (
            tint(under, labels, colours, opacity_of(len(colours), None))
            for labels in (truth, prediction)
        )
        gap = np.full((len(left), max(1, len(left) // 50), 3), 255, np.uint8)
        return single_panel(Panel("", np.hstack([left, gap, right])), 2 * SIZE, view.metres)

    return draw


def _frame(place: Place, crs: CRS | None, view: View) -> Outlines:
    """The border of the place itself: at the edge of an image the picture is moved inwards."""
    box = shapely.box(*bounds_in(tuple(place["bounds"]), crs, view.source.crs))
    return Outlines(view.in_pixels(np.array([box])), "#ffffff", 0.0)


def _labels(view: View, names: tuple[str, str], spec: PreviewSpec) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth, with the numbers by which their pixels were compared."""
    with (
        view.classes(names[0], spec, Remarks()) as prediction,
        view.classes(names[1], spec, Remarks()) as truth,
    ):
        prediction, truth = prediction.numbered_with(truth)
        return view.drawn(prediction.read), view.drawn(truth.read)


@dataclass(frozen=True)
class _Group:
    """Footprints of one kind, with their bounds (n, 4) and the block that each lies in."""

    layer: Layer
    bounds: np.ndarray
    blocks: np.ndarray
    colour: str

    def within(self, view: View, block: int | None) -> Outlines:
        """Those in the view, of ``block`` alone where one is named."""
        left, bottom, right, top = bounds_in(view.grid.bounds, view.source.crs, self.layer.crs)
        x0, y0, x1, y1 = self.bounds.T
        near = (x1 > left) & (x0 < right) & (y1 > bottom) & (y0 < top)
        chosen = self.layer.take(near if block is None else near & (self.blocks == block))
        if view.source.crs is not None and self.layer.crs is not None:
            chosen = chosen.to_crs(view.source.crs)
        return Outlines(view.in_pixels(chosen.geometry), self.colour, _OPACITY)


def _groups(matched: LayerComparison) -> list[_Group]:
    """Missed, false positive and correct, as they are drawn over one another."""
    matches = matched.matches
    (prediction_blocks, truth_blocks) = matched.blocks
    chosen = [
        (matched.truth, truth_blocks, matches.false_negatives, FN),
        (matched.prediction, prediction_blocks, matches.false_positives, FP),
        (matched.prediction, prediction_blocks, matches.pairs[:, 0], TP),
    ]
    return [
        _Group(layer.take(index), shapely.bounds(layer.geometry[index]), blocks[index], colour)
        for layer, blocks, index, colour in chosen
    ]


def _background(
    bounds: tuple[float, ...],
    crs: CRS | None,
    image: str | None,
    grid: Grid | None = None,
    down: bool = False,
) -> tuple[View, np.ndarray]:
    """A view of ``bounds`` in ``crs`` and what is seen there: the image, or plain ground where it
    does not reach; y goes ``down`` in pixels of images.
    """
    if image is not None:
        try:
            view = _on_image(bounds, crs, image)
        except UnsuitableError:
            pass
        else:
            return view, picture(*view.read(image, PreviewSpec()))
    view = on_ground(bounds, crs, down=down) if grid is None else _on_grid(bounds, grid)
    return view, np.full((*view.shape, 3), PLAIN, np.uint8)


def _on_image(bounds: tuple[float, ...], crs: CRS | None, image: str) -> View:
    grid = view_of(image, SIZE, PreviewSpec()).source
    return _on_grid(bounds_in(bounds, crs, grid.crs), grid)


def bounds_in(bounds: tuple[float, ...], crs: CRS | None, to: CRS | None) -> tuple[float, ...]:
    """Left, bottom, right, top in another CRS; the same where one of the two is not known."""
    left, bottom, right, top = bounds
    if crs is None or to is None:
        return bounds
    return between(crs, to).transform_bounds(left, bottom, right, top)


def on_ground(
    bounds: tuple[float, ...], crs: CRS | None, size: int = SIZE, down: bool = False
) -> View:
    """A view of ``bounds`` without a scene, its longer side of ``size`` pixels; y goes ``down`` in
    those of images.
    """
    left, bottom, right, top = bounds
    wide = right - left
    high = top - bottom
    across, along = (
        pixel_size(Grid(crs, Affine(wide, 0, left, 0, -high, top), 1, 1)) if crs else (wide, high)
    )
    shape = (
        max(1, round(size * min(1, along / across))),
        max(1, round(size * min(1, across / along))),
    )
    # rows of SpaceNet tables, which are in the pixels of many images, go down
    start, step = (bottom, high / shape[0]) if down else (top, -high / shape[0])
    grid = Grid(crs, Affine(wide / shape[1], 0, left, 0, step, start), *shape)
    return View(grid, Window(0, 0, grid.width, grid.height), shape)


def _on_grid(bounds: tuple[float, ...], grid: Grid) -> View:
    """A square around ``bounds``, moved into the grid where it reaches beyond. Raises
    UnsuitableError beside the grid.
    """
    left, top, right, bottom = shapely.bounds(
        to_crs_coordinates(np.array([shapely.box(*bounds)]), ~grid.transform)
    )[0]
    side = max(right - left, bottom - top)
    # a square, or less where the image is smaller than that
    sides = [max(1, min(round(side), most)) for most in (grid.width, grid.height)]
    col, row = (
        round((low + high - own) / 2)
        for low, high, own in zip((left, top), (right, bottom), sides, strict=True)
    )
    if not (right > 0 and left < grid.width and bottom > 0 and top < grid.height):
        raise UnsuitableError("the image does not reach that far")
    col = min(max(0, col), grid.width - sides[0])
    row = min(max(0, row), grid.height - sides[1])
    factor = min(1.0, SIZE / max(sides))
    shape = max(1, round(sides[1] * factor)), max(1, round(sides[0] * factor))
    return View(grid, Window(col, row, *sides), shape)


def _wider(bounds: tuple[float, ...]) -> tuple[float, ...]:
    left, bottom, right, top = bounds
    x = AROUND * (right - left)
    y = AROUND * (top - bottom)
    return left - x, bottom - y, right + x, top + y
