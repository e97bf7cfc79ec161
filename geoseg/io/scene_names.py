"""The scenes a user names, and the small text files beside them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from geoseg.errors import InputError, UsageError
from geoseg.io.config import read_text
from geoseg.io.xyz import is_tile_folder

LONGEST = 200  # bytes of the name of a scene, in those of files that allow 255
INDEX = "index.parquet"  # of a folder of chips, which are in its images/
EXTENSIONS = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg")


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Scenes by path, folder, glob, ``@list.txt`` (one name a line, ``#`` comments), https:// and
    s3:// address as typed, or as an asset of a STAC item, ``item.json#asset``.

    In the order given, a folder's and a glob's sorted, each scene once. A folder of map tiles is
    one scene, a folder with a chip index stands for its chips. Names in a list are taken as if they
    were typed. Raises InputError where a folder, glob or list holds nothing.
    """
    return tuple(dict.fromkeys(scene for name in names for scene in _expand(name)))


def everywhere(name: str) -> str:
    """``name`` as a process that was started in another folder finds it: an absolute path, an
    address as it is.
    """
    return name if "://" in name else str(Path(name).absolute())


def redact_url(name: str) -> str:
    """``name`` without what may be a secret in an address: user and password, and the query of a
    signed one; of a malformed one only its scheme is left.
    """
    if "://" not in name:
        return name
    try:
        parts = urlsplit(name)
    except ValueError:
        return f"{name.partition('://')[0]}://"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def as_text(name: str) -> str:
    """``name`` as UTF-8 holds it: question marks for bytes of a file name that are none."""
    return name.encode("utf-8", "replace").decode("utf-8")


def scene_name(name: str) -> str:
    """What a scene is called: its file's name without the extension, and without what is secret in
    an address.
    """
    path = Path(redact_url(name))
    return as_text(path.stem or path.resolve().stem)


def unique_names(scenes: Iterable[str]) -> list[str]:
    """A name for each of ``scenes``, numbered where two are alike: ``ortho``, ``ortho_2``. Case
    does not count, because some file systems ignore it.
    """
    taken: set[str] = set()
    names = []
    for path in scenes:
        stem = name = _shortened(scene_name(path))
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _shortened(name: str) -> str:
    """``name``, of one that is long the beginning and a mark of its own: names of chips
    and outputs go on behind it.
    """
    held = name.encode()
    if len(held) <= LONGEST:
        return name
    import hashlib  # slow to import

    mark = hashlib.sha256(held).hexdigest()[:8]
    return f"{held[: LONGEST - 9].decode('utf-8', 'ignore')}_{mark}"


def _expand(name: str) -> Iterator[str]:
    if not name:
        raise UsageError("a scene has no name", "an empty one would be the current folder")
    try:
        yield from _expanded(name)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error


def _expanded(name: str) -> Iterator[str]:
    path = Path(name)
    if name.startswith("@"):
        lines = map(str.strip, read_text(Path(name[1:])).splitlines())
        entries = [line for line in lines if line and not line.startswith("#")]
        for entry in _some(entries, f"{name[1:]}: names no scenes"):
            if entry.startswith("@"):
                raise InputError(f"{name[1:]}: names another list, {entry}")
            yield from _expand(entry)
    elif path.is_dir() and not is_tile_folder(path):
        chips = path / "images"
        folder = chips if (path / INDEX).is_file() and chips.is_dir() else path
        found = sorted(
            str(p)
            for p in folder.iterdir()
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
