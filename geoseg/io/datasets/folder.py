"""A folder of anything: ``images/`` beside ``masks/`` or ``labels/``, with or without folders of
splits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from geoseg.core.class_map import BINARY, ClassMap
from geoseg.errors import UsageError
from geoseg.io.datasets import solaris
from geoseg.io.datasets.layout import (
    VECTORS,
    Dataset,
    Pair,
    Side,
    check,
    files,
    pairs,
    sides,
    without_splits,
)
from geoseg.io.scene_names import EXTENSIONS

IMAGES = ("images", "image", "img", "imgs", "imagery", "input", "inputs")
LABELS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "gt",
    "ground_truth",
    "targets",
    "geojson",
    "footprints",
)
EXPECTED = (
    "images/NAME.tif + masks/NAME.tif (or .png, .geojson, .gpkg), in ROOT or in each "
    "of train/ val/ test/"
)


def read(root: Path, labels: str | None = None, pattern: str | None = None) -> Dataset:
    """Pictures and masks or footprints of the same names.

    ``labels`` names the folder of labels where there are several; one vector file alone in it holds
    the footprints of all pictures. ``pattern`` is a regular expression: what it matches in a
    picture's name is its scene, by default all of it. A solaris list (``image,label``) or a folder
    of them will do too. Raises InputError that lists what is missing.
    """
    if solaris.lists(root):
        listed = solaris.read(root)
        return replace(
            listed, pairs=tuple(_with_scenes(listed.pairs, pattern)), legend=_legend(listed.pairs)
        )
    found, missing = sides(root, IMAGES, (labels,) if labels else LABELS)
    made: list[Pair] = []
    for side in found:
        common = _common(side)
        made += common or pairs(root, side, missing, (*VECTORS, *EXTENSIONS))
    check(root, "folder", missing, EXPECTED)
    return Dataset(
        tuple(_with_scenes(made, pattern)), _legend(made), warnings=without_splits(made, root)
    )


def _legend(found: Sequence[Pair]) -> ClassMap | None:
    """Footprints are buildings; of masks the values decide."""
    vectors = {pair.labels[0].suffix.lower() in VECTORS for pair in found}
    return ClassMap(BINARY, {0: 0, 1: 1}) if vectors == {True} else None


def _common(side: Side) -> list[Pair]:
    """Pairs with the one vector file in the folder of labels, where it holds nothing else."""
    split, images, labels = side
    vectors = files(labels, VECTORS)
    if len(vectors) != 1 or files(labels):
        return []
    return [Pair(path.stem, path, (vectors[0],), split, path.stem) for path in files(images)]


def _with_scenes(found: Sequence[Pair], pattern: str | None) -> Sequence[Pair]:
    if pattern is None:
        return found
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}") from error
    matches = [expression.search(pair.name) for pair in found]
    return [
        replace(p, scene=(m[1] if expression.groups else m[0]) if m else p.name)
        for p, m in zip(found, matches, strict=True)
    ]
