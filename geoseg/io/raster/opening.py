"""Open a file with the one driver that its bytes name; GDAL's errors become geoseg's."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import rasterio
import rasterio._base
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geoseg.errors import InputError, SafetyError
from geoseg.io.plain_names import plain
from geoseg.io.raster.whole import check_before, check_whole
from geoseg.io.safety import REMOTE, SideFile, is_file, location, side_files, sniff, vrt_sources
from geoseg.parallel.memory import check_memory
from geoseg.parallel.threads import thread_limit

# GDAL's own default, 5% of the machine's memory, would be most of our peak. In bytes: rasterio
# hands it on as such. Files beside a raster are not looked for: they may name any other file.
GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 64 * 2**20,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    "GDAL_TIFF_INTERNAL_MASK": True,
}


def gdal_options() -> dict[str, Any]:
    """``GDAL_OPTIONS``, with the number of threads where that is limited."""
    threads = thread_limit()
    return GDAL_OPTIONS if threads is None else {**GDAL_OPTIONS, "GDAL_NUM_THREADS": threads}


# GDAL then looks for them one by one
BESIDE = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
# Metadata in which a raster names other files, which GDAL then reads: overviews, coordinates
NAMING = ("OVERVIEWS", "ProxyOverviewRequest", "GEOLOCATION")
_ALONE = RLock()


def _silence_libtiff() -> None:
    """Let libtiff print nothing: what it cannot assign to an open file, such as a seek on a disk
    that is full, goes to stderr beside our one line, and GDAL raises the same.

    A GDAL that was built with a libtiff of its own does not show that function; it prints on.
    """
    library = ctypes.CDLL(rasterio._base.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, name):
            getattr(library, name)(None)


_silence_libtiff()


@contextmanager
def quiet() -> Iterator[None]:
    """Without rasterio's warning of pictures that have no georeference; one thread at a time, for
    filters belong to all.
    """
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def looking_at(name: str) -> Iterator[None]:
    """GDAL's errors in looking at the raster ``name`` as InputError, whichever call they come with:
    libtiff notes those of a list of blocks, and the next call that asks for any raises them.
    """
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        check_memory(error)
        raise InputError(f"{name}: cannot be read: it is damaged") from error


@dataclass(frozen=True)
class Opened:
    """An open raster and the path or address that ``driver`` reads it from; ``held`` is how many
    bytes its files have, None where they are not local.
    """

    dataset: DatasetReader
    file: str
    driver: str
    held: int | None
    warnings: tuple[str, ...] = ()


def open_dataset(name: str, stack: ExitStack) -> Opened:
    """The raster ``name``, closed by ``stack``, and warnings of what beside it is not looked at; in
    an environment of ``GDAL_OPTIONS``.

    Raises InputError (missing, unreadable, cut short) and SafetyError (it would read other files).
    """
    driver = sniff(name)
    remote = name.startswith(REMOTE)
    file = name if remote else str(stack.enter_context(plain(Path(name))))
    files = [] if remote else [Path(name)]
    if driver == "VRT":
        files += vrt_sources(name)
    beside = _beside_mosaic(files) if driver == "VRT" else side_files(name)
    trusted = bool(beside) and all(_harmless(file) for file in beside)
    with rasterio.Env(**GDAL_OPTIONS | BESIDE) if trusted else nullcontext():
        dataset = stack.enter_context(open_with(name, driver, file))
        _check_names(name, dataset)
        # GDAL looks for masks and overviews beside a file when they are first asked for, by the
        # options that hold at that time
        if trusted:
            # now, while GDAL may look for them: it does so once
            assert dataset.mask_flag_enums and dataset.overviews(1) is not None
    if driver == "GTiff" and not remote:
        check_whole(name, dataset)
    warnings = (
        ()
        if trusted
        else tuple(
            f"{file.path}: is not looked at: {file.problem or 'another file beside it names files'}"
            for file in beside
        )
    )
    warnings += tuple(f"{name}: {oddity}" for oddity in _oddities(dataset))
    held = sum(file.stat().st_size for file in dict.fromkeys(files)) if files else None
    return Opened(dataset, file, driver, held, warnings)


def _oddities(dataset: DatasetReader) -> list[str]:
    """What a file declares that viewers of pictures heed, and GDAL and we do not."""
    found = []
    # pages of a TIFF; overviews and masks are none
    if dataset.driver == "GTiff" and (pages := len(dataset.subdatasets)) > 1:
        found.append(f"holds {pages} pictures, the first is read")
    if dataset.driver == "JPEG" and dataset.tags().get("EXIF_Orientation", "1") not in ("0", "1"):
        found.append("its EXIF says to turn it, it is read as it is stored")
    if dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        found.append("declares 0 as white, its values are read as they are stored")
    return found


def vrt_source(name: str, driver: str) -> str:
    """How a VRT names the raster ``name``, to be opened by ``driver`` and by no other: GDAL alone
    would take a JPEG that holds the text of a VRT in a comment for that VRT.

    Raises SafetyError for a name that GDAL cannot be given so.
    """
    if name.startswith(REMOTE):
        return location(name)  # a TIFF, whose first bytes no other driver takes
    if "?" in name:
        raise SafetyError(f"{name}: has a question mark in its name", "rename it")
    return f"vrt://{Path(name).absolute()}?if={driver}"


def check_beside(sources: Iterable[Path]) -> None:
    """Raise SafetyError where a file beside one of ``sources``, the parts of a mosaic, names
    others: GDAL opens parts as it goes, in any thread, and looks for them.
    """
    for source in sources:
        for file in side_files(str(source)):
            if not _harmless(file):
                raise SafetyError(f"{file.path}: {file.problem or 'names other files'}")


def _beside_mosaic(files: list[Path]) -> list[SideFile]:
    """Masks beside ``files``, a VRT and its sources, none of which is read."""
    for source in files[1:]:
        _check(source)
    check_beside(files[1:])
    masks = (Path(f"{path}.msk") for path in files)
    return [SideFile(path, True, "a VRT is read without it") for path in masks if is_file(path)]


def open_with(name: str, driver: str, file: str | None = None) -> DatasetReader:
    """``name``, which GDAL finds under ``file``, by ``driver`` alone. Raises InputError."""
    if not name.startswith((*REMOTE, "/vsi")):
        check_before(name, driver)
    try:
        with quiet():
            dataset = rasterio.open(location(file or name), driver=driver)
            dataset.tags()  # which may hold any bytes too
            return dataset
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: cannot be read: texts in it are not UTF-8, perhaps the name of its CRS",
            "gdal_translate -a_srs writes another",
        ) from error
    except (RasterioError, CPLE_BaseError) as error:
        check_memory(error)
        # the message of a host that does not answer is of use; those of drivers are not
        reason = " ".join(str(error).split())
        known = name.startswith(REMOTE) and ("HTTP" in reason or "CURL" in reason)
        cause = f": {reason.removeprefix('CURL error: ')}" if known else " as a raster"
        raise InputError(f"{name}: cannot be read{cause}") from error


def _check(path: Path) -> None:
    """Raise as :func:`open_dataset` does where the TIFF ``path``, part of another raster, is not
    whole or names other files.
    """
    with rasterio.Env(**GDAL_OPTIONS), open_with(str(path), "GTiff") as dataset:
        _check_names(str(path), dataset)
        check_whole(str(path), dataset)


def _check_names(name: str, dataset: DatasetReader) -> None:
    if any(dataset.tags(ns=domain) for domain in NAMING):
        raise SafetyError(
            f"{name}: names other files in its metadata", "gdal_translate makes one that does not"
        )


def _harmless(file: SideFile) -> bool:
    if file.problem or not file.is_tiff:
        return not file.problem
    try:
        _check(file.path)
    except (InputError, SafetyError):
        return False
    return True
