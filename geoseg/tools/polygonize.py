"""Masks and probabilities into footprints, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer, size_columns
from geoseg.geometry.footprints import (
    FootprintLabels,
    columns,
    instance_footprints,
    simplified,
    trace_footprints,
)
from geoseg.io.atomic import check_apart
from geoseg.io.provenance import provenance
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.vector.write import check_vector, create_vector
from geoseg.labels.traceable import (
    NO_AREA,
    STRIP_PIXELS,
    TraceableClass,
    mask_strips,
    traceable_classes,
)
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import Length, PixelReference, PolygonSpec, SceneSpec, VectorTarget


@dataclass(frozen=True, kw_only=True)
class PolygonizeReport(Report):
    """Footprints written and their area in square metres, without a CRS in pixels; ``threshold``
    and ``min_confidence`` are those of probabilities.
    """

    footprints: int
    area_m2: float | None
    area_px: float | None
    threshold: float | None
    min_confidence: float | None


def run(
    raster: Path | str,
    target: VectorTarget | Path | str,
    spec: PolygonSpec | None = None,
    *,
    class_value: int | None = None,
    reference: PixelReference = PixelReference(),
    scene_spec: SceneSpec = SceneSpec(),
    progress: Progress = no_progress,
    strip_pixels: int = STRIP_PIXELS,
) -> PolygonizeReport:
    """Write the footprints of a mask, class raster or probability raster to ``target``.

    What the values mean is decided by :func:`geoseg.labels.interpret.interpret`. Probabilities are
    cut at the threshold. Of several classes all that have footprints are traced one by one, or the
    one whose number is ``class_value``; where they lie side by side in a class raster they share
    their walls, also simplified ones, and none fills a hole. Numbered buildings become a footprint
    each. Threshold and minimum area are the spec's, else those the raster's tags name, else a
    model's default; all of a mask is kept. About ``strip_pixels`` are read at a time. Raises
    UnsuitableError (no CRS and no ``reference``, values that are neither labels nor probabilities),
    UsageError, OutputError.
    """
    target = VectorTarget.of(target)
    accompany = Run(progress)
    spec = spec or PolygonSpec()
    area = 0.0
    check_apart(target.output, raster)
    check_vector(target.output, target.format, target.overwrite or target.append)
    with open_scene(raster, spec=scene_spec) as scene:
        grid = scene.placed(reference)
        found = traceable_classes(scene, spec, class_value)
        advance = progress(Stage("polygonize", "rows"), grid.height * len(found))
        with (
            create_vector(
                target.output,
                grid.crs,
                columns=columns(spec, grid.crs),
                metadata=provenance(raster),
                **target.keywords(),
            ) as out,
            closing(_traced(scene, grid, found, spec, advance, strip_pixels)) as batches,
        ):
            for batch in batches:
                area += float(out.write(batch).columns[size_columns(grid.crs)[0]].sum())
    return PolygonizeReport(
        command="polygonize",
        inputs=(str(raster),),
        outputs=(str(target.output),),
        seconds=accompany.seconds,
        warnings=scene.warnings + found[0].warnings,
        footprints=out.count,
        area_m2=None if grid.crs is None else round(area, 2),
        area_px=round(area, 2) if grid.crs is None else None,
        threshold=found[0].threshold,
        min_confidence=None if found[0].threshold is None else found[0].min_confidence,
    )


def _traced(
    scene: Scene,
    grid: Grid,
    found: list[TraceableClass],
    spec: PolygonSpec,
    advance: Callable[[int], None],
    strip_pixels: int,
) -> Generator[Layer, None, None]:
    """Batches of footprints, class by class, numbered onwards."""
    if found[0].meaning.kind == "instance":
        naming = FootprintLabels(Path(scene.path).stem, unit=None)
        rows = mask_strips(scene, found[0], advance, strip_pixels)
        yield from instance_footprints(rows, grid, naming, spec, found[0].min_area)
        return
    beside = len(found) > 1 and found[0].meaning.kind == "classes"
    # Walls between two classes are simplified once, for both (simplify_shared). So the classes are
    # traced without it, one after the other, and simplified in the end; nothing else needs to hold
    # the whole layer.
    together = beside and spec.simplify.value > 0 and spec.regularize == "none"
    if beside:  # a hole is another class
        spec = replace(spec, min_hole=NO_AREA)
    spec = replace(spec, min_confidence=found[0].min_confidence)
    own = replace(spec, simplify=Length(0.0)) if together else spec
    batches = []
    count = 0
    for kind in found:
        name = kind.surface.name
        labelled = kind.unit is None
        naming = FootprintLabels(Path(scene.path).stem, name, kind.unit, labelled=labelled)
        with (
            closing(ahead(mask_strips(scene, kind, advance, strip_pixels))) as rows,
            closing(
                trace_footprints(rows, grid, naming, own, kind.min_area, kind.level, count + 1)
            ) as traced,
        ):
            for batch in traced:
                count += len(batch)
                if together:
                    batches.append(batch)
                else:
                    yield batch
    if batches:
        yield simplified(Layer.joined(batches, grid.crs), grid, spec)
