"""Convert a published data set into chips, masks and a chip index, all in one folder that stands on
its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from geoseg.chips.convert import (
    ConversionSettings,
    SourceImage,
    WrittenChip,
    convert,
    count,
    inspect,
)
from geoseg.chips.dataset_splits import Outlined, SplitResult, assign_pictures, outlined
from geoseg.core.bands import BandHistogram, check_same_bands
from geoseg.core.class_map import ClassMap
from geoseg.errors import UnsuitableError
from geoseg.io import datasets
from geoseg.io.atomic import atomic_folder, make_folder
from geoseg.io.chip_index import INDEX, ChipInfo, write_index
from geoseg.io.datasets import solaris
from geoseg.io.datasets.layout import Dataset, listed
from geoseg.labels import published_labels
from geoseg.labels.published_labels import LabelStatistics
from geoseg.parallel.processes import ordered
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import PrepareSpec, Stretch, parse_rescale
from geoseg.specs.output import names_folder


@dataclass(frozen=True, kw_only=True)
class PrepareReport(Report):
    """``chips`` in the index, those ``skipped`` for want of data and ``dropped`` to keep splits
    apart, chips by split.

    ``classes`` are names, ``pixels`` those of each class and of void, in the chips that were
    dropped too.
    """

    chips: int
    skipped: int
    dropped: int
    splits: dict[str, int]
    classes: tuple[str, ...]
    pixels: dict[str, int]


def run(
    layout: str,
    root: Path | str,
    output: Path | str,
    spec: PrepareSpec,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> PrepareReport:
    """Write the data set in ``root`` to the folder ``output``: ``images/``, ``masks/`` and
    ``index.parquet``.

    Photos are copied, other pictures written as GeoTIFF; what is not 8 bits is stretched, by group.
    Pictures larger than ``spec.size`` are cut into even chips. The published split is kept; where
    there is none blocks of ground or scenes are dealt out by the seed, and chips that share ground
    with those of a later split are dropped, as `tile` does. ``jobs`` processes give what one gives.
    Raises InputError that lists what the layout lacks, UnsuitableError where pictures differ in
    bands, dtype or georeference.
    """
    accompany = Run(progress)
    root = Path(root)
    if names_folder(output):
        make_folder(Path(output).parent)
    output = Path(output)
    published_labels.forget()
    settings = {name: getattr(spec, name) for name in ("labels", "pattern", "imagery", "target")}
    dataset = datasets.read(layout, root, **settings)
    accompany.remarks += dataset.warnings
    pictures = _look(dataset, spec, accompany)
    legend = ClassMap.parse(spec.classes) if spec.classes else dataset.legend
    legend = legend or published_labels.infer_class_map(
        [picture.pair for picture in pictures], progress
    )
    way = ConversionSettings(spec.bands, spec.size, dataset.black)
    percentiles = _percentiles(spec, pictures[0].dtype)
    stretches = _stretches(pictures, way, percentiles, jobs, progress) if percentiles else {}
    info = _info(pictures, dataset, way, legend, accompany)
    info = _stretched(info, stretches, percentiles, accompany)
    with atomic_folder(output, overwrite, marker=INDEX) as folder:
        for name in ("images", "masks"):
            (folder / name).mkdir()
        work = partial(convert, way=way, legend=legend, stretches=stretches, folder=folder)
        made, tally = _convert_all(pictures, work, jobs, progress)
        accompany.remarks += tally.warnings()
        chips, crs = outlined(made)
        if not chips:
            raise UnsuitableError(f"{root}: no image holds any data")
        dealt = _assigned(chips, spec, folder, accompany)
        rows = [_row(chip, split) for chip, split in dealt.kept]
        write_index(folder, rows, info, crs)
        if spec.csv:
            solaris.write(folder, rows, output.absolute())
    return PrepareReport(
        command="prepare",
        inputs=(str(root),),
        outputs=(str(output),),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        chips=len(rows),
        skipped=len(made) - len(chips),
        dropped=len(dealt.dropped),
        splits=dealt.counts,
        classes=legend.classes,
        pixels=tally.counted(legend),
    )


# What there is


def _look(dataset: Dataset, spec: PrepareSpec, accompany: Run) -> list[SourceImage]:
    """Open every image: they must agree. Those that are not as large as published are remarked."""
    pictures = [
        inspect(pair, name) for pair, name in zip(dataset.pairs, _names(dataset), strict=True)
    ]
    first = pictures[0]
    chosen = len(spec.bands or ())
    check_same_bands(
        [(str(p.pair.image), chosen or p.bands, p.dtype) for p in pictures],
        "choose bands with `bands`, or prepare them apart",
    )
    for picture in pictures:
        if (picture.grid.crs is None) != (first.grid.crs is None):
            raise UnsuitableError(
                f"{picture.pair.image}: images with and without a CRS cannot share a chip index"
            )
    height, width = dataset.size or (0, 0)
    odd = [picture for picture in pictures if dataset.size and picture.grid.shape != dataset.size]
    sizes = [f"{each.pair.image.name} ({each.grid.height} x {each.grid.width})" for each in odd]
    if odd:
        accompany.remarks.append(f"not {height} x {width}, as published: {listed(sizes)}")
    return pictures


def _names(dataset: Dataset) -> Iterator[str]:
    """Names of the pairs, with the split or a number where they are not unique, also to file
    systems without capitals.
    """
    often = Counter(pair.name.casefold() for pair in dataset.pairs)
    seen: Counter[str] = Counter()
    for pair in dataset.pairs:
        name = (
            pair.name
            if often[pair.name.casefold()] == 1
            else f"{pair.split or pair.group}_{pair.name}"
        )
        seen[name.casefold()] += 1
        yield name if seen[name.casefold()] == 1 else f"{name}_{seen[name.casefold()]}"


def _percentiles(spec: PrepareSpec, dtype: str) -> tuple[float, float] | None:
    """Between which percentiles images are stretched to 8 bits; None for 8 bits unless a stretch is
    asked for.
    """
    if spec.rescale == "auto":
        return None if dtype == "uint8" else (2.0, 98.0)
    kind, low, high = parse_rescale(spec.rescale)
    return None if kind == "none" else (low, high)


def _info(
    pictures: list[SourceImage],
    dataset: Dataset,
    way: ConversionSettings,
    legend: ClassMap,
    accompany: Run,
) -> ChipInfo:
    """What all chips share but for the stretch."""
    gsds = sorted(gsd for picture in pictures if (gsd := picture.grid.gsd))
    # the median of the images: one number for all chips, as a network learns at one
    gsd = gsds[len(gsds) // 2] if gsds else dataset.gsd
    if gsds and gsds[-1] / gsds[0] > 1.2:
        accompany.remarks.append(
            f"images of {gsds[0]:.2f} to {gsds[-1]:.2f} m per pixel go into one index, as "
            f"{gsd:.2f} m"
        )
    bands = len(way.bands or ()) or pictures[0].bands
    return ChipInfo(bands, pictures[0].dtype, gsd, legend.classes, source_bands=way.bands)


def _stretched(
    info: ChipInfo,
    stretches: dict[str, Stretch],
    percentiles: tuple[float, float] | None,
    accompany: Run,
) -> ChipInfo:
    """``info`` with the stretch of one group, which travels with the model; of several groups with
    the rule, by which a scene gets its own.
    """
    if len(stretches) < 2 or percentiles is None:
        return replace(info, stretch=next(iter(stretches.values()), None))
    accompany.remarks.append(
        f"{', '.join(stretches)}: stretched from percentile {percentiles[0]:g} to "
        f"{percentiles[1]:g} each on its own, as the model will stretch each scene"
    )
    return replace(info, percentiles=percentiles)


# Through the pictures, in parts that processes share


def _parts(pictures: Sequence[SourceImage], jobs: int) -> list[Sequence[SourceImage]]:
    # small parts, so that processes end together; none of two groups, whose stretches differ
    most = 1 if jobs == 1 else min(32, max(1, len(pictures) // (4 * jobs)))
    groups = [list(group) for _, group in groupby(pictures, lambda picture: picture.pair.group)]
    return [group[i : i + most] for group in groups for i in range(0, len(group), most)]


def _stretches(
    pictures: list[SourceImage],
    way: ConversionSettings,
    percentiles: tuple[float, float],
    jobs: int,
    progress: Progress,
) -> dict[str, Stretch]:
    parts = _parts(pictures, jobs)
    advance = progress(Stage("statistics", "images"), len(pictures))
    found: dict[str, BandHistogram] = {}
    with closing(ordered(partial(count, way=way), parts, jobs)) as results:
        for part, histogram in zip(parts, results, strict=True):
            if known := found.get(part[0].pair.group):
                known.merge(histogram)
            else:
                found[part[0].pair.group] = histogram
            advance(len(part))
    return {
        group: stretch
        for group, histogram in found.items()
        if (stretch := histogram.percentiles(*percentiles))
    }


def _convert_all(
    pictures: list[SourceImage], work: partial[Any], jobs: int, progress: Progress
) -> tuple[list[tuple[SourceImage, WrittenChip]], LabelStatistics]:
    parts = _parts(pictures, jobs)
    advance = progress(Stage("convert", "images"), len(pictures))
    tally = LabelStatistics()
    made: list[tuple[SourceImage, WrittenChip]] = []
    with closing(ordered(work, parts, jobs)) as results:
        for part, (chips, met) in zip(parts, results, strict=True):
            made += [
                (picture, chip) for picture, own in zip(part, chips, strict=True) for chip in own
            ]
            tally.add(met)
            advance(len(part))
    return made, tally


# The index


def _assigned(
    chips: Sequence[Outlined], spec: PrepareSpec, folder: Path, accompany: Run
) -> SplitResult:
    """Chips with their splits; files of those that are dropped to keep splits apart are removed."""
    dealt = assign_pictures(chips, spec)
    accompany.remarks += dealt.warnings
    for chip in dealt.dropped:
        (folder / chip.made.image).unlink()
        (folder / chip.made.mask).unlink()
    return dealt


def _row(chip: Outlined, split: str) -> dict[str, Any]:
    return {
        "id": chip.made.name,
        "scene": chip.picture.pair.scene or chip.picture.name,
        "row": chip.made.tile.row,
        "col": chip.made.tile.col,
        "image": chip.made.image,
        "mask": chip.made.mask,
        "split": split,
        "valid_fraction": chip.made.valid,
        "geometry": chip.outline,
    }
