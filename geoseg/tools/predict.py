"""The probability mosaic of a scene: blended over overlaps, on the scene's own grid, as a COG."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.inference.probability_raster import ProbabilityEncoding, probability_file
from geoseg.inference.session import LoadedModel, SceneRun, area_of_interest
from geoseg.io.atomic import check_output, make_folder
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import unique_names
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, Run, no_progress
from geoseg.specs import PredictSpec, RasterTarget, SceneSpec


@dataclass(frozen=True, kw_only=True)
class PredictReport(Report):
    """Pixels of the scenes, windows computed, the model and what ran it, seconds by stage."""

    pixels: int
    windows: int
    model: str
    runtime: str
    gsd: float | None
    stages: dict[str, float]


def run(
    scenes: Sequence[str],
    target: RasterTarget | Path | str,
    spec: PredictSpec | None = None,
    *,
    model: Path | None = None,
    bands: tuple[int, ...] | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    progress: Progress = no_progress,
) -> PredictReport:
    """Write the probabilities of ``scenes``: one scene to the file ``target``, several into that
    folder by their names.

    One band for two classes, else one a class. Raises UsageError where classes are asked for of a
    model whose classes do not exclude each other.
    """
    target = RasterTarget.of(target)
    accompany = Run(progress)
    loaded = LoadedModel(model, spec or PredictSpec(), scene_spec)
    outputs = _outputs(scenes, target)
    if target.is_folder:
        make_folder(target.output)
    for path in outputs.values():
        check_output(path, target.overwrite)
    # raises for what cannot be written, before the first window is computed
    ProbabilityEncoding(target.dtype, target.classes, loaded.model)
    runs = [
        _predict(scene, replace(target, output=path), loaded, bands, accompany)
        for scene, path in outputs.items()
    ]
    return PredictReport(
        command="predict",
        inputs=tuple(scenes),
        outputs=tuple(map(str, outputs.values())),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        pixels=sum(run.scene.source.height * run.scene.source.width for run in runs),
        windows=sum(run.plan.tiles for run in runs),
        model=loaded.name,
        runtime=runs[-1].runtime.name,
        gsd=runs[-1].scene.grid.gsd,
        stages=accompany.clock.rounded(),
    )


def _predict(
    path: str,
    target: RasterTarget,
    loaded: LoadedModel,
    bands: tuple[int, ...] | None,
    accompany: Run,
) -> SceneRun:
    """Write the probabilities of one scene."""
    with (
        loaded.open(path, bands) as scene_run,
        open_scene(path, spec=loaded.scene_spec) as native,
    ):
        accompany.remarks += scene_run.plan.warnings
        area = area_of_interest(loaded.spec, scene_run.scene.grid, accompany.remarks)
        strips = scene_run.strips(
            accompany.clock, accompany.progress, area, folder=target.output.parent
        )
        with (
            probability_file(target, scene_run, native, loaded, accompany.clock, area) as write,
            closing(ahead(strips, depth=1)) as finished,
        ):
            for strip in finished:
                write(strip)
        return scene_run


def _outputs(scenes: Sequence[str], target: RasterTarget) -> dict[str, Path]:
    """Each scene with its file."""
    output = target.output
    into_folder = target.is_folder or output.is_dir()
    if len(scenes) == 1 and not into_folder:
        return {scenes[0]: output}
    if not into_folder:
        raise UsageError(
            f"{output}: several scenes go into a folder", f"name it with a slash: {output}/"
        )
    names = zip(scenes, unique_names(scenes), strict=True)
    return {path: output / f"{name}.tif" for path, name in names}
