"""`geoseg evaluate` of two layers of footprints against solaris' evaluator, each a whole process.

python benchmarks/evaluate.py --footprints 30000 --rounds 3

The truth are footprints of the sample scene, repeated. The prediction are the same, moved and
turned a little, some missing, cut in two or joined with a neighbour, and some that are nowhere,
with a confidence without ties. Both read the same GeoPackages; their counts are compared. solaris
is started as the parity tests start it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pairs import GEOSEG, Way, alternate, solaris, table
from repeated import make_footprints

SOLARIS = """
import json
import geopandas as gpd
from solaris.eval import base
truth, prediction = gpd.read_file(sys.argv[2]), gpd.read_file(sys.argv[1])
evaluator = base.Evaluator(truth)
evaluator.proposal_GDF = prediction.sort_values("confidence", ascending=False).reset_index(drop=True)
evaluator.proposal_GDF["__max_conf_class"] = "building"
row, = evaluator.eval_iou(calculate_class_scores=False)
with open(sys.argv[3], "w") as out:
    json.dump([row["TruePos"], row["FalsePos"], row["FalseNeg"]], out)
"""


def make_prediction(truth: Path, path: Path, count: int) -> None:
    """``count`` footprints, most of them those of ``truth`` moved by some percent of their size and
    turned by some degrees.
    """
    frame, rng = gpd.read_file(truth), np.random.default_rng(2)
    shapes = frame.geometry.to_numpy()
    shift = rng.normal(0, 0.06, (len(shapes), 2)) * np.sqrt(shapely.area(shapes))[:, None]
    moved = np.array(
        [
            _moved(*values)
            for values in zip(shapes, shift, rng.normal(0, 4, len(shapes)), strict=True)
        ]
    )
    missed, split = np.arange(len(moved)) % 15 == 0, np.arange(len(moved)) % 12 == 5
    found = [
        moved[~missed & ~split],
        _halves(moved[split]),
        _joined(shapes)[::5],
        _invented(shapes)[::9],
    ]
    every = np.concatenate(found)[rng.permutation(sum(map(len, found)))][:count]
    gpd.GeoDataFrame(
        {"confidence": rng.permutation(len(every)) / len(every)}, geometry=every, crs=frame.crs
    ).to_file(path)


def _moved(shape: shapely.Geometry, shift: np.ndarray, turn: float) -> shapely.Geometry:
    return shapely.affinity.translate(shapely.affinity.rotate(shape, turn), *shift)


def _invented(shapes: np.ndarray) -> np.ndarray:
    return shapely.transform(shapes, lambda xy: xy + (7, 11))


def _joined(shapes: np.ndarray) -> np.ndarray:
    """Hulls of footprints and their nearest neighbours, where these are within five metres."""
    one, other = shapely.STRtree(shapes).query_nearest(
        shapes, max_distance=5, exclusive=True, all_matches=False
    )
    return shapely.convex_hull(shapely.union(shapes[one], shapes[other])[one < other])


def _halves(shapes: np.ndarray) -> np.ndarray:
    left, bottom, right, top = shapely.bounds(shapes).T
    middle = 0.4 * left + 0.6 * right
    parts = [
        shapely.intersection(shapes, shapely.box(a, bottom, b, top))
        for a, b in ((left, middle), (middle, right))
    ]
    return np.array([part for part in np.concatenate(parts) if part.geom_type == "Polygon"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--footprints", type=int, default=30000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        truth, prediction, out = (
            folder / "truth.gpkg",
            folder / "prediction.gpkg",
            folder / "solaris.json",
        )
        make_footprints(truth, 20_000, options.footprints)
        make_prediction(truth, prediction, options.footprints)
        command = [*GEOSEG, "evaluate", prediction, truth, "--json"]
        ways = {"geoseg": Way(command, folder / "nothing")}
        if theirs := solaris(SOLARIS, prediction, truth, out, output=out):
            ways["solaris Evaluator.eval_iou"] = theirs
        runs = alternate(ways, options.rounds)
        table(
            f"evaluate {options.footprints} footprints",
            runs,
            {"solaris Evaluator.eval_iou": "<= 0.067"},
        )
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)["object"]
        counts = [found[name] for name in ("tp", "fp", "fn")]
        print(f"tp, fp, fn: {counts}; {found['splits']} splits, {found['merges']} merges")
        if theirs:
            print(
                "solaris: counts "
                f"{'identical' if json.loads(out.read_text()) == counts else out.read_text()}"
            )


if __name__ == "__main__":
    main()
