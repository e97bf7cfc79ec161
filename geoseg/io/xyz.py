"""Folders of map tiles: which files in them are tiles, by their names, and of which place each is.

Tile servers cut the world, as a square in EPSG:3857, into ``2**z`` columns and rows at zoom ``z``,
counted from the north-west corner.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The world at zoom 1, and how files are named:
#
#     +-----+-----+      17/76532/50081.png         as web servers lay them: z/x/y
#     | 0,0 | 1,0 |      17-76532-50081.png         z-x-y
#     +-----+-----+      OAM-76532-50081-17.png     x-y-z, as fAIr names them
#     | 0,1 | 1,1 |
#     +-----+-----+      x,y
MAX_ZOOM = 30
_SUFFIX = r"\.(?:png|jpe?g|tiff?)"
_FLAT = re.compile(rf"(\d+)-(\d+)-(\d+){_SUFFIX}", re.I)
_FAIR = re.compile(rf"OAM-(\d+)-(\d+)-(\d+){_SUFFIX}", re.I)
_ROW = re.compile(rf"(\d+){_SUFFIX}", re.I)
_RASTER = re.compile(rf".*{_SUFFIX}", re.I)
# what gdal2tiles writes beside tiles whose rows are counted from the south
_FROM_SOUTH = "tilemapresource.xml"

Place = tuple[int, int, int]  # zoom, column, row


@dataclass(frozen=True)
class TileFolder:
    """The tiles of one zoom level by (column, row) from the north-west; ``others`` are the zoom
    levels that are left out.
    """

    zoom: int
    files: dict[tuple[int, int], Path]
    others: tuple[int, ...] = ()


def is_tile_folder(path: Path) -> bool:
    """Whether ``path`` is a folder of map tiles: all rasters in it are named as such, or it has
    none and z/x/y below it.
    """
    if not os.path.isdir(path):  # noqa: PTH112, of a name that is too long Path raises an error
        return False
    rasters = _rasters(path)
    if rasters:
        return all(_flat_place(file.name) is not None for file in rasters)
    return next(_nested(path), None) is not None


def find_tiles(path: Path) -> TileFolder:
    """The tiles in a folder for which :func:`is_tile_folder` holds, those of its deepest zoom."""
    zooms: dict[int, dict[tuple[int, int], Path]] = {}
    for (zoom, column, row), file in _flat(path) or _nested(path):
        zooms.setdefault(zoom, {})[column, row] = file
    deepest = max(zooms)
    others = tuple(sorted(zooms.keys() - {deepest}))
    return TileFolder(deepest, zooms[deepest], others)


def _rasters(path: Path) -> list[Path]:
    return sorted(
        file
        for file in path.iterdir()
        if _RASTER.fullmatch(file.name) and not file.name.startswith(".") and file.is_file()
    )


def _flat(path: Path) -> list[tuple[Place, Path]]:
    found = ((_flat_place(file.name), file) for file in _rasters(path))
    return [(place, file) for place, file in found if place]


def _flat_place(name: str) -> Place | None:
    if match := _FLAT.fullmatch(name):
        zoom, column, row = map(int, match.groups())
    elif match := _FAIR.fullmatch(name):
        column, row, zoom = map(int, match.groups())
    else:
        return None
    return _checked(zoom, column, row)


def _nested(path: Path) -> Iterator[tuple[Place, Path]]:
    """Tiles as zoom/column/row below ``path``, or column/row where ``path`` is that of a zoom."""
    zooms = list(_numbered(path))
    if path.resolve().name.isdecimal() and any(_rasters(folder) for _, folder in zooms):
        zooms = [(int(path.resolve().name), path)]
    for zoom, folder in zooms:
        south = any((each / _FROM_SOUTH).is_file() for each in (folder, folder.parent))
        for column, below in _numbered(folder):
            for file in _rasters(below):
                match = _ROW.fullmatch(file.name)
                row = int(match[1]) if match else -1
                if south:
                    # of the four rows of zoom 2 the southernmost is 0 there and 3 here
                    row = 2**zoom - 1 - row if zoom <= MAX_ZOOM else -1
                if place := _checked(zoom, column, row):
                    yield place, file


def _numbered(path: Path) -> Iterator[tuple[int, Path]]:
    folders = [each for each in path.iterdir() if each.name.isdecimal() and each.is_dir()]
    for folder in sorted(folders, key=lambda each: int(each.name)):
        yield int(folder.name), folder


def _checked(zoom: int, column: int, row: int) -> Place | None:
    """The place, None where there is no such tile."""
    if zoom > MAX_ZOOM or not (0 <= column < 2**zoom and 0 <= row < 2**zoom):
        return None
    return zoom, column, row
