"""The probability mosaic of a scene: blended over overlaps, on the scene's own grid, as a COG."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.core.resize import StripResizer
from geoseg.engine.stream import Strip
from geoseg.errors import UsageError
from geoseg.io.atomic import check_output
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.raster.write import create_raster
from geoseg.io.scene_names import scene_name
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import ModelSpec, PredictSpec
from geoseg.tools.job import Models

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
    class. With ``classes`` the most probable class as uint8, 255 for nodata: UsageError where they do not exclude each other.
    """
    start = time.perf_counter()
    clock = Clock()
    models = Models(model, spec)
    warnings: list[str] = []
    pixels = windows = 0
    targets = _targets(scenes, Path(output))
    for _, target in targets:
        check_output(target, overwrite)
    form = Form(dtype, classes, models.model)
    for path, target in targets:
        with models.open(path, bands) as job, open_scene(path) as native:
            warnings += job.plan.warnings
            tags = models.provenance(path)
            with probability_file(target, job.scene, native, form, tags, clock, overwrite, creation_options) as write:
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
        model=str(models.path.name),
        runtime=job.runtime.name,
        gsd=job.scene.grid.gsd,
        stages=clock.rounded(),
    )


@dataclass(frozen=True)
class Form:
    """How probabilities are written: dtype, nodata, bands, tags. Raises UsageError for what cannot be written."""

    dtype: str
    classes: bool
    model: ModelSpec

    def __post_init__(self) -> None:
        if self.dtype not in ("uint8", "float32"):
            raise UsageError(f"--dtype is uint8 or float32, not {self.dtype!r}")
        if self.classes and self.model.multilabel:
            names = ", ".join(self.model.classes)
            raise UsageError(f"--classes: the model tells {names} each by itself, not one a pixel", "leave it out")

    def keywords(self) -> dict[str, Any]:
        """Keywords of :func:`geoseg.io.raster.write.create_raster`."""
        floats = self.dtype == "float32" and not self.classes
        return {
            "count": 1 if self.classes else self.model.channels,
            "dtype": "float32" if floats else "uint8",
            "nodata": float("nan") if floats else NODATA,
            "scale": None if floats or self.classes else 1 / LEVELS,
        }

    def tags(self) -> dict[str, str]:
        """Classes stand in the tags where they exclude each other; else the descriptions of the bands alone name them."""
        classes = {} if self.model.multilabel else {"GEOSEG_CLASSES": ",".join(self.model.classes)}
        return classes | {
            "GEOSEG_KIND": "classes" if self.classes else "probability",
            "GEOSEG_THRESHOLD": str(self.model.threshold),
            "GEOSEG_MIN_AREA": str(self.model.min_area),
        }

    def encode(self, probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Probability float32 (channel, row, col) as it is written (band, row, col)."""
        if self.classes:
            two = len(probability) == 1
            best = probability >= self.model.threshold if two else probability.argmax(axis=0)[None]
            return np.where(valid, best, NODATA).astype("uint8")
        if self.dtype == "float32":
            return np.where(valid, probability, np.float32("nan"))
        scaled = np.rint(probability * np.float32(LEVELS)).astype("uint8")
        scaled[:, ~valid] = NODATA
        return scaled


@contextmanager
def probability_file(
    path: Path,
    scene: Scene,
    native: Scene,
    form: Form,
    tags: dict[str, str],
    clock: Clock,
    overwrite: bool = False,
    options: dict[str, str] | None = None,
) -> Iterator[Callable[[Strip], None]]:
    """A COG (or PNG) on the grid of ``native``, and the function that takes the strips of ``scene``, from the top."""
    png = path.suffix.lower() == ".png"
    if png and form.model.multilabel:
        raise UsageError(f"{path}: a PNG does not name its bands", "write a .tif")
    keywords = form.keywords() | {"tags": tags | form.tags(), "overwrite": overwrite, "options": options}
    with create_raster(path, native.grid, cog=not png, **keywords) as out:
        if not form.classes:
            out.descriptions = form.model.classes[-out.count :]
        resizer = None if scene.grid.shape == native.grid.shape else StripResizer(scene.grid.shape, native.grid.shape)

        def put(row: int, probability: np.ndarray, valid: np.ndarray) -> None:
            out.write(form.encode(probability, valid), window=Window(0, row, valid.shape[1], valid.shape[0]))

        def write(strip: Strip) -> None:
            with clock("write"):
                if resizer is None:
                    return put(*strip)
                for row, probability in resizer.push(strip[1]):
                    put(row, probability, native.read_valid(Window(0, row, native.grid.width, probability.shape[1])))

        yield write


def _targets(scenes: Sequence[str], output: Path) -> list[tuple[str, Path]]:
    if len(scenes) == 1 and not output.is_dir():
        return [(scenes[0], output)]
    if not output.is_dir():
        raise UsageError(f"{output}: several scenes go into a folder", "create it, and name it with --output")
    targets = [(path, output / f"{scene_name(path)}.tif") for path in scenes]
    if len({target for _, target in targets}) < len(targets):
        raise UsageError("two of the scenes have the same name")
    return targets
