"""The notebooks run from their first cell to their last, and stand as they were last run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.test_docs import ROOT, script

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 1_000_000  # bytes of a notebook with its pictures


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["buildings", "classes"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_and_small(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
    assert path.stat().st_size < LARGEST
    # nothing of the machine it was run on
    assert str(Path.home()) not in path.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("torch")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = script("generate_notebooks").executed(path)  # an error of a cell is raised
    kept = json.loads(path.read_text("utf-8"))
    shape = [[len(cell.get("outputs", ())) > 0 for cell in n["cells"]] for n in (notebook, kept)]
    # cells that only log write to stderr, which is not stored
    assert all(now or not stored for now, stored in zip(*shape, strict=True))
