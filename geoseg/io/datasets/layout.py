"""What the published layouts have in common: pairs of picture and labels, splits, and a list of all
that is missing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.core.class_map import ClassMap
from geoseg.errors import InputError
from geoseg.io.scene_names import EXTENSIONS

# Footprints, by the extension of the format; the likeliest to be meant first
VECTORS = (
    *(".geojson", ".json", ".gpkg", ".fgb", ".parquet", ".shp", ".csv"),
    *(".kml", ".gml", ".zip", ".gdb"),
)
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
# What a picture or a mask has before or behind the name that they share
_AFFIX = re.compile(
    r"^(?:images?|img|masks?|labels?|gt)[_-]"
    r"|[_-](?:images?|img|sat|rgb|masks?|labels?|gt|annot|seg|l|p)$",
    re.I,
)
_SHOWN = 12


@dataclass(frozen=True)
class Pair:
    """A picture and its ``labels``: one mask raster, or vector files that are all burned on it.

    ``split`` is the published one, None where there is none. A split keeps a ``scene`` together;
    pairs of a ``group`` share their stretch, and each group goes into all splits.
    """

    name: str
    image: Path
    labels: tuple[Path, ...]
    split: str | None = None
    scene: str = ""
    group: str = ""


@dataclass(frozen=True)
class Dataset:
    """Pairs as published; ``legend`` is None where the values of the masks decide.

    ``gsd`` (metres a pixel) and ``size`` (height, width) are those of the publication where it
    names them; with ``black`` pixels that are 0 in all bands hold no data.
    """

    pairs: tuple[Pair, ...]
    legend: ClassMap | None
    gsd: float | None = None
    size: tuple[int, int] | None = None
    black: bool = False
    warnings: tuple[str, ...] = ()


def check(root: Path, layout: str, missing: Sequence[str], expected: str) -> None:
    """Raise InputError that names all that is ``missing``, with the layout ``expected`` as the
    hint.
    """
    if missing:
        raise InputError(
            f"{root}: incomplete {layout} data set; missing: {'; '.join(missing)}",
            f"expected: {expected}",
        )


def child(folder: Path, names: Iterable[str]) -> Path | None:
    """The subfolder of the first of ``names`` that there is, in capitals or not."""
    if not folder.is_dir():
        return None
    there = {
        path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()
    }
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def files(folder: Path, suffixes: Iterable[str] = tuple(EXTENSIONS)) -> list[Path]:
    """Files of ``folder`` with one of the ``suffixes``, sorted; hidden ones are left out."""
    wanted = tuple(suffixes)
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in wanted
        and not p.name.startswith(".")
        and (p.is_file() or p.suffix.lower() == ".gdb")  # a file geodatabase is a folder
    )


Side = tuple[str | None, Path, Path]


def sides(root: Path, images: Sequence[str], labels: Sequence[str]) -> tuple[list[Side], list[str]]:
    """Folders of pictures and of labels as (split, pictures, labels), and what is missing.

    Found as ``images`` + ``labels``, ``split/images`` + ``split/labels`` or ``images/split`` +
    ``labels/split``.
    """
    found: list[Side] = []
    missing: list[str] = []
    # Three ways in which data sets are laid out:
    #
    #     root/images/a.tif + root/masks/a.tif                  no published split
    #     root/images/train/a.tif + root/masks/train/a.tif      splits below
    #     root/train/images/a.tif + root/train/masks/a.tif      splits above
    pictures = child(root, images)
    if pictures:
        masks = child(root, labels)
        splits = {
            split: path for split, names in SPLITS.items() if (path := child(pictures, names))
        }
        if not masks:
            return [], [f"{labels[0]}/"]
        for split, path in splits.items():
            if beside := child(masks, SPLITS[split]):
                found.append((split, path, beside))
            else:
                missing.append(f"{masks.name}/{path.name}/")
        if not splits:
            found.append((None, pictures, masks))
        return found, missing
    for split, names in SPLITS.items():
        if folder := child(root, names):
            pictures = child(folder, images)
            masks = child(folder, labels)
            missing += [
                f"{folder.name}/{n[0]}/"
                for n, path in ((images, pictures), (labels, masks))
                if not path
            ]
            if pictures and masks:
                found.append((split, pictures, masks))
    return found, missing or ([] if found else [f"{images[0]}/", f"{labels[0]}/"])


def pairs(root: Path, side: Side, missing: list[str], suffixes: Iterable[str] = ()) -> list[Pair]:
    """Pictures of a side in ``root`` with the labels of the same name (``a.jpg`` + ``a.png``,
    ``a_mask.tif``, ``a.geojson``).

    ``missing`` takes what has no partner. ``suffixes`` are those of labels, first choice first.
    """
    split, folder, beside = side
    pictures = files(folder)
    if not pictures:
        missing.append(f"images in {folder.relative_to(root).as_posix()}/")
    exact, bare = _by_name(beside, tuple(suffixes) or EXTENSIONS)
    found = []
    without = []
    for picture in pictures:
        # the same name first: a_mask.png may be the mask of a.png, or of a_mask.jpg; then the whole
        # name: that of a_p.png is a_p_mask.png rather than a_mask.png
        stem = picture.stem.lower()
        label = exact.get(stem) or bare.get(stem) or bare.get(_bare(picture.stem))
        if label is None or label == picture:
            without.append(picture.name)
        else:
            found.append(Pair(picture.stem, picture, (label,), split, picture.stem))
    if without:
        missing.append(f"labels in {beside.relative_to(root).as_posix()}/ for {listed(without)}")
    return found


def _by_name(folder: Path, suffixes: Sequence[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Label files by their name, and by their name without affixes."""
    order = {suffix: i for i, suffix in enumerate(suffixes)}
    # the first choice last, since later ones replace earlier ones in the dictionary
    labels = sorted(
        files(folder, suffixes), key=lambda path: order[path.suffix.lower()], reverse=True
    )
    return {path.stem.lower(): path for path in labels}, {_bare(path.stem): path for path in labels}


def _bare(stem: str) -> str:
    return _AFFIX.sub("", stem).lower() or stem.lower()


def listed(names: Sequence[str]) -> str:
    """Names as a list that ends after a dozen."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def copy(picture: Path, to: Path) -> None:
    """Copy a photo byte by byte, without its permissions."""
    shutil.copyfile(picture, to)


def without_splits(found: Sequence[Pair], where: Path) -> tuple[str, ...]:
    """A warning of each split that is not there, where others are."""
    there = {pair.split for pair in found}
    return tuple(
        f"{where}: has no {split} split"
        for split in SPLITS
        if there != {None} and split not in there
    )
