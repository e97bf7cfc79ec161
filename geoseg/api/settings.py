"""Keyword arguments of the library as what the tools take, and results without an output file."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from geoseg.parallel.threads import limited
from geoseg.specs.evaluate import LabelledData
from geoseg.specs.quantity import Quantity
from geoseg.specs.scene import band_numbers
from geoseg.specs.settings import Setting, settings
from geoseg.specs.vectors import VectorFiles

if TYPE_CHECKING:
    import numpy as np

    from geoseg.core.grid import Grid

Spec = TypeVar("Spec")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Paths = str | Path | Sequence[str | Path]


def takes_threads(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """``function`` within the limit of its keyword ``threads``."""

    @functools.wraps(function)
    def within(*args: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        threads: Any = keywords.get("threads")
        with limited(threads):
            return function(*args, **keywords)

    return within


def spec_from(kind: type[Spec], given: Mapping[str, Any]) -> Spec:
    """A spec of ``kind`` with those of its fields that are ``given`` and not None.

    Lengths and areas may be numbers or texts such as ``"20m2"``, numbers may be ``"auto"`` where a
    command takes that, sequences become tuples.
    """
    values = {
        name: _converted(given[name], setting)
        for name, setting in settings(kind).items()
        if given.get(name) is not None
    }
    return kind(**values)


def _converted(value: Any, setting: Setting) -> Any:
    if issubclass(setting.kind, Quantity) and not isinstance(value, Quantity):
        return setting.kind.parse(str(value))
    if value == "auto" and setting.kind in (int, float):
        return 0
    if setting.kind is Path:
        return Path(value)
    if isinstance(value, Mapping):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value


def numbers(value: Sequence[int] | str | None) -> tuple[int, ...] | None:
    """Band numbers from 1, as a sequence or as text such as ``"3,2,1"`` or ``"1-3"``."""
    if isinstance(value, str):
        return band_numbers(value)
    return None if value is None else tuple(value)


def fractions(value: Sequence[float] | str | None) -> tuple[float, ...] | None:
    """Fractions of train, val and test, as a sequence or as text such as ``"0.8,0.1,0.1"``."""
    if isinstance(value, str):
        return tuple(float(part) for part in value.split(","))
    return None if value is None else tuple(value)


def scenes_from(scenes: Paths) -> tuple[str, ...]:
    """One scene or several: paths, folders, globs, lists and addresses."""
    from geoseg.io.scene_names import expand

    return expand(map(str, several(scenes)))


def several(paths: Paths) -> Iterable[str | Path]:
    return [paths] if isinstance(paths, str | Path) else paths


def vector_files(
    files: Paths | None, layer: str | None = None, where: str | None = None
) -> VectorFiles | None:
    """One or more label files, of each the ``layer`` and what ``where`` chooses."""
    return None if files is None else VectorFiles.of(list(several(files)), layer, where)


def labelled_data(
    data: Paths,
    split: Any,
    labels: VectorFiles | None,
    parts: Sequence[float] | str | None,
    seed: int | None,
    bands: Sequence[int] | str | None,
) -> LabelledData:
    """A ``split`` of chip folders, or of scenes with their ``labels``, split by the fractions
    ``parts``.
    """
    return LabelledData(
        tuple(str(path) for path in several(data)),
        split,
        labels,
        fractions(parts) or LabelledData.fractions,
        seed or 0,
        numbers(bands),
    )


def path_or_none(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def text_or_none(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def model_file(model: str | Path | None) -> Path | None:
    """The file of a model: a path, or ``"bundled"`` for the one that comes with geoseg."""
    if model is None:
        return None
    from geoseg.models.store import model_path

    return model_path(str(model))


def written_or_read(output: str | Path | None, run: Callable[[Path | str], Any]) -> Any:
    """What ``run`` returns for ``output``; without one the layer that it writes, as a table, with a
    warning for each scene that is not in it.
    """
    if output is not None:
        return run(output)
    from geoseg.io.vector.read import read_table

    with TemporaryDirectory(prefix="geoseg-") as folder:
        path = Path(folder) / "layer.parquet"
        report = run(path)
        for reason in getattr(report, "failed", {}).values():
            # from here by takes_threads and the verb to whoever called it
            warnings.warn(f"left out: {reason}", stacklevel=4)
        return read_table(path)


def written_or_read_raster(
    output: str | Path | None, run: Callable[[Path | str], Any]
) -> Any | tuple[np.ndarray, Grid]:
    """What ``run`` returns for ``output``; without one the raster that it writes: image (band, row,
    col), NaN in floats where there is no data, and grid.
    """
    if output is not None:
        return run(output)
    from geoseg.io.raster.scene import read_array

    with TemporaryDirectory(prefix="geoseg-") as folder:
        path = Path(folder) / "raster.tif"
        run(path)
        image, valid, grid = read_array(path)
        if image.dtype.kind == "f":
            image[:, ~valid] = float("nan")
        return image, grid
