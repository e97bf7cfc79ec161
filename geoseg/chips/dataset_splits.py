"""Which chips of a prepared data set go into which split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import shapely
from pyproj import CRS

from geoseg.chips.convert import SourceImage, WrittenChip
from geoseg.core.splits import SPLITS, assign_splits, outline_blocks, sharing
from geoseg.core.transformation import LONLAT, between
from geoseg.specs import PrepareSpec


@dataclass(frozen=True)
class Outlined:
    """A chip that holds data, its picture, and its outline in the CRS of the index."""

    picture: SourceImage
    made: WrittenChip
    outline: shapely.Polygon


@dataclass(frozen=True)
class SplitResult:
    """Chips with their splits, those ``dropped`` to keep splits apart, and what to warn of."""

    kept: list[tuple[Outlined, str]]
    dropped: list[Outlined]
    warnings: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Chips by split, of those that have any."""
        counts = Counter(split for _, split in self.kept)
        return {split: counts[split] for split in SPLITS if counts[split]}


def outlined(made: Sequence[tuple[SourceImage, WrittenChip]]) -> tuple[list[Outlined], CRS | None]:
    """The chips with data, outlined in the CRS that all share, else in WGS 84; pictures in pixels,
    y downwards.
    """
    systems = list(dict.fromkeys(picture.grid.crs for picture, _ in made))
    crs = systems[0] if len(systems) == 1 else LONLAT
    of = {picture.grid.crs: picture.name for picture, _ in made}  # a picture that errors can name
    ways = {own: between(own, crs, of[own]).transform for own in systems if own != crs}
    chips = []
    for picture, chip in made:
        if chip.valid:
            outline = shapely.Polygon(chip.grid.corners)
            way = ways.get(chip.grid.crs)
            chips.append(
                Outlined(
                    picture,
                    chip,
                    shapely.transform(outline, way, interleaved=False) if way else outline,
                )
            )
    return chips, crs


def assign_pictures(chips: Sequence[Outlined], spec: PrepareSpec) -> SplitResult:
    """The published splits; where there is none, what belongs together is dealt out by the seed,
    for each group alone.

    With blocks and scenes chips that share ground with one of a later split are dropped (train,
    val, test); published splits and random ones stay as they are.
    """
    by = spec.split_by
    if by == "auto":
        by = "block" if chips[0].picture.placed and not spec.pattern else "scene"
    units = _units(chips, by, spec.block_size)
    splits = np.array([chip.picture.pair.split or "" for chip in chips], object)
    groups = np.array([chip.picture.pair.group for chip in chips], object)
    loose = splits == ""
    for group in dict.fromkeys(groups):
        own = np.flatnonzero(loose & (groups == group))
        splits[own] = assign_splits([units[i] for i in own], spec.split, spec.seed)
    leaks = np.zeros(len(chips), bool)
    placed = [i for i, chip in enumerate(chips) if chip.picture.placed]
    leaks[placed] = sharing(
        np.array([chips[i].outline for i in placed], object), splits[placed].tolist()
    )
    # a published split is not ours to mend, and random ones were asked for
    out = leaks & loose & (by != "random")
    dealt = SplitResult(
        [
            (chip, str(split))
            for chip, split, gone in zip(chips, splits, out, strict=True)
            if not gone
        ],
        [chip for chip, gone in zip(chips, out, strict=True) if gone],
        [],
    )
    if loose.any():
        hints = {
            "block": "a smaller `block_size` or `size` makes more blocks",
            "scene": f"scenes: {len(set(units))}",
        }
        dealt.warnings.extend(_empty(dealt.counts, spec, hints.get(by, f"chips: {len(chips)}")))
    if left := int((leaks & ~out).sum()):
        why = "; `split_by` block keeps them apart" if loose.any() else ", as published"
        dealt.warnings.append(f"{left} chips share ground with chips of another split{why}")
    return dealt


def _units(chips: Sequence[Outlined], by: str, size: int) -> list[Hashable]:
    """What a split keeps together: of each chip its scene, its block of ground, or itself."""
    if by == "scene":
        return [chip.picture.pair.scene or chip.picture.name for chip in chips]
    if by == "random":
        return [chip.made.name for chip in chips]
    # a picture without a place is a ground of its own
    grounds = ["" if chip.picture.placed else chip.picture.name for chip in chips]
    units: list[Hashable] = [None] * len(chips)
    for ground, own in groupby(
        sorted(range(len(chips)), key=grounds.__getitem__), grounds.__getitem__
    ):
        places = list(own)
        for i, block in zip(
            places,
            outline_blocks(np.array([chips[i].outline for i in places], object), size),
            strict=True,
        ):
            units[i] = ground, block
    return units


def _empty(counts: dict[str, int], spec: PrepareSpec, hint: str) -> Iterator[str]:
    for split, share in zip(SPLITS, spec.split, strict=True):
        if share > 0 and split not in counts:
            yield f"the {split} split is empty ({hint})"
