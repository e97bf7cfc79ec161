"""Every case of the corpus: the exit code, one line, nothing left behind."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from geoseg.cli.main import run
from tests.faults.case import Case, contents, good_files, judge
from tests.faults.corpus import CASES

# What is tried with several verbs, or in several environments, is called so
VERB = re.compile(
    "_(extract|predict|tile|stitch|info|preview|rasterize|polygonize|export|tune|evaluate|train)$"
    "|(?<=^environment)_.*|(?<=^mark)_.*(?=_of_)"
)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    good_files(folder)
    return folder


def often() -> set[str]:
    """The cases that run without --slow: one verb for each odd input, each verb in its turn."""
    alike: dict[str, list[str]] = {}
    for case in CASES:
        alike.setdefault(VERB.sub("", case.name), []).append(case.name)
    return {names[turn % len(names)] for turn, names in enumerate(alike.values())}


OFTEN = often()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case.name in OFTEN else pytest.mark.slow) for case in CASES],
    ids=str,
)
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
    assert code == case.code
    judge(case, tmp_path, before, code, *capfd.readouterr())


def test_names_are_unique_and_many() -> None:
    names = Counter(case.name for case in CASES)
    assert names.most_common(1)[0][1] == 1
    assert len(CASES) >= 200
