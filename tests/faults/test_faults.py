"""Two runs on one output, and a few mutations of each kind of file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.cli.main import run
from geoseg.io.drafts import draft_of
from tests.faults.case import good_files
from tests.faults.fuzz import DOCUMENTED
from tests.faults.mutations import KINDS, Mutation, Seed, other_seeds, tiff_seeds

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = st.lists(
    st.builds(
        Mutation, st.sampled_from(KINDS), st.floats(0, 1), st.floats(0, 1), st.integers(0, 65535)
    ),
    min_size=1,
    max_size=4,
)


def test_the_second_run_on_an_output_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        own = draft_of(Path("out.tif"))
        draft = own.with_name(own.name.replace(str(os.getpid()), str(sleeper.pid)))
        draft.write_text("half")
        line = "rasterize footprints.geojson --like scene.tif -o out.tif"
        assert run(line.split()) == 6
        assert "out.tif: another run is writing it" in capsys.readouterr().err
        assert draft.read_text() == "half" and not Path("out.tif").exists()
    finally:
        sleeper.kill()
        sleeper.wait()
    assert run(line.split()) == 0 and not draft.exists()


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    folder = tmp_path_factory.mktemp("seeds")
    return tiff_seeds(folder) + other_seeds(folder)


@settings(max_examples=60)
@given(number=st.integers(0, 99), line=st.integers(0, 9), mutations=MUTATIONS)
def test_mutated_files_end_in_documented_exit_codes(
    seeds: list[Seed],
    tmp_path_factory: pytest.TempPathFactory,
    number: int,
    line: int,
    mutations: list[Mutation],
) -> None:
    folder = tmp_path_factory.mktemp("mutated")
    good_files(folder)
    seed = seeds[number % len(seeds)]
    seed.write(folder, mutations)
    there = Path.cwd()
    os.chdir(folder)
    try:
        code = run(seed.lines[line % len(seed.lines)].format(seed.name).split())
    finally:
        os.chdir(there)
    assert code in DOCUMENTED
    assert not list(folder.glob(".*partial*"))


def test_the_command_line_leaves_out_drivers_that_reach_elsewhere(tmp_path: Path) -> None:
    """Beside the look at each file, so that a description in no known words finds nobody either."""
    code = (
        "import sys; from geoseg.cli import main; main.run = lambda _: 0\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "import pyogrio; print(*pyogrio.list_drivers())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    left = set(done.stdout.split())
    assert {"GPKG", "GeoJSON", "FlatGeobuf", "KML"} <= left
    assert not left & {"GDALG", "OGR_VRT", "HTTP", "WFS", "OAPIF", "OGCAPI"}
