"""The files of a training run's folder, all but the checkpoints.

``run.toml`` holds the settings, ``start.json`` the scores before the first epoch, ``epochs.json``
the scores of each epoch, ``metrics.csv`` those of them that are numbers, ``report.html`` is for
people.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from geoseg.errors import InputError
from geoseg.io.atomic import atomic
from geoseg.io.config import read_toml
from geoseg.specs.toml import to_toml

SETTINGS = "run.toml"
START = "start.json"
EPOCHS = "epochs.json"
METRICS = "metrics.csv"
PAGE = "report.html"
CHECKPOINT = "last.ckpt"  # written after each epoch
BEST = "best.safetensors"  # the epoch of the highest validation IoU so far

_Scores = TypeVar("_Scores", dict[str, Any], list[dict[str, Any]])


def write_settings(folder: Path, command: str, settings: Mapping[str, Any]) -> None:
    """Note the settings of ``geoseg COMMAND`` as ``--config`` takes them; those that are None stay
    at their default.
    """
    lines = [f"{name} = {to_toml(value)}" for name, value in settings.items() if value is not None]
    with atomic(folder / SETTINGS, overwrite=True) as temporary:
        temporary.write_text("\n".join([f"[{command}]", *lines, ""]), "utf-8")


def read_settings(folder: Path, command: str) -> dict[str, Any]:
    """Settings that :func:`write_settings` has noted. Raises InputError and UsageError."""
    return dict(read_toml(folder / SETTINGS).get(command, {}))


def write_start(folder: Path, scores: Mapping[str, Any]) -> None:
    """Write the scores of the weights that the run starts from."""
    with atomic(folder / START, overwrite=True) as temporary:
        temporary.write_text(json.dumps(scores, indent=1), "utf-8")


def read_start(folder: Path) -> dict[str, Any]:
    """Scores before the first epoch; none of a run without validation."""
    return dict(_read(folder / START, {}))


def write_epochs(folder: Path, epochs: Sequence[Mapping[str, Any]]) -> None:
    """Write the scores of each epoch, nested as they are, and as a table of numbers."""
    with atomic(folder / EPOCHS, overwrite=True) as temporary:
        temporary.write_text(json.dumps(epochs, indent=1), "utf-8")
    rows = [flat(epoch) for epoch in epochs]
    columns = dict.fromkeys(name for row in rows for name in row)
    with (
        atomic(folder / METRICS, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """Scores of each epoch; none where no epoch has been finished."""
    return list(_read(folder / EPOCHS, []))


def _read(path: Path, nothing: _Scores) -> _Scores:
    """Scores of the type of ``nothing``, which is what a missing file holds."""
    if not path.is_file():
        return nothing
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path) from error
    each = found if isinstance(nothing, list) else [found]
    if not isinstance(found, type(nothing)) or not all(isinstance(row, dict) for row in each):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: is damaged", "`overwrite` starts over")


def flat(epoch: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch: ``{"classes": {"building": {"iou": 0.5}}}`` -> ``{"iou_building":
    0.5}``.
    """
    found: dict[str, float] = {}
    for name, value in epoch.items():
        if isinstance(value, Mapping):
            found |= {
                f"{score}_{row}": number
                for row, scores in value.items()
                for score, number in scores.items()
            }
        elif isinstance(value, int | float):
            found[name] = value
    return found
