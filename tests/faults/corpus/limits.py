"""Absurd sizes and settings, which are refused before anything is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import rasterio

from tests.faults.case import EXTRACT, MAP, MODEL, PREDICT, Case

READING = {
    "extract": EXTRACT,
    "predict": PREDICT,
    "tile": "tile {} -o new",
    "polygonize": "polygonize {} -o new.gpkg",
    "preview": "preview {} -o new.png",
    "stitch": "stitch {} -o new.tif",
    "rasterize": "rasterize footprints.geojson --like {} -o new.tif",
}


def sparse(side: int, bands: int = 1, dtype: str = "uint8") -> Callable[[Path], None]:
    """A TIFF of a few kilobytes that claims ``side`` pixels each way."""

    def make(folder: Path) -> None:
        with rasterio.open(
            folder / "bomb.tif",
            "w",
            driver="GTiff",
            height=side,
            width=side + 512,
            count=bands,
            dtype=dtype,
            crs="EPSG:32633",
            transform=MAP.transform,
            sparse_ok=True,
            tiled=True,
            blockxsize=16384,
            blockysize=16384,
            compress="deflate",
            bigtiff="YES",
        ):
            pass

    return make


def png(width: int, height: int) -> Callable[[Path], None]:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100)))
    )
    return lambda folder: (folder / "bomb.png").write_bytes(content + chunk(b"IEND", b""))


def mosaic(side: int) -> Callable[[Path], None]:
    text = (
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><VRTRasterBand dataType="Byte" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return lambda folder: (folder / "bomb.vrt").write_text(text)


def setting(name: str, line: str, says: str, code: int = 2) -> Case:
    return Case(f"setting_{name}", line, code, says)


TILE = "tile scene.tif -o new"
SCENE_EXTRACT = EXTRACT.format("scene.tif")
POLYGONIZE = "polygonize mask.tif -o new.gpkg"
CASES = [
    *(
        Case(
            f"bomb_{verb}",
            line.format("bomb.tif"),
            8,
            r"bomb\.tif: claims .* GiB",
            sparse(600_000),
        )
        for verb, line in READING.items()
    ),
    *(
        Case(
            f"bomb_mosaic_{verb}",
            READING[verb].format("bomb.vrt"),
            8,
            r"bomb\.vrt: claims .* GiB",
            mosaic(2_000_000_000),
        )
        for verb in ("tile", "polygonize")
    ),
    Case("bomb_info", "info bomb.tif", 0, "", sparse(600_000)),
    Case("bomb_png", "tile bomb.png -o new", 8, r"bomb\.png: claims", png(900_000, 800_000)),
    Case(
        "bomb_labels",
        "tile scene.tif -o new --labels bomb.tif",
        8,
        r"bomb\.tif: claims",
        sparse(600_000),
    ),
    Case("bomb_truth", "evaluate mask.tif bomb.tif", 8, r"bomb\.tif: claims", sparse(600_000)),
    Case(
        "bomb_of_bands",
        "tile bomb.tif -o new",
        8,
        r"bomb\.tif: claims",
        sparse(60_000, 60, "float64"),
    ),
    setting("size_zero", f"{TILE} --size 0", "--size"),
    setting("size_huge", f"{TILE} --size 1000000000000", "--size"),
    setting("size_negative", f"{TILE} --size -5", "--size"),
    setting("overlap_beyond", f"{TILE} --size 64 --overlap 64", "--overlap"),
    setting("stride_zero", f"{TILE} --stride 0", "--stride"),
    setting("split_nan", f"{TILE} --split nan,0.5,0.5", "--split"),
    setting("split_negative", f"{TILE} --split 2,-1,0", "--split"),
    setting("block_size_infinite", f"{TILE} --block-size inf", "--block-size"),
    setting("jobs_huge", f"{TILE} -j 1000000", "", 0),
    setting("jobs_zero", f"{TILE} -j 0", "--jobs"),
    setting("window_negative", f"{TILE} --window 0,0,-5,7", "--window"),
    setting("window_beside", f"{TILE} --window 9000,9000,5,7", "window", 4),
    setting("window_of_digits", f"{TILE} --window 0,0,{'9' * 400},7", "--window"),
    setting("bounds_nan", f"{TILE} --bounds nan,nan,nan,nan", "--bounds"),
    setting("bounds_infinite", f"{TILE} --bounds -inf,-inf,inf,inf", "--bounds"),
    setting("bounds_turned", f"{TILE} --bounds 9,9,1,1", "--bounds"),
    setting("bounds_crs_of_words", f"{TILE} --bounds 1,1,2,2 --bounds-crs nowhere", "nowhere"),
    setting("nodata_beyond", f"{TILE} --nodata 999", "nodata"),
    setting("nodata_nan", f"{TILE} --nodata nan", "nodata"),
    setting("gsd_zero", f"{SCENE_EXTRACT} --gsd 0", "--gsd"),
    setting("gsd_nan", f"{SCENE_EXTRACT} --gsd nan", "--gsd"),
    setting("gsd_infinite", f"{SCENE_EXTRACT} --gsd inf", "--gsd"),
    setting("gsd_minute", f"{SCENE_EXTRACT} --gsd 1e-9", "more than 100 times", 4),
    setting(
        "gsd_minute_predict", f"{PREDICT.format('scene.tif')} --gsd 1e-9", "more than 100 times", 4
    ),
    setting("gsd_vast", f"predict scene.tif -o new.tif --gsd 1e9 {MODEL}", "", 0),
    setting("threshold_nan", f"{SCENE_EXTRACT} --threshold nan", "--threshold"),
    setting("threshold_two", f"{SCENE_EXTRACT} --threshold 2", "--threshold"),
    setting("tile_size_huge", f"{SCENE_EXTRACT} --tile-size 1000000000", "--tile-size"),
    setting("batch_size_huge", f"{SCENE_EXTRACT} --batch-size 1000000000", "--batch-size"),
    setting("overlap_huge", f"{SCENE_EXTRACT} --overlap 1000000000", "--overlap"),
    setting("min_area_nan", f"{POLYGONIZE} --min-area nan", "--min-area"),
    setting("min_area_infinite", f"{POLYGONIZE} --min-area inf", "--min-area"),
    setting("min_area_negative", f"{POLYGONIZE} --min-area -1", "--min-area"),
    setting("min_area_of_words", f"{POLYGONIZE} --min-area tenm3", "--min-area"),
    setting("open_huge", f"{POLYGONIZE} --open 1000000000000", "1000 at most"),
    setting("simplify_nan", f"{POLYGONIZE} --simplify nan", "--simplify"),
    setting(
        "width_huge",
        "rasterize footprints.geojson --like scene.tif -o new.tif --kind boundary --width 1e9",
        "1000 at most",
    ),
    setting(
        "value_beyond",
        "rasterize footprints.geojson --like scene.tif -o new.tif --value 999",
        "--value",
    ),
    setting("dst_crs_of_words", f"{POLYGONIZE} --dst-crs nowhere", "nowhere is no CRS"),
    setting("creation_option", f"{PREDICT.format('scene.tif')} --co BLOCKXSIZE", "--co"),
    setting(
        "device_of_words", f"predict scene.tif -o new.tif --device toaster {MODEL}", "toaster", 7
    ),
    setting("runtime_of_words", f"{PREDICT.format('scene.tif')} --runtime abacus", "--runtime"),
    setting("config_of_itself", "tile scene.tif -o new --config scene.tif", r"scene\.tif", 3),
    setting("config_absent", "tile scene.tif -o new --config none.toml", r"none\.toml", 3),
    setting("preview_size_huge", "preview scene.tif -o new.png --size 10000000", "--size"),
    setting("preview_size_zero", "preview scene.tif -o new.png --size 0", "--size"),
]
