"""A model that takes arrays."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from geoseg.errors import UnsuitableError
from geoseg.specs import ModelSpec, PredictSpec, RasterTarget

if TYPE_CHECKING:
    import numpy as np

    from geoseg.core.grid import Grid


class Model:
    """A model file, opened for arrays of any size; ``spec`` says what it expects."""

    def __init__(self, path: str | Path = "bundled", spec: PredictSpec | None = None) -> None:
        from geoseg.inference.session import LoadedModel
        from geoseg.models.store import model_path

        self._loaded = LoadedModel(model_path(str(path)), spec or PredictSpec())

    @property
    def spec(self) -> ModelSpec:
        return self._loaded.model

    def predict(self, array: np.ndarray, grid: Grid | None = None) -> np.ndarray:
        """Probabilities float32 (channel, row, col) of ``array`` (band, row, col), NaN where the
        array is not finite.

        One channel, that of buildings, for two classes, else one for each class. With ``grid``,
        which needs a CRS for it, the array is resampled to the model's ground sampling distance and
        the probabilities back to the grid; without it the pixels are taken as the model's own.
        Windows overlap and are blended, as in `geoseg predict`. Threads that share a model wait for
        each other. Raises UnsuitableError where array and grid differ in rows or columns, and for
        types that no raster holds.
        """
        from geoseg.inference.probability_raster import probability_file
        from geoseg.io.raster.scene import open_scene, read_array
        from geoseg.io.raster.write import write_array
        from geoseg.parallel.clock import Clock
        from geoseg.report import no_progress

        if array.ndim not in (2, 3) or array.dtype in ("bool", "float16"):
            raise UnsuitableError(
                f"an array {array.shape} of {array.dtype} is no image",
                "give (band, row, col) of integers, float32 or float64",
            )
        if grid is not None and array.shape[-2:] != grid.shape:
            raise UnsuitableError(
                f"the array {array.shape} does not lie on a grid of {grid.shape}",
                "give (band, row, col), and the grid of those rows and columns",
            )
        clock = Clock()
        with self._loaded.lock, TemporaryDirectory(prefix="geoseg-") as folder:
            scene = str(Path(folder) / "scene.tif")
            target = RasterTarget(Path(folder) / "probability.tif", "float32")
            write_array(scene, array, grid, options={"compress": "none"})
            with (
                self._loaded.open(scene, None) as run,
                open_scene(scene) as native,
                probability_file(target, run, native, self._loaded, clock) as put,
            ):
                for strip in run.strips(clock, no_progress):
                    put(strip)
            probability, valid, _ = read_array(target.output)
        probability[:, ~valid] = float("nan")
        return probability


def load_model(path: str | Path = "bundled", spec: PredictSpec | None = None) -> Model:
    """Open a model file (.safetensors or .onnx), or the bundled model.

    Parameters
    ----------
    path
        Model file, ``"bundled"`` or ``"fast"``.
    spec
        How it is run: window size, device, precision.

    Returns
    -------
    Model
        With ``predict(array, grid)``.

    Raises
    ------
    GeosegError
        ModelError where the file is no model, InputError where it does not exist.

    Examples
    --------
    >>> probability = geoseg.load_model().predict(array)
    """
    return Model(path, spec)
