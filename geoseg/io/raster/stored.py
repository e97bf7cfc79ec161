"""Which pixels of a TIFF are stored at all: blocks of a sparse one may take no bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product

from affine import Affine
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geoseg.io.raster.view import Bands


@dataclass(frozen=True)
class StoredBlocks:
    """The blocks of ``bands`` of a TIFF whose pixels are not valid where they are not stored.

    ``to_file`` brings pixels (col, row) of the windows that are asked for to those of the file,
    ``reach`` is how many of these around them count too.
    """

    file: DatasetReader
    bands: tuple[int, ...]
    to_file: Affine = field(default_factory=Affine.identity)
    reach: int = 0

    def any(self, window: Window) -> bool:
        """Whether a pixel of ``window`` may be stored."""
        ends = (
            (window.col_off, window.row_off),
            (window.col_off + window.width, window.row_off + window.height),
        )
        # the file may be turned: two opposite corners are so there too
        corners = [self.to_file * end for end in ends]
        height, width = self.file.block_shapes[0]
        cols, rows = (
            range(
                max(0, math.floor(min(axis)) - self.reach) // block,
                -(-min(length, math.ceil(max(axis)) + self.reach) // block),
            )
            for axis, block, length in zip(
                zip(*corners, strict=True),
                (width, height),
                (self.file.width, self.file.height),
                strict=True,
            )
        )
        return any(
            self.file.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band) is not None
            for row, col, band in product(rows, cols, self.bands)
        )


def stored_blocks(file: DatasetReader, bands: Bands, nodata: float | None) -> StoredBlocks | None:
    """Those of a ``file`` whose pixels are valid by its ``nodata`` value or its alpha; None where
    what is not stored may be data.
    """
    if file.driver != "GTiff":
        return None
    flags = {flag for band in bands.data for flag in file.mask_flag_enums[band - 1]}
    if flags == {MaskFlags.nodata} and nodata is not None:
        return StoredBlocks(file, bands.data)
    # of colours that GDAL converts, such as CIELAB, it makes the alpha, which no block holds
    converted = "SOURCE_COLOR_SPACE" in file.tags(ns="IMAGE_STRUCTURE")
    if flags == {MaskFlags.per_dataset, MaskFlags.alpha} and bands.alpha and not converted:
        return StoredBlocks(file, (bands.alpha,))
    return None
