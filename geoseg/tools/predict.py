"""The probability mosaic of a scene: blended over overlaps, on the scene's own grid, as a COG."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import UsageError
from geoseg.inference.probability_raster import ProbabilityEncoding, probability_file
from geoseg.inference.session import LoadedModel
from geoseg.io.atomic import check_output
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import unique_names
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import PredictSpec, SceneSpec


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
    output: Path | str,
    spec: PredictSpec,
    *,
    model: Path | None = None,
    bands: tuple[int, ...] | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    dtype: str = "uint8",
    classes: bool = False,
    overwrite: bool = False,
    creation_options: dict[str, str] | None = None,
    progress: Progress = no_progress,
) -> PredictReport:
    """Write the probabilities of ``scenes``: one scene to the file ``output``, several into that
    folder by their names.

    uint8 holds 0..254 (scale 1/254) with 255 for nodata, float32 probabilities with NaN; one band
    for two classes, else one a class. With ``classes`` the most probable class as uint8, 255 for
    nodata: UsageError where they do not exclude each other.
    """
    start = time.perf_counter()
    clock = Clock()
    models = LoadedModel(model, spec, scene_spec)
    warnings: list[str] = []
    pixels = windows = 0
    targets = _targets(scenes, Path(output))
    for _, target in targets:
        check_output(target, overwrite)
    form = ProbabilityEncoding(dtype, classes, models.model)
    for path, target in targets:
        with models.open(path, bands) as job, open_scene(path, spec=scene_spec) as native:
            warnings += job.plan.warnings
            tags = models.provenance(path)
            with probability_file(
                target, job.scene, native, form, tags, clock, overwrite, creation_options
            ) as write:
                for strip in ahead(job.strips(clock, progress), depth=1):
                    write(strip)
            pixels += native.grid.height * native.grid.width
            windows += job.plan.tiles
    return PredictReport(
        command="predict",
        inputs=tuple(scenes),
        outputs=tuple(str(target) for _, target in targets),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        pixels=pixels,
        windows=windows,
        model=models.name,
        runtime=job.runtime.name,
        gsd=job.scene.grid.gsd,
        stages=clock.rounded(),
    )


def _targets(scenes: Sequence[str], output: Path) -> list[tuple[str, Path]]:
    if len(scenes) == 1 and not output.is_dir():
        return [(scenes[0], output)]
    if not output.is_dir():
        raise UsageError(
            f"{output}: several scenes go into a folder", "create it, and name it with `output`"
        )
    return [
        (path, output / f"{name}.tif")
        for path, name in zip(scenes, unique_names(scenes), strict=True)
    ]
