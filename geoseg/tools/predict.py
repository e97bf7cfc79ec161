"""The probability mosaic of a scene: blended over overlaps, on the scene's own grid, as a COG."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.errors import GeosegError, UsageError
from geoseg.inference.cluster import computed_strips, opened
from geoseg.inference.probability_raster import ProbabilityEncoding, probability_file
from geoseg.inference.session import (
    LoadedModel,
    SceneRun,
    area_of_interest,
    kept_strips,
    resume_folder,
)
from geoseg.inference.stream import Wanted
from geoseg.io.atomic import check_apart, check_output, make_folder, remove
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import check_raster_name
from geoseg.io.scene_names import unique_names
from geoseg.parallel.cluster import Cluster, connected
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.specs import JobSpec, PredictSpec, RasterTarget, SceneSpec
from geoseg.specs.output import is_there


@dataclass(frozen=True, kw_only=True)
class PredictReport(Report):
    """Pixels of the scenes, windows computed, the model and what ran it, seconds by stage; the
    scenes that ``failed`` with the reason of each.
    """

    pixels: int
    windows: int
    model: str
    runtime: str
    gsd: float | None
    stages: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    plan: list[dict[str, Any]] | None = None


def run(
    scenes: Sequence[str],
    target: RasterTarget | Path | str,
    spec: PredictSpec | None = None,
    *,
    model: Path | None = None,
    bands: tuple[int, ...] | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    job: JobSpec = JobSpec(),
    progress: Progress = no_progress,
) -> PredictReport:
    """Write the probabilities of ``scenes``: one scene to the file ``target``, several into that
    folder by their names.

    One band for two classes, else one a class. Where ``on_error`` of the ``job`` is "skip", scenes
    that fail are left out and the report names them. Raises GeosegError, UsageError where classes
    are asked for of a model whose classes do not exclude each other.
    """
    target = RasterTarget.of(target)
    accompany = Run(progress)
    loaded = LoadedModel(model, spec or PredictSpec(), scene_spec)
    outputs = _outputs(scenes, target)
    if job.dry_run:
        return _planned(scenes, loaded, bands, accompany)
    if target.is_folder:
        make_folder(target.output)
    for path in outputs.values():
        check_apart(path, *scenes, loaded.path, *([loaded.spec.aoi] if loaded.spec.aoi else []))
        check_output(path, target.overwrite)
        check_raster_name(path)
    # raises for what cannot be written, before the first window is computed
    ProbabilityEncoding(target.dtype, target.classes, loaded.model)
    runs: list[SceneRun] = []
    failed: dict[str, str] = {}
    with connected(job.scheduler) as cluster:
        for scene, path in outputs.items():
            to_file = replace(target, output=path)
            try:
                runs.append(_predict(scene, to_file, loaded, bands, job.resume, cluster, accompany))
            except GeosegError as error:
                if job.on_error == "stop":
                    raise
                failed[scene] = str(error)
    return PredictReport(
        command="predict",
        inputs=tuple(scenes),
        outputs=tuple(str(path) for scene, path in outputs.items() if scene not in failed),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        pixels=sum(run.scene.source.height * run.scene.source.width for run in runs),
        windows=sum(run.plan.tiles for run in runs),
        model=loaded.name,
        runtime=runs[-1].runtime.name if runs else "",
        gsd=runs[-1].scene.grid.gsd if runs else None,
        stages=accompany.clock.rounded(),
        failed=failed,
    )


def _planned(
    scenes: Sequence[str], loaded: LoadedModel, bands: tuple[int, ...] | None, accompany: Run
) -> PredictReport:
    """What would be done with the scenes, and what they will take."""
    plans = []
    for path in scenes:
        with loaded.open(path, bands) as scene_run:
            runtime = scene_run.runtime.name
            plans.append({"scene": path, **scene_run.describe()})
    return PredictReport(
        command="predict",
        inputs=tuple(scenes),
        seconds=accompany.seconds,
        pixels=0,
        windows=sum(plan["windows"] for plan in plans),
        model=loaded.name,
        runtime=runtime,
        gsd=plans[-1]["working_gsd"],
        stages={},
        plan=plans,
    )


def _predict(
    path: str,
    target: RasterTarget,
    loaded: LoadedModel,
    bands: tuple[int, ...] | None,
    resume: bool,
    cluster: Cluster | None,
    accompany: Run,
) -> SceneRun:
    """Write the probabilities of one scene."""
    with (
        opened(loaded, path, bands, cluster=cluster) as scene_run,
        open_scene(path, spec=loaded.scene_spec, expand=True) as native,
    ):
        accompany.remarks += scene_run.plan.warnings
        area = area_of_interest(loaded.spec, scene_run.scene.grid, accompany.remarks)
        store = None
        if resume:
            store = kept_strips(target.output, "scene", scene_run, loaded, None)
        wanted = Wanted(area)
        folder = target.output.parent
        strips = computed_strips(scene_run, loaded, wanted, cluster, accompany, folder, store)
        with (
            probability_file(target, scene_run, native, loaded, accompany.clock, area) as write,
            closing(ahead(strips, depth=scene_run.strips_ahead)) as finished,
        ):
            for strip in finished:
                write(strip)
        if store is not None:
            remove(resume_folder(target.output))
        return scene_run


def _outputs(scenes: Sequence[str], target: RasterTarget) -> dict[str, Path]:
    """Each scene with its file."""
    output = target.output
    into_folder = target.is_folder or is_there(output)
    if len(scenes) == 1 and not into_folder:
        return {scenes[0]: output}
    if not into_folder:
        raise UsageError(
            f"{output}: several scenes go into a folder", f"name it with a slash: {output}/"
        )
    names = zip(scenes, unique_names(scenes), strict=True)
    return {path: output / f"{name}.tif" for path, name in names}
