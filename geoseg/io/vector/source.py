"""What a vector file holds: its layers, where GDAL finds them, and which of them is meant."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.errors import GeosegError, InputError, SafetyError, UnsuitableError
from geoseg.io.formats import vector_kind
from geoseg.io.plain_names import is_plain, plain
from geoseg.io.safety import first_bytes
from geoseg.io.vector import shapefile
from geoseg.io.vector.archive import unpacked
from geoseg.io.vector.flatgeobuf import check_count
from geoseg.io.vector.sqlite import check_readable, check_schema, in_order, may_hold_layers
from geoseg.report import Remarks

LAYER = "footprints"
_DRIVERS = {"kml": ("LIBKML", "KML"), "gml": ("GML",), "gdb": ("OpenFileGDB",)}
# Where GDAL looks for what makes a file a description of other sources
_HEAD = 2**16
_REACHING = (b"<OGR", b"gdal_streamed_alg")
# Formats of text, which drivers know by one word anywhere in it, and their extensions
_TEXTS = {"geojson": (".geojson", ".json"), "kml": (".kml",)}


@dataclass(frozen=True)
class SourceLayer:
    """A layer called ``name``; GDAL opens ``path``, where it is called ``layer`` (None: it is the
    only one).
    """

    name: str
    path: str
    layer: str | None
    options: tuple[tuple[str, Any], ...] = ()


def sniff(path: Path) -> str:
    """Raises InputError (missing, no vector file)."""
    if found := vector_kind(path):
        return found
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file")
    raise InputError(
        f"{path}: is not a vector file we read",
        "GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, Shapefile, KML, GML, File Geodatabase; "
        "convert others with `ogr2ogr footprints.gpkg FILE`",
    )


@contextmanager
def open_layers(
    path: Path, kind: str, remarks: Remarks | None = None
) -> Iterator[list[SourceLayer]]:
    """The layers with geometries in a file of ``kind``; ``remarks`` takes what is missing of it.

    Raises InputError, UnsuitableError (none, GDAL without the driver), SafetyError, and what
    pyogrio raises.
    """
    part: AbstractContextManager[Path] = nullcontext(path)
    if kind == "shapefile":
        part = shapefile.whole(path, remarks)
    if kind == "gpkg":
        part = _checked(path)
    if kind == "flatgeobuf":
        check_count(path)
    with part as found, _by_its_kind(found, kind) as own, plain(own) as address:
        if kind == "zip":
            with _archived(path, remarks) as packed:
                yield packed
            return
        _check_head(path)
        if kind == "gml":
            with tempfile.TemporaryDirectory() as folder:
                yield _gml(path, Path(folder))
        elif kind in ("gpkg", "kml", "gdb"):
            yield _named(path, str(address), kind)
        else:
            yield [SourceLayer(path.stem, str(address), None)]


@contextmanager
def _checked(path: Path) -> Iterator[Path]:
    """What to read a file of SQLite from, its schema looked at. Raises as :func:`open_layers`."""
    with in_order(path) as found:
        if found == path:
            check_readable(path)
        check_schema(found, path)
        yield found


def choose(
    path: Path, layers: Sequence[SourceLayer], wanted: str | None, setting: str | None = None
) -> SourceLayer:
    """The layer that is ``wanted``, else the one called footprints, else the only one.

    Raises UnsuitableError where there is no such layer, or where several could be meant, of which
    ``setting`` chooses one.
    """
    names = {layer.name: layer for layer in layers}
    # a format of single layers gives them no names
    if len(layers) == 1 and layers[0].layer is None:
        return layers[0]
    listed = ", ".join(names) or "none"
    if wanted is not None:
        if wanted not in names:
            raise UnsuitableError(f"{path}: has no layer {wanted}", f"its layers: {listed}")
        return names[wanted]
    if not names:
        raise UnsuitableError(f"{path}: holds no geometries")
    if LAYER not in names and len(names) > 1:
        way = f"with `{setting}`" if setting else f"as {path}|layername={next(iter(names))}"
        hint = f"choose one {way}"
        raise UnsuitableError(f"{path}: has several layers, {listed}", hint)
    return names.get(LAYER, layers[0])


def _named(path: Path, address: str, kind: str) -> list[SourceLayer]:
    """The layers of a file whose format names them."""
    from geoseg.io.vector.ogr import pyogrio

    _check_driver(path, kind)
    if kind == "kml":
        _check_xml(path)
    try:
        layers = pyogrio.list_layers(address)
    except pyogrio.errors.DataSourceError as error:
        if kind == "gpkg" and not may_hold_layers(Path(address)):
            raise UnsuitableError(
                f"{path}: holds no layer of footprints",
                "it may hold pictures: `gdalinfo` lists them",
            ) from error
        raise
    return [SourceLayer(str(name), address, str(name)) for name, geometry in layers if geometry]


def _check_driver(path: Path, kind: str) -> None:
    from geoseg.io.vector.ogr import pyogrio

    if kind in _DRIVERS and not set(_DRIVERS[kind]) & pyogrio.list_drivers(read=True).keys():
        raise UnsuitableError(
            f"{path}: GDAL {pyogrio.__gdal_version_string__} was built without {kind.upper()}",
            "convert it with `ogr2ogr footprints.gpkg FILE`",
        )


def _check_head(path: Path) -> None:
    """GDAL takes any file for a description of other sources, or for a command to run, where such a
    word stands in its head.
    """
    head = first_bytes(path, _HEAD) if path.is_file() else b""
    if any(word in head for word in _REACHING):
        raise SafetyError(f"{path}: describes other sources")


@contextmanager
def _by_its_kind(path: Path, kind: str) -> Iterator[Path]:
    """``path``, or a link to it whose extension is one of its ``kind``: drivers of GDAL that ask
    hosts take a file for theirs by its extension.
    """
    if kind not in _TEXTS or path.suffix.lower() in _TEXTS[kind]:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        stem = path.stem if is_plain(path.stem) else "layer"
        yield _linked(path, Path(folder, stem + _TEXTS[kind][0]))


def _linked(path: Path, link: Path) -> Path:
    try:
        link.symlink_to(path.resolve())
    except OSError:  # as on Windows without the right to make one
        shutil.copyfile(path, link)
    return link


def _check_xml(path: Path) -> None:
    if path.is_file() and b"<!DOCTYPE" in first_bytes(path, _HEAD):
        raise SafetyError(f"{path}: is XML with entities, which may be other files")


def _gml(path: Path, folder: Path) -> list[SourceLayer]:
    """GDAL writes a .gfs beside a GML file; so it gets a link to it in a ``folder`` of its own."""
    from geoseg.io.vector.ogr import pyogrio

    _check_driver(path, "gml")
    _check_xml(path)
    name = f"{path.stem}.gml" if is_plain(path.stem) else "layers.gml"
    link = _linked(path, folder / name)
    # no schema from the net; list_layers would not take this
    options = {"DOWNLOAD_SCHEMA": "NO"}
    found: list[SourceLayer | None] = []
    while True:
        try:
            about = pyogrio.read_info(link, layer=len(found), **options)
        except pyogrio.errors.DataLayerError:
            return [each for each in found if each is not None]
        name = str(about["layer_name"])
        source = SourceLayer(name, str(link), name, tuple(options.items()))
        found.append(source if about["geometry_type"] else None)


@contextmanager
def _archived(path: Path, remarks: Remarks | None) -> Iterator[list[SourceLayer]]:
    """The layers of all files in a zip archive: Shapefiles are called by their file's name."""
    found: list[SourceLayer] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for inner, file in unpacked(path, Path(folder)):
            own = Remarks()
            # the user does not see the unpacked file
            named = str(file), f"{path}/{inner}"
            try:
                kind = sniff(file)
                if kind == "zip":  # which may hold itself
                    raise InputError(f"{file}: is an archive in an archive", "unpack it")
                found += stack.enter_context(open_layers(file, kind, own))
            except GeosegError as error:
                raise type(error)(error.message.replace(*named), error.hint) from error
            if remarks is not None:
                remarks += [remark.replace(*named) for remark in own]
        yield found
