"""Building footprints from scenes: the main job, from windows of pixels to a vector file, strip by
strip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.errors import GeosegError, SettingError, UnsuitableError
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.inference.overlapping_scenes import SharedLayer
from geoseg.inference.scene_footprints import FootprintSettings, Source, footprint_source
from geoseg.inference.session import LoadedModel, resume_folder
from geoseg.io.atomic import check_apart, check_output, make_folder, remove
from geoseg.io.raster.write import check_raster_name
from geoseg.io.scene_names import unique_names
from geoseg.io.vector.append import check_appendable
from geoseg.io.vector.write import check_vector
from geoseg.parallel.cluster import connected
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.specs import (
    ExtractSpec,
    ExtractTarget,
    JobSpec,
    PixelReference,
    PolygonSpec,
    PredictSpec,
    SceneSpec,
    VectorTarget,
)
from geoseg.specs.output import is_there


@dataclass(frozen=True, kw_only=True)
class ExtractReport(Report):
    """Footprints and their total area in square metres (in pixels without a CRS), pixels seen,
    model, threshold, least confidence, seconds by stage.

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
    min_confidence: float
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
    settings = FootprintSettings(
        loaded, surface, spec, names, bands, reference, save_prob, target.folder
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
    with connected(job.scheduler) as cluster:
        settings = replace(settings, cluster=cluster)
        with footprint_source(scenes, settings, accompany) as source:
            for path, group in destinations.items():
                to_file = replace(target, output=path)
                of_file = replace(settings, resume=path if job.resume else None)
                _extract(group, to_file, of_file, source, job.on_error == "skip", totals, accompany)
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
    for path in destinations:
        check_apart(path, *inputs)
        if target.append:
            check_appendable(path)
        if target.append and path.exists():
            check_output(path, overwrite=True)
        else:
            check_vector(path, target.format, target.overwrite)
    if target.save_prob:
        if target.save_prob in destinations:
            raise SettingError("save_prob", f"{target.save_prob} is the output too")
        check_apart(target.save_prob, *inputs)
        check_output(target.save_prob, target.overwrite)
        check_raster_name(target.save_prob)


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
        settings: FootprintSettings,
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
            min_confidence=settings.spec.min_confidence or 0.0,
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
    """``spec`` with the model's threshold, least area and confidence where it leaves them open."""
    if isinstance(spec, ExtractSpec):
        spec = spec.shaping()
    # what the user leaves open the model knows best: they were chosen on its validation places
    model = loaded.model
    return spec.completed(model.threshold, model.min_area, model.min_confidence)


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
    settings: FootprintSettings,
    source: Source,
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
                with source(path, settings) as found:
                    # nothing of a scene that fails half way may stay in the layer
                    batches = list(found.batches) if skip else found.batches
                    layer.write(path, found.grid, batches, accompany.clock)
                totals.runtime = found.runtime
                totals.pixels += found.pixels
            except GeosegError as error:
                if not skip:
                    raise
                totals.failed[path] = str(error)
        layer.finish()
    totals.add(layer)


def _plan(path: str, settings: FootprintSettings) -> dict[str, Any]:
    """What would be done with a scene, and what it will take."""
    with settings.loaded.open(path, settings.bands, settings.reference, traced=True) as scene_run:
        grid = scene_run.scene.placed(settings.reference)
        crs = grid.crs.to_string() if grid.crs else None
        return {"scene": path, **scene_run.describe(), "crs": crs}
