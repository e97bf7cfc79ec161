"""Memory does not grow with the scene: peaks of whole processes, as the operating system counted
them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window

from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import create_raster
from tests.scenes import buildings, grid, picture, red_model

pytest.importorskip("onnx")
HEIGHTS = (8000, 32_000)  # rows; GDAL caches a scene of fewer whole
WATCHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def peak(*command: str) -> float:
    """Peak resident memory of a geoseg command in MB."""
    called = [sys.executable, "-c", WATCHED, sys.executable, "-m", "geoseg", *command]
    done = subprocess.run(called, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]) / 1024


def write_large(path: Path, height: int, width: int, part: np.ndarray | None = None) -> None:
    """``part`` uint8 (band, row, col), by default drawn buildings, repeated."""
    part = picture(buildings(370, width)) if part is None else part
    rows, cols = part.shape[1:]
    band = np.tile(part, (1, 1, -(-width // cols)))[:, :, :width]
    with create_raster(path, grid(height, width), count=3) as out:
        for row in range(0, height, rows):
            count = min(rows, height - row)
            out.write(np.ascontiguousarray(band[:, :count]), window=Window(0, row, width, count))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["predict", "extract"])
def test_the_peak_does_not_grow_with_the_scene(verb: str, tmp_path: Path) -> None:
    """Four times the rows cost nothing but noise: no array, and no list, of the scene's length."""
    model = red_model(tmp_path / "red.onnx")
    peaks = []
    for height in HEIGHTS:
        write_large(tmp_path / "scene.tif", height, 3100)
        output = tmp_path / f"{height}.{'tif' if verb == 'predict' else 'gpkg'}"
        options = ["-m", str(model), "--tile-size", "512"]
        peaks.append(peak(verb, str(tmp_path / "scene.tif"), "-o", str(output), *options))
        (tmp_path / "scene.tif").unlink()
    assert peaks[1] < 500 and peaks[1] / peaks[0] < 1.15, peaks


SHAPES = {"tall": (20_000, 1100), "wide": (1100, 40_000), "big": (8200, 8000)}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_peak_is_what_was_promised(shape: str, tmp_path: Path) -> None:
    model = red_model(tmp_path / "red.onnx")
    scene = tmp_path / "scene.tif"
    write_large(scene, *SHAPES[shape])
    check_promise(scene, "-m", str(model), "--raw")


@pytest.mark.slow
def test_the_peak_of_a_scene_without_data_is_what_was_promised(tmp_path: Path) -> None:
    model = red_model(tmp_path / "red.onnx")
    scene = tmp_path / "scene.tif"
    on = grid(20_000, 21_000)
    with create_raster(scene, on, count=3, nodata=0, options={"sparse_ok": "YES"}) as out:
        out.write(picture(buildings(370, 900)), window=Window(9000, 7000, 900, 370))
    check_promise(scene, "-m", str(model), "--raw")


@pytest.mark.slow
def test_the_peak_of_a_wide_town_is_what_was_promised(sample_scene: Path, tmp_path: Path) -> None:
    """As extract is used: the bundled model, and houses that touch parted, for which rows wait."""
    with open_scene(sample_scene) as sample:
        town = sample.read().image[:, 200:1700, 200:2200]  # inside of the ragged edge
    scene = tmp_path / "scene.tif"
    write_large(scene, 1100, 40_000, town)
    # a promise that is never near the truth would be none
    assert check_promise(scene) > 0.7 * promised(scene)


def promised(scene: Path, *options: str) -> float:
    """Megabytes that ``--dry-run`` says."""
    command = ["extract", str(scene), *options, "-o", str(scene.with_suffix(".gpkg"))]
    done = subprocess.run(
        [sys.executable, "-m", "geoseg", *command, "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    megabytes: float = json.loads(done.stdout)["plan"][0]["peak_megabytes"]
    return megabytes


def check_promise(scene: Path, *options: str) -> float:
    """The peak of extract in megabytes, which is not above what it said before."""
    output = scene.with_suffix(".gpkg")
    # MiB as the system counts, MB as is promised
    found = peak("extract", str(scene), *options, "-o", str(output)) * 1.048576
    assert found <= promised(scene, *options)
    return found
