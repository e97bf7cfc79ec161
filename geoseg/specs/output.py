"""Where results go, and how imagery without a CRS is placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from geoseg.specs.settings import check, check_settings


def names_folder(output: Path | str) -> bool:
    """Whether an output is a folder by its name, which ends in ``/``: a Path has lost that."""
    return str(output).endswith("/")


def is_there(folder: Path) -> bool:
    """Whether there is such a folder; not of a name that is too long for the system."""
    try:
        return folder.is_dir()
    except OSError:
        return False


@dataclass(frozen=True)
class _Target:
    """``output`` may be given as text; ``is_folder`` is whether its name says that it is a folder,
    which is made where there is none.
    """

    output: Path
    is_folder: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_folder", self.is_folder or names_folder(self.output))
        object.__setattr__(self, "output", Path(self.output))


@dataclass(frozen=True)
class VectorTarget(_Target):
    """A vector file to write, or with several scenes a folder for one file per scene: one that
    exists, or whose name ends in ``/``.

    ``layer``, ``format`` and ``dst_crs`` default to ``footprints``, the extension's format and the
    raster's CRS. ``append`` adds to a GeoPackage that exists. With the format ``parquet-tiles`` the
    folder holds one layer, a GeoParquet file for each map tile.
    """

    layer: str | None = None
    format: str | None = None
    dst_crs: str | None = None
    overwrite: bool = False
    append: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check(not (self.append and self.overwrite), "append", "cannot be combined with `overwrite`")

    @classmethod
    def of(cls, output: Path | str | VectorTarget) -> Self:
        """``output`` itself, or a path with everything else by default."""
        if isinstance(output, VectorTarget):
            return output if isinstance(output, cls) else cls(**vars(output))
        return cls(output)  # type: ignore[arg-type]

    @property
    def in_tiles(self) -> bool:
        """Whether ``output`` is one layer in a folder of files by map tile."""
        return (self.format or "").lower() == "parquet-tiles"

    @property
    def folder(self) -> Path:
        """Where it is written."""
        there = (self.is_folder or is_there(self.output)) and not self.in_tiles
        return self.output if there else self.output.parent

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
class ExtractTarget(VectorTarget):
    """Where footprints of scenes go; ``save_prob`` is a GeoTIFF that gets the probabilities of the
    one scene too.
    """

    save_prob: Path | None = None


@dataclass(frozen=True)
class RasterTarget(_Target):
    """A raster of probabilities to write, or with several scenes a folder for one a scene: one that
    exists, or whose name ends in ``/``.

    uint8 holds 0..254 (scale 1/254) with 255 for nodata, float32 probabilities with NaN. With
    ``classes`` the most probable class as uint8. ``creation_options`` are GDAL's.
    """

    dtype: Literal["uint8", "float32"] = "uint8"
    classes: bool = False
    creation_options: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self)

    @classmethod
    def of(cls, output: Path | str | RasterTarget) -> RasterTarget:
        """``output`` itself, or a path with everything else by default."""
        return output if isinstance(output, RasterTarget) else cls(output)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FolderTarget(_Target):
    """A folder to write; those above it are made too where its name ends in ``/``. With ``resume``
    what is finished stays when the work is stopped, and the next such run goes on there.
    """

    overwrite: bool = False
    resume: bool = False

    @classmethod
    def of(cls, output: Path | str | FolderTarget) -> FolderTarget:
        """``output`` itself, or a path with everything else by default."""
        return output if isinstance(output, FolderTarget) else cls(output)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainTarget:
    """A model file to write, and the folder of the run that trains it: ``OUTPUT.run`` by default.
    With ``resume`` the run in that folder goes on.
    """

    output: Path
    run_dir: Path | None = None
    resume: bool = False
    overwrite: bool = False

    @classmethod
    def of(cls, output: Path | str | TrainTarget) -> TrainTarget:
        """``output`` itself, or a path with everything else by default."""
        return output if isinstance(output, TrainTarget) else cls(Path(output))

    @property
    def folder(self) -> Path:
        return self.run_dir or self.output.with_name(self.output.name + ".run")


@dataclass(frozen=True)
class PixelReference:
    """Whether imagery without a CRS is placed in its own pixels, x to the right and y up from 0 at
    its upper edge, which is where QGIS shows it.
    """

    pixel_coords: bool = False
