"""stdout carries results alone, as text or as one JSON object."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import pytest

from geoseg.cli.command import Session
from geoseg.cli.show import emit, lines
from geoseg.report import Report


@dataclass(frozen=True, kw_only=True)
class Example(Report):
    footprints: int
    area_m2: float
    stages: dict[str, float]
    models: tuple[dict[str, object], ...]
    plan: None = None


REPORT = Example(
    command="extract",
    outputs=("a.gpkg",),
    seconds=12.34,
    warnings=("b.tif: reprojected",),
    footprints=1234,
    area_m2=56789.12,
    stages={"read": 0.5, "forward": 0.00012},
    models=(
        {"name": "cnn", "encoder": None, "parameters": 7},
        {"name": "unet", "encoder": "resnet18", "parameters": 14_000},
    ),
)
TEXT = """\
wrote a.gpkg
footprints  1,234
area m2     56,789.12
stages
  read     0.5
  forward  0.00012
models
  name  encoder   parameters
  cnn                      7
  unet  resnet18      14,000
12.3 s
"""


@pytest.mark.parametrize(
    ("verbosity", "as_json", "out", "err"),
    [
        (0, False, TEXT, "Warning: b.tif: reprojected\n"),
        (-1, False, "", ""),
        (0, True, json.dumps(REPORT.to_dict()) + "\n", "Warning: b.tif: reprojected\n"),
        (-1, True, json.dumps(REPORT.to_dict()) + "\n", ""),
    ],
)
def test_report(verbosity: int, as_json: bool, out: str, err: str, capsys) -> None:
    with click.Context(click.Command("extract"), obj=Session(verbosity=verbosity)):
        emit(REPORT, as_json)
    assert capsys.readouterr() == (out, err)


def test_numbers_as_text() -> None:
    assert list(
        lines({"some": 0, "share": 0.0, "exact": True, "sizes": [512, 0.25], "none": None})
    ) == [
        "some   0",
        "share  0",
        "exact  yes",
        "sizes  512, 0.25",
    ]


def test_rows_of_one_kind_are_a_table() -> None:
    by_size = {
        "small": {"tp": 150, "f1": 0.668},
        "large": {"tp": 7, "f1": 0.25, "boundary_iou": 0.5},
    }
    assert list(lines({"by_size": by_size})) == [
        "by size",
        "          tp     f1  boundary iou",
        "  small  150  0.668",
        "  large    7   0.25           0.5",
    ]
