"""Models that were trained without a place, on that place: python benchmarks/folds.py DATA
zanzibar=Z.onnx banepa=N.onnx ... [--work FOLDER]

DATA holds the public data sets by name, a fold is one of FOLDS. One table: pixel IoU by place at
the model's threshold and at the best one, and footprint F1 at an IoU of 0.5 by the defaults of
``extract``. Where labels are masks, what hangs together in them is a footprint; so the last column
counts what hangs together in what is found too, by ``--separate none``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
from model import PLACES, Place, Scene, histograms, ious, probabilities, scenes
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.merge import merge

import geoseg
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.models.store import read_spec


def _labelled(name: str, folder: str, scene: str) -> Place:
    images, labels = (f"{folder}/{kind}/{scene}" for kind in ("images", "labels"))
    return Place(name, f"{images}.tif", f"{labels}.geojson", footprints=True)


ZANZIBAR_B, BANEPA_B, _, GENEVA, *_ = PLACES
FOLDS = {
    "zanzibar": (_labelled("zanzibar a", "oam_zanzibar", "oam_zanzibar_a"), ZANZIBAR_B),
    "banepa": (
        _labelled("banepa a", "oam_banepa", "oam_banepa_a"),
        BANEPA_B,
        _labelled("banepa centre", "oam_banepa_centre", "*"),
        _labelled("banepa north", "oam_banepa_north", "*"),
    ),
    "dhaka": (_labelled("dhaka", "dhaka_oam", "*"),),
    "nacala and lyon": (
        Place("nacala", "nacala_roofs/images/*.tif", "nacala_roofs/labels/*.tif"),
        Place("lyon", "lyon_grandlyon8/images/*.tif", "lyon_grandlyon8/labels/*.tif"),
    ),
    "geneva": (GENEVA,),
}
TILED = ("nacala", "lyon")  # cut from one picture, without a seam


def joined(place: Place, data: Path, work: Path) -> Place:
    """The tiles of a place as one picture with one mask, in ``work``."""
    folder = work / "joined" / place.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, files in (("images", place.images), ("labels", place.labels)):
        with ExitStack() as stack:
            opened = [stack.enter_context(rasterio.open(path)) for path in sorted(data.glob(files))]
            pixels, transform = merge(opened)
            crs = CRS.from_user_input(opened[0].crs)
        grid = Grid(crs, transform, *pixels.shape[1:])
        write_array(folder / f"{name}.tif", pixels, grid, overwrite=True)
    images, labels = (
        str((folder / name).relative_to(work)) for name in ("images.tif", "labels.tif")
    )
    return Place(place.name, images, labels)


def footprint_f1(model: Path, found: list[Scene], work: Path, separate: str | None = None) -> float:
    """Of all scenes together, at an IoU of 0.5."""
    folder = Path(tempfile.mkdtemp(dir=work))
    geoseg.extract([scene.path for scene in found], f"{folder}/", model=model, separate=separate)
    pairs = ((scene, folder / f"{scene.path.stem}.gpkg") for scene in found)
    tp, fp, fn = np.sum([_counts(*pair, folder / "truth.tif") for pair in pairs], axis=0)
    return float(2 * tp / (2 * tp + fp + fn))


def _counts(scene: Scene, found: Path, mask: Path) -> np.ndarray:
    """Footprints that match one, those that do not, and those missed."""
    truth = scene.footprints
    if truth is None:
        with rasterio.open(scene.path) as file:
            grid = Grid(CRS.from_user_input(file.crs), file.transform, *file.shape)
        write_array(mask, (scene.truth == 1).astype(np.uint8)[None], grid, overwrite=True)
        truth = mask.with_suffix(".gpkg")
        geoseg.polygonize(mask, truth, overwrite=True)
    scores = geoseg.evaluate(found, truth).object
    return np.array([scores[name] for name in ("tp", "fp", "fn")])


def score(model: Path, place: Place, data: Path, work: Path) -> tuple[float, float, float, float]:
    """Pixel IoU at the model's threshold, at the best one, footprint F1, and that of houses that
    touch as one where they are one in labels too.
    """
    if place.name in TILED:
        place, data = joined(place, data, work), work
    found = scenes(place, data, work)
    curve = ious(histograms(probabilities(model, found, work), [each.truth for each in found]))
    threshold = round(read_spec(model).threshold * 254)
    f1 = footprint_f1(model, found, work)
    whole = f1 if place.footprints else footprint_f1(model, found, work, "none")
    return float(curve[threshold]), float(curve.max()), f1, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folds", nargs="+", metavar="FOLD=MODEL")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    folds = {}
    print("| left out | place | pixel IoU | at the best threshold | footprint F1 | as labelled |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        work = (arguments.work or Path(folder)).resolve()
        for fold in arguments.folds:
            name, model = fold.split("=", 1)
            folds[name] = {
                place.name: score(Path(model), place, arguments.data.resolve(), work)
                for place in FOLDS[name]
            }
            for place, row in folds[name].items():
                print(f"| {name} | {place} |", *(f"{value:.3f} |" for value in row), flush=True)
    means = np.mean([np.mean(list(rows.values()), axis=0) for rows in folds.values()], axis=0)
    print(f"| mean of {len(folds)} | |", *(f"{value:.3f} |" for value in means))
    if arguments.json:
        arguments.json.write_text(json.dumps(folds))


if __name__ == "__main__":
    main()
