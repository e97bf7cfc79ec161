"""A raster as it is to be seen: a window of it, palettes as colours, alpha as a mask, another
nodata value. GDAL does it, by a VRT in memory over the one file that was opened.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from geoseg.errors import UsageError
from geoseg.io.raster.opening import Opened, quiet, vrt_source
from geoseg.io.safety import is_file

RED_GREEN_BLUE = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True)
class Bands:
    """The bands of a file by what it declares, numbered from 1: ``data``, ``rgb`` (red, green,
    blue) among them, ``alpha``. A ``palette`` makes red, green and blue of its one band.
    """

    data: tuple[int, ...]
    rgb: tuple[int, ...] | None
    alpha: int | None
    palette: dict[int, tuple[int, int, int, int]] | None


def bands_of(dataset: DatasetReader, expand: bool) -> Bands:
    """``expand`` is whether a palette is to be seen as its colours."""
    declared = dataset.colorinterp
    data = tuple(i for i, colour in enumerate(declared, 1) if colour != ColorInterp.alpha)
    alpha = next((i for i, colour in enumerate(declared, 1) if colour == ColorInterp.alpha), None)
    if expand and len(data) == 1 and declared[data[0] - 1] == ColorInterp.palette:
        return Bands((1, 2, 3), (1, 2, 3), alpha, dataset.colormap(data[0]))
    rgb = None
    if all(declared.count(colour) == 1 for colour in RED_GREEN_BLUE):
        rgb = tuple(declared.index(colour) + 1 for colour in RED_GREEN_BLUE)
    return Bands(data or (1,), rgb, alpha, None)


def mask_flags(dataset: DatasetReader, bands: Bands) -> set[MaskFlags]:
    """What says which pixels are valid, by GDAL."""
    data = (1,) if bands.palette else bands.data
    return {flag for band in data for flag in dataset.mask_flag_enums[band - 1]}


def nodata_of(value: float | None, dtype: np.dtype[Any]) -> float | None:
    """The nodata value, None where the file names one that ``dtype`` cannot hold."""
    if value is None or dtype.kind == "f":
        return value
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max and value == int(value) else None


def check_nodata(
    name: str, file: DatasetReader, bands: Bands, dtype: np.dtype[Any], value: float | None
) -> None:
    if value is None:
        return
    if nodata_of(value, dtype) is None:
        raise UsageError(f"{name}: is {dtype}, which does not hold the nodata value {value:g}")
    if bands.alpha or bands.palette or mask_flags(file, bands) != {MaskFlags.all_valid}:
        raise UsageError(
            f"{name}: says itself which pixels are valid", "`nodata` is for scenes that do not"
        )


def viewed(
    opened: Opened,
    bands: Bands,
    nodata: float | None,
    window: Window | None,
    stack: ExitStack,
) -> DatasetReader:
    """What was ``opened`` itself where it shows ``window`` as it is; else a view of it that holds
    ``bands.data`` in that order, and what is valid by alpha or ``nodata``.
    """
    dataset = opened.dataset
    flags = mask_flags(dataset, bands)
    unmasked = flags <= {MaskFlags.all_valid}
    # a mask of the file goes before its alpha
    by_alpha = bands.alpha if unmasked else None
    # the warper takes alpha for what is valid, and counts on it as the last band
    plain = bands.alpha is None or (bands.alpha == dataset.count and MaskFlags.alpha in flags)
    # rasterio reads bands of one type together
    types = set() if bands.palette else {dataset.dtypes[band - 1] for band in bands.data}
    if plain and len(types) < 2 and not (bands.palette or window or nodata is not None):
        return dataset
    window = window or Window(0, 0, dataset.width, dataset.height)
    view = _View(opened, window, str(np.result_type(*types)) if types else "uint8")
    if bands.palette:
        parts = [view.band(i, 1, colour=i) for i in (1, 2, 3)]
        clear = any(colour[3] == 0 for colour in bands.palette.values())
        mask = view.band(None, 1, colour=4) if clear else ""
        if not clear and not unmasked:
            mask = view.band(None, "mask,1")
    else:
        value = dataset.nodata if nodata is None else nodata
        parts = [view.band(i, band, nodata=value) for i, band in enumerate(bands.data, 1)]
        own = MaskFlags.per_dataset in flags
        mask = view.band(None, by_alpha or "mask,1") if by_alpha or own else ""
    mask = f"<MaskBand>{mask}</MaskBand>" if mask else ""
    text = (
        f'<VRTDataset rasterXSize="{window.width}" rasterYSize="{window.height}">'
        f"{''.join(parts)}{mask}</VRTDataset>"
    )
    memory = stack.enter_context(MemoryFile(text.encode("utf-8"), ext=".vrt"))
    with quiet():
        view = stack.enter_context(memory.open(driver="VRT"))
    view.overviews(1)  # opens the file here and now, where GDAL looks for nothing beside it
    return view


@dataclass(frozen=True)
class _View:
    opened: Opened
    window: Window
    dtype: str

    def band(
        self,
        number: int | None,
        source: int | str,
        *,
        colour: int | None = None,
        nodata: float | None = None,
    ) -> str:
        """XML of band ``number``, or of a mask where there is none; ``colour`` is the component of
        the palette.
        """
        masking = number is None
        dtype = "uint8" if masking or colour else self.dtype
        place = "" if masking else f' band="{number}"'
        interp = ""
        if colour and not masking:
            interp = f"<ColorInterp>{RED_GREEN_BLUE[colour - 1].name}</ColorInterp>"
        kept = "" if nodata is None else f"<NoDataValue>{nodata!r}</NoDataValue>"
        return (
            f'<VRTRasterBand dataType="{gdal_type(dtype)}"{place}>{interp}{kept}'
            f"{self._source(source, colour)}</VRTRasterBand>"
        )

    def _source(self, source: int | str, colour: int | None) -> str:
        size = f'xSize="{self.window.width}" ySize="{self.window.height}"'
        kind = "ComplexSource" if colour else "SimpleSource"
        path = vrt_source(self.opened.file, self.opened.driver)
        beside = Path(f"{self.opened.file}.msk")
        if source == "mask,1" and is_file(beside):  # GDAL would not look for it by itself
            path = vrt_source(str(beside), "GTiff")
            source = 1
        component = f"<ColorTableComponent>{colour}</ColorTableComponent>" if colour else ""
        return (
            f'<{kind}><SourceFilename relativeToVRT="0">{escape(path)}'
            f"</SourceFilename><SourceBand>{source}</SourceBand>"
            f'<SrcRect xOff="{self.window.col_off}" yOff="{self.window.row_off}" {size}/>'
            f'<DstRect xOff="0" yOff="0" {size}/>{component}</{kind}>'
        )


def gdal_type(dtype: str) -> str:
    """GDAL's name of a type: UInt16 for uint16."""
    names = {"uint8": "Byte"}
    return names.get(dtype) or dtype.title().replace("Uint", "UInt")
