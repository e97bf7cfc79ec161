"""Where results go, and how imagery without a CRS is placed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.specs.settings import check


@dataclass(frozen=True)
class VectorTarget:
    """A vector file to write, or with several scenes an existing folder for one file per scene.

    ``layer``, ``format`` and ``dst_crs`` default to ``footprints``, the extension's format and the
    raster's CRS. ``append`` adds to a GeoPackage that exists.
    """

    output: Path
    layer: str | None = None
    format: str | None = None
    dst_crs: str | None = None
    overwrite: bool = False
    append: bool = False

    def __post_init__(self) -> None:
        check(not (self.append and self.overwrite), "append", "cannot be combined with `overwrite`")

    @classmethod
    def of(cls, output: Path | str | VectorTarget) -> VectorTarget:
        """``output`` itself, or a path with everything else by default."""
        return output if isinstance(output, VectorTarget) else cls(Path(output))

    def keywords(self) -> dict[str, Any]:
        """Keywords of :func:`geoseg.io.vector.write.create_vector`."""
        return {
            "layer": self.layer,
            "format": self.format,
            "dst_crs": self.dst_crs,
            "overwrite": self.overwrite,
            "append": self.append,
        }


@dataclass(frozen=True)
class PixelReference:
    """How imagery without a CRS is placed: in ``crs``, or by ``pixel_coords`` in its own pixels."""

    crs: str | None = None
    pixel_coords: bool = False
