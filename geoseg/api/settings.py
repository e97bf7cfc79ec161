"""Keyword arguments of the library as what the tools take, and results without an output file."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from geoseg.errors import InputError, SettingError
from geoseg.parallel.threads import limited
from geoseg.specs.evaluate import LabelledData
from geoseg.specs.quantity import Quantity
from geoseg.specs.scene import band_numbers
from geoseg.specs.settings import Setting, check, settings
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
        check(threads is None or _counts(threads), "threads", f"must be 1 or more, not {threads!r}")
        with limited(threads):
            return function(*args, **keywords)

    return within


def _counts(threads: Any) -> bool:
    return isinstance(threads, Integral) and int(threads) >= 1


def spec_from(kind: type[Spec], given: Mapping[str, Any]) -> Spec:
    """A spec of ``kind`` with those of its fields that are ``given`` and not None.

    Lengths and areas may be numbers or texts such as ``"20m2"``, numbers may be ``"auto"`` where a
    command takes that, several numbers a text with commas; sequences and arrays become tuples.
    """
    values = {
        name: _converted(name, given[name], setting)
        for name, setting in settings(kind).items()
        if given.get(name) is not None
    }
    return kind(**values)


def _converted(name: str, value: Any, setting: Setting) -> Any:
    if issubclass(setting.kind, Quantity) and not isinstance(value, Quantity):
        return setting.kind.parse(str(value))
    if isinstance(value, str) and setting.kind in (int, float):
        return _listed(name, value, setting.kind) if setting.several else _automatic(name, value)
    if setting.kind is Path:
        return Path(value)
    if isinstance(value, Mapping):
        return tuple(value.items())
    # a list, or an array such as geopandas' total_bounds
    return tuple(value) if isinstance(value, list) or getattr(value, "ndim", 0) == 1 else value


def _automatic(name: str, text: str) -> int:
    """``"auto"`` as specs hold it. Raises SettingError for other texts."""
    check(text == "auto", name, f"must be a number, not {text!r}")
    return 0


def _listed(name: str, text: str, kind: type) -> tuple[Any, ...]:
    """``"0,0,2000,1500"`` -> numbers of ``kind``. Raises SettingError for anything else."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise SettingError(name, f"must be numbers with commas, not {text!r}") from error


def numbers(value: Sequence[int] | str | None) -> tuple[int, ...] | None:
    """Band numbers from 1, as a sequence or as text such as ``"3,2,1"`` or ``"1-3"``."""
    if isinstance(value, str):
        return band_numbers(value)
    return None if value is None else tuple(value)


def fractions(value: Sequence[float] | str | None, name: str = "split") -> tuple[float, ...] | None:
    """Fractions of train, val and test, as a sequence or as text such as ``"0.8,0.1,0.1"``."""
    if isinstance(value, str):
        return _listed(name, value, float)
    return None if value is None else tuple(value)


def scenes_from(scenes: Paths) -> tuple[str, ...]:
    """One scene or several: paths, folders, globs, lists and addresses."""
    from geoseg.io.scene_names import expand

    return expand(map(str, some(scenes)))


def several(paths: Paths) -> Iterable[str | Path]:
    return [paths] if isinstance(paths, str | Path) else paths


def some(paths: Paths) -> list[str | Path]:
    """One path or several. Raises InputError where there is none, as a pattern without files
    gives.
    """
    named = list(several(paths))
    if not named:
        raise InputError("there is no file in an empty list")
    return named


def vector_files(
    files: Paths | None, layer: str | None = None, where: str | None = None
) -> VectorFiles | None:
    """One or more label files, of each the ``layer`` and what ``where`` chooses."""
    return None if files is None else VectorFiles.of(some(files), layer, where)


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
        tuple(str(path) for path in some(data)),
        split,
        labels,
        fractions(parts, "fractions") or LabelledData.fractions,
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


def written_or_read(
    output: str | Path | None, format: str | None, run: Callable[[Path | str], Any]
) -> Any:
    """What ``run`` returns for ``output``; without one the layer that it writes, as a table, with a
    warning for each scene that is not in it; of a dry run the report. Raises SettingError for a
    ``format`` of no output.
    """
    if output is not None:
        return run(output)
    check(format is None, "format", "needs an output")
    from geoseg.io.vector.read import read_table

    with TemporaryDirectory(prefix="geoseg-") as folder:
        path = Path(folder) / "layer.parquet"
        report = run(path)
        if _is_plan(report):
            return report
        for reason in getattr(report, "failed", {}).values():
            # from here by takes_threads and the verb to whoever called it
            warnings.warn(f"left out: {reason}", stacklevel=4)
        return read_table(path)


def written_or_read_raster(
    output: str | Path | None, run: Callable[[Path | str], Any]
) -> Any | tuple[np.ndarray, Grid]:
    """What ``run`` returns for ``output``; without one the raster that it writes: image (band, row,
    col), NaN in floats where there is no data, and grid; of a dry run the report.
    """
    if output is not None:
        return run(output)
    from geoseg.io.raster.scene import read_array

    with TemporaryDirectory(prefix="geoseg-") as folder:
        path = Path(folder) / "raster.tif"
        report = run(path)
        if _is_plan(report):
            return report
        image, valid, grid = read_array(path)
        if image.dtype.kind == "f":
            image[:, ~valid] = float("nan")
        return image, grid


def _is_plan(report: Any) -> bool:
    """Whether it is that of a dry run, which writes nothing."""
    return getattr(report, "plan", None) is not None
