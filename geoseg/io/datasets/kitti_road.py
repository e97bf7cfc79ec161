"""KITTI road: ``training/{image_2,gt_image_2}``, perspective photos with the road or the lane in
magenta.

Fritsch, Kuehnl and Geiger, "A new performance measure and evaluation benchmark for road detection
algorithms", ITSC 2013. The test set is published without labels, so that there is no published
split; each of the three categories goes into all of ours.
"""

from __future__ import annotations

import re
from pathlib import Path

from geoseg.core.class_map import ClassMap
from geoseg.core.encoding import VOID
from geoseg.io.datasets.layout import Dataset, Pair, check, child, files, listed

EXPECTED = (
    "training/image_2/um_000000.png + training/gt_image_2/um_road_000000.png (um, umm, "
    "uu; road or lane)"
)
_PHOTO = re.compile(r"(um|umm|uu)_(\d{6})")


def read(root: Path, target: str | None = None) -> Dataset:
    """``target`` is ``road`` or ``lane``; by default the road, or the lanes where no road is
    labelled.

    Raises InputError that lists what is missing.
    """
    missing: list[str] = []
    top = child(root, ["training"]) or root
    images = child(top, ["image_2"])
    truth = child(top, ["gt_image_2"])
    missing += [
        f"{name}/" for name, path in (("image_2", images), ("gt_image_2", truth)) if not path
    ]
    photos = [path for path in files(images) if _PHOTO.fullmatch(path.stem)] if images else []
    if images and not photos:
        missing.append("photos in image_2/")
    labels = {path.stem: path for path in files(truth)} if truth else {}
    kind = target or ("road" if any("_road_" in name for name in labels) or not labels else "lane")
    made = []
    without = []
    for photo in photos:
        category, number = photo.stem.split("_")
        label = labels.get(f"{category}_{kind}_{number}")
        if label:
            made.append(Pair(photo.stem, photo, (label,), None, photo.stem, category))
        elif kind == "road" or category == "um":  # lanes are labelled in urban marked streets alone
            without.append(f"{category}_{kind}_{number}.png")
    if truth and without:
        missing.append(f"labels in gt_image_2/: {listed(without)}")
    check(root, "KITTI road", missing, EXPECTED)
    # red is the rest of the road scene, magenta the road or the lane, black was not labelled
    legend = ClassMap(
        ("background", kind), colours={(255, 0, 0): 0, (255, 0, 255): 1, (0, 0, 0): VOID}
    )
    warnings = () if target or kind == "road" else (f"{root}: labels no road, its lanes are taken",)
    return Dataset(tuple(made), legend, warnings=warnings)
