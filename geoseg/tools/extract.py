"""Building footprints from scenes: the main job, from windows of pixels to a vector file, strip by
strip.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.grid import Grid, assign_crs
from geoseg.core.layer import Layer
from geoseg.errors import GeosegError, UnsuitableError, UsageError
from geoseg.geometry.burn import Burner
from geoseg.geometry.footprints import FootprintLabels, columns, trace_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.inference.overlapping_scenes import OverlapBuffer
from geoseg.inference.probability_raster import ProbabilityEncoding, probability_file
from geoseg.inference.session import LoadedModel, SceneRun
from geoseg.inference.stream import ProbabilityStrip
from geoseg.io.atomic import check_output
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import scene_name
from geoseg.io.vector.write import FootprintWriter, create_vector
from geoseg.labels.footprints import footprints_on
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import PolygonSpec, PredictSpec, Quantity


@dataclass(frozen=True, kw_only=True)
class ExtractReport(Report):
    """Footprints and their total area in square metres, pixels seen, model, threshold, seconds by
    stage.

    ``failed`` maps scenes that failed, where such are skipped, to what was wrong.
    """

    footprints: int
    area_m2: float
    pixels: int
    model: str
    runtime: str
    threshold: float
    stages: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None


def run(
    scenes: Sequence[str],
    output: Path | str,
    predict_spec: PredictSpec,
    polygon_spec: PolygonSpec,
    *,
    model: Path | None = None,
    bands: tuple[int, ...] | None = None,
    save_prob: Path | None = None,
    aoi: Path | None = None,
    crs: str | None = None,
    pixel_coords: bool = False,
    layer: str | None = None,
    format: str | None = None,
    dst_crs: str | None = None,
    on_error: str = "stop",
    overwrite: bool = False,
    append: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> ExtractReport:
    """Write the footprints of ``scenes`` into one layer at ``output``, or one file a scene where
    that is a folder.

    A building that several scenes show is written once, the whole footprint rather than one cut at
    a scene's border, then the more confident. With ``append`` a GeoPackage that exists is added to;
    footprints it holds already are left out. With ``on_error="skip"`` scenes that fail are left
    out, and the report names them.
    """
    start = time.perf_counter()
    output = Path(output)
    if save_prob and len(scenes) > 1:
        raise UsageError("--save-prob goes with one scene")
    if append and overwrite:
        raise UsageError("--append and --overwrite exclude each other")
    options = _Options(polygon_spec, bands, aoi, crs, pixel_coords, save_prob, progress)
    targets = _targets(scenes, output, format)
    models = LoadedModel(model, predict_spec)
    building(models)
    tally = RunTotals()
    if dry_run:
        plans = [_plan(models, path, options) for path in scenes]
        return tally.report(models, options, scenes, (), start, plans)
    outputs = [*targets, *([save_prob] if save_prob else [])]
    for path in outputs:
        check_output(path, overwrite or (append and path in targets))
    skip = on_error == "skip"
    keywords: dict[str, Any] = {
        "columns": columns(polygon_spec),
        "layer": layer,
        "format": format,
        "dst_crs": dst_crs,
    }
    keywords |= {"overwrite": overwrite, "append": append}
    for target, group in targets.items():
        _write(models, target, group, options, tally, skip, keywords)
    written = tuple(str(path) for path in outputs if path.exists())
    return tally.report(models, options, scenes, written, start)


def building(models: LoadedModel) -> ClassSurface:
    """The one class that has footprints. Raises UnsuitableError where the model has several."""
    found = (surfaces_of_bands if models.model.multilabel else surfaces)(models.model.classes)
    if len(found) != 1:
        raise UnsuitableError(
            f"{models.path}: has {len(found)} classes of footprints, extract wants one",
            "use `geoseg predict` and `geoseg polygonize`",
        )
    return found[0]


@dataclass(frozen=True)
class _Options:
    polygon: PolygonSpec
    bands: tuple[int, ...] | None
    aoi: Path | None
    crs: str | None
    pixel_coords: bool
    save_prob: Path | None
    progress: Progress

    def threshold(self, models: LoadedModel) -> float:
        return self.polygon.threshold or models.model.threshold

    def min_area(self, models: LoadedModel) -> Quantity:
        return self.polygon.min_area or Quantity(models.model.min_area)


@dataclass
class RunTotals:
    """What adds up over the scenes."""

    clock: Clock = field(default_factory=Clock)
    footprints: int = 0
    area_m2: float = 0.0
    pixels: int = 0
    runtime: str = ""
    warnings: dict[str, None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, writer: FootprintWriter, batch: Layer) -> None:
        """Write ``batch``, numbered onwards."""
        numbers = np.arange(writer.count + 1, writer.count + 1 + len(batch))
        written = writer.write(replace(batch, columns={**batch.columns, "id": numbers}))
        self.footprints += len(written)
        self.area_m2 += float(written.columns["area_m2"].sum()) if len(written) else 0.0

    def report(
        self,
        models: LoadedModel,
        options: _Options,
        scenes: Sequence[str],
        outputs: tuple[str, ...],
        start: float,
        plans: list[dict[str, Any]] | None = None,
    ) -> ExtractReport:
        return ExtractReport(
            command="extract",
            inputs=tuple(scenes),
            outputs=outputs,
            seconds=time.perf_counter() - start,
            warnings=tuple(self.warnings),
            footprints=self.footprints,
            area_m2=round(self.area_m2, 2),
            pixels=self.pixels,
            model=models.path.name,
            runtime=self.runtime,
            threshold=options.threshold(models),
            stages=self.clock.rounded(),
            failed=self.failed,
            plan=plans,
        )


def _targets(scenes: Sequence[str], output: Path, format: str | None) -> dict[Path, list[str]]:
    """Each output with its scenes: all of them in one file, or in a folder one file a scene."""
    if not output.is_dir():
        return {output: list(scenes)}
    targets = {
        output / f"{scene_name(path)}.{(format or 'gpkg').lstrip('.')}": [path] for path in scenes
    }
    if len(targets) < len(scenes):
        raise UsageError("two of the scenes have the same name", "write them into one file")
    return targets


def _write(
    models: LoadedModel,
    target: Path,
    scenes: list[str],
    options: _Options,
    tally: RunTotals,
    skip: bool,
    keywords: dict[str, Any],
) -> None:
    """Write the footprints of ``scenes`` into one layer, each building once, by default in the CRS
    of the first.
    """
    writer: FootprintWriter | None = None
    with ExitStack() as stack:
        for path in scenes:
            try:
                with models.open(path, options.bands) as job:
                    grid = assign_crs(job.scene.grid, path, options.crs, options.pixel_coords)
                    batches: Iterable[Layer] = _footprints(models, job, grid, options, tally)
                    if skip:  # nothing of a scene that fails half way may stay in the layer
                        batches = list(batches)
                    if writer is None:
                        overlaps = OverlapBuffer(_grids(scenes, options), grid.crs)
                        metadata = models.provenance(path)
                        writer = stack.enter_context(
                            create_vector(target, grid.crs, metadata=metadata, **keywords)
                        )
                    for batch in batches:
                        with tally.clock("write"):
                            tally.add(writer, overlaps.unshared(path, batch))
                    tally.pixels += job.scene.source.height * job.scene.source.width
            except GeosegError as error:
                if not skip:
                    raise
                tally.failed[path] = str(error)
        if writer is not None:
            tally.add(writer, overlaps.resolve_held())


def _grids(scenes: list[str], options: _Options) -> dict[str, Grid]:
    """Where scenes that share a layer lie; what is wrong with one is told when its turn comes."""
    grids = {}
    for path in scenes if len(scenes) > 1 else ():
        with suppress(GeosegError), open_scene(path) as scene:
            grids[path] = assign_crs(scene.grid, path, options.crs, options.pixel_coords)
    return grids


def _footprints(
    models: LoadedModel, job: SceneRun, grid: Grid, options: _Options, tally: RunTotals
) -> Iterator[Layer]:
    """Batches of footprints of one scene."""
    path = job.scene.path
    tally.warnings |= dict.fromkeys(job.plan.warnings)
    tally.runtime = job.runtime.name
    said: list[str] = []
    area = Burner(footprints_on(options.aoi, grid, said).geometry) if options.aoi else None
    tally.warnings |= dict.fromkeys(said)
    with ExitStack() as stack:
        items = job.strips(tally.clock, options.progress, area)
        if options.save_prob:
            native = stack.enter_context(open_scene(path))
            form, tags = ProbabilityEncoding("uint8", False, models.model), models.provenance(path)
            put = probability_file(
                options.save_prob, job.scene, native, form, tags, tally.clock, overwrite=True
            )
            items = _tee(items, stack.enter_context(put))
        forward = stack.enter_context(closing(ahead(items, depth=1)))
        surface, level = building(models), np.float32(options.threshold(models))
        yield from trace_footprints(
            _cut(forward, surface, level),
            grid,
            FootprintLabels(scene_name(path), surface.name),
            options.polygon,
            options.min_area(models),
            float(level),
            clock=tally.clock,
        )


def _cut(
    strips: Iterable[ProbabilityStrip], surface: ClassSurface, level: np.float32
) -> Iterator[MaskStrip]:
    """Strips of probability, cut at ``level``."""
    for _, probability, valid in strips:
        scores, boundary_margin = surface.score(probability[list(surface.channels)])
        yield MaskStrip((scores >= level) & valid, valid, scores, boundary_margin)


def _tee(
    items: Iterator[ProbabilityStrip], put: Callable[[ProbabilityStrip], None]
) -> Iterator[ProbabilityStrip]:
    for strip in items:
        put(strip)
        yield strip


def _plan(models: LoadedModel, path: str, options: _Options) -> dict[str, Any]:
    """What would be done with a scene: windows, GSD, CRS and the memory of the strips."""
    with models.open(path, options.bands) as job:
        grid = assign_crs(job.scene.grid, path, options.crs, options.pixel_coords)
        size = job.plan.tiling.size
        window = (job.runtime.spec.bands + job.runtime.spec.channels) * size * size * 4
        return {
            "scene": path,
            "crs": grid.crs.to_string() if grid.crs else None,
            "shape": list(job.scene.source.shape),
            "gsd": job.scene.source.gsd,
            "working_gsd": grid.gsd,
            "windows": job.plan.tiles,
            "window": size,
            "overlap": job.plan.tiling.overlap,
            "strip_megabytes": round((size * grid.width * 10 + 4 * window) / 1e6, 1),
            "warnings": list(job.plan.warnings),
        }
