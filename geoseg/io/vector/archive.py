"""Vector files in zip archives are unpacked and then read as any other.

GDAL could read them in place, and would take each for what its bytes say: a member
called roofs.geojson that is a description of other files, with the driver that reads those.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from geoseg.errors import InputError, SafetyError
from geoseg.io.formats import zipped
from geoseg.io.plain_names import is_plain

# What is unpacked may be large, or many times larger than the archive; not both
_LARGE = 10**9
_TIMES = 100


def unpacked(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Name in the archive and path, in ``folder``, of each vector file and geodatabase of a zip.

    Raises InputError (damaged, encrypted) and SafetyError (a bomb).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            for number, inner in enumerate(zipped(path)):
                own = _belonging(members, PurePosixPath(inner))
                _check_size(path, sum(member.file_size for member in own.values()))
                place = folder / str(number)
                for name, member in own.items():
                    target = place / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as packed, target.open("wb") as out:
                        shutil.copyfileobj(packed, out, 2**20)
                yield inner, place / _plain(PurePosixPath(inner)).name
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError) as error:
        reason = "it is encrypted" if "encrypted" in str(error) else "it is damaged"
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _belonging(
    members: list[zipfile.ZipInfo], inner: PurePosixPath
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """What belongs to the file or geodatabase ``inner``, by the name that it is unpacked under: a
    geodatabase is a folder, a Shapefile all of its stem.
    """
    found = {}
    for member in members:
        name = PurePosixPath(member.filename)
        if ".." in name.parts or name.is_absolute():
            continue
        if inner in name.parents:  # of a geodatabase
            found[_plain(inner).name / name.relative_to(inner)] = member
            continue
        beside = inner.suffix.lower() == ".shp" and name.with_suffix("") == inner.with_suffix("")
        if name == inner or beside:
            found[PurePosixPath(_plain(name).name)] = member
    return found


def _plain(name: PurePosixPath) -> PurePosixPath:
    return name if is_plain(name.name) else PurePosixPath(f"layer{name.suffix}")


def _check_size(path: Path, size: int) -> None:
    if size > _LARGE and size > _TIMES * path.stat().st_size:
        raise SafetyError(f"{path}: claims to hold {size / 1e9:,.1f} GB, many times its own size")
