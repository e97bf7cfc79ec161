"""Convert a published data set into chips, masks and a chip index, all in one folder that stands on its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from rasterio.windows import Window

from geoseg.core.bands import BandHistogram, to_uint8
from geoseg.core.grid import Grid
from geoseg.core.legend import Legend
from geoseg.core.tiling import SPLITS, Chip, assign_splits
from geoseg.errors import UnsuitableError
from geoseg.io import datasets
from geoseg.io.chips import INDEX, ChipInfo, write_index
from geoseg.io.datasets import solaris
from geoseg.io.datasets.layout import Dataset, Pair, copy, listed
from geoseg.io.output import atomic_folder
from geoseg.io.raster import Scene, create_raster, open_scene, write_array
from geoseg.specs import PrepareSpec, Stretch, parse_rescale
from geoseg.tools.report import Progress, Report, no_progress
from geoseg.tools.truth import Truth

PHOTOS = {"PNG": ".png", "JPEG": ".jpg"}


@dataclass(frozen=True, kw_only=True)
class PrepareReport(Report):
    """``chips`` written, chips ``skipped`` for want of data, chips by split, class names, pixels of each and of void."""

    chips: int
    skipped: int
    splits: dict[str, int]
    classes: tuple[str, ...]
    pixels: dict[str, int]


@dataclass(frozen=True)
class _Picture:
    """A pair that was looked at: its name in the index, its grid, whether its file is a photo that can be taken as it is."""

    pair: Pair
    name: str
    split: str
    grid: Grid
    bands: int
    dtype: str
    photo: str | None


def run(
    layout: str,
    root: Path | str,
    output: Path | str,
    spec: PrepareSpec,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> PrepareReport:
    """Write the data set in ``root`` to the folder ``output``: ``images/``, ``masks/`` and ``index.parquet``.

    Photos are copied, other pictures written as GeoTIFF; what is not 8 bits is stretched, by group. Pictures larger than
    ``spec.size`` are cut into even chips. The published split is kept; where there is none scenes are dealt out by the seed.
    Raises InputError that lists what the layout lacks, UnsuitableError where pictures differ in bands, dtype or georeference.
    """
    start = time.perf_counter()
    root, output = Path(root), Path(output)
    settings = {name: getattr(spec, name) for name in ("labels", "pattern", "imagery", "target")}
    dataset = datasets.read(layout, root, **settings)
    pictures, warnings = _look(dataset, spec)
    truth = Truth(Legend.parse(spec.classes) if spec.classes else dataset.legend, [p.pair for p in pictures], progress)
    stretches = _stretches(pictures, dataset, spec, progress)
    rows: list[dict[str, Any]] = []
    with atomic_folder(output, overwrite, marker=INDEX) as folder:
        for name in ("images", "masks"):
            (folder / name).mkdir()
        advance = progress("convert", len(pictures))
        for picture in pictures:
            with _opened(picture, dataset, spec) as scene:
                rows += _convert(picture, scene, truth, stretches.get(picture.pair.group), folder, spec)
            advance(1)
        rows, skipped = [row for row in rows if row["valid_fraction"] > 0], sum(row["valid_fraction"] == 0 for row in rows)
        if not rows:
            raise UnsuitableError(f"{root}: no picture holds any data")
        info, said = _info(pictures, dataset, spec, truth.legend, stretches)
        write_index(folder, rows, info, _common_crs(rows))
        if spec.csv:
            solaris.write(folder, rows, output.absolute())
    return PrepareReport(
        command="prepare",
        inputs=(str(root),),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys([*dataset.warnings, *warnings, *truth.warnings(), *said, *_empty(rows, root)])),
        chips=len(rows),
        skipped=skipped,
        splits=dict(Counter(row["split"] for row in rows)),
        classes=truth.legend.classes,
        pixels=truth.counted(),
    )


def _look(dataset: Dataset, spec: PrepareSpec) -> tuple[list[_Picture], list[str]]:
    """Open every picture: they must agree, and get their names and splits."""
    pictures: list[_Picture] = []
    odd: list[str] = []
    splits = _splits(dataset.pairs, spec)
    names = _names(dataset.pairs)
    for pair, name, split in zip(dataset.pairs, names, splits, strict=True):
        with open_scene(pair.image) as scene:
            plain = scene.grid.transform.is_identity and scene.grid.crs is None and not scene.has_mask
            photo = PHOTOS.get(scene.dataset.driver) if plain and scene.bands == scene.dataset.count else None
            pictures.append(_Picture(pair, name, split, scene.grid, scene.bands, scene.dtype, photo))
            if dataset.size and scene.grid.shape != dataset.size:
                odd.append(f"{pair.image.name} ({scene.grid.height} x {scene.grid.width})")
    first = pictures[0]
    for picture in pictures:
        if (picture.bands != first.bands and not spec.bands) or picture.dtype != first.dtype:
            raise UnsuitableError(
                f"{picture.pair.image}: has {picture.bands} bands of {picture.dtype}, "
                f"{first.pair.image} {first.bands} of {first.dtype}",
                "choose bands with --bands, or prepare them apart",
            )
        if (picture.grid.crs is None) != (first.grid.crs is None):
            raise UnsuitableError(f"{picture.pair.image}: pictures with and without a CRS do not go into one index")
    height, width = dataset.size or (0, 0)
    return pictures, [f"not {height} x {width}, as published: {listed(odd)}"] if odd else []


def _splits(pairs: Sequence[Pair], spec: PrepareSpec) -> list[str]:
    """The published splits, else scenes dealt out by the seed, each group on its own."""
    splits = [pair.split or "" for pair in pairs]
    for group in dict.fromkeys(pair.group for pair in pairs):
        loose = [i for i, pair in enumerate(pairs) if pair.split is None and pair.group == group]
        for i, split in zip(loose, assign_splits([pairs[i].scene for i in loose], spec.split, spec.seed), strict=True):
            splits[i] = split
    return splits


def _names(pairs: Sequence[Pair]) -> list[str]:
    """Names of the pairs, with the split or a number where they are not unique."""
    often = Counter(pair.name for pair in pairs)
    named = [pair.name if often[pair.name] == 1 else f"{pair.split or pair.group}_{pair.name}" for pair in pairs]
    seen: Counter[str] = Counter()
    for i, name in enumerate(named):
        seen[name] += 1
        named[i] = name if seen[name] == 1 else f"{name}_{seen[name]}"
    return named


@contextmanager
def _opened(picture: _Picture, dataset: Dataset, spec: PrepareSpec) -> Iterator[_Reader]:
    with open_scene(picture.pair.image) as scene:
        yield _Reader(scene, spec.bands, dataset.black)


@dataclass(frozen=True)
class _Reader:
    scene: Scene
    bands: tuple[int, ...] | None
    black: bool

    def read(self, window: Window) -> Chip:
        chip = self.scene.read(window, self.bands)
        return replace(chip, valid=chip.valid & chip.image.any(axis=0)) if self.black else chip


def _stretches(pictures: list[_Picture], dataset: Dataset, spec: PrepareSpec, progress: Progress) -> dict[str, Stretch]:
    """A stretch for each group, over all of its pictures; none for 8 bits unless one is asked for."""
    if spec.rescale == "auto":
        kind, low, high = "none" if pictures[0].dtype == "uint8" else "percentile", 2.0, 98.0
    else:
        kind, low, high = parse_rescale(spec.rescale)
    samplers: dict[str, BandHistogram] = {}
    if kind == "none":
        return {}
    advance = progress("statistics", len(pictures))
    for picture in pictures:
        bands = len(spec.bands) if spec.bands else picture.bands
        sampler = samplers.setdefault(picture.pair.group, BandHistogram(bands, picture.dtype))
        with _opened(picture, dataset, spec) as reader:
            for window in windows(picture.grid.shape, spec.size):
                chip = reader.read(window)
                sampler.add(chip.image, chip.valid)
        advance(1)
    return {group: sampler.percentiles(low, high) for group, sampler in samplers.items()}


def windows(shape: tuple[int, int], size: int) -> list[Window]:
    """Windows that share out a raster of ``shape`` (height, width): at most ``size`` pixels a side, as even as can be."""
    rows, cols = (np.linspace(0, side, -(-side // size) + 1).round().astype(int).tolist() for side in shape)
    return [Window(left, top, right - left, bottom - top) for top, bottom in pairwise(rows) for left, right in pairwise(cols)]


def _convert(
    picture: _Picture, reader: _Reader, truth: Truth, stretch: Stretch | None, folder: Path, spec: PrepareSpec
) -> Iterator[dict[str, Any]]:
    """Write the chips of a picture and their masks; yields their rows of the index, those without data too."""
    plan = windows(picture.grid.shape, spec.size)
    lefts = sorted({int(window.col_off) for window in plan})
    tops = sorted({int(window.row_off) for window in plan})
    photo = picture.photo if len(plan) == 1 and not stretch and not spec.bands else None
    with truth.open(picture.pair, picture.grid) as labels:
        for window in plan:
            row, col = tops.index(window.row_off), lefts.index(window.col_off)
            name = picture.name if len(plan) == 1 else f"{picture.name}_r{row:04d}_c{col:04d}"
            image, mask = f"images/{name}{photo or '.tif'}", f"masks/{name}{'.png' if photo else '.tif'}"
            chip = reader.read(window)
            valid = float(chip.valid.mean())
            if valid:
                if photo:
                    copy(picture.pair.image, folder / image)
                else:
                    _write(folder / image, chip, stretch)
                write_array(folder / mask, labels(window, chip.valid), chip.grid, tags=truth.tags)
            yield {
                "id": name,
                "scene": picture.pair.scene or picture.name,
                "row": row,
                "col": col,
                "image": image,
                "mask": mask,
                "split": picture.split,
                "valid_fraction": valid,
                "geometry": shapely.box(*chip.grid.bounds),
                "crs": chip.grid.crs,
            }


def _write(path: Path, chip: Chip, stretch: Stretch | None) -> None:
    image = to_uint8(chip.image, stretch) if stretch else chip.image
    with create_raster(path, chip.grid, count=len(image), dtype=str(image.dtype)) as out:
        out.write(image)
        if not chip.valid.all():
            out.write_mask(chip.valid)


def _info(
    pictures: list[_Picture], dataset: Dataset, spec: PrepareSpec, legend: Legend, stretches: dict[str, Stretch]
) -> tuple[ChipInfo, list[str]]:
    """What all chips share. Several stretches cannot travel with a model: it will take the 8 bits that they lead to."""
    warnings: list[str] = []
    gsds = sorted(gsd for picture in pictures if (gsd := picture.grid.gsd))
    if gsds and gsds[-1] / gsds[0] > 1.2:
        warnings.append(
            f"pictures of {gsds[0]:.2f} to {gsds[-1]:.2f} m a pixel go into one index, as {gsds[len(gsds) // 2]:.2f} m"
        )
    dtype, stretch = pictures[0].dtype, next(iter(stretches.values()), None)
    if len(stretches) > 1:
        dtype, stretch = "uint8", None
        warnings.append(f"{', '.join(stretches)} are stretched to 8 bits, each on its own: the model will expect such 8 bits")
    bands = len(spec.bands) if spec.bands else pictures[0].bands
    return ChipInfo(bands, dtype, gsds[len(gsds) // 2] if gsds else dataset.gsd, legend.classes, stretch), warnings


def _common_crs(rows: list[dict[str, Any]]) -> CRS | None:
    """The CRS of the outlines: that of the chips where they share one, else WGS 84, to which they are taken."""
    systems = [row.pop("crs") for row in rows]
    if all(crs == systems[0] for crs in systems):
        return systems[0]
    lonlat = CRS.from_epsg(4326)
    for row, crs in zip(rows, systems, strict=True):
        to = Transformer.from_crs(crs, lonlat, always_xy=True)
        row["geometry"] = shapely.transform(row["geometry"], to.transform, interleaved=False)
    return lonlat


def _empty(rows: list[dict[str, Any]], root: Path) -> list[str]:
    empty = sorted(set(SPLITS[:2]) - {row["split"] for row in rows})
    scenes = len({row["scene"] for row in rows})
    told = f"{root}: has {scenes} scenes, none of them for {' and '.join(empty)}; `geoseg tile` splits by block"
    return [told] if empty else []
