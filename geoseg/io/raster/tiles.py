"""A folder of map tiles as one scene: a VRT in memory that lays each tile where its name says."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from rasterio.io import MemoryFile

from geoseg.errors import InputError, UnsuitableError
from geoseg.io.raster.opening import Opened, check_beside, open_with, quiet, vrt_source
from geoseg.io.raster.view import RED_GREEN_BLUE, bands_of, gdal_type
from geoseg.io.safety import sniff
from geoseg.io.xyz import TileFolder, find_tiles

# Half of the side of EPSG:3857's square, in its metres: half of the equator
HALF = math.pi * 6_378_137
LARGEST = 2**31 - 1  # GDAL's pixels along an axis
_PICTURES = ("PNG", "JPEG", "GTiff")
_BESIDE = (".aux", ".xml", ".msk", ".ovr")


@dataclass(frozen=True)
class _Tile:
    """What one file holds: how it is opened, ``data`` bands, ``alpha`` or a palette, ``clear``
    where that has transparent colours.
    """

    source: str
    size: int
    dtype: str
    data: tuple[int, ...]
    alpha: int | None
    palette: bool
    clear: bool
    rgb: bool


def open_tiles(folder: str, stack: ExitStack) -> Opened:
    """The tiles of ``folder`` as one raster in EPSG:3857, closed by ``stack``; where there is no
    tile nothing is valid.

    Raises InputError (a tile that is no picture), SafetyError (a file beside one names others),
    UnsuitableError (tiles of different sizes, bands or types).
    """
    text, held, warnings = _mosaic(folder, _stamp(Path(folder)))
    memory = stack.enter_context(MemoryFile(text, ext=".vrt"))
    with quiet():
        dataset = stack.enter_context(memory.open(driver="VRT"))
    return Opened(dataset, dataset.name, "VRT", held, warnings)


def _stamp(folder: Path) -> int:
    """When a tile was last added or taken away."""
    below = [each for each in folder.glob("[0-9]*") if each.is_dir()]
    deeper = [each for zoom in below for each in zoom.glob("[0-9]*") if each.is_dir()]
    return max(each.stat().st_mtime_ns for each in (folder, *below, *deeper))


@functools.lru_cache(maxsize=8)
def _mosaic(folder: str, _: int) -> tuple[bytes, int, tuple[str, ...]]:
    """The text of the VRT, the bytes of its tiles, and warnings; once for each state of a folder,
    for scenes are opened again and again.
    """
    found = find_tiles(Path(folder))
    for below in {file.parent for file in found.files.values()}:
        if any(each.suffix.lower() in _BESIDE for each in below.iterdir()):
            check_beside(file for file in found.files.values() if file.parent == below)
    tiles = {place: _read(file) for place, file in found.files.items()}
    _check_alike(folder, found, tiles)
    warnings: tuple[str, ...] = ()
    if found.others:
        left = ", ".join(map(str, found.others))
        warnings = (f"{folder}: tiles of zoom {found.zoom} are read, not those of {left}",)
    held = sum(file.stat().st_size for file in found.files.values())
    return "".join(_vrt(folder, found.zoom, tiles)).encode(), held, warnings


def _read(file: Path) -> _Tile:
    name = str(file)
    driver = sniff(name)
    if driver not in _PICTURES:
        raise InputError(f"{name}: is no tile", "PNG, JPEG or TIFF")
    with open_with(name, driver) as dataset:
        bands = bands_of(dataset, expand=True)
        if dataset.width != dataset.height:
            raise UnsuitableError(
                f"{name}: is named as a map tile, but is {dataset.width} x {dataset.height} pixels",
                "name scenes one by one, or as a pattern: 'FOLDER/*.tif'",
            )
        clear = any(colour[3] == 0 for colour in (bands.palette or {}).values())
        return _Tile(
            source=vrt_source(name, driver),
            size=dataset.width,
            dtype=dataset.dtypes[0],
            data=bands.data,
            alpha=bands.alpha,
            palette=bands.palette is not None,
            clear=clear,
            rgb=bands.rgb is not None,
        )


def _check_alike(folder: str, found: TileFolder, tiles: dict[tuple[int, int], _Tile]) -> None:
    """Raise UnsuitableError where tiles do not fit together; one of grey may be among coloured
    ones.
    """
    first = next(iter(tiles))
    most = max(len(tile.data) for tile in tiles.values())
    for place, tile in tiles.items():
        file = found.files[place]
        if (tile.size, tile.dtype) != (tiles[first].size, tiles[first].dtype):
            raise UnsuitableError(
                f"{file}: is {tile.dtype} of {tile.size} pixels a side, {found.files[first].name} "
                f"{tiles[first].dtype} of {tiles[first].size}"
            )
        if len(tile.data) != most and (len(tile.data), most) != (1, 3):
            raise UnsuitableError(f"{file}: has {len(tile.data)} bands, others have {most}")
    columns, rows = zip(*tiles, strict=True)
    widest = max(max(axis) - min(axis) + 1 for axis in (columns, rows))
    if widest * tiles[first].size > LARGEST:
        raise UnsuitableError(f"{folder}: its tiles lie too far apart for one scene")


def _vrt(folder: str, zoom: int, tiles: dict[tuple[int, int], _Tile]) -> Iterator[str]:
    """XML of a mosaic: each band, and a mask, of one source for each tile."""
    size = next(iter(tiles.values())).size
    columns, rows = zip(*tiles, strict=True)
    left, top = min(columns), min(rows)
    side = 2 * HALF / 2**zoom
    pixel = side / size
    place = (left * side - HALF, pixel, 0.0, HALF - top * side, 0.0, -pixel)
    width, height = ((max(axis) - min(axis) + 1) * size for axis in (columns, rows))
    yield f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:3857</SRS>'
    yield f"<GeoTransform>{', '.join(map(repr, place))}</GeoTransform>"
    coloured = any(tile.rgb for tile in tiles.values())
    kind = gdal_type(next(iter(tiles.values())).dtype)
    for number in range(1, max(len(tile.data) for tile in tiles.values()) + 1):
        yield f'<VRTRasterBand dataType="{kind}" band="{number}">'
        if coloured and number <= 3:
            yield f"<ColorInterp>{RED_GREEN_BLUE[number - 1].name}</ColorInterp>"
        for (column, row), tile in tiles.items():
            band: int | str = tile.data[min(number, len(tile.data)) - 1]
            colour = number if tile.palette else None
            yield _source(tile, band if not colour else 1, colour, column - left, row - top)
        yield "</VRTRasterBand>"
    yield '<MaskBand><VRTRasterBand dataType="Byte">'
    for (column, row), tile in tiles.items():
        band = 1 if tile.clear else tile.alpha or "mask,1"
        yield _source(tile, band, 4 if tile.clear else None, column - left, row - top)
    yield "</VRTRasterBand></MaskBand></VRTDataset>"


def _source(tile: _Tile, band: int | str, colour: int | None, column: int, row: int) -> str:
    """One tile at ``column`` and ``row`` of the mosaic; ``colour`` is the component of a
    palette.
    """
    kind = "ComplexSource" if colour else "SimpleSource"
    extent = f'xSize="{tile.size}" ySize="{tile.size}"'
    component = f"<ColorTableComponent>{colour}</ColorTableComponent>" if colour else ""
    # with its properties a source is opened when it is read, not before
    return (
        f'<{kind}><SourceFilename relativeToVRT="0">{escape(tile.source)}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand>"
        f'<SourceProperties RasterXSize="{tile.size}" RasterYSize="{tile.size}"/>'
        f'<SrcRect xOff="0" yOff="0" {extent}/>'
        f'<DstRect xOff="{column * tile.size}" yOff="{row * tile.size}" {extent}/>{component}'
        f"</{kind}>"
    )
