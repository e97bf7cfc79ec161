"""Files that are cut short, that claim what they do not hold, or that are something else."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil

from tests.faults.case import EXTRACT, MAP, PICTURE, PREDICT, Case

LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"compress": "none", "tiled": False, "blockysize": 16},
    "strips_planar": {"compress": "none", "interleave": "band", "blockysize": 16},
    "tiles": {"compress": "none", "tiled": True, "blockxsize": 32, "blockysize": 32},
    "deflate": {"compress": "deflate", "tiled": False, "blockysize": 16},
    "lzw_tiles": {"compress": "lzw", "tiled": True, "blockxsize": 32, "blockysize": 32},
    "zstd": {"compress": "zstd"},
    "jpeg": {"compress": "jpeg", "tiled": True, "blockxsize": 32, "blockysize": 32},
    "big": {"compress": "none", "bigtiff": "YES"},
    "big_endian": {"compress": "none", "endianness": "BIG"},
}
# TIFF's tags
WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES = 256, 257, 258, 259, 277
OFFSETS, ROWS, COUNTS, TILE_OFFSETS = 273, 278, 279, 324


def layout(path: Path, **options: Any) -> None:
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    profile |= {"height": PICTURE.shape[1], "width": PICTURE.shape[2], "transform": MAP.transform}
    with rasterio.open(path, "w", **profile, **options) as out:
        out.write(PICTURE)


def cut(name: str, part: float) -> Callable[[Path], None]:
    """odd.tif of a layout, of which the first ``part`` is there."""

    def make(folder: Path) -> None:
        layout(folder / "odd.tif", **LAYOUTS[name])
        whole = (folder / "odd.tif").read_bytes()
        (folder / "odd.tif").write_bytes(whole[: int(len(whole) * part)])

    return make


def damaged(name: str) -> Callable[[Path], None]:
    """odd.tif of a layout, with noise over its last compressed block."""

    def make(folder: Path) -> None:
        path = folder / "odd.tif"
        layout(path, **LAYOUTS[name])
        with rasterio.open(path) as scene:
            rows, cols = scene.block_shapes[0]
            block = f"{(scene.width - 1) // cols}_{(scene.height - 1) // rows}"
            start, length = (
                int(scene.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", 1))
                for what in ("OFFSET", "SIZE")
            )
        content = bytearray(path.read_bytes())
        content[start : start + length] = bytes(range(7, 250, 3)) * (length // 81) + b"\x99" * (
            length % 81
        )
        path.write_bytes(content)

    return make


def entries(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of a TIFF's first directory where each entry lies, its tag, its type and its count."""
    (at,) = struct.unpack_from("<I", content, 4)
    (number,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * number, 12):
        yield entry, *struct.unpack_from("<HHI", content, entry)


def patched(tags: dict[int, int], name: str = "strips") -> Callable[[Path], None]:
    """odd.tif whose header says otherwise: the value, or the place of values, of each tag."""

    def make(folder: Path) -> None:
        layout(folder / "odd.tif", **LAYOUTS[name])
        content = bytearray((folder / "odd.tif").read_bytes())
        found = set()
        for entry, tag, kind, count in entries(content):
            if tag in tags:
                inline = "<H" if kind == 3 and count < 3 else "<I"
                struct.pack_into(inline, content, entry + 8, tags[tag])
                found.add(tag)
        assert found == set(tags)
        (folder / "odd.tif").write_bytes(content)

    return make


def retyped(tag: int, name: str, kind: int = 70) -> Callable[[Path], None]:
    """odd.tif in which the values of ``tag`` are of type ``kind``: 70 is none."""

    def make(folder: Path) -> None:
        layout(folder / "odd.tif", **LAYOUTS[name])
        content = bytearray((folder / "odd.tif").read_bytes())
        (entry,) = (entry for entry, own, *_ in entries(content) if own == tag)
        struct.pack_into("<H", content, entry + 2, kind)
        (folder / "odd.tif").write_bytes(content)

    return make


def recounted(tag: int, count: int) -> Callable[[Path], None]:
    """odd.tif in which ``tag`` claims ``count`` values."""

    def make(folder: Path) -> None:
        layout(folder / "odd.tif", **LAYOUTS["tiles"])
        content = bytearray((folder / "odd.tif").read_bytes())
        (entry,) = (entry for entry, own, *_ in entries(content) if own == tag)
        struct.pack_into("<I", content, entry + 4, count)
        (folder / "odd.tif").write_bytes(content)

    return make


def header(*words: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / "odd.tif").write_bytes(struct.pack(*words))


def bytes_of(content: bytes, name: str = "odd.tif") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def copied(driver: str, name: str, part: float = 1, **options: str) -> Callable[[Path], None]:
    """The scene by another driver, of which the first ``part`` is there."""

    def make(folder: Path) -> None:
        with rasterio.open(folder / "scene.tif") as scene:
            rasterio.shutil.copy(scene, folder / name, driver=driver, **options)
        (folder / f"{name}.aux.xml").unlink(missing_ok=True)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * part)])

    return make


def of_scene(name: str, code: int, says: str, make: Any, file: str = "odd.tif") -> list[Case]:
    """A scene that is refused by the verbs that would read it in strips and in windows."""
    lines = {"extract": EXTRACT, "tile": "tile {} -o new --size 64"}
    return [
        Case(f"{name}_{verb}", line.format(file), code, says, make) for verb, line in lines.items()
    ]


PARTS = {"nothing": 0, "a_hundredth": 0.01, "half": 0.5, "most": 0.97}
OTHERS = {
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n",
    "web_page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "pdf": b"%PDF-1.7\n" + bytes(600),
    "zeros": bytes(5000),
    "zip": b"PK\3\4" + bytes(600),
    "gzip": b"\x1f\x8b" + bytes(600),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(600),
    "netcdf": b"CDF\1" + bytes(600),
    "nitf": b"NITF02.10" + bytes(600),
    "fits": b"SIMPLE  =" + bytes(600),
    "gif": b"GIF89a" + bytes(600),
    "webp": b"RIFF\0\0\0\0WEBP" + bytes(600),
    "python": b"import os\n",
    "one_byte": b"I",
}
NAMED = {
    "zip": "a ZIP",
    "gzip": "a gzip",
    "hdf5": "an HDF5",
    "netcdf": "a netCDF",
    "nitf": "a NITF",
    "fits": "a FITS",
    "gif": "a GIF",
    "webp": "a WebP",
}


def erdas(folder: Path) -> None:
    copied("HFA", "odd.img")(folder)


def envi(folder: Path) -> None:
    copied("ENVI", "odd.img", INTERLEAVE="BSQ")(folder)


DAMAGED = r"odd\.tif: cannot be read"
CASES = [
    *(
        case
        for name in LAYOUTS
        for words, part in PARTS.items()
        for case in of_scene(f"cut_{name}_{words}", 3, r"odd\.tif: ", cut(name, part))
    ),
    *(
        Case(
            f"damaged_{name}",
            EXTRACT.format("odd.tif").replace("hollow", "model"),
            3,
            r"odd\.tif: cannot be read at row \d+, column \d+",
            damaged(name),
        )
        for name in ("deflate", "lzw_tiles", "zstd")
    ),
    *of_scene("claims_height", 3, DAMAGED, patched({HEIGHT: 5000})),
    *of_scene("claims_width", 3, DAMAGED, patched({WIDTH: 60000})),
    *of_scene("claims_height_tiled", 3, DAMAGED, patched({HEIGHT: 5000}, "lzw_tiles")),
    *of_scene("claims_width_tiled", 3, DAMAGED, patched({WIDTH: 60000}, "tiles")),
    *of_scene("claims_height_deflate", 3, DAMAGED, patched({HEIGHT: 3000}, "deflate")),
    *of_scene("no_width", 3, DAMAGED, patched({WIDTH: 0})),
    *of_scene("no_height", 3, DAMAGED, patched({HEIGHT: 0})),
    *of_scene("rows_of_nothing", 3, DAMAGED, patched({ROWS: 0})),
    *of_scene("no_samples", 3, DAMAGED, patched({SAMPLES: 0})),
    *of_scene("samples_beyond", 3, DAMAGED, patched({SAMPLES: 60000})),
    *of_scene("tag_of_absurd_length", 3, r"odd\.tif: ", recounted(COMPRESSION, 2**28)),
    *of_scene("compression_unknown", 3, DAMAGED, patched({COMPRESSION: 64999})),
    *of_scene("offsets_elsewhere", 3, DAMAGED, patched({OFFSETS: 2**32 - 9})),
    *of_scene("lengths_elsewhere", 3, DAMAGED, patched({COUNTS: 2**32 - 9})),
    *of_scene("lengths_of_no_type", 3, DAMAGED, retyped(COUNTS, "strips")),
    *of_scene("offsets_of_no_type", 3, DAMAGED, retyped(TILE_OFFSETS, "tiles")),
    *of_scene("lengths_of_bytes", 3, DAMAGED, retyped(COUNTS, "strips", 1)),
    *of_scene("offsets_of_directories", 3, DAMAGED, retyped(TILE_OFFSETS, "tiles", 13)),
    *of_scene("directory_nowhere", 3, DAMAGED, header("<2sHI", b"II", 42, 2**31)),
    *of_scene("directory_in_itself", 3, DAMAGED, header("<2sHIH", b"II", 42, 8, 65535)),
    *of_scene("header_alone", 3, DAMAGED, header("<2sHI", b"II", 42, 8)),
    *of_scene("big_header_alone", 3, DAMAGED, header("<2sHHHQ", b"II", 43, 8, 0, 2**60)),
    *(
        case
        for name, content in OTHERS.items()
        for case in of_scene(
            f"is_{name}", 3, rf"odd\.tif: is {NAMED.get(name, 'not a raster')}", bytes_of(content)
        )
    ),
    Case("is_bmp", "tile odd.bmp -o new", 3, "is a BMP", bytes_of(b"BM" + bytes(600), "odd.bmp")),
    Case("is_erdas", "tile odd.img -o new", 3, r"odd\.img: is an ERDAS Imagine file", erdas),
    Case("is_envi", "tile odd.img -o new", 3, r"odd\.img: is an ENVI file", envi),
    Case("is_footprints", EXTRACT.format("footprints.geojson"), 3, r"footprints\.geojson"),
    Case("is_model", EXTRACT.format("model.onnx"), 3, r"model\.onnx"),
    Case(
        "is_folder", EXTRACT.format("empty"), 3, "empty", lambda folder: (folder / "empty").mkdir()
    ),
    Case("is_absent", EXTRACT.format("none.tif"), 3, r"none\.tif: does not exist"),
    Case("png_whole", "tile odd.png -o new", make=copied("PNG", "odd.png")),
    Case("jpeg_2000_whole", "tile odd.jp2 -o new", make=copied("JP2OpenJPEG", "odd.jp2")),
    *of_scene(
        "jpeg_2000_cut",
        3,
        r"odd\.jp2",
        copied("JP2OpenJPEG", "odd.jp2", 0.5, REVERSIBLE="YES", QUALITY="100"),
        "odd.jp2",
    ),
    *of_scene("jpeg_2000_head", 3, r"odd\.jp2", copied("JP2OpenJPEG", "odd.jp2", 0.01), "odd.jp2"),
    Case(
        "png_cut",
        "tile odd.png -o new",
        3,
        r"odd\.png: cannot be read",
        copied("PNG", "odd.png", 0.6),
    ),
    Case(
        "png_head",
        "tile odd.png -o new",
        3,
        r"odd\.png: cannot be read",
        copied("PNG", "odd.png", 0.0005),
    ),
    Case(
        "jpeg_cut",
        "tile odd.jpg -o new",
        3,
        r"odd\.jpg: cannot be read",
        copied("JPEG", "odd.jpg", 0.5),
    ),
    Case(
        "jpeg_head",
        "tile odd.jpg -o new",
        3,
        r"odd\.jpg: cannot be read",
        copied("JPEG", "odd.jpg", 0.02),
    ),
    Case(
        "cog_cut",
        "tile odd.tif -o new",
        3,
        r"odd\.tif: cannot be read",
        copied("COG", "odd.tif", 0.9),
    ),
    *(
        Case(f"cut_strips_{verb}", line, 3, r"odd\.tif: cannot be read", cut("strips", 0.5))
        for verb, line in {
            "predict": PREDICT.format("odd.tif"),
            "info": "info odd.tif",
            "stitch": "stitch odd.tif -o new.tif",
            "preview": "preview odd.tif -o new.png",
            "rasterize": "rasterize footprints.geojson --like odd.tif -o new.tif",
            "polygonize": "polygonize odd.tif -o new.gpkg",
            "evaluate": "evaluate odd.tif mask.tif",
            "labels": "tile scene.tif -o new --labels odd.tif",
        }.items()
    ),
]
