"""Every case of the corpus: the exit code, one line, nothing left behind."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.faults.case import Case, contents, good_files, judge
from tests.faults.corpus import CASES


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    good_files(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(
    case: Case,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    case.make(tmp_path)
    before = contents(tmp_path)
    capfd.readouterr()
    code = run(case.arguments)
    judge(case, tmp_path, before, code, *capfd.readouterr())


def test_names_are_unique_and_many() -> None:
    names = Counter(case.name for case in CASES)
    assert names.most_common(1)[0][1] == 1
    assert len(CASES) >= 200
