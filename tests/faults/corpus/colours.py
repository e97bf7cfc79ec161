"""Colours and masks that are stored in ways that not every program knows."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp

from tests.faults.case import EXTRACT, MASK, MODEL, PICTURE, Case
from tests.faults.corpus.numbers import (
    ALPHA,
    BLUE,
    GREEN,
    GREY,
    HOLES,
    KINDS,
    LINE,
    RED,
    UNDEFINED,
    empty,
    found,
    found_outside_of,
    holed,
    stored,
    write,
)

VALID = np.where(HOLES, 0, 255).astype("uint8")


INKS = np.stack([*(255 - PICTURE), np.zeros(MASK.shape, "uint8")])


def separated(folder: Path) -> None:
    """Cyan, magenta, yellow and black, as printers have them."""
    write(folder, INKS, photometric="CMYK")


def with_mask(image: np.ndarray, colours: tuple[ColorInterp, ...] = (), **more: Any) -> Any:
    """``image`` with a mask in the file that hides the holes."""

    def make(folder: Path) -> None:
        write(folder, image, colours, **more)
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(folder / "odd.tif", "r+") as out,
        ):
            out.write_mask(~HOLES)

    return make


def png(kind: int, rows: list[bytes], *chunks: tuple[bytes, bytes], depth: int = 8) -> Any:
    """odd.png of the colour type ``kind`` from lines of bytes, placed by a worldfile."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        )

    def make(folder: Path) -> None:
        height, width = MASK.shape
        head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, 0])
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        content += b"".join(chunk(*each) for each in chunks)
        data = zlib.compress(b"".join(b"\0" + row for row in rows))
        (folder / "odd.png").write_bytes(content + chunk(b"IDAT", data) + chunk(b"IEND", b""))
        (folder / "odd.wld").write_text("0.3\n0\n0\n-0.3\n458000.15\n5547999.85\n")

    return make


def lines(image: np.ndarray) -> list[bytes]:
    """Rows of pixels of (band, row, col), most significant byte first."""
    return [row.astype(image.dtype.newbyteorder(">")).tobytes() for row in image.transpose(1, 2, 0)]


def palette(folder: Path, alpha: int = 255, **more: Any) -> None:
    write(folder, MASK[None].astype("uint8"), **more)
    with rasterio.open(folder / "odd.tif", "r+") as out:
        out.write_colormap(1, {0: (90, 140, 80, 255), 1: (200, 60, 50, alpha), 7: (0, 0, 0, 0)})


def of_bits(bits: int) -> Callable[[Path], None]:
    return stored(MASK[None].astype("uint8"), nbits=bits)


def exact(folder: Path, shown: dict[str, Any]) -> None:
    assert shown["footprints"] == 11
    assert abs(shown["area_m2"] / (MASK.sum() * 0.09) - 1) < 0.02


PNG = f"predict odd.png -o new.tif --crs EPSG:32633 {MODEL}"
POLYGONIZE = "polygonize odd.tif -o new.gpkg --min-hole 0 --min-area 0"
KEYED = np.where(HOLES, np.array([1, 2, 3], "uint8")[:, None, None], PICTURE)
CASES = [
    Case("colours_of_inks", LINE, make=separated, check=found(0.98)),
    Case(
        "colours_declared_inks",
        EXTRACT.format("odd.tif"),
        4,
        r"odd\.tif: is of cyan, magenta, yellow, black, not of red",
        stored(INKS, tuple(ColorInterp[name] for name in ("cyan", "magenta", "yellow", "black"))),
    ),
    Case("colours_of_inks_chosen", LINE + " -b 1,2,3", make=separated, check=found(0.98)),
    Case(
        "alpha_first_of_bgr",
        LINE,
        0,
        "using bands 4,3,2",
        stored(np.stack([VALID, *PICTURE[::-1]]), (ALPHA, BLUE, GREEN, RED)),
        found_outside_of(HOLES),
    ),
    Case(
        "alpha_twice",
        LINE,
        make=stored(np.stack([*PICTURE, VALID, VALID]), (*KINDS, ALPHA, ALPHA)),
        check=found_outside_of(HOLES),
    ),
    Case(
        "alpha_among_five",
        LINE,
        0,
        "using the first 3 of 4",
        stored(np.stack([*PICTURE, VALID, PICTURE[0]]), (RED, GREEN, BLUE, ALPHA, UNDEFINED)),
        found_outside_of(HOLES),
    ),
    Case(
        "alpha_of_ones",
        LINE,
        make=stored(np.stack([*PICTURE, VALID // 255]), (*KINDS, ALPHA)),
        check=found_outside_of(HOLES),
    ),
    Case(
        "alpha_of_16_bits",
        LINE,
        0,
        "8-bit picture",
        stored(
            np.stack([*PICTURE.astype("uint16") * 257, VALID.astype("uint16") * 257]),
            (*KINDS, ALPHA),
        ),
        found_outside_of(HOLES),
    ),
    Case(
        "alpha_of_nothing",
        f"extract odd.tif -o new.gpkg {MODEL}",
        0,
        "no pixel holds data",
        stored(np.stack([*PICTURE, VALID * 0]), (*KINDS, ALPHA)),
        empty,
    ),
    Case(
        "alpha_and_nodata",
        LINE,
        make=stored(
            holed(np.stack([*PICTURE, np.full(MASK.shape, 255, "uint8")]), 0),
            (*KINDS, ALPHA),
            nodata=0,
        ),
        check=found_outside_of(HOLES),
    ),
    Case(
        "alpha_and_mask",
        LINE,
        make=with_mask(np.stack([*PICTURE, VALID]), (*KINDS, ALPHA)),
        check=found_outside_of(HOLES),
    ),
    Case("mask_and_nodata", LINE, make=with_mask(PICTURE, nodata=0), check=found_outside_of(HOLES)),
    Case("mask_of_one_band", POLYGONIZE, make=with_mask(MASK[None].astype("uint8"))),
    Case(
        "nodata_infinite",
        LINE,
        make=stored(holed(PICTURE.astype("float32"), np.inf), nodata=float("inf")),
        check=found_outside_of(HOLES),
    ),
    Case(
        "nodata_nan",
        LINE,
        make=stored(holed(PICTURE.astype("float32"), np.nan), nodata=float("nan")),
        check=found_outside_of(HOLES),
    ),
    Case(
        "nodata_largest_16_bits",
        LINE,
        0,
        "8-bit picture",
        stored(holed(PICTURE.astype("uint16"), 65535), nodata=65535),
        found_outside_of(HOLES),
    ),
    Case(
        "grey_and_alpha",
        EXTRACT.format("odd.tif"),
        4,
        "has 1 band; .*--bands 1,1,1",
        stored(np.stack([PICTURE[0], VALID]), (GREY, ALPHA)),
    ),
    Case(
        "grey_and_alpha_thrice",
        LINE + " -b 1,1,1",
        make=stored(np.stack([PICTURE[0], VALID]), (GREY, ALPHA)),
    ),
    # scalings
    Case(
        "bits_12_to_the_left",
        LINE,
        0,
        "8-bit picture",
        stored(PICTURE.astype("uint16") * 16),
        found(0.98),
    ),
    Case(
        "bits_16_to_the_left",
        LINE,
        0,
        "8-bit picture",
        stored(PICTURE.astype("uint16") * 256),
        found(0.98),
    ),
    Case("bits_32", LINE, 0, "", stored(PICTURE.astype("uint32") * 16843009), found(0.9)),
    Case(
        "bits_14_by_nbits",
        LINE,
        0,
        "8-bit picture",
        stored(np.rint(PICTURE * (16383 / 255)).astype("uint16"), nbits=14),
        found(0.98),
    ),
    Case(
        "float16",
        LINE,
        0,
        "8-bit picture",
        stored(PICTURE.astype("float32"), nbits=16),
        found(0.98),
    ),
    Case("float_to_65535", LINE, 0, "", stored(PICTURE.astype("float32") * 257), found(0.98)),
    Case(
        "float_to_1_and_a_little_more",
        LINE,
        0,
        "",
        stored(PICTURE.astype("float32") / 250 - 0.002),
        found(0.9),
    ),
    Case(
        "float_to_1_with_holes",
        LINE,
        0,
        "white is 1",
        stored(holed(PICTURE.astype("float32") / 255, np.nan)),
        found_outside_of(HOLES),
    ),
    Case("float_to_100", LINE, 0, "", stored(PICTURE.astype("float32") / 2.55), found(0.9)),
    Case("int8_extracted", LINE, 0, "", stored((PICTURE // 2).astype("int8")), found(0.9)),
    Case(
        "int16_shifted",
        LINE,
        0,
        "",
        stored((PICTURE.astype("int32") * 257 - 32768).astype("int16")),
        found(0.9),
    ),
    Case("uint64", LINE, 0, "", stored(PICTURE.astype("uint64")), found(0.98)),
    *(
        Case(f"mask_of_{bits}_bits", POLYGONIZE, make=of_bits(bits), check=exact)
        for bits in (1, 2, 4)
    ),
    Case("picture_of_1_bit", LINE + " -b 1,1,1", make=of_bits(1)),
    # palettes
    Case("palette_with_a_clear_colour", LINE, make=lambda folder: palette(folder, 0)),
    Case("palette_polygonized", POLYGONIZE, make=palette),
    Case("palette_and_nodata", LINE, make=lambda folder: palette(folder, nodata=0)),
    Case("palette_named_band", LINE + " -b 1", 0, "of its palette", palette, found(0.99)),
    # pictures
    Case(
        "png_of_16_bits",
        PNG,
        0,
        "8-bit picture",
        png(2, lines(PICTURE.astype("uint16") * 257), depth=16),
        found(0.98),
    ),
    Case(
        "png_with_alpha",
        PNG,
        make=png(6, lines(np.stack([*PICTURE, VALID]))),
        check=found_outside_of(HOLES),
    ),
    Case(
        "png_with_a_clear_colour",
        PNG,
        make=png(2, lines(KEYED), (b"tRNS", b"\0\1\0\2\0\3")),
        check=found_outside_of(HOLES),
    ),
    Case(
        "png_with_a_palette",
        PNG,
        make=png(
            3, lines(MASK[None].astype("uint8")), (b"PLTE", bytes([90, 140, 80, 200, 60, 50]))
        ),
        check=found(0.99),
    ),
    Case(
        "png_with_a_palette_beyond",
        PNG,
        make=png(
            3,
            lines(np.where(HOLES, 9, MASK)[None].astype("uint8")),
            (b"PLTE", bytes([90, 140, 80, 200, 60, 50])),
        ),
    ),
    Case("png_without_its_palette", PNG, 3, r"odd\.png", png(3, lines(MASK[None].astype("uint8")))),
    Case(
        "png_of_1_bit",
        "polygonize odd.png -o new.gpkg --crs EPSG:32633",
        0,
        "",
        png(0, [np.packbits(row).tobytes() for row in MASK], depth=1),
    ),
    Case(
        "png_of_grey_and_alpha", PNG, 4, "has 1 band", png(4, lines(np.stack([PICTURE[0], VALID])))
    ),
    Case(
        "png_with_a_wrong_sum",
        PNG,
        3,
        r"odd\.png",
        lambda folder: (png(2, lines(PICTURE))(folder), _broken(folder / "odd.png", -5)),
    ),
    # GDAL makes the alpha of colours that it converts; those of bands apart it cannot read
    Case("colours_of_cielab", LINE, 3, r"odd\.tif: cannot be read at", lambda folder: _lab(folder)),
    Case("scales_declared", LINE, make=lambda folder: _scaled(folder)),
]


def _broken(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at - 20] ^= 0xFF
    path.write_bytes(content)


def _lab(folder: Path) -> None:
    write(folder, PICTURE, photometric="CIELAB", interleave="band")


def _scaled(folder: Path) -> None:
    """Reflectance as integers, with the scale and the offset that make it 0 to 1."""
    write(folder, np.rint(PICTURE / 255 * 10_000 + 1000).astype("uint16"))
    with rasterio.open(folder / "odd.tif", "r+") as out:
        out.scales = (1e-4,) * 3
        out.offsets = (-0.1,) * 3
