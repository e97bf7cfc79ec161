"""Building footprints from scenes: the main job, from windows of pixels to a vector file, strip by
strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.grid import Grid, assign_crs
from geoseg.core.layer import Layer
from geoseg.errors import GeosegError, SettingError, UnsuitableError
from geoseg.geometry.footprints import FootprintLabels, trace_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.inference.cluster import computed_strips
from geoseg.inference.overlapping_scenes import SharedLayer
from geoseg.inference.probability_raster import probability_file
from geoseg.inference.session import (
    LoadedModel,
    SceneRun,
    area_of_interest,
    kept_strips,
    resume_folder,
)
from geoseg.inference.stream import ProbabilityStrip, Wanted
from geoseg.io.atomic import check_apart, check_output, make_folder, remove
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import check_raster_name
from geoseg.io.scene_names import unique_names
from geoseg.io.vector.append import check_appendable
from geoseg.io.vector.write import format_of
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.specs import (
    Area,
    ExtractSpec,
    ExtractTarget,
    JobSpec,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    RasterTarget,
    SceneSpec,
    VectorTarget,
)
from geoseg.specs.output import is_there


@dataclass(frozen=True, kw_only=True)
class ExtractReport(Report):
    """Footprints and their total area in square metres (in pixels without a CRS), pixels seen,
    model, threshold, seconds by stage.

    ``failed`` maps scenes that failed, where such are skipped, to what was wrong. ``plan`` is that
    of each scene in a dry run.
    """

    footprints: int
    area_m2: float | None
    area_px: float | None
    pixels: int
    model: str
    runtime: str
    threshold: float
    stages: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None


def run(
    scenes: Sequence[str],
    target: VectorTarget | Path | str,
    predict_spec: PredictSpec | None = None,
    polygon_spec: PolygonSpec | None = None,
    *,
    model: Path | None = None,
    bands: tuple[int, ...] | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    reference: PixelReference = PixelReference(),
    job: JobSpec = JobSpec(),
    progress: Progress = no_progress,
) -> ExtractReport:
    """Write the footprints of ``scenes`` into one layer, or one file a scene where ``target`` is a
    folder.

    A building that several scenes show is written once, the whole footprint rather than one cut at
    a scene's border, then the more confident. What an appended layer holds already is left out.
    Where ``on_error`` of the ``job`` is "skip", scenes that fail are left out and the report names
    them. Raises GeosegError.
    """
    target = ExtractTarget.of(target)
    save_prob = target.save_prob
    accompany = Run(progress)
    if save_prob and len(scenes) > 1:
        raise SettingError("save_prob", "applies to a single scene")
    destinations = _destinations(scenes, target)
    loaded = LoadedModel(model, predict_spec or PredictSpec(), scene_spec)
    spec = _resolved(polygon_spec or ExtractSpec(), loaded)
    names = dict(zip(scenes, unique_names(scenes), strict=True))
    surface = footprint_surface(loaded)
    settings = _Settings(
        loaded, surface, spec, names, bands, reference, save_prob, target.folder, job.scheduler
    )
    totals = _Totals()
    if job.dry_run:
        plans = [_plan(path, settings) for path in scenes]
        return totals.report(scenes, (), settings, accompany, plans)
    if target.is_folder and not target.in_tiles:
        make_folder(target.output)
    # all of them before the first scene: a run of hours must not end at a name that is taken
    outputs = [*destinations, *([save_prob] if save_prob else [])]
    _check_outputs(scenes, destinations, target, loaded)
    for path, group in destinations.items():
        to_file = replace(target, output=path)
        of_file = replace(settings, resume=path if job.resume else None)
        _extract(group, to_file, of_file, job.on_error == "skip", totals, accompany)
        if job.resume:
            remove(resume_folder(path))
    written = tuple(str(path) for path in outputs if path.exists())
    return totals.report(scenes, written, settings, accompany)


def _check_outputs(
    scenes: Sequence[str],
    destinations: Iterable[Path],
    target: ExtractTarget,
    loaded: LoadedModel,
) -> None:
    """Raise UsageError, OutputError or UnsuitableError for what cannot be written, before work
    begins.
    """
    inputs: list[Path | str] = [
        *scenes,
        loaded.path,
        *([loaded.spec.aoi] if loaded.spec.aoi else []),
    ]
    for path in () if target.in_tiles else destinations:
        check_apart(path, *inputs)
        if target.append:
            check_appendable(path)
        check_output(path, target.overwrite or target.append)
        if not (target.append and path.exists()):
            format_of(path, target.format)
    if target.save_prob:
        if target.save_prob in destinations:
            raise SettingError("save_prob", f"{target.save_prob} is the output too")
        check_apart(target.save_prob, *inputs)
        check_output(target.save_prob, target.overwrite)
        check_raster_name(target.save_prob)


@dataclass(frozen=True)
class _Settings:
    """What holds for all scenes; threshold and minimum area of ``spec`` are resolved,
    ``names`` are those of the scenes by path, ``resume`` is the output beside which what is done is
    kept.
    """

    loaded: LoadedModel
    surface: ClassSurface
    spec: PolygonSpec
    names: dict[str, str]
    bands: tuple[int, ...] | None
    reference: PixelReference
    save_prob: Path | None
    folder: Path
    scheduler: str | None
    resume: Path | None = None


@dataclass
class _Totals:
    """What adds up over the scenes."""

    footprints: int = 0
    area: float = 0.0
    in_pixels: bool = False
    pixels: int = 0
    runtime: str = ""
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, layer: SharedLayer) -> None:
        self.footprints += layer.footprints
        self.area += layer.area
        self.in_pixels = layer.writer is not None and layer.crs is None

    def report(
        self,
        scenes: Sequence[str],
        outputs: tuple[str, ...],
        settings: _Settings,
        accompany: Run,
        plan: list[dict[str, Any]] | None = None,
    ) -> ExtractReport:
        return ExtractReport(
            command="extract",
            inputs=tuple(scenes),
            outputs=outputs,
            seconds=accompany.seconds,
            warnings=accompany.remarks.unique(),
            footprints=self.footprints,
            area_m2=None if self.in_pixels else round(self.area, 2),
            area_px=round(self.area, 2) if self.in_pixels else None,
            pixels=self.pixels,
            model=settings.loaded.name,
            runtime=self.runtime,
            threshold=settings.spec.threshold or 0.0,
            stages=accompany.clock.rounded(),
            failed=self.failed,
            plan=plan,
        )


def _destinations(scenes: Sequence[str], target: VectorTarget) -> dict[Path, list[str]]:
    """Each output with its scenes: all of them in one file, or in a folder one file a scene."""
    folder = target.output
    if target.in_tiles or not (target.is_folder or is_there(folder)):
        return {folder: list(scenes)}
    suffix = (target.format or "gpkg").lstrip(".")
    names = zip(scenes, unique_names(scenes), strict=True)
    return {folder / f"{name}.{suffix}": [path] for path, name in names}


def _resolved(spec: PolygonSpec, loaded: LoadedModel) -> PolygonSpec:
    """``spec`` with the model's threshold and minimum area where it leaves them open."""
    if isinstance(spec, ExtractSpec):
        spec = spec.shaping()
    # what the user leaves open the model knows best: both were chosen on its validation places
    threshold = spec.threshold or loaded.model.threshold
    return replace(spec, threshold=threshold, min_area=spec.min_area or Area(loaded.model.min_area))


def footprint_surface(loaded: LoadedModel) -> ClassSurface:
    """The one class that has footprints. Raises UnsuitableError where the model has several."""
    found = (surfaces_of_bands if loaded.model.multilabel else surfaces)(loaded.model.classes)
    if len(found) != 1:
        raise UnsuitableError(
            f"{loaded.path}: has {len(found)} classes of footprints, extract wants one",
            "use `geoseg predict` and `geoseg polygonize`",
        )
    return found[0]


# From scenes to a layer


def _extract(
    scenes: list[str],
    target: VectorTarget,
    settings: _Settings,
    skip: bool,
    totals: _Totals,
    accompany: Run,
) -> None:
    """Write the footprints of ``scenes`` into one layer, each building once."""
    with ExitStack() as stack:
        layer = SharedLayer(
            scenes, target, settings.loaded, settings.spec, settings.reference, stack
        )
        for path in scenes:
            try:
                with settings.loaded.open(path, settings.bands, settings.reference) as scene_run:
                    grid = assign_crs(scene_run.scene.grid, path, settings.reference)
                    with _probability(scene_run, grid, settings, accompany) as probability:
                        footprints = _footprints(probability, path, grid, settings, accompany)
                        # nothing of a scene that fails half way may stay in the layer
                        batches = list(footprints) if skip else footprints
                        layer.write(path, grid, batches, accompany.clock)
                    totals.runtime = scene_run.runtime.name
                    totals.pixels += scene_run.scene.source.height * scene_run.scene.source.width
            except GeosegError as error:
                if not skip:
                    raise
                totals.failed[path] = str(error)
        layer.finish()
    totals.add(layer)


@contextmanager
def _probability(
    scene_run: SceneRun, grid: Grid, settings: _Settings, accompany: Run
) -> Iterator[Iterator[ProbabilityStrip]]:
    """Strips of probability, computed ahead in a thread; also written where that is asked for."""
    accompany.remarks += scene_run.plan.warnings
    area = area_of_interest(settings.loaded.spec, grid, accompany.remarks)
    # the file of probabilities gets every channel, the footprints are made of some
    channels = None if settings.save_prob else settings.surface.channels
    wanted = Wanted(area, channels)
    store = None
    if settings.resume is not None:
        wanted = replace(wanted, trim=_trimmer(settings))
        name = settings.names[scene_run.scene.path]
        shaping = settings.spec, channels, grid
        store = kept_strips(settings.resume, name, scene_run, settings.loaded, shaping)
    strips = computed_strips(
        scene_run,
        settings.loaded,
        settings.bands,
        wanted,
        settings.scheduler,
        accompany,
        settings.folder,
        store,
    )
    with ExitStack() as stack:
        if settings.save_prob:
            native = stack.enter_context(
                open_scene(scene_run.scene.path, spec=settings.loaded.scene_spec)
            )
            kept = RasterTarget(settings.save_prob, overwrite=True)
            put = stack.enter_context(
                probability_file(kept, scene_run, native, settings.loaded, accompany.clock, area)
            )
            strips = (_passed_on(strip, put) for strip in strips)
        yield stack.enter_context(closing(ahead(strips, depth=1)))


def _trimmer(settings: _Settings) -> Callable[[ProbabilityStrip], ProbabilityStrip]:
    """What leaves of a strip only the probabilities that its footprints are made of, where those
    alone are looked at: what is kept then is a tenth.
    """
    spec = settings.spec
    level = np.float32(spec.threshold or 0)

    def trimmed(strip: ProbabilityStrip) -> ProbabilityStrip:
        if not strip.valid.any():
            return strip
        scores, _ = settings.surface.score(strip.probability)
        building = (scores >= level) & strip.valid
        return strip._replace(probability=np.where(building, strip.probability, np.float32(0)))

    # Closing fills gaps and subpixel outlines interpolate with probabilities below the threshold
    whole = settings.save_prob or spec.close.value > 0 or spec.outline == "subpixel"
    return (lambda strip: strip) if whole else trimmed


def _passed_on(strip: ProbabilityStrip, put: Any) -> ProbabilityStrip:
    put(strip)
    return strip


def _footprints(
    probability: Iterable[ProbabilityStrip],
    path: str,
    grid: Grid,
    settings: _Settings,
    accompany: Run,
) -> Iterator[Layer]:
    """Batches of footprints of one scene: where the probability reaches the threshold."""
    surface = settings.surface
    spec = settings.spec
    level = np.float32(spec.threshold or 0)
    assert spec.min_area is not None
    return trace_footprints(
        (_cut(strip, surface, level) for strip in probability),
        grid,
        FootprintLabels(settings.names[path], surface.name),
        spec,
        spec.min_area,
        float(level),
        clock=accompany.clock,
    )


def _cut(strip: ProbabilityStrip, surface: ClassSurface, level: np.float32) -> MaskStrip:
    probability = strip.probability
    if not strip.valid.any():  # ground without data costs no more than a look
        nothing = strip.valid
        margin = None if surface.boundary_channel is None else nothing.astype(np.int16)
        return MaskStrip(nothing, nothing, probability[0], margin)
    if len(probability) > len(surface.channels):
        probability = probability[list(surface.channels)]
    scores, boundary_margin = surface.score(probability)
    return MaskStrip((scores >= level) & strip.valid, strip.valid, scores, boundary_margin)


def _plan(path: str, settings: _Settings) -> dict[str, Any]:
    """What would be done with a scene, and what it will take."""
    with settings.loaded.open(path, settings.bands, settings.reference) as scene_run:
        grid = assign_crs(scene_run.scene.grid, path, settings.reference)
        crs = grid.crs.to_string() if grid.crs else None
        return {"scene": path, **scene_run.describe(), "crs": crs}
