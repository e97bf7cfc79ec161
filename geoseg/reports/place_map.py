"""Maps on report pages: where a prediction is good and where not, and which chips are in which
split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from matplotlib.figure import Figure
from pyproj import CRS

from geoseg.chips.scene_windows import SplitOutlines
from geoseg.core.splits import SPLITS
from geoseg.drawing.html import figure, jpeg, section
from geoseg.drawing.pictures import PLAIN, picture
from geoseg.drawing.plots import grouped_map, shaded_map
from geoseg.errors import GeosegError
from geoseg.reports.region_pictures import bounds_in, on_ground
from geoseg.reports.scene_view import View, view_of
from geoseg.specs import PreviewSpec

SIZE = 1000  # pixels of the longer side


def map_of_places(
    bounds: np.ndarray,
    scores: np.ndarray,
    crs: CRS | None,
    image: str | None,
    *,
    label: str,
    places: Sequence[Mapping[str, Any]],
) -> Figure:
    """Blocks of ground with ``bounds`` (block, 4) in the colours of their ``scores``, on the
    ``image`` where it covers any of them; ``places`` are numbered from 1 as on the page.
    """
    view, under = _under(tuple(_total(bounds)), crs, image)
    areas = [_outline(tuple(box), crs, view) for box in bounds.tolist()]
    marks = {
        str(number): tuple(_outline(tuple(place["bounds"]), crs, view).mean(axis=0).tolist())
        for number, place in enumerate(places, 1)
    }
    return shaded_map(under, areas, scores.tolist(), label=label, marks=marks)


def map_of_splits(places: SplitOutlines, image: str | None = None) -> Figure | None:
    """The outlines of chips by their split; None of pictures without a CRS, which lie nowhere."""
    chips = places.layer
    if chips.crs is None or not len(chips):
        return None
    view, under = _under(chips.bounds, chips.crs, image)
    placed = chips if view.source.crs == chips.crs else chips.to_crs(view.source.crs)
    outlines = view.in_pixels(placed.geometry)
    found = dict.fromkeys(places.splits.tolist())
    groups = {
        split: [shapely.get_coordinates(outline) for outline in outlines[places.splits == split]]
        for split in sorted(found, key=_place)
    }
    return grouped_map(under, groups)


def split_section(places: SplitOutlines, image: str | None = None) -> Iterator[str]:
    """The map of the splits under its heading; nothing of pictures."""
    drawn = map_of_splits(places, image)
    if drawn is not None:
        caption = "Where the chips of each split lie"
        yield section("Splits", figure(jpeg(drawn), caption, "a map of the chips by their split"))


def _place(split: str) -> tuple[int, str]:
    """Splits in their usual order, then others by name."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def _under(
    bounds: tuple[float, ...], crs: CRS | None, image: str | None
) -> tuple[View, np.ndarray]:
    """The whole image where it meets ``bounds``, else plain ground, and how it is seen."""
    if image is not None:
        try:
            view = view_of(image, SIZE, PreviewSpec())
            frame = shapely.box(*bounds_in(bounds, crs, view.source.crs))
            if frame.intersects(shapely.box(*view.source.bounds)):
                return view, picture(*view.read(image, PreviewSpec()))
        except GeosegError:  # a page is worth having without it
            pass
    view = on_ground(bounds, crs, SIZE)
    return view, np.full((*view.shape, 3), PLAIN, np.uint8)


def _outline(bounds: tuple[float, ...], crs: CRS | None, view: View) -> np.ndarray:
    """Corners (5, 2) of bounds in the pixels of the view."""
    box = shapely.box(*bounds_in(bounds, crs, view.source.crs))
    return shapely.get_coordinates(view.in_pixels(np.array([box]))[0])


def _total(bounds: np.ndarray) -> list[float]:
    return [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()]
