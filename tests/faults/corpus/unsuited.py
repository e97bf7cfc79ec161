"""Files of the right format that hold other things: pictures for footprints, ciphers, other places."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from tests.faults.case import MAP, MASK, MODEL, PICTURE, SHAPE, Case
from tests.faults.corpus.layers import BOX, BURN, table

PREVIEW = "preview scene.tif {} -o new.png"
VERBS = {
    "rasterize": BURN,
    "info": "info {}",
    "tile": "tile scene.tif -o new --labels {}",
    "evaluate": "evaluate mask.tif {}",
    "preview": PREVIEW,
    "extract": f"extract scene.tif -o new.gpkg {MODEL} --aoi {{}}",
}


def pictures(folder: Path) -> None:
    """A GeoPackage of a picture alone."""
    options: dict[str, Any] = {"driver": "GPKG", "crs": "EPSG:32633", "transform": MAP.transform}
    height, width = SHAPE
    size = {"height": height, "width": width, "count": 3, "dtype": "uint8"}
    with rasterio.open(folder / "odd.gpkg", "w", **options, **size) as out:
        out.write(PICTURE.astype("uint8"))


def encrypted(plain_footer: bool) -> Callable[[Path], None]:
    """A GeoParquet whose columns are encrypted, and also what says which there are unless that
    ``plain_footer`` is not.
    """

    def make(folder: Path) -> None:
        import pyarrow.parquet as pq
        from pyarrow.parquet import encryption

        class Keys(encryption.KmsClient):
            def wrap_key(self, key: bytes, _: str) -> bytes:
                return base64.b64encode(key)

        path = folder / "odd.parquet"
        table(BOX).to_parquet(path)
        held = pq.read_table(path)
        settings = encryption.EncryptionConfiguration(
            footer_key="a", column_keys={"b": held.column_names}, plaintext_footer=plain_footer
        )
        factory = encryption.CryptoFactory(lambda _: Keys())
        keys = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
        with pq.ParquetWriter(path, held.schema, encryption_properties=keys) as out:
            out.write_table(held)

    return make


def mask(transform: Affine, crs: object = MAP.crs) -> Callable[[Path], None]:
    grid = Grid(crs, transform, *SHAPE)  # type: ignore[arg-type]
    return lambda folder: write_array(folder / "odd.tif", MASK.astype(np.uint8), grid)


AWAY = MAP.transform * Affine.translation(5000, 0)
CASES = [
    *(
        Case(
            f"gpkg_of_pictures_{verb}",
            line.format("odd.gpkg"),
            4,
            r"odd\.gpkg: holds no layer of footprints",
            pictures,
        )
        for verb, line in VERBS.items()
    ),
    *(
        Case(
            f"parquet_encrypted_{name}_{verb}",
            line.format("odd.parquet"),
            3,
            r"odd\.parquet: is encrypted",
            encrypted(plain_footer),
        )
        for verb, line in VERBS.items()
        for name, plain_footer in {"whole": False, "in_its_columns": True}.items()
    ),
    Case("mask_away_preview", PREVIEW.format("odd.tif"), 4, "does not overlap", mask(AWAY)),
    Case(
        "mask_beside_preview",
        PREVIEW.format("odd.tif"),
        4,
        "does not overlap",
        mask(MAP.transform * Affine.translation(MAP.width, 0)),
    ),
    Case(
        "mask_half_away_preview",
        PREVIEW.format("odd.tif"),
        0,
        "another grid",
        mask(MAP.transform * Affine.translation(MAP.width // 2, 0)),
    ),
    Case("mask_away_tile", VERBS["tile"].format("odd.tif"), 4, "does not overlap", mask(AWAY)),
]
