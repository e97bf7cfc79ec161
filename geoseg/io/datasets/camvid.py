"""CamVid: driving scenes in 11 classes and void, in SegNet's folders or as images and annotations.

Brostow, Fauqueur and Cipolla, "Semantic object classes in video: a high-definition ground truth
database", Pattern Recognition Letters 30 (2009). The 32 published classes become 11 as in
Badrinarayanan, Kendall and Cipolla, "SegNet", PAMI 39 (2017).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from geoseg.core.class_map import ClassMap, Colour
from geoseg.core.encoding import VOID
from geoseg.io.datasets.layout import (
    SPLITS,
    Dataset,
    Pair,
    Side,
    check,
    child,
    pairs,
    sides,
    without_splits,
)

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "traffic light or sign",
    "fence",
    "vehicle",
    "pedestrian",
    "cyclist",
)
# Colour and class of each of the 32 published classes, in the order of their names, by which some
# copies number them
PUBLISHED: dict[str, tuple[Colour, int]] = {
    "Animal": ((64, 128, 64), 9),
    "Archway": ((192, 0, 128), 1),
    "Bicyclist": ((0, 128, 192), 10),
    "Bridge": ((0, 128, 64), 1),
    "Building": ((128, 0, 0), 1),
    "Car": ((64, 0, 128), 8),
    "CartLuggagePram": ((64, 0, 192), 9),
    "Child": ((192, 128, 64), 9),
    "Column_Pole": ((192, 192, 128), 2),
    "Fence": ((64, 64, 128), 7),
    "LaneMkgsDriv": ((128, 0, 192), 3),
    "LaneMkgsNonDriv": ((192, 0, 64), 3),
    "Misc_Text": ((128, 128, 64), 6),
    "MotorcycleScooter": ((192, 0, 192), 10),
    "OtherMoving": ((128, 64, 64), 8),
    "ParkingBlock": ((64, 192, 128), 4),
    "Pedestrian": ((64, 64, 0), 9),
    "Road": ((128, 64, 128), 3),
    "RoadShoulder": ((128, 128, 192), 4),
    "Sidewalk": ((0, 0, 192), 4),
    "SignSymbol": ((192, 128, 128), 6),
    "Sky": ((128, 128, 128), 0),
    "SUVPickupTruck": ((64, 128, 192), 8),
    "TrafficCone": ((0, 0, 64), 2),
    "TrafficLight": ((0, 64, 64), 6),
    "Train": ((192, 64, 128), 8),
    "Tree": ((128, 128, 0), 5),
    "Truck_Bus": ((192, 128, 192), 8),
    "Tunnel": ((64, 0, 64), 1),
    "VegetationMisc": ((192, 192, 0), 5),
    "Void": ((0, 0, 0), VOID),
    "Wall": ((64, 192, 0), 1),
}
# SegNet's own pictures of its 11 classes
SEGNET: dict[Colour, int] = {(60, 40, 222): 4, (255, 69, 0): 3}
IMAGES = ("images", "image", "701_StillsRaw_full")
LABELS = ("annotations", "labels", "masks", "annot", "LabeledApproved_full")
EXPECTED = (
    "train/NAME.png + trainannot/NAME.png (val, test), or images/ + annotations/ with "
    "or without train/ val/ test/"
)


def read(root: Path) -> Dataset:
    """Masks hold SegNet's 0 to 10 with 11 for void, the published colours, or places in
    ``codes.txt`` where there is one.

    Without a published split a video sequence stays in one split: its frames are all but the same.
    Raises InputError that lists what is missing.
    """
    found, missing = _segnet(root)
    if not found and not missing:
        found, missing = sides(root, IMAGES, LABELS)
        if missing and not found:
            missing = ["train/ and trainannot/", "or images/ and annotations/"]
    made: list[Pair] = []
    for side in found:
        made += pairs(root, side, missing)
    check(root, "CamVid", missing, EXPECTED)
    # 0016E5_00390 is frame 390 of the sequence 0016E5
    made = [replace(pair, scene=pair.name.split("_")[0]) for pair in made]
    return Dataset(tuple(made), _legend(root), warnings=without_splits(made, root))


def _segnet(root: Path) -> tuple[list[Side], list[str]]:
    found: list[Side] = []
    missing: list[str] = []
    for split in SPLITS:
        image = child(root, [split, f"images_prepped_{split}"])
        label = child(root, [f"{split}annot", f"annotations_prepped_{split}"])
        if label and image:
            found.append((split, image, label))
        elif label:
            missing.append(f"{split}/")
        elif image and not child(image, IMAGES):
            missing.append(f"{split}annot/")
    if found and not any(split == "train" for split, _, _ in found) and not missing:
        missing.append("train/ and trainannot/")
    return found, missing


def _legend(root: Path) -> ClassMap:
    colours = dict(PUBLISHED.values()) | SEGNET
    names = root / "codes.txt"
    if not names.is_file():
        return ClassMap(
            CLASSES, {i: i for i in range(len(CLASSES))} | {len(CLASSES): VOID}, colours
        )
    listed = names.read_text("utf-8", "replace").split()
    return ClassMap(
        CLASSES,
        {i: PUBLISHED[name][1] for i, name in enumerate(listed) if name in PUBLISHED},
        colours,
    )
