"""Models on places that none of them was trained on: python benchmarks/model.py DATA MODEL [MODEL
...] [--work FOLDER]

DATA holds the public data sets by name, a MODEL is a file or ``bundled``. One table: pixel IoU by
place at the model's threshold, in the mean at the best one too; footprint F1 at an IoU of 0.5 by
each way of parting houses; the share of empty ground that is taken for buildings; how far windows
of 512 and 1024 pixels agree; and megapixels a second, the models in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from scipy import ndimage

import geoseg
from geoseg.core.grid import Grid
from geoseg.geometry.burn import burn
from geoseg.geometry.surface import ClassSurface, surfaces, surfaces_of_bands
from geoseg.inference.runtimes import open_runtime
from geoseg.io.raster.write import write_array
from geoseg.labels.footprints import footprints_in
from geoseg.models.store import model_path, read_spec
from geoseg.report import Remarks
from geoseg.specs import PredictSpec

WAYS: dict[str, dict[str, Any]] = {
    "by default": {},
    "not parted": {"separate": "none"},
    "watershed": {"separate": "watershed"},
    "raw": {"raw": True},
}
GROUND = (
    (132, 41, 246),
    (110, 193, 228),
    (254, 221, 58),
    (226, 169, 41),
)  # Dubai's land, road, vegetation, water


@dataclass(frozen=True)
class Place:
    """Pictures and labels of a place; ``gsd`` where they have none, enlarged so many ``times``.

    Of ``empty`` places the pictures without a building count as such ground, those not ``scored``
    for that alone.
    """

    name: str
    images: str
    labels: str
    gsd: float | None = None
    times: int = 1
    footprints: bool = False
    empty: bool = False
    scored: bool = True


PLACES = (
    Place(
        "zanzibar b",
        "oam_zanzibar/images/*_b.tif",
        "oam_zanzibar/labels/*_b.geojson",
        footprints=True,
    ),
    Place(
        "banepa b", "oam_banepa/images/*_b.tif", "oam_banepa/labels/*_b.geojson", footprints=True
    ),
    Place("znz sample", "znz_openai_sample/images/*.tif", "znz_openai_sample/labels/*.geojson"),
    Place(
        "geneva", "geneva_swissimage25/images/*.tif", "geneva_swissimage25/labels/*.png", empty=True
    ),
    Place("czech", "czech_ortho/images/*.jpg", "czech_ortho/labels/*.png", 0.16, empty=True),
    Place(
        "las vegas", "spacenet2_vegas_128/images/*.tif", "spacenet2_vegas_128/labels/*.png", 0.3, 5
    ),
    Place(
        "atlanta", "spacenet4_atlanta_pan/images/*.tif", "spacenet4_atlanta_pan/labels/*.geojson"
    ),
    Place(
        "dubai",
        "dubai_mbrsc/images/tile3*.jpg",
        "dubai_mbrsc/labels_multiclass/tile3*.png",
        0.4,
        empty=True,
        scored=False,
    ),
)


@dataclass(frozen=True)
class Scene:
    """A picture as a uint8 RGB raster on the ground, its truth (1 building, 255 unknown), and its
    footprints, if any.
    """

    path: Path
    truth: np.ndarray
    footprints: Path | None


def scenes(place: Place, data: Path, work: Path) -> list[Scene]:
    pairs = zip(sorted(data.glob(place.images)), sorted(data.glob(place.labels)), strict=True)
    return [_scene(place, *pair, work / place.name.replace(" ", "_")) for pair in pairs]


def _scene(place: Place, image: Path, labels: Path, work: Path) -> Scene:
    with rasterio.open(image) as file:
        pixels, transform, crs = file.read(), file.transform, file.crs
    if place.times > 1:
        size = pixels.shape[2] * place.times, pixels.shape[1] * place.times
        pixels = np.asarray(
            Image.fromarray(pixels.transpose(1, 2, 0)).resize(size, Image.Resampling.BICUBIC)
        ).transpose(2, 0, 1)
    if place.gsd:
        crs, transform = "EPSG:32633", Affine(place.gsd, 0, 500_000, 0, -place.gsd, 5_500_000)
    if pixels.dtype != np.uint8:  # one band of 11 bits
        low, high = np.percentile(pixels[pixels > 0], (2, 98))
        pixels = ((pixels - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    grid = Grid(CRS.from_user_input(crs), transform, *pixels.shape[1:])
    path = work / f"{image.stem}.tif"
    work.mkdir(parents=True, exist_ok=True)
    write_array(path, np.broadcast_to(pixels[:3], (3, *grid.shape)), grid, overwrite=True)
    if labels.suffix == ".geojson":
        return Scene(
            path,
            burn(footprints_in(labels, grid.crs, Remarks()).geometry, grid),
            labels if place.footprints else None,
        )
    truth = (
        np.asarray(Image.open(labels).convert("RGB")).repeat(place.times, 0).repeat(place.times, 1)
    )
    if not place.scored:
        ground = np.any([(truth == colour).all(axis=-1) for colour in GROUND], axis=0)
        return Scene(
            path,
            np.where(ndimage.binary_erosion(ground, iterations=12, border_value=1), 0, 255),
            None,
        )
    return Scene(path, (truth.any(axis=-1)).astype(np.uint8), None)


def probabilities(
    model: Path, found: list[Scene], work: Path, size: int | None = None
) -> list[np.ndarray]:
    """Of each scene the probability of a footprint, 0 to 254, on its own grid."""
    folder = Path(tempfile.mkdtemp(dir=work))
    single = len(found) == 1
    target = folder / found[0].path.name if single else folder
    geoseg.predict([scene.path for scene in found], target, model=model, tile_size=size)
    surface = _surface(model)
    out = []
    for scene in found:
        with rasterio.open(next(folder.glob(f"{scene.path.stem}.*"))) as file:
            bands = file.read([channel + 1 for channel in surface.channels])
        out.append(np.where(bands[0] == 255, 0, surface.score(np.where(bands == 255, 0, bands))[0]))
    return out


def _surface(model: Path) -> ClassSurface:
    spec = read_spec(model)
    return (surfaces_of_bands if spec.multilabel else surfaces)(spec.classes)[0]


def histograms(found: list[np.ndarray], truth: list[np.ndarray]) -> np.ndarray:
    """Pixels of each probability (0..254), not building and building."""
    counts = np.zeros((2, 255), np.int64)
    for probability, labels in zip(found, truth, strict=True):
        for value in (0, 1):
            counts[value] += np.bincount(probability[labels == value].ravel(), minlength=255)[:255]
    return counts


def ious(counts: np.ndarray) -> np.ndarray:
    """IoU at each threshold of 0..254."""
    above = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    return above[1] / np.maximum(counts[1].sum() + above[0], 1)


def score(model: Path, data: Path, work: Path) -> dict[str, float]:
    """Every figure of the table but the speed."""
    threshold = round(read_spec(model).threshold * 254)
    rows: dict[str, float] = {}
    curves, alarms = [], []
    for place in PLACES:
        found = scenes(place, data, work)
        maps = probabilities(model, found, work)
        if place.scored:
            curve = ious(histograms(maps, [scene.truth for scene in found]))
            curves.append(curve)
            rows[f"IoU {place.name}"] = curve[threshold]
        if place.empty:
            alarms.append(false_alarms(found, maps, threshold))
            rows[f"false alarms {place.name}"] = alarms[-1]
        if place.footprints:
            rows |= footprint_scores(model, place, found[0], work)
            both = [probabilities(model, found, work, size)[0] >= threshold for size in (512, 1024)]
            rows[f"windows agree {place.name}"] = (both[0] & both[1]).sum() / (
                both[0] | both[1]
            ).sum()
        print(
            model.name,
            place.name,
            {name: round(float(value), 3) for name, value in rows.items() if place.name in name},
            flush=True,
        )
    mean = np.mean(curves, axis=0)
    rows |= {
        "mean IoU": mean[threshold],
        "best mean IoU": mean.max(),
        "at the threshold": mean.argmax() / 254,
    }
    for way in WAYS:
        rows[f"mean F1 {way}"] = np.mean(
            [value for name, value in rows.items() if name.startswith(f"F1 {way},,")]
        )
    return rows | {"mean false alarms": float(np.mean(alarms))}


def false_alarms(found: list[Scene], maps: list[np.ndarray], threshold: int) -> float:
    """Share of the known ground of pictures without a building that is taken for one."""
    empty = [
        (scene.truth == 0, probability)
        for scene, probability in zip(found, maps, strict=True)
        if not (scene.truth == 1).any()
    ]
    return sum((probability[ground] >= threshold).sum() for ground, probability in empty) / sum(
        ground.sum() for ground, _ in empty
    )


def footprint_scores(model: Path, place: Place, scene: Scene, work: Path) -> dict[str, float]:
    rows = {}
    for way, shaping in WAYS.items():
        output = work / "found.gpkg"
        geoseg.extract(scene.path, output, model=model, overwrite=True, **shaping)
        found = geoseg.evaluate(output, scene.footprints)
        rows[f"F1 {way},, {place.name}"] = found.object["f1"]
    return rows


def speeds(models: list[Path], rounds: int) -> Iterator[float]:
    """Megapixels of windows of 1024 pixels a second, the models in turn: the median of each."""
    window = np.random.default_rng(0).random((1, 3, 1024, 1024), np.float32)
    runs = [open_runtime(model, PredictSpec(), 1024) for model in models]
    seconds: list[list[float]] = [[] for _ in models]
    for _ in range(rounds + 1):
        for run, times in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run(window)
            times.append(time.perf_counter() - start)
    return (window[0, 0].size / 1e6 / statistics.median(times[1:]) for times in seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    models = [model_path(name) for name in arguments.models]
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    with tempfile.TemporaryDirectory() as folder:
        columns = [score(model, arguments.data, arguments.work or Path(folder)) for model in models]
    for column, speed in zip(columns, speeds(models, arguments.rounds), strict=True):
        column["Mpx/s"] = speed
    if arguments.json:
        arguments.json.write_text(
            json.dumps(dict(zip(arguments.models, columns, strict=True)), default=float)
        )
    print("| |", " | ".join(arguments.models), "|\n| --- |" + " --- |" * len(models))
    for name in columns[0]:
        print(
            f"| {name.replace(',,', ',')} |",
            " | ".join(f"{column[name]:.3f}" for column in columns),
            "|",
        )


if __name__ == "__main__":
    main()
