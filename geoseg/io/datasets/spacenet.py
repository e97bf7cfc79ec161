"""SpaceNet 2: ``AOI_2_Vegas_Train/{RGB-PanSharpen,MUL-PanSharpen,PAN,MUL}``, ``geojson/buildings``,
``summaryData/*.csv``.

Van Etten, Lindenbaum and Bacastow, "SpaceNet: a remote sensing dataset and challenge series",
arXiv:1807.01232 (2018): 16-bit WorldView-3 images of 200 m x 200 m, 650 x 650 pixels of 0.3 m. The
test set is published without labels, so that there is no published split; each area goes into all
of ours.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from geoseg.core.class_map import BINARY, ClassMap
from geoseg.errors import InputError, SettingError
from geoseg.io.datasets.layout import Dataset, Pair, check, child, files, listed

IMAGERY = ("RGB-PanSharpen", "MUL-PanSharpen", "PAN", "MUL")
EXPECTED = (
    "AOI_2_Vegas_Train/RGB-PanSharpen/RGB-PanSharpen_AOI_2_Vegas_img1.tif + "
    "AOI_2_Vegas_Train/geojson/buildings/buildings_AOI_2_Vegas_img1.geojson or summaryData/*.csv"
)
_AREA = re.compile(r"(AOI_(?:2_Vegas|3_Paris|4_Shanghai|5_Khartoum))(?:_.*)?_Train", re.IGNORECASE)


def read(root: Path, imagery: str | None = None) -> Dataset:
    """One area or a folder of areas; ``imagery`` is one of IMAGERY, by default the first that all
    areas have.

    The footprints of the whole area belong to each of its images. Raises InputError that lists what
    is missing.
    """
    if imagery and imagery not in IMAGERY:
        raise SettingError("imagery", f"must be one of {', '.join(IMAGERY)}, not {imagery!r}")
    areas = _areas(root)
    missing = (
        []
        if areas
        else [
            "AOI_2_Vegas_Train/, AOI_3_Paris_Train/, AOI_4_Shanghai_Train/ or AOI_5_Khartoum_Train/"
        ]
    )
    kind = imagery or next(
        (kind for kind in IMAGERY if all(child(area, [kind]) for area in areas)), IMAGERY[0]
    )
    made: list[Pair] = []
    for area in areas:
        made += _area(area, kind, missing)
    check(root, "SpaceNet 2", missing, EXPECTED)
    size = None if kind == "MUL" else (650, 650)
    return Dataset(tuple(made), ClassMap(BINARY, {0: 0, 1: 1}), size=size, black=True)


def _areas(root: Path) -> list[Path]:
    """Folders of areas: ``root`` itself or those in it, or in a folder of the same name, as some
    archives unpack.
    """
    if not root.is_dir():
        return []
    inside = sorted(path for path in root.iterdir() if path.is_dir() and _AREA.fullmatch(path.name))
    if inside:
        return [child(path, [path.name]) or path for path in inside]
    return [root] if _AREA.fullmatch(root.absolute().name) else []


def _area(area: Path, kind: str, missing: list[str]) -> list[Pair]:
    folder = child(area, [kind])
    images = {path.stem.removeprefix(f"{kind}_"): path for path in files(folder)} if folder else {}
    if not images:
        missing.append(f"{area.name}/{kind}/" if not folder else f"images in {area.name}/{kind}/")
    buildings = child(child(area, ["geojson"]) or area, ["buildings"])
    found = files(buildings, [".geojson"]) if buildings else []
    summaries = files(summary, [".csv"]) if (summary := child(area, ["summaryData"])) else []
    without = _unlabelled(images, {path.stem.removeprefix("buildings_") for path in found})
    labels = tuple(found)
    if without and summaries:
        labels = tuple(summaries)
        without = _unlabelled(images, {name for path in summaries for name in image_ids(path)})
    if not found and not summaries:
        missing.append(f"{area.name}/geojson/buildings/ or {area.name}/summaryData/*.csv")
    elif without:
        missing.append(
            f"footprints in {area.name}/geojson/buildings/ or summaryData/ of {listed(without)}"
        )
    match = _AREA.fullmatch(area.absolute().name)
    group = match[1] if match else area.name
    return [Pair(name, path, labels, None, name, group) for name, path in images.items()]


def _unlabelled(images: dict[str, Path], labelled: set[str]) -> list[str]:
    return [name for name in images if name not in labelled]


def image_ids(path: Path) -> set[str]:
    """Images that a SpaceNet CSV knows, those without buildings too. Raises InputError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row.get("ImageId") or "" for row in csv.DictReader(file)}
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
