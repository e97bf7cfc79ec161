"""Which driver opens a scene, by its first bytes, and whether it may be opened at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from affine import Affine
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from geoseg.errors import InputError, SafetyError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# What may reach a user through a file of somebody else, and what stops it here:
#
# - a VRT, or the metadata of a TIFF, names /etc/passwd or http://10.0.0.1: only plain mosaics over
#   TIFFs below their own folder, and no metadata domain that names files
# - roofs.tif is an HDF5 file, or a text for one of GDAL's 150 drivers: the first bytes choose the
#   driver, and no other is tried
# - XML expands to gigabytes, or reads a file as an entity: no DTD
# - 40 KB claim to be 64 GiB of pixels: `check_claim`
REMOTE = ("https://", "s3://")
# A file that claims so many bytes of pixels, and so many times its own, is all but empty; deflate
# reaches 1032 times
BOMB = 2**36
RATIO = 2**12

_MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
)

# Rasters that we know by name and do not read: their drivers read other files too, or hold cubes
_OTHERS = (
    (b"EHFA_HEADER_TAG", "an ERDAS Imagine file"),
    (b"NITF", "a NITF file"),
    (b"\x89HDF", "an HDF5 or netCDF file"),
    (b"CDF", "a netCDF file"),
    (b"SIMPLE  =", "a FITS file"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"RIFF", "a WebP file"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
)

# All that gdalbuildvrt and gdal_translate write for a mosaic; GDAL ignores the case of
# letters. What is not here may read other files: pixel functions, warped and processed datasets,
# geolocation arrays, overviews by name.
_VRT_TAGS = re.compile(
    "vrtdataset|srs|geotransform|metadata|mdi|vrtrasterband|nodatavalue|colorinterp|"
    "colortable|entry|description|unittype|offset|scale|categorynames|category|simplesource|"
    "complexsource|averagedsource|sourcefilename|sourceband|sourceproperties|srcrect|dstrect|"
    "nodata|usemaskband|scaleoffset|scaleratio|lut|exponent|srcmin|srcmax|dstmin|dstmax|clamp|"
    "maskband|overviewlist|blockxsize|blockysize|histograms|histitem|histmin|histmax|"
    "bucketcount|includeoutofrange|approximate|histcounts",
    re.I,
)
_VRT_ATTRIBUTES = re.compile(
    "rasterxsize|rasterysize|datatype|band|blockxsize|blockysize|relativetovrt|shared|domain|"
    "key|xoff|yoff|xsize|ysize|resampling|c[1-4]|dataaxistosrsaxismapping|coordinateepoch",
    re.I,
)
# Names that GDAL tries beside a raster, where large letters differ from small ones too
_SIDE = (".aux.xml", ".msk", ".MSK", ".ovr", ".OVR")
_LARGE_XML = 2**26


def location(name: str) -> str:
    """``name`` as GDAL wants it."""
    if name.startswith("https://"):
        return f"/vsicurl/{name}"
    return name.replace("s3://", "/vsis3/", 1) if name.startswith("s3://") else name


def is_file(path: Path) -> bool:
    """Whether there is such a file; there is none of a name that is too long for the system, as
    that of a file beside another may be.
    """
    try:
        return path.is_file()
    except OSError:
        return False


def first_bytes(path: Path, count: int) -> bytes:
    """Up to ``count`` bytes from the start of a file. Raises InputError where there is none, or
    none to be read.
    """
    if not is_file(path):
        raise InputError(f"{path}: {_not_a_file(path)}")
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _not_a_file(path: Path) -> str:
    try:
        if path.is_dir():
            return "is a folder, not a file"
        return "is a device or a pipe, not a file" if path.exists() else "does not exist"
    except OSError:  # a name that is too long
        return "does not exist"


def picture_driver(head: bytes) -> str | None:
    """GDAL's driver of a file that holds its own pixels, by its first bytes; None for others, VRTs
    among them.
    """
    return next((driver for magic, driver in _MAGIC if head.startswith(magic)), None)


def sniff(name: str) -> str:
    """Driver by the first bytes, never by the extension.

    Raises InputError (missing, no raster) and SafetyError (plain http, a VRT that reaches
    elsewhere).
    """
    if name.startswith("http://"):
        raise SafetyError(f"{name}: plain http is refused", "use https")
    if name.startswith(REMOTE):
        return "GTiff"
    # GDAL's virtual file systems read archives, other hosts and standard input
    if name.startswith("/vsi") or "://" in name:
        raise SafetyError(f"{name}: is neither a path nor an https or s3 address")
    path = Path(name)
    head = first_bytes(path, 1024)
    if driver := picture_driver(head):
        return driver
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<VRTDataset" in head:
        _check_vrt(path)
        return "VRT"
    if known := _known_format(path, head):
        unpack = {b"PK\3\4": "unzip", b"\x1f\x8b": "gunzip -k"}
        tool = next((tool for magic, tool in unpack.items() if head.startswith(magic)), None)
        hint = f"{tool} {path.name}" if tool else f"gdal_translate {path.name} {path.stem}.tif"
        raise InputError(f"{name}: is {known}, which is not read", hint)
    raise InputError(
        f"{name}: is not a raster we read", "GeoTIFF, PNG, JPEG, JPEG 2000 or a VRT over them"
    )


def _known_format(path: Path, head: bytes) -> str | None:
    """What a raster that we do not read is."""
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    # an ENVI file has no first bytes of its own, only a header beside it
    for header in (path.with_suffix(".hdr"), Path(f"{path}.hdr")):
        if is_file(header) and first_bytes(header, 4) == b"ENVI":
            return "an ENVI file"
    return None


def _check_vrt(path: Path) -> None:
    """Raise SafetyError unless a VRT is a plain mosaic of TIFFs in its own folder or below it: it
    must not read other files or hosts.
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


def _elements(path: Path) -> Iterator[Element]:
    if path.stat().st_size > _LARGE_XML:
        raise SafetyError(f"{path}: is XML of {path.stat().st_size / 2**20:,.0f} MiB")
    text = path.read_text("utf-8", "replace").lstrip("\ufeff \r\n\t")
    try:
        return fromstring(text, forbid_dtd=True).iter()
    except DefusedXmlException as error:
        raise SafetyError(f"{path}: is XML with entities") from error
    except (ParseError, ValueError) as error:
        raise InputError(f"{path}: is no valid XML") from error


def _check_source(vrt: Path, source: str, relative: bool) -> None:
    parts = source.split("/")
    # no backslash or colon: on Windows they make paths of other drives
    plain = relative and re.fullmatch(r"[^\\:]+\.tiff?", source, re.I)
    if not plain or not {"", ".", ".."}.isdisjoint(parts) or not lies_below(vrt, source):
        raise SafetyError(
            f"{vrt}: names {source.strip()}, which does not lie beside it or in a folder below it"
        )
    if sniff(str(vrt.parent / source)) != "GTiff":
        raise SafetyError(f"{vrt}: names {source}, which is no TIFF")


def lies_below(path: Path, named: str) -> bool:
    """Whether the file that ``path`` names lies in or below its folder, symbolic links followed."""
    try:
        return (path.parent / named).resolve().is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL in the name
        return False


def vrt_sources(name: str) -> list[Path]:
    """The files that a VRT is made of, each once."""
    path = Path(name)
    named = (e.text or "" for e in _elements(path) if e.tag.lower() == "sourcefilename")
    return [path.parent / source for source in dict.fromkeys(named)]


@dataclass(frozen=True)
class SideFile:
    """A file beside a raster that GDAL would read with it, and why that is not to be, None where
    nothing is wrong with it.
    """

    path: Path
    is_tiff: bool
    problem: str | None = None


def side_files(name: str) -> list[SideFile]:
    """What lies beside a local raster: ``.msk``, ``.ovr``, ``.aux.xml``, and what lies beside
    these; ``.aux`` too.
    """
    if name.startswith(REMOTE):
        return []
    found = [file for suffix in _SIDE for file in _side_file(Path(name + suffix))]
    aux = (Path(name).with_suffix(suffix) for suffix in (".aux", ".AUX"))
    for path in (*aux, Path(name + ".aux"), Path(name + ".AUX")):
        if is_file(path) and first_bytes(path, 15) == b"EHFA_HEADER_TAG":
            found.append(SideFile(path, False, "it may name other files"))
    return found


def _side_file(path: Path) -> Iterator[SideFile]:
    if not is_file(path):
        return
    if path.suffix.lower() == ".xml":
        yield SideFile(path, False, _problem(path))
        return
    is_tiff = first_bytes(path, 4) in [magic for magic, driver in _MAGIC if driver == "GTiff"]
    yield SideFile(path, is_tiff, None if is_tiff else "it is no TIFF")
    yield from side_files(str(path)) if is_tiff else ()


def _problem(path: Path) -> str | None:
    """What is wrong with an ``.aux.xml``."""
    try:
        domains = {element.get("domain", "").lower() for element in _elements(path)}
    except (InputError, SafetyError) as error:
        return error.message.removeprefix(f"{path}: ").replace("is", "it is", 1)
    naming = domains & {"overviews", "geolocation", "proxyoverviewrequest"}
    return "it names other files" if naming else None


def check_claim(name: str, claimed: int, held: int | None) -> None:
    """Raise SafetyError where a scene claims ``claimed`` bytes of pixels, and its files of ``held``
    bytes cannot well hold them: a bomb. None is for files that are not local.
    """
    # a sparse TIFF may honestly hold little: hence a limit by size and one by ratio
    if held is not None and claimed >= BOMB and claimed > held * RATIO:
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
    # for picture.jpg: .jgw, .jpgw, .wld
    for suffix in (f".{kind[:1]}{kind[-1:]}w", f".{kind}w", ".wld"):
        world = path.with_suffix(suffix)
        if len(suffix) > 2 and is_file(world):
            try:
                a, d, b, e, x, y = (float(number) for number in world.read_text().split())
            except (OSError, ValueError) as error:
                raise InputError(f"{world}: is no worldfile of six numbers") from error
            # its origin is the centre of the first pixel
            return Affine(a, b, x, d, e, y) * Affine.translation(-0.5, -0.5)
    return None
