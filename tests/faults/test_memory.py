"""Memory that ends: exit 7, one line, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from geoseg.errors import InputError, OutOfMemoryError
from geoseg.io.vector.write import writing
from geoseg.parallel.memory import check_memory, ran_out
from tests.faults.case import good_files

resource = pytest.importorskip("resource")
# Run a line; then again with so many bytes of address space more than it holds
CODE = """
import os, resource, sys
from geoseg.cli.main import run
line = sys.argv[2].split()
assert run(line) == 0
held = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[1]), resource.RLIM_INFINITY))
os._exit(run(line))
"""
ROOT = Path(__file__).resolve().parents[2]
LINES = {
    "polygonize": "polygonize large.tif -o new.gpkg",
    "extract": "extract large.tif -o new.gpkg -m model.onnx",
    "predict": "predict large.tif -o new.tif -m model.onnx",
    "preview": "preview large.tif -o new.png",
    "stitch": "stitch large.tif -o new.tif",
}


def limited(folder: Path, line: str, count: int) -> tuple[int, str, set[str]]:
    """Exit code, stderr and what is left beside the output of a run with ``count`` bytes to take."""
    from geoseg.io.raster.write import write_array
    from tests.scenes import buildings, grid, picture

    good_files(folder)
    mask = buildings(900, 1300)
    image = mask.astype("uint8") if "polygonize" in line else picture(mask)
    write_array(folder / "large.tif", image, grid(*mask.shape))
    before = {path.name for path in folder.iterdir()}
    command = [sys.executable, "-c", CODE, str(count), f"{line} --overwrite --quiet"]
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    left = {path.name for path in folder.iterdir() if not path.name.startswith("new")}
    return done.returncode, done.stderr, left - before


def test_a_verb_without_memory(tmp_path: Path) -> None:
    code, err, left = limited(tmp_path, LINES["polygonize"], 2**20)
    assert (code, err.count("\n"), left) == (7, 1, set()), err
    assert err.startswith("Error: out of memory (")


@pytest.mark.slow
@pytest.mark.parametrize("verb", LINES)
@pytest.mark.parametrize("count", [2**18, 2**21])
def test_every_verb_without_memory(verb: str, count: int, tmp_path: Path) -> None:
    code, err, left = limited(tmp_path, LINES[verb], count)
    assert (code, err.count("\n"), left) == (7, 1, set()), err


def test_errors_of_libraries_are_seen_behind_ours() -> None:
    damaged = InputError("a.tif: cannot be read: it is damaged")
    damaged.__cause__ = RuntimeError("ZSTD: Allocation error : not enough memory")
    assert ran_out(damaged) and ran_out(MemoryError()) and ran_out(RuntimeError("std::bad_alloc"))
    assert ran_out(OSError(12, "Cannot allocate memory"))


def test_readers_and_writers_raise_it_as_itself() -> None:
    with pytest.raises(OutOfMemoryError):
        check_memory(RuntimeError("a.tif: Cannot allocate 4096 bytes"))
    with pytest.raises(OutOfMemoryError), writing("a.gpkg"):
        raise RuntimeError("std::bad_alloc")
    check_memory(RuntimeError("a.tif: is no TIFF"))
    # libtiff refuses a tag that claims more than there could be, and asks for no memory
    check_memory(RuntimeError('TIFFReadDirectory:Out of memory reading of "Compression"'))


def test_names_of_files_are_no_reason() -> None:
    assert not ran_out(InputError("out of memory.tif: does not exist"))
    assert not ran_out(OSError(2, "No such file", "out of memory.tif"))
    assert not ran_out(BlockingIOError(11, "Resource temporarily unavailable"))
