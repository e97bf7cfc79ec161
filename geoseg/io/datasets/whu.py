"""WHU aerial buildings: ``train|val|test/{image,label}`` of 512 x 512 tiles at 0.3 m.

Ji, Wei and Lu, "Fully convolutional networks for multisource building extraction from an open
aerial and satellite imagery data set", IEEE TGRS 57 (2019), 574-586.
"""

from __future__ import annotations

from pathlib import Path

from geoseg.core.class_map import BINARY, ClassMap
from geoseg.io.datasets.layout import (
    SPLITS,
    Dataset,
    Pair,
    check,
    child,
    pairs,
    sides,
    without_splits,
)

IMAGES = ("image", "images", "img", "A")
LABELS = ("label", "labels", "mask", "masks", "gt", "B")
EXPECTED = "train/image/N.tif + train/label/N.tif, the same in val/ and test/; 512 x 512"


def read(root: Path) -> Dataset:
    """Also as ``Image`` and ``Label``, ``images`` and ``masks``, ``A`` and ``B``, or
    ``image/train`` and ``label/train``.

    Masks hold 255 or 1 for building. Raises InputError that lists what is missing.
    """
    found, missing = sides(root, IMAGES, LABELS)
    made: list[Pair] = []
    for side in found:
        made += pairs(root, side, missing)
    if not any(split == "train" for split, _, _ in found) and not child(root, SPLITS["train"]):
        missing.append("train/")
    check(root, "WHU", missing, EXPECTED)
    legend = ClassMap(BINARY, {0: 0, 1: 1, 255: 1})
    return Dataset(
        tuple(made), legend, gsd=0.3, size=(512, 512), warnings=without_splits(made, root)
    )
