"""Published data sets, one file a layout: each finds the pairs of images and labels, or reports all
that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from geoseg.errors import InputError, SettingError
from geoseg.io.datasets import camvid, folder, kitti_road, spacenet, whu
from geoseg.io.datasets.layout import Dataset

# How each layout is read, and which settings it takes
LAYOUTS: dict[str, tuple[Callable[..., Dataset], tuple[str, ...]]] = {
    "spacenet2": (spacenet.read, ("imagery",)),
    "whu": (whu.read, ()),
    "kitti-road": (kitti_road.read, ("target",)),
    "camvid": (camvid.read, ()),
    "folder": (folder.read, ("labels", "pattern")),
}


def read(layout: str, root: Path, **settings: str | None) -> Dataset:
    """The data set in ``root``; ``settings`` are those of its layout's ``read``, None where they
    are not set.

    Raises InputError (what is missing) and SettingError (a setting of another layout).
    """
    if layout not in LAYOUTS:
        raise SettingError(f"{layout!r} is no layout", f"one of {', '.join(LAYOUTS)}")
    if not root.exists():
        raise InputError(f"{root}: does not exist")
    reader, takes = LAYOUTS[layout]
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given.keys() - set(takes):
        raise SettingError(name, f"does not apply to the layout {layout}")
    dataset = reader(root, **given)
    if not dataset.pairs:
        raise InputError(f"{root}: holds no pair of image and labels")
    return dataset
