"""Bands in another order, of other types, masked in other ways; numbers that are odd."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp

from geoseg.io.raster.scene import read_array
from tests.faults.case import EXTRACT, MAP, MASK, MODEL, PICTURE, PREDICT, Case, same_mask

RED, GREEN, BLUE, GREY, ALPHA, PALETTE, UNDEFINED = (
    getattr(ColorInterp, name)
    for name in ("red", "green", "blue", "gray", "alpha", "palette", "undefined")
)
# Of the sample's values 1 to 212: as reflectance or counts of a sensor, no plain scale
CURVED = (PICTURE / 255.0) ** 1.6 * 3000 + 120
LINE = f"predict odd.tif -o new.tif {MODEL}"
HOLES = np.zeros(MASK.shape, bool)
HOLES[20:50, 60:110] = True


def write(
    folder: Path,
    image: np.ndarray,
    colours: tuple[ColorInterp, ...] = (),
    name: str = "odd.tif",
    **more: Any,
) -> None:
    profile = {
        "driver": "GTiff",
        "count": len(image),
        "dtype": image.dtype,
        "photometric": "MINISBLACK",
    }
    profile |= {"height": image.shape[1], "width": image.shape[2], "alpha": "no"}
    profile |= {"crs": "EPSG:32633", "transform": MAP.transform, **more}
    with rasterio.open(folder / name, "w", **profile) as out:
        if colours:
            out.colorinterp = colours
        out.write(image)


def stored(
    image: np.ndarray, colours: tuple[ColorInterp, ...] = (), **more: Any
) -> Callable[[Path], None]:
    return lambda folder: write(folder, image, colours, **more)


def found(least: float) -> Callable[[Path, Any], None]:
    """The prediction is the mask of the buildings, to an IoU."""

    def check(folder: Path, _: Any) -> None:
        image, valid, _ = read_array(folder / "new.tif")
        same_mask((image[0] >= 127) & valid, least)

    return check


def found_outside_of(hidden: np.ndarray) -> Callable[[Path, Any], None]:
    def check(folder: Path, _: Any) -> None:
        image, valid, _ = read_array(folder / "new.tif")
        np.testing.assert_array_equal(valid, ~hidden)
        same_mask(np.where(hidden, MASK, image[0] >= 127), 0.99)

    return check


def mixed(order: tuple[int, ...], others: int = 50) -> np.ndarray:
    """The picture's bands (0 to 2) in ``order``, other numbers being bands of noise."""
    noise = np.random.default_rng(1).integers(0, others, (len(order), *MASK.shape), "uint8")
    return np.stack(
        [PICTURE[band] if band in (0, 1, 2) else noise[at] for at, band in enumerate(order)]
    )


def as_bits(bits: int) -> np.ndarray:
    return np.rint(PICTURE * ((2**bits - 1) / 255)).astype("uint16")


def alpha(order: tuple[int, ...], colours: tuple[ColorInterp, ...]) -> Callable[[Path], None]:
    image = np.stack([*PICTURE, np.where(HOLES, 0, 255).astype("uint8")])[list(order)]
    return stored(image, colours)


def masked(folder: Path, internal: bool) -> None:
    write(folder, PICTURE)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal),
        rasterio.open(folder / "odd.tif", "r+") as out,
    ):
        out.write_mask(~HOLES)
    assert (folder / "odd.tif.msk").exists() is not internal


def mask_beside(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (write(folder, PICTURE), (folder / "odd.tif.msk").write_bytes(content))


def palette(folder: Path) -> None:
    index = MASK[None].astype("uint8")
    write(folder, index, nodata=None)
    with rasterio.open(folder / "odd.tif", "r+") as out:
        out.write_colormap(1, {0: (90, 140, 80, 255), 1: (200, 60, 50, 255)})


def holed(image: np.ndarray, value: float) -> np.ndarray:
    return np.where(HOLES, image.dtype.type(value), image)


def nodata(folder: Path, value: str) -> None:
    """A nodata value that rasterio would not write for bytes: GDAL's tag holds it as text."""
    write(folder, PICTURE, nodata=100)
    content = (folder / "odd.tif").read_bytes()
    entry = struct.pack("<HHI", 42113, 2, 4)
    assert content.count(entry + b"100\0") == 1
    longer = struct.pack("<HHII", 42113, 2, len(value) + 1, len(content))
    content = content.replace(entry + b"100\0", longer) + value.encode() + b"\0"
    (folder / "odd.tif").write_bytes(content)


def mosaic(folder: Path, types: tuple[str, ...]) -> None:
    """A VRT whose bands come from three files of different types."""
    bands = []
    for number, dtype in enumerate(types, 1):
        write(folder, PICTURE[number - 1 : number].astype(dtype), name=f"b{number}.tif")
        kind = {"uint8": "Byte", "uint16": "UInt16", "float32": "Float32"}[dtype]
        bands.append(
            f'<VRTRasterBand dataType="{kind}" band="{number}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">b{number}.tif</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
        )
    place = ",".join(map(str, MAP.transform.to_gdal()))
    (folder / "odd.vrt").write_text(
        f'<VRTDataset rasterXSize="{MASK.shape[1]}" rasterYSize="{MASK.shape[0]}"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{''.join(bands)}</VRTDataset>"
    )


def small(height: int, width: int) -> Callable[[Path], None]:
    return stored(np.ascontiguousarray(PICTURE[:, :height, :width]))


def empty(folder: Path, shown: dict[str, Any]) -> None:
    assert shown["footprints"] == 0


TYPES = {
    "uint16_as_it_is": (PICTURE.astype("uint16"), 0.98),
    "int16_as_it_is": (PICTURE.astype("int16"), 0.98),
    "int32_as_it_is": (PICTURE.astype("int32"), 0.98),
    "uint32_as_it_is": (PICTURE.astype("uint32"), 0.98),
    "float32_to_255": (PICTURE.astype("float32"), 0.98),
    "float64_to_255": (PICTURE.astype("float64"), 0.98),
    "float32_to_1": (PICTURE.astype("float32") / 255, 0.98),
    "float64_to_1": (PICTURE / 255.0, 0.98),
    "uint16_by_257": (PICTURE.astype("uint16") * 257, 0.98),
    "uint16_of_10_bits": (as_bits(10), 0.98),
    "uint16_of_11_bits": (as_bits(11), 0.98),
    "uint16_of_12_bits": (as_bits(12), 0.98),
    "int16_of_15_bits": (as_bits(15).astype("int16"), 0.98),
    "uint16_curved": (CURVED.astype("uint16"), 0.90),
    "int16_with_negatives": ((CURVED - 400).astype("int16"), 0.90),
    "float32_reflectance": ((CURVED / 10_000).astype("float32"), 0.90),
    "float32_db": ((CURVED / 100 - 25).astype("float32"), 0.90),
}
KINDS = (RED, GREEN, BLUE)
ALPHAS = {
    "last": ((0, 1, 2, 3), (*KINDS, ALPHA)),
    "first": ((3, 0, 1, 2), (ALPHA, *KINDS)),
    "second": ((0, 3, 1, 2), (RED, ALPHA, GREEN, BLUE)),
}
CONSTANT = {"black": 0, "one_grey": 77, "white": 255}
EIGHT = (9, 2, 9, 0, 9, 9, 1, 9)
EIGHT_KINDS = tuple({0: RED, 1: GREEN, 2: BLUE}.get(band, UNDEFINED) for band in EIGHT)

CASES = [
    *(
        Case(f"type_{name}", LINE, make=stored(image), check=found(least))
        for name, (image, least) in TYPES.items()
    ),
    Case(
        "type_12_bits_by_nbits",
        LINE,
        make=stored(as_bits(12), nbits=12, compress="none"),
        check=found(0.98),
    ),
    *(
        Case(
            f"type_{kind}",
            EXTRACT.format("odd.tif"),
            4,
            rf"odd\.tif: .*{kind}",
            stored(PICTURE.astype(kind)),
        )
        for kind in ("complex64", "complex128")
    ),
    Case(
        "type_complex_integers",
        "tile odd.tif -o new",
        4,
        r"odd\.tif: .*complex",
        stored(PICTURE[:1].astype("complex64"), dtype="complex_int16"),
    ),
    Case("type_int8", "tile odd.tif -o new", make=stored((PICTURE // 2).astype("int8"))),
    Case("type_int64", "tile odd.tif -o new", make=stored(PICTURE.astype("int64"))),
    Case(
        "eight_bands_three_tagged",
        LINE,
        0,
        "using bands 4,7,2, its red, green and blue",
        stored(mixed(EIGHT), EIGHT_KINDS),
        found(0.99),
    ),
    Case(
        "declared_bgr",
        LINE,
        0,
        "using bands 3,2,1",
        stored(mixed((2, 1, 0)), (BLUE, GREEN, RED)),
        found(0.99),
    ),
    Case(
        "declared_grb",
        LINE,
        0,
        "using bands 2,1,3",
        stored(mixed((1, 0, 2)), (GREEN, RED, BLUE)),
        found(0.99),
    ),
    Case(
        "two_bands_called_red", LINE, 0, "", stored(mixed((0, 1, 2)), (RED, RED, BLUE)), found(0.99)
    ),
    Case(
        "eight_bands_untagged",
        LINE,
        0,
        "using the first 3 of 8 bands",
        stored(mixed((0, 1, 2, 9, 9, 9, 9, 9))),
        found(0.99),
    ),
    Case(
        "hundreds_of_bands",
        LINE,
        0,
        "using the first 3 of 300 bands",
        stored(mixed((0, 1, 2, *[9] * 297))),
        found(0.99),
    ),
    Case(
        "hundreds_of_bands_tiled", "tile odd.tif -o new", make=stored(mixed((0, 1, 2, *[9] * 297)))
    ),
    *(
        Case(
            f"bands_{len(image)}_{verb}",
            line.format("odd.tif"),
            4,
            r"odd\.tif: has \d bands?; the model needs 3",
            stored(image),
        )
        for image in (PICTURE[:1], PICTURE[:2])
        for verb, line in (("extract", EXTRACT), ("predict", PREDICT))
    ),
    Case(
        "band_beyond",
        f"{PREDICT.format('scene.tif')} -b 1,2,9",
        4,
        r"scene\.tif: has 3 bands, not 9",
    ),
    Case("bands_too_few", f"{PREDICT.format('scene.tif')} -b 1,2", 4, "2 bands"),
    Case("band_zero", f"{PREDICT.format('scene.tif')} -b 0,1,2", 2, "--bands"),
    Case("band_twice", LINE.replace("odd", "scene") + " -b 1,1,1"),
    *(
        Case(f"alpha_{name}", LINE, make=alpha(*where), check=found_outside_of(HOLES))
        for name, where in ALPHAS.items()
    ),
    Case(
        "mask_internal",
        LINE,
        make=lambda folder: masked(folder, True),
        check=found_outside_of(HOLES),
    ),
    Case(
        "mask_beside",
        LINE,
        make=lambda folder: masked(folder, False),
        check=found_outside_of(HOLES),
    ),
    Case(
        "mask_beside_of_words",
        LINE,
        0,
        r"odd\.tif\.msk: is not looked at: it is no TIFF",
        mask_beside(b"words"),
        found(0.99),
    ),
    Case(
        "mask_beside_broken",
        LINE,
        0,
        r"odd\.tif\.msk: is not looked at",
        mask_beside(b"II*\0\x08\0\0\0"),
        found(0.99),
    ),
    Case("palette", LINE, make=palette, check=found(0.99)),
    Case(
        "nodata_zero", LINE, make=stored(holed(PICTURE, 0), nodata=0), check=found_outside_of(HOLES)
    ),
    Case(
        "nodata_255",
        LINE,
        make=stored(holed(PICTURE, 255), nodata=255),
        check=found_outside_of(HOLES),
    ),
    Case(
        "nodata_of_another_type",
        LINE,
        make=lambda folder: nodata(folder, "-9999"),
        check=found(0.99),
    ),
    Case("nodata_nan_of_bytes", LINE, make=lambda folder: nodata(folder, "nan"), check=found(0.99)),
    Case("nodata_of_words", LINE, make=lambda folder: nodata(folder, "none"), check=found(0.99)),
    Case(
        "nan_holes",
        LINE,
        make=stored(holed(PICTURE.astype("float32"), np.nan)),
        check=found_outside_of(HOLES),
    ),
    Case(
        "infinite_holes",
        LINE,
        make=stored(holed(PICTURE.astype("float32"), np.inf)),
        check=found_outside_of(HOLES),
    ),
    Case(
        "nan_alone",
        f"extract odd.tif -o new.gpkg {MODEL}",
        make=stored(PICTURE * np.float32(np.nan)),
        check=empty,
    ),
    Case(
        "nodata_alone",
        f"extract odd.tif -o new.gpkg {MODEL}",
        make=stored(np.zeros_like(PICTURE), nodata=0),
        check=empty,
    ),
    *(
        Case(
            f"constant_{name}_{kind}",
            f"extract odd.tif -o new.gpkg --threshold 0.6 {MODEL}",
            make=stored(np.full(PICTURE.shape, value, kind)),
            check=empty,
        )
        for name, value in CONSTANT.items()
        for kind in ("uint8", "uint16", "float32")
    ),
    Case(
        "largest_floats",
        f"extract odd.tif -o new.gpkg {MODEL}",
        make=stored(np.where(MASK, 3e38, -3e38)[None].repeat(3, 0).astype("float32")),
    ),
    Case(
        "bands_of_different_types",
        f"predict odd.vrt -o new.tif {MODEL}",
        make=lambda folder: mosaic(folder, ("uint8", "uint16", "float32")),
        check=found(0.98),
    ),
    *(
        Case(f"size_{height}_by_{width}", LINE, make=small(height, width))
        for height, width in ((1, 1), (1, 130), (96, 1), (2, 3))
    ),
    Case("size_1_by_1_extract", f"extract odd.tif -o new.gpkg {MODEL}", make=small(1, 1)),
    Case("size_1_by_1_tile", "tile odd.tif -o new", make=small(1, 1)),
    Case("size_1_by_1_preview", "preview odd.tif -o new.png", make=small(1, 1)),
]
