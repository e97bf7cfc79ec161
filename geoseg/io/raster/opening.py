"""Open a file with the one driver that its bytes name; GDAL's errors become geoseg's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from threading import RLock

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geoseg.errors import InputError, SafetyError
from geoseg.io.raster.whole import check_whole
from geoseg.io.safety import REMOTE, SideFile, location, side_files, sniff, vrt_sources

# GDAL's own default, 5% of the machine's memory, would be most of our peak. In bytes: rasterio
# hands it on as such. Files beside a raster are not looked for: they may name any other file.
GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 64 * 2**20,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    "GDAL_TIFF_INTERNAL_MASK": True,
}
# GDAL then looks for them one by one
BESIDE = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
# Metadata in which a raster names other files, which GDAL then reads: overviews, coordinates
NAMING = ("OVERVIEWS", "ProxyOverviewRequest", "GEOLOCATION")
_ALONE = RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Without rasterio's warning of pictures that have no georeference; one thread at a time, for
    filters belong to all.
    """
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_dataset(name: str, stack: ExitStack) -> tuple[DatasetReader, tuple[str, ...]]:
    """The raster ``name``, closed by ``stack``, and warnings of what beside it is not looked at; in
    an environment of ``GDAL_OPTIONS``.

    Raises InputError (missing, unreadable, cut short) and SafetyError (it would read other files).
    """
    driver = sniff(name)
    beside = _beside_mosaic(name) if driver == "VRT" else side_files(name)
    trusted = bool(beside) and all(_harmless(file) for file in beside)
    with rasterio.Env(**GDAL_OPTIONS | BESIDE) if trusted else nullcontext():
        dataset = stack.enter_context(_open(name, driver))
        _check_names(name, dataset)
        # GDAL looks for masks and overviews beside a file when they are first asked for, by the
        # options that hold at that time
        if trusted:
            # now, while GDAL may look for them: it does so once
            assert dataset.mask_flag_enums and dataset.overviews(1) is not None
    if driver == "GTiff" and not name.startswith(REMOTE):
        check_whole(name, dataset)
    return dataset, () if trusted else tuple(
        f"{file.path}: is not looked at: {file.problem or 'another file beside it names files'}"
        for file in beside
    )


def _beside_mosaic(name: str) -> list[SideFile]:
    """Masks beside a VRT and its sources, none of which is read: GDAL opens sources as it goes, in
    any thread. So none may have a file beside it that names others.
    """
    sources = vrt_sources(name)
    for source in sources:
        _check(source)
        for file in side_files(str(source)):
            if not _harmless(file):
                raise SafetyError(f"{file.path}: {file.problem or 'names other files'}")
    masks = (Path(f"{path}.msk") for path in (name, *sources))
    return [SideFile(path, True, "a VRT is read without it") for path in masks if path.is_file()]


def _open(name: str, driver: str) -> DatasetReader:
    try:
        with quiet():
            return rasterio.open(location(name), driver=driver)
    except (RasterioError, CPLE_BaseError) as error:
        # the message of a host that does not answer is of use; those of drivers are not
        reason = " ".join(str(error).split())
        known = name.startswith(REMOTE) and ("HTTP" in reason or "CURL" in reason)
        cause = f": {reason.removeprefix('CURL error: ')}" if known else " as a raster"
        raise InputError(f"{name}: cannot be read{cause}") from error


def _check(path: Path) -> None:
    """Raise as :func:`open_dataset` does where the TIFF ``path``, part of another raster, is not
    whole or names other files.
    """
    with rasterio.Env(**GDAL_OPTIONS), _open(str(path), "GTiff") as dataset:
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
