"""Probabilities as a raster: how they are encoded, and the file that takes their strips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.core.encoding import PROBABILITY_STEPS, VOID, RasterTags
from geoseg.core.resize import StripResizer
from geoseg.errors import SettingError, UsageError
from geoseg.geometry.burn import Burner
from geoseg.inference.session import LoadedModel, SceneRun
from geoseg.inference.stream import ProbabilityStrip
from geoseg.io.raster.scene import Scene
from geoseg.io.raster.write import create_raster
from geoseg.parallel.clock import Clock
from geoseg.specs import ModelSpec, RasterTarget


@dataclass(frozen=True)
class ProbabilityEncoding:
    """How probabilities are written: dtype, nodata, bands, tags. Raises UsageError for what cannot
    be written.
    """

    dtype: str
    classes: bool
    model: ModelSpec

    def __post_init__(self) -> None:
        if self.dtype not in ("uint8", "float32"):
            raise SettingError("dtype", f"must be uint8 or float32, not {self.dtype!r}")
        if self.classes and self.model.multilabel:
            raise SettingError(
                "classes",
                "needs exclusive classes; this model is multi-label",
                "omit `classes`",
            )

    def keywords(self) -> dict[str, Any]:
        """Keywords of :func:`geoseg.io.raster.write.create_raster`."""
        floats = self.dtype == "float32" and not self.classes
        return {
            "count": 1 if self.classes else self.model.channels,
            "dtype": "float32" if floats else "uint8",
            "nodata": float("nan") if floats else VOID,
            "scale": None if floats or self.classes else 1 / PROBABILITY_STEPS,
        }

    def tags(self) -> dict[str, str]:
        """Classes stand in the tags where they exclude each other; else the descriptions of the
        bands alone name them.
        """
        names = {} if self.model.multilabel else dict(enumerate(self.model.classes))
        return RasterTags(
            kind="classes" if self.classes else "probability",
            classes=names,
            threshold=self.model.threshold,
            min_area=self.model.min_area,
            min_confidence=self.model.min_confidence or None,
        ).to_dict()

    def encode(self, probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Probability float32 (channel, row, col) as it is written (band, row, col)."""
        if self.classes:
            two = len(probability) == 1
            best = probability >= self.model.threshold if two else probability.argmax(axis=0)[None]
            return np.where(valid, best, VOID).astype("uint8")
        if self.dtype == "float32":
            return np.where(valid, probability, np.float32("nan"))
        scaled = np.rint(probability * np.float32(PROBABILITY_STEPS)).astype("uint8")
        scaled[:, ~valid] = VOID
        return scaled


@contextmanager
def probability_file(
    target: RasterTarget,
    scene_run: SceneRun,
    native: Scene,
    loaded: LoadedModel,
    clock: Clock,
    area: Burner | None = None,
) -> Iterator[Callable[[ProbabilityStrip], None]]:
    """A COG (or PNG) on the grid of ``native``, and the function that takes the strips of the
    run's scene, from the top. What lies outside of ``area`` has no data.
    """
    path = target.output
    scene = scene_run.scene
    form = ProbabilityEncoding(target.dtype, target.classes, loaded.model)
    png = path.suffix.lower() == ".png"
    if png and form.model.multilabel:
        raise UsageError(f"{path}: a PNG does not name its bands", "write a .tif")
    keywords = form.keywords() | {
        "tags": loaded.provenance(scene.path) | form.tags(),
        "overwrite": target.overwrite,
        "options": dict(target.creation_options),
    }
    with create_raster(path, native.grid, cog=not png, **keywords) as out:
        if not form.classes:
            out.descriptions = form.model.classes[-out.count :]
        resizer = (
            None
            if scene.grid.shape == native.grid.shape
            else StripResizer(scene.grid.shape, native.grid.shape)
        )

        def put(row: int, probability: np.ndarray, valid: np.ndarray) -> None:
            out.write(
                form.encode(probability, valid),
                window=Window(0, row, valid.shape[1], valid.shape[0]),
            )

        def write(strip: ProbabilityStrip) -> None:
            with clock("write"):
                if resizer is None:
                    return put(*strip)
                # validity is that of the own pixels: enlarged, it would be blurred
                for row, probability in resizer.push(strip[1]):
                    window = Window(0, row, native.grid.width, probability.shape[1])
                    valid = native.read_validity(window)
                    if area is not None:
                        valid = valid & (area.burn(native.grid.window(window)) > 0)
                    put(row, probability, valid)

        yield write
