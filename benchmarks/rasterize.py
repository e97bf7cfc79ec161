"""`geoseg rasterize` against gdal_rasterize and solaris' footprint_mask, each a whole process.

python benchmarks/rasterize.py --size 8192 --footprints 5100 --rounds 5

Footprints of the sample scene, repeated, are burnt on the repeated scene's grid, in turn A B A B;
the masks are compared pixel by pixel. gdal_rasterize writes as ours does (zstd, tiled) and, in a
second row, as it does by default. What is missing (`apt install gdal-bin`, solaris 0.4.0) is left
out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from memory import make_scene
from pairs import GEOSEG, Way, alternate, solaris, table, tools
from rasterio.windows import Window
from repeated import GSD, LEFT, TOP, make_footprints

SOLARIS = """
import geopandas
frame = geopandas.read_file(sys.argv[1])
solaris.vector.mask.footprint_mask(frame, out_file=sys.argv[3], reference_im=sys.argv[2], burn_value=1)
"""


def differing(one: Path, other: Path) -> int:
    """Pixels that differ, counted strip by strip."""
    with rasterio.open(one) as a, rasterio.open(other) as b:
        windows = [
            Window(0, row, a.width, min(1024, a.height - row)) for row in range(0, a.height, 1024)
        ]
        return sum(
            int(np.count_nonzero(a.read(1, window=each) != b.read(1, window=each)))
            for each in windows
        )


def gdal(program: str, footprints: Path, output: Path, size: int, *options: str) -> Way:
    extent = [str(value) for value in (LEFT, TOP - size * GSD, LEFT + size * GSD, TOP)]
    burn = [
        program,
        "-q",
        "-burn",
        "1",
        "-ot",
        "Byte",
        "-te",
        *extent,
        "-ts",
        str(size),
        str(size),
        *options,
    ]
    return Way([*burn, footprints, output], output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--footprints", type=int, default=5100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        scene, footprints, mask = (
            folder / "scene.tif",
            folder / "footprints.gpkg",
            folder / "ours.tif",
        )
        make_scene(scene, options.size)
        make_footprints(footprints, options.size, options.footprints)
        ways = {
            "geoseg": Way([*GEOSEG, "rasterize", footprints, "--like", scene, "-o", mask], mask)
        }
        goals = {"gdal_rasterize": "<= 2.5", "solaris": "<= 0.2"}
        for program in tools("gdal_rasterize").values():
            alike = (
                "-co",
                "TILED=YES",
                "-co",
                "COMPRESS=ZSTD",
                "-co",
                "ZSTD_LEVEL=1",
                "-co",
                "PREDICTOR=2",
            )
            ways["gdal_rasterize"] = gdal(
                program, footprints, folder / "gdal.tif", options.size, *alike
            )
            ways["gdal_rasterize, no compression"] = gdal(
                program, footprints, folder / "plain.tif", options.size
            )
        if way := solaris(
            SOLARIS, footprints, scene, folder / "solaris.tif", output=folder / "solaris.tif"
        ):
            ways["solaris"] = way
        runs = alternate(ways, options.rounds)
        table(
            f"rasterize {options.footprints} footprints on {options.size} x {options.size}",
            runs,
            goals,
        )
        for name, way in ways.items():
            if name != "geoseg":
                print(f"{name}: {differing(mask, way.output)} pixels differ")


if __name__ == "__main__":
    main()
