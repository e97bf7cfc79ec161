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


def write_large(path: Path, height: int, width: int) -> None:
    band = picture(buildings(370, width))
    with create_raster(path, grid(height, width), count=3) as out:
        for row in range(0, height, 370):
            rows = min(370, height - row)
            out.write(np.ascontiguousarray(band[:, :rows]), window=Window(0, row, width, rows))


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


# rows and columns, and whether nearly all is without data
SHAPES = {
    "tall": (20_000, 1100, False),
    "wide": (1100, 40_000, False),
    "big": (8200, 8000, False),
    "sparse": (20_000, 21_000, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_peak_is_what_was_promised(shape: str, tmp_path: Path) -> None:
    height, width, sparse = SHAPES[shape]
    model = red_model(tmp_path / "red.onnx")
    scene = str(tmp_path / "scene.tif")
    if sparse:
        with create_raster(
            scene, grid(height, width), count=3, nodata=0, options={"sparse_ok": "YES"}
        ) as out:
            out.write(picture(buildings(370, 900)), window=Window(9000, 7000, 900, 370))
    else:
        write_large(Path(scene), height, width)
    command = ["extract", scene, "-m", str(model), "-o", str(tmp_path / "b.gpkg"), "--raw"]
    done = subprocess.run(
        [sys.executable, "-m", "geoseg", *command, "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    promised = json.loads(done.stdout)["plan"][0]["peak_megabytes"]
    # MiB as the system counts, MB as is promised
    assert peak(*command) * 1.048576 <= promised
