"""Which files hold the labels of a scene: one, several, or what a folder of them has for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from geoseg.errors import InputError, UsageError
from geoseg.io.formats import vector_kind
from geoseg.specs.vectors import VectorFiles

RASTERS = (".tif", ".tiff", ".png", ".vrt")
VECTORS = (
    *(".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".shp", ".csv"),
    *(".kml", ".gml", ".zip", ".gdb"),
)
Labels = Path | VectorFiles


def find(labels: Path | VectorFiles, scene: str) -> Labels:
    """The labels of ``scene``: ``labels`` itself, or of several files and of a folder's the one of
    the scene's name, ``NAME`` or ``NAME_mask``.

    Without one it is the one CSV, which may hold footprints of many images, else all vector files
    together, unless a folder has masks or tables too. Raises InputError where there are none.
    """
    files = VectorFiles.of(labels)
    given = files.paths[0]
    if len(files.paths) == 1 and not _is_folder(given):
        return _as_labels(files, [given])
    own = Path(scene).absolute()
    there = [path for path in _expanded(files.paths) if path.absolute() != own]
    stem = Path(scene).stem
    for name in (stem, f"{stem}_mask"):
        for suffix in VECTORS + RASTERS:
            for path in there:
                if path.name == f"{name}{suffix}":
                    return _as_labels(files, [path])
    tables = [path for path in there if path.suffix == ".csv"]
    if len(tables) == 1:
        return _as_labels(files, tables)
    vectors = [path for path in there if path.suffix.lower() in VECTORS]
    # masks and tables are named by scenes, so files of other names are those of other scenes
    by_scene = len(files.paths) == 1 and any(path.suffix in (*RASTERS, ".csv") for path in there)
    if not vectors or by_scene:
        raise InputError(
            f"{files}: has no labels for {scene}",
            f"name them {stem}.gpkg, {stem}.geojson or {stem}_mask.tif",
        )
    return _as_labels(files, vectors)


def _expanded(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Files as they are, those of folders in the order of their names."""
    for path in paths:
        yield from sorted(path.iterdir()) if _is_folder(path) else [path]


def _is_folder(path: Path) -> bool:
    if not path.exists():
        raise InputError(f"{path}: does not exist")
    return path.is_dir() and vector_kind(path) is None


def _as_labels(files: VectorFiles, paths: list[Path]) -> Labels:
    """Vector files with what is to be taken of them, or the path of a mask."""
    if len(paths) > 1 or vector_kind(paths[0]):
        return replace(files, paths=tuple(paths))
    if files.layer or files.where:
        raise UsageError(f"{paths[0]}: is a raster, which has neither layers nor columns")
    return paths[0]
