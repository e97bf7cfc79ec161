"""The probability mosaic of a scene: blended over overlaps, on the scene's own grid, as a COG."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.core.resample import StripResizer
from geoseg.engine.ahead import Clock, ahead
from geoseg.engine.stream import Strip
from geoseg.errors import UsageError
from geoseg.io.output import check_output
from geoseg.io.raster import Scene, create_raster, open_scene
from geoseg.specs import PredictSpec
from geoseg.tools.job import Job, Models
from geoseg.tools.report import Progress, Report, no_progress

LEVELS = 254
NODATA = 255


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
    dtype: str = "uint8",
    classes: bool = False,
    overwrite: bool = False,
    creation_options: dict[str, str] | None = None,
    progress: Progress = no_progress,
) -> PredictReport:
    """Write the probabilities of ``scenes``: one scene to the file ``output``, several into that folder by their names.

    uint8 holds 0..254 (scale 1/254) with 255 for nodata, float32 probabilities with NaN; one band for two classes, else one a
    class. With ``classes`` the most probable class as uint8, 255 for nodata.
    """
    start = time.perf_counter()
    clock = Clock()
    models = Models(model, spec)
    warnings: list[str] = []
    pixels = windows = 0
    targets = _targets(scenes, Path(output))
    for _, target in targets:
        check_output(target, overwrite)
    for path, target in targets:
        with models.open(path, bands) as job, open_scene(path) as native:
            warnings += job.plan.warnings
            form = _Form(job, dtype, classes, models)
            with form.create(target, native, overwrite, creation_options, models.provenance(path)) as out:
                for row, strip, valid in ahead(to_native(job.strips(clock, progress), job.scene, native)):
                    with clock("write"):
                        data = form.encode(strip, valid)
                        out.write(data, window=Window(0, row, data.shape[2], data.shape[1]))
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
        model=str(models.path.name),
        runtime=job.runtime.name,
        gsd=job.scene.grid.gsd,
        stages=clock.rounded(),
    )


def to_native(items: Iterator[Strip], scene: Scene, native: Scene) -> Iterator[Strip]:
    """Strips of the resampled ``scene`` as strips of the ``native`` one, with the native validity."""
    if scene.grid.shape == native.grid.shape:
        yield from items
        return
    resizer = StripResizer(scene.grid.shape, native.grid.shape)
    for _, probability, _ in items:
        for row, strip in resizer.push(probability):
            yield row, strip, native.read_valid(Window(0, row, native.grid.width, strip.shape[1]))


class _Form:
    """How probabilities are written: dtype, nodata, bands, tags."""

    def __init__(self, job: Job, dtype: str, classes: bool, models: Models) -> None:
        self.job, self.classes, self.model = job, classes, models.model
        self.dtype = "uint8" if classes else dtype
        if self.dtype not in ("uint8", "float32"):
            raise UsageError(f"--dtype is uint8 or float32, not {dtype!r}")

    @property
    def count(self) -> int:
        return 1 if self.classes else self.job.runtime.spec.channels

    def create(self, path: Path, native: Scene, overwrite: bool, options: dict[str, str] | None, tags: dict[str, str]) -> Any:
        names = ",".join(self.model.classes)
        kind = "classes" if self.classes else "probability"
        own = {"GEOSEG_KIND": kind, "GEOSEG_CLASSES": names, "GEOSEG_THRESHOLD": str(self.model.threshold)}
        return create_raster(
            path,
            native.grid,
            count=self.count,
            dtype=self.dtype,
            nodata=float("nan") if self.dtype == "float32" else NODATA,
            tags=tags | own | {"GEOSEG_MIN_AREA": str(self.model.min_area)},
            scale=1 / LEVELS if self.dtype == "uint8" and not self.classes else None,
            overwrite=overwrite,
            cog=path.suffix.lower() != ".png",
            options=options,
        )

    def encode(self, strip: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Probability float32 (channel, row, col) as it is written (band, row, col)."""
        if self.classes:
            best = (strip > self.model.threshold) if len(strip) == 1 else strip.argmax(axis=0)[None]
            return np.where(valid, best, NODATA).astype("uint8")
        if self.dtype == "float32":
            return np.where(valid, strip, np.float32("nan"))
        scaled = np.rint(strip * np.float32(LEVELS)).astype("uint8")
        scaled[:, ~valid] = NODATA
        return scaled


def _targets(scenes: Sequence[str], output: Path) -> list[tuple[str, Path]]:
    if len(scenes) == 1 and not output.is_dir():
        return [(scenes[0], output)]
    if not output.is_dir():
        raise UsageError(f"{output}: several scenes go into a folder", "create it, and name it with --output")
    targets = [(path, output / f"{Path(path).stem}.tif") for path in scenes]
    if len({target for _, target in targets}) < len(targets):
        raise UsageError("two of the scenes have the same name")
    return targets
