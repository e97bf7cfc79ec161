"""Which split a chip goes to, and the chip index that records it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import shapely
from pyproj import CRS

from geoseg.chips.cut import CutChip, Source
from geoseg.core.splits import SPLITS, assign_splits, leaking
from geoseg.core.tiling import outlines
from geoseg.core.transformation import LONLAT, between
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import ChipInfo, write_index
from geoseg.specs import SPLIT, ChipSpec, Stretch

Chips = list[tuple[CutChip, str | None]]


def assign_chips(cuts: Sequence[CutChip], spec: ChipSpec) -> tuple[Chips, list[CutChip]]:
    """Chips with their splits, and those that share pixels with another split; random splits keep
    the latter too. The splits are None where nothing is split.
    """
    fractions = spec.fractions(any(cut.source.labels for cut in cuts))
    if fractions is None:
        return [(cut, None) for cut in cuts], []
    # what is never parted: a chip itself, all chips of a scene, or of a block of tiles
    units: dict[str, Callable[[CutChip], Hashable]] = {
        "random": lambda cut: (cut.source.name, cut.tile.id),
        "scene": lambda cut: cut.source.name,
        "block": lambda cut: (
            cut.source.name,
            cut.tile.row // spec.block_size,
            cut.tile.col // spec.block_size,
        ),
    }
    splits = assign_splits([units[spec.split_by](cut) for cut in cuts], fractions, spec.seed)
    chips: Chips = []
    leaks: list[CutChip] = []
    for _, group in groupby(zip(cuts, splits, strict=True), lambda chip: chip[0].source.name):
        # chips of two scenes are not compared: their windows lie on different grids
        own = list(group)
        out = leaking([cut.tile.window for cut, _ in own], [split for _, split in own])
        leaks += [cut for (cut, _), leak in zip(own, out, strict=True) if leak]
        chips += [
            chip
            for chip, leak in zip(own, out, strict=True)
            if not leak or spec.split_by == "random"
        ]
    return chips, leaks


def split_warnings(
    counts: Counter[str | None], leaks: list[CutChip], spec: ChipSpec
) -> Iterator[str]:
    """Warnings about splits that overlap or are empty."""
    if None in counts:
        return
    if leaks and spec.split_by == "random":
        yield "chips of different splits overlap; `split_by` block keeps them apart"
    for split, share in zip(SPLITS, spec.split or SPLIT, strict=True):
        if share > 0 and not counts[split]:
            hint = "; a smaller `block_size` makes more blocks" if spec.split_by == "block" else ""
            yield f"the {split} split is empty{hint}"


def write_chip_index(folder: Path, chips: Chips, spec: ChipSpec, stretch: Stretch | None) -> None:
    """The index, with outlines in the scenes' CRS where they share one, else in WGS 84; of pictures
    in pixels, y downwards.
    """
    sources = list({cut.source.name: cut.source for cut, _ in chips}.values())
    first = sources[0]
    crs = first.grid.crs
    shared = all(source.grid.crs == crs for source in sources)
    rows = [
        {
            "id": cut.id,
            "scene": cut.source.name,
            "row": cut.tile.row,
            "col": cut.tile.col,
            "image": cut.image,
            "mask": cut.mask,
            "split": split,
            "valid_fraction": cut.valid,
            "geometry": outline,
        }
        for (cut, split), outline in zip(
            chips, _outlines(chips, None if shared else LONLAT), strict=True
        )
    ]
    # scenes of one index have about one resolution: the first speaks for all
    gsd = spec.gsd or first.grid.gsd
    bands = len(spec.bands or ()) or first.bands
    classes, multilabel = _classes(sources)
    info = ChipInfo(
        bands, first.dtype, gsd, classes, stretch, source_bands=spec.bands, multilabel=multilabel
    )
    write_index(folder, rows, info, crs if shared else LONLAT)


def _outlines(chips: Chips, crs: CRS | None) -> Iterator[shapely.Polygon]:
    """Outlines of the chips, in their scenes' CRS or in ``crs``."""
    for _, group in groupby((cut for cut, _ in chips), lambda cut: cut.source.name):
        own = list(group)
        grid = own[0].source.grid
        found = outlines([cut.tile.window for cut in own], grid.transform)
        if crs is not None:
            to_crs = between(grid.crs, crs, own[0].source.name)
            found = shapely.transform(found, to_crs.transform, interleaved=False)
        yield from found


def _classes(sources: Sequence[Source]) -> tuple[tuple[str, ...], bool]:
    """Names of the classes that the labels hold, and whether they are multilabel."""
    labels = dict.fromkeys(source.labels for source in sources if source.labels)
    if not labels:
        return ChipInfo.classes, False
    from geoseg.labels.scene_labels import classes

    names, *others = dict.fromkeys(classes(path) for path in labels)
    if others:
        raise UnsuitableError(
            "the masks of the scenes name different classes", "cut them into separate folders"
        )
    return names
