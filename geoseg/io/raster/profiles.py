"""GDAL's creation options for what geoseg writes; a user's own go before them."""

from __future__ import annotations

from typing import Any

from geoseg.core.grid import Grid
from geoseg.parallel.threads import thread_limit

Options = dict[str, Any]
PREDICTED = ("zstd", "deflate", "lzw")
# pixels a side of a raster that is rather read as a whole: strips are written quicker than tiles
WHOLE = 1024


def tiff(
    grid: Grid, count: int, dtype: str, nodata: float | None, options: Options | None
) -> Options:
    """Profile of a GeoTIFF: zstd, in tiles where it is large, BIGTIFF where it may be needed."""
    profile: Options = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": count,
        "dtype": dtype,
        "nodata": nodata,
        "transform": grid.transform,
        # TIFF holds no identity, and a CRS without a place in it would be refused
        "crs": grid.crs.to_wkt() if grid.crs and not grid.transform.is_identity else None,
        "bigtiff": "IF_SAFER",
        "compress": "zstd",
        "zstd_level": 1,
        # differences of neighbours compress better, of floats byte plane by byte plane
        "predictor": 3 if dtype.startswith("float") else 2,
        # threads cost small files time, and print errors that are none where bands beyond grey or
        # RGB meet a mask
        "num_threads": _threads() if count in (1, 3) and grid.height * grid.width > 2**22 else 1,
        "alpha": "no",  # else GDAL takes a fourth band, near infrared perhaps, for transparency
    }
    chosen = {name.lower(): value for name, value in (options or {}).items()}
    compress = str(chosen.get("compress", "zstd")).lower()
    if (max(grid.shape) > WHOLE and min(grid.shape) >= 256) or "blockxsize" in chosen:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    else:
        # band by band takes two thirds of the time, for 6 bytes more in a hundred; one strip is
        # quickest but for deflate
        profile |= {"interleave": "band"} if compress in PREDICTED else {}
        profile |= {"blockysize": grid.height} if compress in ("none", "zstd") else {}
    profile |= chosen
    if compress == "deflate":
        # GDAL's 6 takes 2 to 5 times as long for 2 to 13 bytes in a hundred
        profile.setdefault("zlevel", 1)
    if compress not in PREDICTED or "nbits" in profile:
        del profile["predictor"]
    return profile


def cog(mean: bool, options: Options | None) -> dict[str, str]:
    """Options of a COG, with overviews of means or of nearest neighbours."""
    chosen = {
        "COMPRESS": "ZSTD",
        "LEVEL": "1",
        "PREDICTOR": "YES",
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": str(_threads()),
        "BLOCKSIZE": "512",
        "OVERVIEW_RESAMPLING": "AVERAGE" if mean else "NEAREST",
    }
    return chosen | _upper(options)


def _threads() -> int:
    """Threads that compress: more than two wait for each other."""
    return min(2, thread_limit() or 2)


def png(options: Options | None) -> dict[str, str]:
    """Options of a PNG."""
    # at GDAL's level 6 imagery takes twice the time and not a byte less
    return {"ZLEVEL": "2", "WRITE_METADATA_AS_TEXT": "YES"} | _upper(options)


def _upper(options: Options | None) -> dict[str, str]:
    return {name.upper(): str(value) for name, value in (options or {}).items()}
