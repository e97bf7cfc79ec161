"""The SQL condition of ``where`` on a layer in memory, as GDAL has it for a GeoPackage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.layer import Layer
from geoseg.errors import UsageError
from geoseg.io.vector.sqlite import quoted

# SQLite compares a number with a text by the type of their column; one without a type holds any
# number for less than any text
_TYPES = {bool: "INTEGER", int: "INTEGER", float: "REAL", str: "TEXT"}
# A name that no layer has: house numbers are often in a column called number
_ROW = "row of geoseg"


def filtered(path: Path, layer: Layer, where: str | None) -> Layer:
    """The features for which ``where`` holds; the values of ``layer`` and their types stay."""
    if where is None:
        return layer
    values = {name: _values(column) for name, column in layer.columns.items()}
    key = quoted(_ROW)
    fields = [f"{quoted(name)} {_type(column)}" for name, column in values.items()]
    listed = ", ".join([f"{key} INTEGER PRIMARY KEY", *fields])
    marks = ", ".join("?" * (1 + len(values)))
    rows = zip(range(len(layer)), *values.values(), strict=True)
    with closing(sqlite3.connect(":memory:")) as table:
        try:
            table.execute(f"CREATE TABLE features ({listed})")
            table.executemany(f"INSERT INTO features VALUES ({marks})", rows)
            chosen = table.execute(f"SELECT {key} FROM features WHERE {where}").fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise bad_condition(path, where, str(error)) from error
    return layer.take(np.array([number for (number,) in chosen], np.int64))


def bad_condition(path: Path, where: str, reason: str) -> UsageError:
    return UsageError(
        f"{path}: cannot be filtered by {where!r}: {reason}", "an SQL condition on its columns"
    )


def _type(values: list[Any]) -> str:
    return next((_TYPES.get(type(value), "") for value in values if value is not None), "")


def _values(column: np.ndarray) -> list[Any]:
    """Values as SQLite takes them, None for what is missing."""
    if column.dtype.kind == "M" and column.dtype != "datetime64[D]":
        return _moments(column)
    return [_value(value) for value in column.tolist()]


def _value(value: Any) -> Any:
    """Integers beyond 64 bits and decimals become the nearest number, lists and dates text."""
    if isinstance(value, Decimal):
        value = float(value)
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value if isinstance(value, int | float | bytes) else str(value)


def _moments(column: np.ndarray) -> list[str | None]:
    """Moments as a GeoPackage has them, so that text compares as they follow each other:
    2024-05-01T12:00:00.000Z.
    """
    texts = np.datetime_as_string(column, unit="ms", casting="same_kind").tolist()
    return [None if text == "NaT" else f"{text}Z" for text in texts]
