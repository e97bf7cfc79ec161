"""Pictures of the places where an evaluation found a prediction good or bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from matplotlib.figure import Figure
from pyproj import CRS, Transformer
from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.legend import FN, FP, TP
from geoseg.core.measure import pixel_size
from geoseg.core.pictures import PLAIN, class_colours, opacity_of, outcomes, picture, tint
from geoseg.core.sheet import Outlines, Panel, alone
from geoseg.errors import UnsuitableError
from geoseg.specs import PreviewSpec
from geoseg.tools.matched import Matched
from geoseg.tools.view import View, view_of

SIZE = 440  # pixels of the longer side
AROUND = 0.08  # of a place's side that is shown beyond each of its borders
_OPACITY = 0.2

Place = Mapping[str, Any]
Draw = Callable[[Place], Figure]


def drawn_footprints(matched: Matched, image: str | None) -> Draw:
    """A function that draws the footprints of a place by what became of them, on ``image`` where that covers it."""
    groups = _groups(matched)

    def draw(place: Place) -> Figure:
        bounds = _wider(place["bounds"])
        view, under = _background(bounds, matched.truth.crs, image)
        outlines = tuple(group.within(bounds, place, matched, view) for group in groups)
        return alone(Panel("", under, outlines), SIZE, view.metres)

    return draw


def drawn_pixels(names: tuple[str, str], grid: Grid, image: str | None, threshold: float | None) -> Draw:
    """A function that draws the pixels of a place by what became of them; of several classes the truth beside what was found.

    ``names`` are the paths of prediction and truth, which were compared on ``grid``.
    """
    spec = PreviewSpec(threshold=threshold)

    def draw(place: Place) -> Figure:
        bounds = tuple(place["bounds"])
        view, under = _background(bounds, grid.crs, image, grid)
        labels, present, named = list[np.ndarray](), set[int](), dict[int, str]()
        for name in names:
            with view.classes(name, spec, []) as classes:
                labels.append(view.drawn(classes.read))
                present |= set(classes.present)
                named |= dict(classes.names)
        found, real = labels
        if max(present, default=0) <= 1:
            return alone(
                Panel("", tint(under, outcomes(found, real), {1: TP, 2: FP, 3: FN}, opacity_of(1, None))), SIZE, view.metres
            )
        colours = class_colours(named, tuple(sorted(present)))
        both = [tint(under, each, colours, opacity_of(len(colours), None)) for each in (real, found)]
        return alone(Panel("", np.hstack(both)), 2 * SIZE, view.metres)

    return draw


@dataclass(frozen=True)
class _Group:
    """Footprints of one kind, with their bounds (n, 4) and the block that each lies in."""

    layer: Layer
    bounds: np.ndarray
    blocks: np.ndarray
    colour: str

    def within(self, bounds: tuple[float, ...], place: Place, matched: Matched, view: View) -> Outlines:
        left, bottom, right, top = bounds
        x0, y0, x1, y1 = self.bounds.T
        near = (x1 > left) & (x0 < right) & (y1 > bottom) & (y0 < top)
        if matched.images is not None:
            near &= self.blocks == matched.images.index(place["image"])
        chosen = self.layer.take(near)
        if view.source.crs is not None and self.layer.crs is not None:
            chosen = chosen.to_crs(view.source.crs)
        return Outlines(view.in_pixels(chosen.geometry), self.colour, _OPACITY)


def _groups(matched: Matched) -> list[_Group]:
    """Missed, too much and right, as they are drawn over one another."""
    found, (ours, theirs) = matched.matches, matched.blocks
    chosen = [
        (matched.truth, theirs, found.false_negatives, FN),
        (matched.prediction, ours, found.false_positives, FP),
        (matched.prediction, ours, found.pairs[:, 0], TP),
    ]
    return [
        _Group(layer.take(index), shapely.bounds(layer.geometry[index]), blocks[index], colour)
        for layer, blocks, index, colour in chosen
    ]


def _background(
    bounds: tuple[float, ...], crs: CRS | None, image: str | None, grid: Grid | None = None
) -> tuple[View, np.ndarray]:
    """A view of ``bounds`` in ``crs`` and what is seen there: the image, or plain ground where it does not reach."""
    if image is not None:
        try:
            view = _on_image(bounds, crs, image)
            return view, picture(*view.read(image, PreviewSpec()))
        except UnsuitableError:
            pass  # the image does not reach that far
    view = _on_ground(bounds, crs) if grid is None else _on_grid(bounds, grid)
    return view, np.full((*view.shape, 3), PLAIN, np.uint8)


def _on_image(bounds: tuple[float, ...], crs: CRS | None, image: str) -> View:
    whole = view_of(image, SIZE, PreviewSpec())
    if crs is not None and whole.source.crs is not None:
        left, bottom, right, top = bounds
        bounds = Transformer.from_crs(crs, whole.source.crs, always_xy=True).transform_bounds(left, bottom, right, top)
    return view_of(image, SIZE, PreviewSpec(bounds=bounds))


def _on_ground(bounds: tuple[float, ...], crs: CRS | None) -> View:
    left, bottom, right, top = bounds
    wide, high = right - left, top - bottom
    across, down = pixel_size(Grid(crs, Affine(wide, 0, left, 0, -high, top), 1, 1)) if crs else (wide, high)
    shape = max(1, round(SIZE * min(1, down / across))), max(1, round(SIZE * min(1, across / down)))
    # coordinates without a CRS are pixels, whose rows go down
    start, step = (top, -high / shape[0]) if crs else (bottom, high / shape[0])
    grid = Grid(crs, Affine(wide / shape[1], 0, left, 0, step, start), *shape)
    return View(grid, Window(0, 0, grid.width, grid.height), shape)


def _on_grid(bounds: tuple[float, ...], grid: Grid) -> View:
    corners = np.array([~grid.transform * (bounds[x], bounds[y]) for x in (0, 2) for y in (1, 3)])
    left, top = (max(0, round(float(side))) for side in corners.min(axis=0))
    right, bottom = (
        min(most, round(float(side))) for side, most in zip(corners.max(axis=0), (grid.width, grid.height), strict=True)
    )
    window = Window(left, top, max(1, right - left), max(1, bottom - top))
    factor = min(1.0, SIZE / max(window.height, window.width))
    return View(grid, window, (max(1, round(window.height * factor)), max(1, round(window.width * factor))))


def _wider(bounds: tuple[float, ...]) -> tuple[float, ...]:
    left, bottom, right, top = bounds
    x, y = AROUND * (right - left), AROUND * (top - bottom)
    return left - x, bottom - y, right + x, top + y
