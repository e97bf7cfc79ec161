"""Masks and probabilities into footprints, strip by strip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from rasterio.windows import Window

from geoseg.core.footprints import fill_holes, place, simplify, vertices
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.masks import Strip, cleaned
from geoseg.core.measure import centres, coordinates, density, measure, metric, pixel_size
from geoseg.core.neighbours import settled
from geoseg.core.polygons import Traced, trace
from geoseg.core.regularize import Regular, pixel_metric, regularize
from geoseg.core.separate import Cleaned, separated
from geoseg.engine.ahead import Clock, ahead
from geoseg.errors import UnsuitableError, UsageError
from geoseg.io.raster import Scene, open_scene
from geoseg.io.vector import FOOTPRINTS, REGULARIZED, create_vector
from geoseg.specs import ModelSpec, PolygonSpec, Quantity
from geoseg.tools.rasterize import placed
from geoseg.tools.report import Progress, Report, no_progress, provenance

# Pixels read at a time; rows are a multiple of the raster's blocks
STRIP_PIXELS = 2**23
NO_AREA = Quantity(0.0)


@dataclass(frozen=True, kw_only=True)
class PolygonizeReport(Report):
    """Footprints written and their area in square metres (square pixels without a CRS)."""

    footprints: int
    area_m2: float
    threshold: float | None


@dataclass(frozen=True)
class _Naming:
    """What all footprints of a scene share; ``unit`` is the score of probability 1, None for masks."""

    scene: str
    class_name: str
    unit: float | None


def footprints(
    strips: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    *,
    scene: str,
    class_name: str = "building",
    spec: PolygonSpec,
    threshold: float,
    min_area: Quantity,
    first_id: int = 1,
    clock: Clock | None = None,
) -> Iterator[Layer]:
    """Footprints where the probability is at least ``threshold``, in batches, each as soon as its footprints are complete.

    ``strips`` are ``(probability float32, valid bool)`` of (h, W) each, of any height, from the top of ``grid``; what comes
    out is the same for any cutting. Mask -> opened and closed -> parted -> traced -> holes filled and small ones left out ->
    straightened or simplified -> in the CRS of ``grid`` -> measured. Batches have the :func:`columns` of ``spec``;
    ``confidence`` is the mean probability of the traced pixels, ``edge`` whether one of them is at the scene's border or
    beside missing data, ``regularized_iou`` the IoU with the traced outline, its small holes filled.
    ``clock`` counts the stages ``clean`` and ``trace``, the time spent waiting for strips left out.
    """
    clock = clock or Clock()
    level = np.float32(threshold)
    masked = (((probability >= level) & valid, valid, probability) for probability, valid in strips)
    frames = _frames(clock.waiting("clean", masked), grid, _Naming(scene, class_name, 1.0), spec, min_area, clock, first_id)
    return clock.timed("trace", frames)


def _frames(
    strips: Iterable[Strip],
    grid: Grid,
    naming: _Naming,
    spec: PolygonSpec,
    min_area: Quantity,
    clock: Clock,
    first_id: int = 1,
) -> Iterator[Layer]:
    gsd = grid.gsd or 1.0
    clean = cleaned(strips, _radius(spec.open, gsd), _radius(spec.close, gsd))
    if spec.separate == "watershed":
        clean = separated(clean, pixel_size(grid), spec.connectivity)
    ready = clock.waiting("trace", clock.timed("clean", clean))
    found = _found(ready, grid, spec, min_area)
    if spec.regularize == "orthogonal":
        found = _straightened(found, grid)
    tolerance = spec.simplify.in_metres(gsd, 1)
    for footprints in found:
        frame = _frame(footprints, tolerance, grid, naming, first_id)
        first_id += len(frame)
        yield frame


@dataclass(frozen=True)
class _Found:
    """Footprints of a batch that are large enough, with their holes filled; ``ground`` is the CRS's metric at each.

    ``regular`` holds their straightened outlines, if they are to be straightened.
    """

    traced: Traced
    geometry: np.ndarray
    ground: np.ndarray
    regular: Regular | None = None


def _found(strips: Iterable[Cleaned], grid: Grid, spec: PolygonSpec, min_area: Quantity) -> Iterator[_Found]:
    channels = ((mask, [scores, beside]) for mask, scores, beside in strips)
    islands = np.empty((0, 2))
    for batch in trace(channels, spec.connectivity):
        ground, square_metres = _ground(batch.geometry, grid)
        smallest = _pixels(min_area, square_metres)
        holes = _pixels(spec.min_hole, square_metres)
        islands = np.concatenate([islands, _islands(batch.geometry, smallest, holes)])
        geometry = fill_holes(batch.geometry, holes, islands)
        islands = islands[islands[:, 1] >= batch.open_row]
        large = shapely.area(geometry) >= smallest
        if large.any():
            chosen = Traced(batch.geometry[large], batch.pixels[large], batch.sums[large], batch.open_row)
            yield _Found(chosen, geometry[large], ground[large])


def _straightened(batches: Iterable[_Found], grid: Grid) -> Iterator[_Found]:
    made = ((b, b.geometry, regularize(b.geometry, pixel_metric(b.ground, grid.transform)), b.traced.open_row) for b in batches)
    for batch, regular in settled(made):
        yield replace(batch, regular=regular)


def _radius(length: Quantity, gsd: float) -> float:
    """In pixels; rounded, for a projection that is off by parts in a thousand must not make a disk of 2 pixels one of 1.999."""
    return round(length.in_metres(gsd, 1) / gsd, 1)


def _ground(geometry: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The CRS's metric at each footprint, and square metres of a pixel there."""
    at = metric(coordinates(centres(geometry), grid.transform), grid.crs)
    return at, density(at) * abs(grid.transform.determinant)


def _pixels(area: Quantity, square_metres: np.ndarray) -> np.ndarray:
    """``area`` in pixels of ``square_metres`` each."""
    return np.full(len(square_metres), area.value) if area.pixels else area.value / square_metres


def _islands(geometry: np.ndarray, smallest: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """A point (n, 2) inside of each part that stays though it would fit into a hole to be filled."""
    if smallest.min() >= holes.max():
        return np.empty((0, 2))
    parts, owner = shapely.get_parts(geometry, return_index=True)
    outer = shapely.get_exterior_ring(parts)
    area = shapely.area(shapely.polygons(outer))
    chosen = (area >= smallest[owner]) & (area < holes.max())
    return shapely.get_coordinates(shapely.get_point(outer[chosen], 0)) + 0.5


def _frame(found: _Found, tolerance: float, grid: Grid, naming: _Naming, first_id: int) -> Layer:
    traced, count = found.traced, len(found.geometry)
    outline = simplify(found.geometry, tolerance, pixel_size(grid))
    if found.regular is not None:
        taken = np.isfinite(found.regular.iou)
        outline = np.where(taken, found.regular.geometry, outline)
    geometry = place(outline, grid.transform)
    area, around = measure(geometry, grid.crs, found.ground)
    scores, beside = traced.sums.T
    left, top, right, bottom = shapely.bounds(traced.geometry).T
    outermost = (left == 0) | (top == 0) | (right == grid.width) | (bottom == grid.height)
    confidence = np.full(count, np.nan)
    if naming.unit is not None:
        confidence = np.round(scores / traced.pixels / naming.unit, 4)
    columns = {
        "id": np.arange(first_id, first_id + count),
        "scene": np.full(count, naming.scene, object),
        "class": np.full(count, naming.class_name, object),
        "confidence": confidence,
        "area_m2": np.round(area, 2),
        "perimeter_m": np.round(around, 2),
        "edge": outermost | (beside > 0),
        "vertices": vertices(geometry),
    }
    if found.regular is not None:
        columns |= {"regularized": taken, "regularized_iou": np.round(found.regular.iou, 4)}
    return Layer(geometry, grid.crs, columns)


def columns(spec: PolygonSpec) -> Mapping[str, str]:
    """Names and Arrow types of the columns of :func:`footprints`."""
    return FOOTPRINTS if spec.regularize == "none" else {**FOOTPRINTS, **REGULARIZED}


def run(
    raster: Path | str,
    output: Path | str,
    spec: PolygonSpec,
    *,
    overwrite: bool = False,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | None = None,
    class_value: int | None = None,
    crs: str | None = None,
    pixel_coords: bool = False,
    progress: Progress = no_progress,
) -> PolygonizeReport:
    """Write the footprints of a mask or probability raster to ``output``.

    Probabilities are floats in 0..1, or uint8 with a scale of 1/254 as ``predict`` writes them; they are cut at the
    threshold. Other integers are masks or classes: building is ``class_value``, or anything but 0. Threshold and minimum area
    are the spec's, else those the raster's tags name, else a model's default; all of a mask is kept. Raises UnsuitableError
    (no CRS nor ``crs`` nor ``pixel_coords``, several bands, values that are no probabilities), UsageError, OutputError.
    """
    start = time.perf_counter()
    with open_scene(raster) as scene:
        if scene.bands > 1:
            raise UnsuitableError(f"{raster}: has {scene.bands} bands; a mask or a probability raster has one")
        grid = placed(scene.grid, str(raster), crs, pixel_coords)
        if pixel_coords:
            grid = replace(grid, transform=Affine.identity())
        kind = _kind(scene, spec, class_value)
        advance, area = progress("polygonize", grid.height), 0.0
        with (
            closing(ahead(_strips(scene, kind, advance))) as strips,
            create_vector(
                output,
                grid.crs,
                columns=columns(spec),
                layer=layer,
                format=format,
                dst_crs=dst_crs,
                overwrite=overwrite,
                metadata=provenance(raster),
            ) as out,
        ):
            for frame in _frames(strips, grid, _Naming(Path(raster).stem, kind.name, kind.unit), spec, kind.min_area, Clock()):
                out.write(frame)
                area += float(frame.columns["area_m2"].sum())
    return PolygonizeReport(
        command="polygonize",
        inputs=(str(raster),),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=kind.warnings,
        footprints=out.count,
        area_m2=round(area, 2),
        threshold=kind.threshold,
    )


@dataclass(frozen=True)
class _Kind:
    """How a raster's values are read: ``building`` tells buildings, ``unit`` is the value of probability 1 if it has any."""

    building: Callable[[np.ndarray], np.ndarray]
    unit: float | None
    threshold: float | None
    min_area: Quantity
    name: str
    warnings: tuple[str, ...] = ()


def _kind(scene: Scene, spec: PolygonSpec, class_value: int | None) -> _Kind:
    names = scene.tags.get("GEOSEG_CLASSES", "").split(",")
    floating = np.dtype(scene.dtype).kind == "f"
    scaled = np.isclose(scene.dataset.scales[0], 1 / 254, rtol=1e-3) or scene.tags.get("GEOSEG_KIND") == "probability"
    coded = scene.dtype == "uint8" and scaled
    if floating or coded:
        if class_value is not None:
            raise UsageError("--class is for rasters of classes", f"{scene.path} holds probabilities")
        threshold = spec.threshold or float(scene.tags.get("GEOSEG_THRESHOLD", ModelSpec.threshold))
        min_area = spec.min_area or Quantity(float(scene.tags.get("GEOSEG_MIN_AREA", ModelSpec.min_area)))
        unit = 254.0 if coded else 1.0
        level = np.uint8(np.ceil(threshold * 254 - 1e-6)) if coded else np.float32(threshold)
        return _Kind(lambda values: values >= level, unit, threshold, min_area, names[-1] or "building")
    warnings = ("--threshold is for probabilities; a mask has none",) if spec.threshold else ()
    if class_value is None:
        return _Kind(lambda values: values != 0, None, None, spec.min_area or NO_AREA, "building", warnings)
    name = names[class_value] if class_value < len(names) and names[0] else str(class_value)
    return _Kind(lambda values: values == class_value, None, None, spec.min_area or NO_AREA, name, warnings)


def _strips(scene: Scene, kind: _Kind, advance: Callable[[int], None]) -> Iterator[Strip]:
    """Mask, valid, and scores of whole rows."""
    height, width = scene.grid.shape
    block = scene.dataset.block_shapes[0][0]
    rows = max(1, STRIP_PIXELS // (width * block)) * block
    if rows * width > 4 * STRIP_PIXELS:  # blocks as high as the raster
        rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        chip = scene.read(Window(0, top, width, min(rows, height - top)), (1,))
        values, valid = chip.image[0], chip.valid
        if kind.unit == 1 and values.size and not 0 <= values.min() <= values.max() <= 1:
            raise UnsuitableError(f"{scene.path}: holds values from {values.min():g} to {values.max():g}, not probabilities")
        if kind.unit is None and scene.nodata == 0:  # background, not missing data
            valid = np.ones_like(valid)
        mask = kind.building(values) & valid
        yield mask, valid, None if kind.unit is None else values
        advance(len(mask))
