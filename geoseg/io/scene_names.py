"""The scenes a user names, and the small text files beside them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from geoseg.errors import InputError
from geoseg.io.xyz import is_tile_folder

EXTENSIONS = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg")


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Scenes by path, folder, glob, ``@list.txt`` (one name a line, ``#`` comments), https:// and
    s3:// address as typed, or as an asset of a STAC item, ``item.json#asset``.

    In the order given, a folder's and a glob's sorted, each scene once. A folder of map tiles is
    one scene. Names in a list are taken
    as if they were typed. Raises InputError where a folder, glob or list holds nothing.
    """
    return tuple(dict.fromkeys(scene for name in names for scene in _expand(name)))


def redact_url(name: str) -> str:
    """``name`` without what may be a secret in an address: user and password, and the query of a
    signed one.
    """
    if "://" not in name:
        return name
    parts = urlsplit(name)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def scene_name(name: str) -> str:
    """What a scene is called: its file's name without the extension, and without what is secret in
    an address.
    """
    path = Path(redact_url(name))
    return path.stem or path.resolve().stem


def unique_names(scenes: Iterable[str]) -> list[str]:
    """A name for each of ``scenes``, numbered where two are alike: ``ortho``, ``ortho_2``. Case
    does not count, because some file systems ignore it.
    """
    taken: set[str] = set()
    names = []
    for path in scenes:
        stem = name = scene_name(path)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _expand(name: str) -> Iterator[str]:
    path = Path(name)
    if name.startswith("@"):
        for line in _read_text(Path(name[1:])).splitlines():
            entry = line.strip()
            if entry.startswith("@"):
                raise InputError(f"{name[1:]}: names another list, {entry}")
            if entry and not entry.startswith("#"):
                yield from _expand(entry)
    elif path.is_dir() and not is_tile_folder(path):
        found = sorted(
            str(p)
            for p in path.iterdir()
            if p.suffix.lower() in EXTENSIONS and not p.name.startswith(".")
        )
        yield from _some(found, f"{name}: holds no scenes")
    elif "://" not in name and glob.has_magic(name) and not path.exists():
        # Path.glob takes no absolute pattern
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        yield from _some(found, f"{name}: matches no file")
    else:
        yield name


def _some(found: list[str], otherwise: str) -> list[str]:
    if not found:
        raise InputError(otherwise)
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as text") from error
