"""Which driver opens a scene, by its first bytes, and whether it may be opened at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from affine import Affine

from geoseg.errors import InputError, SafetyError

REMOTE = ("https://", "s3://")
# A file that claims so many bytes of pixels, and so many times its own, is all but empty; deflate
# reaches 1032 times
BOMB, RATIO = 2**36, 2**12

_MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
)

# All that gdalbuildvrt and gdal_translate write for a mosaic; GDAL ignores the case of
# letters. What is not here may read other files: pixel functions, warped and processed datasets,
# geolocation arrays, overviews by name.
_VRT_TAGS = re.compile(
    "vrtdataset|srs|geotransform|metadata|mdi|vrtrasterband|nodatavalue|colorinterp|colortable|entry|description|unittype|offset|"
    "scale|categorynames|category|simplesource|complexsource|averagedsource|sourcefilename|sourceband|sourceproperties|srcrect|"
    "dstrect|nodata|usemaskband|scaleoffset|scaleratio|lut|exponent|srcmin|srcmax|dstmin|dstmax|clamp|maskband|overviewlist|"
    "blockxsize|blockysize|histograms|histitem|histmin|histmax|bucketcount|includeoutofrange|approximate|histcounts",
    re.I,
)
_VRT_ATTRIBUTES = re.compile(
    "rasterxsize|rasterysize|datatype|band|blockxsize|blockysize|relativetovrt|shared|domain|key|xoff|yoff|xsize|ysize|"
    "resampling|c[1-4]|dataaxistosrsaxismapping|coordinateepoch",
    re.I,
)


def location(name: str) -> str:
    """``name`` as GDAL wants it."""
    if name.startswith("https://"):
        return f"/vsicurl/{name}"
    return name.replace("s3://", "/vsis3/", 1) if name.startswith("s3://") else name


def first_bytes(path: Path, count: int) -> bytes:
    """Up to ``count`` bytes from the start of a file. Raises InputError where there is none, or
    none to be read.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: is a folder, not a file" if path.is_dir() else f"{path}: does not exist"
        )
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def sniff(name: str) -> str:
    """Driver by the first bytes, never by the extension.

    Raises InputError (missing, no raster) and SafetyError (plain http, a VRT that reaches
    elsewhere).
    """
    if name.startswith("http://"):
        raise SafetyError(f"{name}: plain http is refused", "use https")
    if name.startswith(REMOTE):
        return "GTiff"
    if name.startswith("/vsi") or "://" in name:
        raise SafetyError(f"{name}: is neither a path nor an https or s3 address")
    path = Path(name)
    head = first_bytes(path, 1024)
    for magic, driver in _MAGIC:
        if head.startswith(magic):
            return driver
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<VRTDataset" in head:
        _check_vrt(path)
        return "VRT"
    raise InputError(
        f"{name}: is not a raster we read", "GeoTIFF, PNG, JPEG, JPEG 2000 or a VRT over them"
    )


def _check_vrt(path: Path) -> None:
    """Raise SafetyError unless a VRT is a plain mosaic of TIFFs in its own folder: it must not read
    other files or hosts.
    """
    sources = 0
    for element in _elements(path):
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        known = _VRT_TAGS.fullmatch(element.tag) and all(map(_VRT_ATTRIBUTES.fullmatch, attributes))
        if not known or attributes.get("domain", "") not in ("", "IMAGE_STRUCTURE"):
            raise SafetyError(f"{path}: is not a plain VRT over TIFFs", "gdalbuildvrt makes one")
        if element.tag.lower() == "sourcefilename":
            _check_source(path, element.text or "", attributes.get("relativetovrt") == "1")
            sources += 1
    if not sources:
        raise SafetyError(f"{path}: is a VRT without sources")


def _elements(path: Path) -> Iterator[ElementTree.Element]:
    text = path.read_text("utf-8", "replace").lstrip("\ufeff \r\n\t")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SafetyError(f"{path}: is a VRT with entities")
    try:
        return ElementTree.fromstring(text).iter()
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path}: is no valid XML") from error


def _check_source(vrt: Path, source: str, relative: bool) -> None:
    if not relative or not re.fullmatch(r"[^/\\:]+\.tiff?", source, re.I):
        raise SafetyError(f"{vrt}: names {source.strip()}, which does not lie beside it")
    if sniff(str(vrt.parent / source)) != "GTiff":
        raise SafetyError(f"{vrt}: names {source}, which is no TIFF")


def check_claim(name: str, claimed: int) -> None:
    """Raise SafetyError where a local file claims ``claimed`` bytes of pixels, and it cannot well
    hold them: a bomb.
    """
    if claimed < BOMB or name.startswith(REMOTE):
        return
    files = {path := Path(name)}
    if sniff(name) == "VRT":
        files |= {
            path.parent / (element.text or "")
            for element in _elements(path)
            if element.tag.lower() == "sourcefilename"
        }
    held = sum(file.stat().st_size for file in files)
    if claimed > held * RATIO:
        raise SafetyError(
            f"{name}: claims {claimed / 2**30:,.0f} GiB of pixels and holds "
            f"{held / 2**20:,.1f} MiB",
            "use `force` to read it nevertheless",
        )


def worldfile(name: str) -> Affine | None:
    """Transform in the worldfile beside a local picture (``.jgw``, ``.jpgw`` or ``.wld``), None
    where there is none.

    Raises InputError where it does not hold six numbers.
    """
    if name.startswith(REMOTE):
        return None
    path = Path(name)
    kind = path.suffix[1:]
    for suffix in (f".{kind[:1]}{kind[-1:]}w", f".{kind}w", ".wld"):
        world = path.with_suffix(suffix)
        if len(suffix) > 2 and world.is_file():
            try:
                a, d, b, e, x, y = (float(number) for number in world.read_text().split())
            except (OSError, ValueError) as error:
                raise InputError(f"{world}: is no worldfile of six numbers") from error
            # its origin is the centre of the first pixel
            return Affine(a, b, x, d, e, y) * Affine.translation(-0.5, -0.5)
    return None
