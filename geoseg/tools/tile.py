"""Cut scenes into chips, masks beside them where labels are given, and write the chip index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from rasterio.windows import Window

from geoseg.core.bands import BandSampler, to_uint8
from geoseg.core.grid import Grid
from geoseg.core.tiling import Chip, Tile, assign_splits, tiles
from geoseg.errors import UnsuitableError
from geoseg.io.chips import IGNORE, ChipInfo, write_index
from geoseg.io.output import atomic_folder
from geoseg.io.raster import Scene, create_raster, open_scene, write_array
from geoseg.specs import ChipSpec, Stretch, parse_rescale
from geoseg.tools.labels import find, open_labels
from geoseg.tools.report import Progress, Report, no_progress


@dataclass(frozen=True, kw_only=True)
class TileReport(Report):
    """``chips`` written, tiles ``skipped`` for want of data, chips by split."""

    chips: int
    skipped: int
    splits: dict[str, int]


@dataclass(frozen=True)
class _Source:
    """A scene to be cut: its path, its name in the index, its labels, the tiles wanted."""

    path: str
    name: str
    labels: Path | None
    tiles: tuple[Tile, ...]
    grid: Grid
    bands: int
    dtype: str


def run(
    scenes: Sequence[str],
    output: Path | str,
    spec: ChipSpec,
    *,
    labels: Path | None = None,
    aoi: Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> TileReport:
    """Cut ``scenes`` into the folder ``output``: ``images/``, ``masks/`` and ``index.parquet``.

    Raises UnsuitableError where the scenes differ in bands, dtype or georeference.
    """
    start = time.perf_counter()
    output = Path(output)
    sources = _plan(scenes, spec, labels, aoi)
    stretch = _stretch(sources, spec, progress)
    total = sum(len(source.tiles) for source in sources)
    rows: list[dict[str, Any]] = []
    warnings: dict[str, None] = {}
    with atomic_folder(output, overwrite) as folder:
        for name in ("images", "masks") if labels else ("images",):
            (folder / name).mkdir()
        advance = progress("cut", total)
        for found, said, count in _map(partial(_cut, folder=folder, spec=spec, stretch=stretch), sources, jobs):
            rows += found
            warnings |= dict.fromkeys(said)
            advance(count)
        if not rows:
            raise UnsuitableError("no tile holds enough data", "lower --size or raise --max-nodata")
        _assign(rows, spec)
        _common_crs(rows, sources)
        info = ChipInfo(
            len(spec.bands) if spec.bands else sources[0].bands,
            sources[0].dtype,
            spec.gsd or sources[0].grid.gsd,
            stretch=stretch,
        )
        write_index(folder, rows, info, rows[0].pop("crs"))
    return TileReport(
        command="tile",
        inputs=tuple(scenes),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=tuple(warnings),
        chips=len(rows),
        skipped=total - len(rows),
        splits=dict(Counter(row["split"] for row in rows)),
    )


def _plan(scenes: Sequence[str], spec: ChipSpec, labels: Path | None, aoi: Path | None) -> list[_Source]:
    sources: list[_Source] = []
    names: Counter[str] = Counter()
    for path in scenes:
        with open_scene(path, gsd=spec.gsd) as scene:
            stem = Path(path).stem
            names[stem] += 1
            name = stem if names[stem] == 1 else f"{stem}_{names[stem]}"
            plan = tiles(scene.grid.shape, spec.tiling, spec.edge)
            wanted = tuple(plan if aoi is None else _inside(plan, aoi, scene.grid))
            mask = find(labels, path) if labels else None
            sources.append(_Source(path, name, mask, wanted, scene.grid, scene.bands, scene.dtype))
    first = sources[0]
    for source in sources:
        if (source.bands != first.bands and not spec.bands) or source.dtype != first.dtype:
            raise UnsuitableError(
                f"{source.path}: has {source.bands} bands of {source.dtype}, {first.path} {first.bands} of {first.dtype}",
                "cut them into separate folders, or choose bands with --bands",
            )
        if (source.grid.crs is None) != (first.grid.crs is None):
            raise UnsuitableError(f"{source.path}: scenes with and without a CRS do not go into one index")
    return sources


def _inside(plan: Iterator[Tile], aoi: Path, grid: Grid) -> Iterator[Tile]:
    from geoseg.io.vector import read_footprints

    area = read_footprints(aoi).to_crs(grid.crs).union_all()
    return (tile for tile in plan if area.intersects(shapely.box(*grid.window(tile.window).bounds)))


def _stretch(sources: list[_Source], spec: ChipSpec, progress: Progress) -> Stretch | None:
    """One stretch over all of the scenes, never one a chip."""
    kind, low, high = parse_rescale(spec.rescale)
    if kind == "none":
        return None
    sampler = BandSampler(len(spec.bands) if spec.bands else sources[0].bands, sources[0].dtype)
    advance = progress("statistics", sum(source.grid.height for source in sources))
    for source in sources:
        with open_scene(source.path, gsd=spec.gsd) as scene:
            for row in range(0, scene.grid.height, 512):
                chip = scene.read(Window(0, row, scene.grid.width, min(512, scene.grid.height - row)), spec.bands)
                sampler.add(chip.image, chip.valid)
                advance(chip.valid.shape[0])
    return sampler.percentiles(low, high)


def _map(cut: partial[Any], sources: list[_Source], jobs: int) -> Iterator[Any]:
    """Results of ``cut`` over groups of tiles, in order, in this process or in ``jobs`` others."""
    groups = list(chain.from_iterable(_groups(source) for source in sources))
    if jobs == 1:
        yield from map(cut, groups)
        return
    # spawned: a fork would inherit GDAL's threads half alive
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(cut, groups)


def _groups(source: _Source, size: int = 64) -> Iterator[_Source]:
    for i in range(0, len(source.tiles), size):
        yield _Source(**{**vars(source), "tiles": source.tiles[i : i + size]})


def _cut(
    source: _Source, *, folder: Path, spec: ChipSpec, stretch: Stretch | None
) -> tuple[list[dict[str, Any]], list[str], int]:
    """Cut the tiles of one group; returns index rows, warnings, tiles seen."""
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    with ExitStack() as stack:
        scene = stack.enter_context(open_scene(source.path, gsd=spec.gsd))
        labels = stack.enter_context(open_labels(source.labels, scene.grid, warnings)) if source.labels else None
        for tile in source.tiles:
            chip = scene.read(tile.window, spec.bands)
            valid = float(chip.valid.mean())
            if valid == 0 or 1 - valid > spec.max_nodata:
                continue
            name = f"{source.name}_{tile.id}.{spec.format}"
            _write(folder / "images" / name, chip, scene, stretch)
            if labels:
                mask = np.where(chip.valid, labels(tile.window), IGNORE).astype("uint8")
                write_array(folder / "masks" / name, mask, chip.grid)
            rows.append(_row(source, tile, name, labels is not None, valid, chip.grid))
    return rows, warnings, len(source.tiles)


def _row(source: _Source, tile: Tile, name: str, mask: bool, valid: float, grid: Grid) -> dict[str, Any]:
    return {
        "id": name.rsplit(".", 1)[0],
        "scene": source.name,
        "row": tile.row,
        "col": tile.col,
        "image": f"images/{name}",
        "mask": f"masks/{name}" if mask else None,
        "valid_fraction": valid,
        "geometry": shapely.box(*grid.bounds),
        "crs": grid.crs,
    }


def _write(path: Path, chip: Chip, scene: Scene, stretch: Stretch | None) -> None:
    image = to_uint8(chip.image, stretch) if stretch else chip.image
    nodata = None if stretch else scene.nodata
    if nodata is not None:
        image = np.where(chip.valid, image, np.asarray(nodata, image.dtype))
    with create_raster(path, chip.grid, count=len(image), dtype=str(image.dtype), nodata=nodata) as out:
        out.write(image)
        if nodata is None and not chip.valid.all() and path.suffix == ".tif":
            out.write_mask(chip.valid)


def _assign(rows: list[dict[str, Any]], spec: ChipSpec) -> None:
    by = {
        "random": lambda row: row["id"],
        "scene": lambda row: row["scene"],
        "block": lambda row: (row["scene"], row["row"] // spec.block_size, row["col"] // spec.block_size),
    }[spec.split_by]
    for row, split in zip(rows, assign_splits([by(row) for row in rows], spec.split, spec.seed), strict=True):
        row["split"] = split


def _common_crs(rows: list[dict[str, Any]], sources: list[_Source]) -> None:
    """Outlines in the scenes' CRS where they share one, else in WGS 84; leaves that CRS under ``crs``."""
    if all(source.grid.crs == sources[0].grid.crs for source in sources):
        return
    lonlat = CRS.from_epsg(4326)
    for row in rows:
        to = Transformer.from_crs(row["crs"], lonlat, always_xy=True)
        row["geometry"] = shapely.transform(row["geometry"], to.transform, interleaved=False)
        row["crs"] = lonlat
