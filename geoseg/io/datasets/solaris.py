"""Data sets as solaris lists them: CSV files with the columns ``image`` and ``label``, one file a
split.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geoseg.errors import InputError
from geoseg.io.datasets.layout import SPLITS, Dataset, Pair, check, listed, without_splits

EXPECTED = "a CSV with the columns image,label, or train.csv, val.csv and test.csv in a folder"


def lists(root: Path) -> dict[str | None, Path]:
    """CSV files by split: ``root`` itself (no split), or ``train.csv`` and so on in it; empty where
    there are none.
    """
    if root.is_file():
        return {None: root}
    named = {
        split: path
        for split, names in SPLITS.items()
        for name in names
        if (path := root / f"{name}.csv").is_file()
    }
    return {
        split: path for split, path in named.items() if {"image", "label"} <= set(_columns(path))
    }


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [name.strip() for name in file.readline().split(",")]


def read(root: Path) -> Dataset:
    """Pairs of the lists in ``root``; paths are relative to the list, or to the working folder as
    solaris takes them.

    Raises InputError that lists what is missing.
    """
    missing: list[str] = []
    made: list[Pair] = []
    for split, path in lists(root).items():
        for row in _rows(path):
            image, label = (_found(path.parent, row[column]) for column in ("image", "label"))
            sought = (("image", image), ("label", label))
            missing += [
                row[column] or f"the {column} of {row['image']}"
                for column, there in sought
                if not there
            ]
            if image and label:
                made.append(Pair(image.stem, image, (label,), split, image.stem))
    check(root, "solaris", [listed(missing)] if missing else [] if made else ["pairs"], EXPECTED)
    return Dataset(tuple(made), None, warnings=without_splits(made, root))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                {(name or "").strip(): (text or "").strip() for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
    except (ValueError, csv.Error, AttributeError) as error:
        raise InputError(f"{path}: cannot be read as CSV") from error
    if rows and not {"image", "label"} <= rows[0].keys():
        raise InputError(f"{path}: has no columns image and label")
    return rows


def _found(folder: Path, name: str) -> Path | None:
    # beside the list first: what is there does not depend on where the command was started
    return next((path for path in (folder / name, Path(name)) if name and path.is_file()), None)


def write(folder: Path, rows: Iterable[Mapping[str, Any]], home: Path) -> None:
    """Write ``folder/SPLIT.csv`` of index ``rows``, with the absolute paths that their chips have
    in ``home``.
    """
    rows = list(rows)
    for split in SPLITS:
        chosen = [row for row in rows if row["split"] == split]
        if chosen:
            with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["image", "label"])
                writer.writerows([home / row["image"], home / row["mask"]] for row in chosen)
