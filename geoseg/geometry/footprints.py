"""Strips of a mask into footprints on the ground, measured: what extract, polygonize and evaluate
share.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.core.layer import REGULARIZED, Layer, footprint_columns, size_columns
from geoseg.errors import UsageError
from geoseg.geometry.measure import (
    coordinates,
    measure,
    pixel_size,
)
from geoseg.geometry.morphology import MaskStrip, cleaned
from geoseg.geometry.outlines import simplify, to_crs_coordinates, vertices
from geoseg.geometry.regularize import Regular, pixel_metric, regularize
from geoseg.geometry.selection import Selected, mean_probability, select
from geoseg.geometry.settle_overlaps import resolve_overlaps
from geoseg.geometry.simplify_shared import simplify_together
from geoseg.geometry.subpixel import Crossings
from geoseg.geometry.trace import trace
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.parallel.threads import Mapper, accompanied, mapped, spare_threads
from geoseg.specs import Area, Length, PolygonSpec

WIDEST = 1000  # pixels of a radius that a mask is opened or closed by


@dataclass(frozen=True)
class FootprintLabels:
    """What all footprints of a scene share; ``unit`` is the score of probability 1, None for
    masks; ``labelled`` boundaries are no network's, and part all that they lie between.
    """

    scene: str
    class_name: str = "building"
    unit: float | None = 1.0
    labelled: bool = False


def columns(spec: PolygonSpec, crs: CRS | None) -> Mapping[str, str]:
    """Names and Arrow types of the columns of :func:`footprints` in ``crs``."""
    plain = footprint_columns(crs)
    return plain if spec.regularize == "none" else {**plain, **REGULARIZED}


def footprints(
    strips: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    *,
    scene: str,
    class_name: str = "building",
    spec: PolygonSpec,
    threshold: float,
    min_area: Area,
) -> Iterator[Layer]:
    """:func:`trace_footprints` of where the probability is at least ``threshold``: strips of
    ``(probability float32, valid bool)``.
    """
    level = np.float32(threshold)
    masked = (
        MaskStrip((probability >= level) & valid, valid, probability)
        for probability, valid in strips
    )
    return trace_footprints(
        masked, grid, FootprintLabels(scene, class_name), spec, min_area, float(level)
    )


def trace_footprints(
    strips: Iterable[MaskStrip],
    grid: Grid,
    naming: FootprintLabels,
    spec: PolygonSpec,
    min_area: Area,
    level: float | None = None,
    first_id: int = 1,
    clock: Clock | None = None,
    mapper: Mapper = mapped,
) -> Generator[Layer, None, None]:
    """Footprints of a mask in batches, each as soon as its footprints are complete. Whoever may
    leave them early closes them, before the ``strips``.

    ``strips`` are of any height, from the top of ``grid``; what comes out is the same for any
    cutting. ``level`` is the score at which the mask was cut, needed for outlines finer than
    pixels. Batches have the
    :func:`columns` of ``spec``; ``confidence`` is the mean probability of the traced pixels,
    ``edge`` whether one of them is at the scene's border or beside missing data,
    ``regularized_iou`` the IoU with the traced outline, its small holes filled. ``clock`` counts
    the stages ``clean`` and ``trace``, the time spent waiting for strips left out. Buildings are
    parted and straightened by the ``mapper``.
    """
    clock = clock or Clock()
    # closed here, where it is left early
    with closing(
        shaped_footprints(strips, grid, naming, spec, min_area, level, clock, mapper)
    ) as found:
        yield from clock.timed("trace", _to_layers(found, grid, naming, first_id))


def shaped_footprints(
    strips: Iterable[MaskStrip],
    grid: Grid,
    naming: FootprintLabels,
    spec: PolygonSpec,
    min_area: Area,
    level: float | None,
    clock: Clock,
    mapper: Mapper = mapped,
) -> Generator[Selected, None, None]:
    """The footprints of :func:`trace_footprints` in pixels, before they are measured."""
    gsd = grid.gsd or 1.0
    # Every stage is a generator that takes strips or batches from the one before, so that no more
    # than a few are held:
    #
    #     strips -> cleaned -> parted -> [crossings noted] -> traced -> holes filled, small ones
    #     left out -> straightened or simplified, overlaps resolved -> in the CRS -> measured
    clean = cleaned(
        clock.waiting("clean", strips), _radius(spec.open, gsd), _radius(spec.close, gsd)
    )
    parted = _parted(clean, grid, naming, spec, mapper)
    timed = clock.timed("clean", parted)
    with ExitStack() as stack:
        # closed here: a thread that still takes ``strips`` when they are closed is an error
        if spare_threads() > 1:
            timed = stack.enter_context(closing(ahead(timed, depth=1)))
        ready = clock.waiting("trace", timed)
        crossings = Crossings(level) if spec.outline == "subpixel" and level is not None else None
        noted = ready if crossings is None else crossings.noted(ready)
        channels = ((strip.mask, [strip.scores, strip.touches_nodata]) for strip in noted)
        batches = trace(channels, spec.connectivity)
        kept = select(batches, grid, naming.unit, spec, min_area, crossings)
        yield from _shaped(kept, grid, spec, mapper)


def instance_footprints(
    strips: Iterable[MaskStrip],
    grid: Grid,
    naming: FootprintLabels,
    spec: PolygonSpec,
    min_area: Area,
) -> Iterator[Layer]:
    """Footprints of numbered buildings, one for each number, as :func:`trace_footprints` makes
    them of masks; nothing is opened, closed or parted.

    ``scores`` of the ``strips`` hold the numbers, 0 where there is no building.
    """
    from geoseg.geometry.instances import trace_instances  # scipy's images are slow to import

    batches = trace_instances(cleaned(strips, 0, 0))
    found = _shaped(select(batches, grid, naming.unit, spec, min_area, None), grid, spec)
    return _to_layers(found, grid, naming, 1)


def simplified(found: Layer, grid: Grid, spec: PolygonSpec) -> Layer:
    """Footprints of classes that were traced one by one, simplified so that the walls they share
    stay shared.
    """
    pixels = shapely.transform(found.geometry, lambda xy: np.rint(coordinates(xy, ~grid.transform)))
    # corners of traced pixels are whole numbers; on the ground and back they are nearly so
    thin = simplify_together(pixels, spec.simplify.in_metres(grid.gsd or 1.0), pixel_size(grid))
    geometry = to_crs_coordinates(shapely.orient_polygons(thin), grid.transform)
    area, around = measure(geometry, grid.crs)
    area_name, perimeter_name = size_columns(grid.crs)
    sizes = {
        area_name: np.round(area, 2),
        perimeter_name: np.round(around, 2),
        "vertices": vertices(geometry),
    }
    return Layer(geometry, grid.crs, {**found.columns, **sizes})


def _parted(
    strips: Iterator[MaskStrip],
    grid: Grid,
    naming: FootprintLabels,
    spec: PolygonSpec,
    mapper: Mapper,
) -> Iterator[MaskStrip]:
    """With touching buildings parted: where that is asked for, or left open and there is a boundary
    to do it by.
    """
    first = next(strips, None)
    if first is None:
        return
    whole: Iterator[MaskStrip] = chain([first], strips)
    wanted = spec.separate == "watershed" or (
        spec.separate == "auto" and first.boundary_margin is not None
    )
    if wanted:
        from geoseg.geometry.separate import separated  # its image processing is slow to import

        # tracing sums the scores of the mask; only finer outlines look beyond it
        whole = separated(
            whole,
            pixel_size(grid),
            spec.connectivity,
            inside_only=spec.outline == "pixel",
            labelled=naming.labelled,
            mapper=mapper,
        )
    yield from whole


def _shaped(
    batches: Iterator[Selected], grid: Grid, spec: PolygonSpec, mapper: Mapper = mapped
) -> Iterator[Selected]:
    """With outlines straightened or simplified, none over another."""
    tolerance = spec.simplify.in_metres(grid.gsd or 1.0)
    straight = spec.regularize == "orthogonal"
    if not straight and tolerance <= 0:
        yield from batches
        return
    shape = partial(_straightened if straight else _simplified, tolerance, pixel_size(grid))
    outlines = ((f, (f.outline, pixel_metric(f.ground, grid.transform))) for f in batches)
    made = (
        (found, found.outline, regular, found.traced.open_row)
        for found, regular in accompanied(mapper, shape, outlines)
    )
    for found, regular in resolve_overlaps(made):
        yield replace(found, outline=regular.geometry, iou=regular.iou if straight else None)


# Outlines (n,), and the metric of pixels (n, 3) there
_Outlines = tuple[np.ndarray, np.ndarray]


def _simplified(tolerance: float, size: tuple[float, float], outlines: _Outlines) -> Regular:
    thin = simplify(outlines[0], tolerance, size)
    return Regular(thin, np.full(len(thin), np.nan))


def _straightened(tolerance: float, size: tuple[float, float], outlines: _Outlines) -> Regular:
    regular = regularize(*outlines)
    geometry = regular.geometry.copy()
    # what cannot be straightened is at least simplified
    left = np.isnan(regular.iou)
    geometry[left] = simplify(geometry[left], tolerance, size)
    return Regular(geometry, regular.iou)


def _radius(length: Length, gsd: float) -> float:
    """In pixels; rounded, for a projection that is off by parts in a thousand must not make a disk
    of 2 pixels one of 1.999.
    """
    radius = round(length.in_metres(gsd) / gsd, 1)
    if radius > WIDEST:
        raise UsageError(f"a radius of {length} takes {radius:.0f} pixels, {WIDEST} at most")
    return radius


def _to_layers(
    batches: Iterable[Selected], grid: Grid, naming: FootprintLabels, first_id: int
) -> Iterator[Layer]:
    for found in batches:
        yield _to_layer(found, grid, naming, first_id)
        first_id += len(found.outline)


def _to_layer(found: Selected, grid: Grid, naming: FootprintLabels, first_id: int) -> Layer:
    traced = found.traced
    count = len(found.outline)
    geometry = to_crs_coordinates(found.outline, grid.transform)
    area, around = measure(geometry, grid.crs, found.ground)
    beside = traced.sums[:, 1]
    left, top, right, bottom = shapely.bounds(traced.geometry).T
    outermost = (left == 0) | (top == 0) | (right == grid.width) | (bottom == grid.height)
    confidence = np.full(count, np.nan)
    if naming.unit is not None:
        confidence = mean_probability(traced, naming.unit)
    area_name, perimeter_name = size_columns(grid.crs)
    columns = {
        "id": np.arange(first_id, first_id + count),
        "scene": np.full(count, naming.scene, object),
        "class": np.full(count, naming.class_name, object),
        "confidence": confidence,
        area_name: np.round(area, 2),
        perimeter_name: np.round(around, 2),
        "edge": outermost | (beside > 0),
        "vertices": vertices(geometry),
    }
    if found.iou is not None:
        columns |= {
            "regularized": np.isfinite(found.iou),
            "regularized_iou": np.round(found.iou, 4),
        }
    return Layer(geometry, grid.crs, columns)
