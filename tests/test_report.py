import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg import __version__
from geoseg.report import Report, no_progress


@dataclass(frozen=True)
class Score:
    f1: float
    name: str


@dataclass(frozen=True, kw_only=True)
class Example(Report):
    score: Score
    counts: dict[str, np.integer]
    table: np.ndarray
    sizes: tuple[float, ...]
    where: Path


def example() -> dict:
    return Example(
        command="example",
        inputs=("a.tif", "b.tif"),
        outputs=("c.gpkg",),
        seconds=1.5,
        score=Score(float("nan"), "all"),
        counts={"tp": np.int64(3)},
        table=np.array([[1.0, np.inf, 3.0], [4.0, 5.0, 6.0]]),
        sizes=(0.5, 2),
        where=Path("folder/c.gpkg"),
    ).to_dict()


def test_every_value_is_json() -> None:
    content = json.loads(json.dumps(example(), allow_nan=False))
    assert content == {
        "command": "example",
        "version": __version__,
        "inputs": ["a.tif", "b.tif"],
        "outputs": ["c.gpkg"],
        "seconds": 1.5,
        "warnings": [],
        "score": {"f1": None, "name": "all"},
        "counts": {"tp": 3},
        "table": [[1.0, None, 3.0], [4.0, 5.0, 6.0]],
        "sizes": [0.5, 2],
        "where": "folder/c.gpkg",
    }


def test_no_progress_takes_steps_and_shows_nothing(capsys) -> None:
    advance = no_progress("cut", 7)
    advance(3)
    assert capsys.readouterr() == ("", "")
