"""Cut scenes into chips, masks beside them where labels are given, and write the chip index."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from rasterio.windows import Window

from geoseg import __version__
from geoseg.core.bands import BandHistogram, to_uint8
from geoseg.core.grid import Grid
from geoseg.core.tiling import SPLITS, Chip, Tile, assign_splits, leaking, tiles
from geoseg.engine.pool import ordered
from geoseg.errors import UnsuitableError
from geoseg.io.chips import IGNORE, INDEX, ChipInfo, write_index
from geoseg.io.journal import Journal, stamp
from geoseg.io.output import atomic_folder
from geoseg.io.raster import Scene, create_raster, open_scene, write_array
from geoseg.specs import ChipSpec, Stretch, parse_rescale
from geoseg.tools import labels as label_files
from geoseg.tools.report import Progress, Report, no_progress

JOURNAL = "journal.jsonl"
GROUP = 32  # tiles that a process cuts at a time
WRITERS = 2  # threads that compress chips while the next one is read
STATISTICS = (512, 2048)  # rows and columns looked at together
SAME_GSD = 1.1
LONLAT = CRS.from_epsg(4326)


@dataclass(frozen=True, kw_only=True)
class TileReport(Report):
    """``chips`` in the index, tiles ``skipped`` for want of data, chips ``dropped`` to keep splits apart, chips by split."""

    chips: int
    skipped: int
    dropped: int
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


@dataclass(frozen=True)
class _Cut:
    """A chip that was written: where from, and the share of its pixels that hold data."""

    source: _Source
    tile: Tile
    valid: float


Chips = list[tuple[_Cut, str]]


def run(
    scenes: Sequence[str],
    output: Path | str,
    spec: ChipSpec,
    *,
    labels: Path | None = None,
    aoi: Path | None = None,
    jobs: int = 1,
    creation_options: dict[str, str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> TileReport:
    """Cut ``scenes`` into the folder ``output``: ``images/``, ``masks/`` and ``index.parquet``.

    ``creation_options`` are GDAL's, for the images alone: what suits imagery, JPEG say, would spoil masks. With ``resume`` what
    was cut stays in ``.OUTPUT.partial`` when the run is stopped, and the next such run goes on there.
    With ``spec.split_by`` block or scene no pixel of a scene lies in chips of two splits: train chips that overlap val or test
    chips are dropped, and val chips that overlap test chips. Raises UnsuitableError where the scenes differ in bands, dtype or
    georeference, where labels do not meet them, or where no tile holds data.
    """
    start = time.perf_counter()
    output = Path(output)
    with atomic_folder(output, overwrite, marker=INDEX, keep=resume) as folder:
        sources = _plan(scenes, spec, labels, aoi)
        journal = Journal(folder / JOURNAL, _everything(sources, spec, aoi, creation_options)) if resume else None
        stretch = _stretch(sources, spec, progress)
        for name in ("images", "masks") if labels else ("images",):
            (folder / name).mkdir(exist_ok=resume)
            for stray in (folder / name).glob(".*"):
                stray.unlink()
        way = partial(_cut, folder=folder, spec=spec, stretch=stretch, options=creation_options)
        cuts, warnings = _cut_all(sources, way, jobs, progress, journal)
        chips, leaks = _splits(cuts, spec)
        for cut in leaks if spec.split_by != "random" else ():
            for path in _paths(cut.source, cut.tile, spec):
                (folder / path).unlink(missing_ok=True)
        _write_index(folder, chips, spec, stretch)
        (folder / JOURNAL).unlink(missing_ok=True)
    counts = Counter(split for _, split in chips)
    return TileReport(
        command="tile",
        inputs=tuple(scenes),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=(*_doubts(sources, spec), *_folded(warnings), *_split_doubts(counts, leaks, spec)),
        chips=len(chips),
        skipped=sum(len(source.tiles) for source in sources) - len(cuts),
        dropped=len(cuts) - len(chips),
        splits={split: counts[split] for split in SPLITS if counts[split]},
    )


# What is to be cut


def _plan(scenes: Sequence[str], spec: ChipSpec, labels: Path | None, aoi: Path | None) -> list[_Source]:
    sources: list[_Source] = []
    for path, name in zip(scenes, _names(scenes), strict=True):
        with open_scene(path, gsd=spec.gsd) as scene:
            plan = tuple(tiles(scene.grid.shape, spec.tiling, spec.edge))
            wanted = plan if aoi is None else _inside(plan, aoi, scene.grid)
            mask = label_files.find(labels, path) if labels else None
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
    if aoi and not any(source.tiles for source in sources):
        raise UnsuitableError(f"{aoi}: no tile of a scene lies in it")
    bands, dtype = len(spec.bands or ()) or first.bands, first.dtype if spec.rescale == "none" else "uint8"
    if spec.format == "png" and (bands > 4 or dtype not in ("uint8", "uint16")):
        raise UnsuitableError(f"{first.path}: {bands} bands of {dtype} do not fit into PNG", "use --format tif")
    return sources


def _names(scenes: Sequence[str]) -> Iterator[str]:
    """The stems of the scenes, numbered where two are alike, also to file systems that take no notice of case."""
    taken: set[str] = set()
    for path in scenes:
        stem = name = Path(path).stem
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        yield name


def _inside(plan: tuple[Tile, ...], aoi: Path, grid: Grid) -> tuple[Tile, ...]:
    if grid.crs is None:
        raise UnsuitableError(f"{aoi}: an area of interest needs scenes with a CRS")
    area = shapely.union_all(label_files.layer(aoi, grid.crs)[0])
    shapely.prepare(area)
    outlines = np.array([_outline(grid.window(tile.window)) for tile in plan], object)
    inside = shapely.intersects(area, outlines) & ~shapely.touches(area, outlines)
    return tuple(tile for tile, wanted in zip(plan, inside, strict=True) if wanted)


def _doubts(sources: list[_Source], spec: ChipSpec) -> Iterator[str]:
    gsds = [gsd for source in sources if (gsd := source.grid.gsd)]
    if spec.gsd and not gsds:
        yield "--gsd does nothing: the scenes have no CRS"
    if gsds and max(gsds) > SAME_GSD * min(gsds):
        yield f"the scenes have {min(gsds):.3g} to {max(gsds):.3g} m a pixel; --gsd makes them alike"


def _stretch(sources: list[_Source], spec: ChipSpec, progress: Progress) -> Stretch | None:
    """One stretch over all of the scenes, never one a chip."""
    kind, low, high = parse_rescale(spec.rescale)
    if kind == "none":
        return None
    histogram = BandHistogram(len(spec.bands) if spec.bands else sources[0].bands, sources[0].dtype)
    advance = progress("statistics", sum(source.grid.height for source in sources))
    for source in sources:
        with open_scene(source.path, gsd=spec.gsd) as scene:
            height, width = scene.grid.shape
            for row in range(0, height, STATISTICS[0]):
                rows = min(STATISTICS[0], height - row)
                for col in range(0, width, STATISTICS[1]):
                    chip = scene.read(Window(col, row, min(STATISTICS[1], width - col), rows), spec.bands)
                    histogram.add(chip.image, chip.valid)
                advance(rows)
    return histogram.percentiles(low, high)


# Cutting


def _cut_all(
    sources: list[_Source], way: partial[Any], jobs: int, progress: Progress, journal: Journal | None
) -> tuple[list[_Cut], tuple[str, ...]]:
    """Write the chips of all tiles that hold enough data; returns them in the order of the tiles, and warnings.

    What the ``journal`` knows of is not cut again.
    """
    groups = {
        f"{each.name} {i}": replace(each, tiles=each.tiles[i : i + GROUP])
        for each in sources
        for i in range(0, len(each.tiles), GROUP)
    }
    done = journal.done if journal else {}
    advance = progress("cut", sum(len(group.tiles) for group in groups.values()))
    cuts: list[_Cut] = []
    warnings: dict[str, None] = {}
    with closing(ordered(way, [group for key, group in groups.items() if key not in done], jobs)) as results:
        for key, group in groups.items():
            found, said = done[key] if key in done else next(results)
            if journal and key not in done:
                journal.add(key, (found, said))
            cuts += [_Cut(group, group.tiles[i], valid) for i, valid in found]
            warnings |= dict.fromkeys(said)
            advance(len(group.tiles))
    if not cuts:
        raise UnsuitableError("no tile holds enough data", "lower --size or raise --max-nodata")
    return cuts, tuple(warnings)


def _everything(sources: list[_Source], spec: ChipSpec, aoi: Path | None, options: dict[str, str] | None) -> dict[str, Any]:
    """All that the chips depend on, for the journal."""
    files = [str(path) for source in sources for path in (source.path, source.labels) if path] + [str(aoi or "")]
    stamps = [(name, *stamp(name)) for name in dict.fromkeys(files)]
    return {"version": __version__, "files": stamps, "spec": asdict(spec), "options": options or {}}


def _folded(warnings: Iterable[str]) -> Iterator[str]:
    """One line for warnings that say the same of several files."""
    alike: dict[str, list[str]] = {}
    for warning in warnings:
        alike.setdefault(warning.partition(": ")[2], []).append(warning)
    for first, *others in alike.values():
        yield f"{first} (and {len(others)} more files)" if others else first


def _cut(
    source: _Source, *, folder: Path, spec: ChipSpec, stretch: Stretch | None, options: dict[str, str] | None
) -> tuple[list[tuple[int, float]], list[str]]:
    """Cut the tiles of one group; returns the places in it of those written with their share of data, and warnings."""
    found: list[tuple[int, float]] = []
    warnings: list[str] = []
    with ExitStack() as stack:
        scene = stack.enter_context(open_scene(source.path, gsd=spec.gsd))
        labels = None
        if source.labels:
            labels = stack.enter_context(label_files.open_labels(source.labels, scene.grid, warnings))
        write = stack.enter_context(_writers())
        for place, tile in enumerate(source.tiles):
            chip = scene.read(tile.window, spec.bands)
            pixels, held = chip.valid.size, np.count_nonzero(chip.valid)
            if held == 0 or (pixels - held) / pixels > spec.max_nodata:
                continue
            image, mask = _paths(source, tile, spec)
            write(_write, folder / image, chip, scene, stretch, options)
            if labels:
                label = np.where(chip.valid, labels(tile.window), IGNORE).astype("uint8")
                write(write_array, folder / mask, label, chip.grid, overwrite=True)
            found.append((place, held / pixels))
    return found, warnings


@contextmanager
def _writers() -> Iterator[Callable[..., None]]:
    """Calls functions in other threads: few wait at a time, all have returned at the end, and errors are raised here."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(WRITERS) as pool:

        def write(function: Callable[..., None], *arguments: Any, **keywords: Any) -> None:
            waiting.append(pool.submit(function, *arguments, **keywords))
            if len(waiting) > WRITERS:
                waiting.popleft().result()

        yield write
        for each in waiting:
            each.result()


def _paths(source: _Source, tile: Tile, spec: ChipSpec) -> tuple[str, str]:
    """Image and mask of a chip, relative to the index."""
    name = f"{source.name}_{tile.id}.{spec.format}"
    return f"images/{name}", f"masks/{name}"


def _write(path: Path, chip: Chip, scene: Scene, stretch: Stretch | None, options: dict[str, str] | None) -> None:
    image = to_uint8(chip.image, stretch) if stretch else chip.image
    nodata = None if stretch else scene.nodata
    if nodata is not None:
        image = np.where(chip.valid, image, np.asarray(nodata, image.dtype))
    # a run that goes on may have cut this one before it died
    keywords: dict[str, Any] = {"nodata": nodata, "options": options, "overwrite": True}
    with create_raster(path, chip.grid, count=len(image), dtype=str(image.dtype), **keywords) as out:
        out.write(image)
        if nodata is None and not chip.valid.all() and path.suffix == ".tif":
            out.write_mask(chip.valid)


# Splits and the index


def _splits(cuts: list[_Cut], spec: ChipSpec) -> tuple[Chips, list[_Cut]]:
    """Chips with their splits, and those that share pixels with another split; random splits keep the latter too."""
    units: dict[str, Callable[[_Cut], Hashable]] = {
        "random": lambda cut: (cut.source.name, cut.tile.id),
        "scene": lambda cut: cut.source.name,
        "block": lambda cut: (cut.source.name, cut.tile.row // spec.block_size, cut.tile.col // spec.block_size),
    }
    splits = assign_splits([units[spec.split_by](cut) for cut in cuts], spec.split, spec.seed)
    chips: Chips = []
    leaks: list[_Cut] = []
    for _, group in groupby(zip(cuts, splits, strict=True), lambda chip: chip[0].source.name):
        own = list(group)
        out = leaking([cut.tile.window for cut, _ in own], [split for _, split in own])
        leaks += [cut for (cut, _), leak in zip(own, out, strict=True) if leak]
        chips += [chip for chip, leak in zip(own, out, strict=True) if not leak or spec.split_by == "random"]
    return chips, leaks


def _split_doubts(counts: Counter[str], leaks: list[_Cut], spec: ChipSpec) -> Iterator[str]:
    if leaks and spec.split_by == "random":
        yield "chips of different splits overlap; --split-by block keeps them apart"
    for split, share in zip(SPLITS, spec.split, strict=True):
        if share > 0 and not counts[split]:
            hint = "; a smaller --block-size makes more blocks" if spec.split_by == "block" else ""
            yield f"the {split} split is empty{hint}"


def _write_index(folder: Path, chips: Chips, spec: ChipSpec, stretch: Stretch | None) -> None:
    """Outlines are in the scenes' CRS where they share one, else in WGS 84; those of pictures in pixels, y downwards."""
    first = chips[0][0].source
    crs = first.grid.crs
    shared = all(source.grid.crs == crs for source in {cut.source.name: cut.source for cut, _ in chips}.values())
    rows = [
        {
            "id": f"{cut.source.name}_{cut.tile.id}",
            "scene": cut.source.name,
            "row": cut.tile.row,
            "col": cut.tile.col,
            "image": _paths(cut.source, cut.tile, spec)[0],
            "mask": _paths(cut.source, cut.tile, spec)[1] if cut.source.labels else None,
            "split": split,
            "valid_fraction": cut.valid,
            "geometry": _outline(cut.source.grid.window(cut.tile.window), None if shared else LONLAT),
        }
        for cut, split in chips
    ]
    gsd = first.grid.gsd and (spec.gsd or first.grid.gsd)
    names = [label_files.classes(path) for path in dict.fromkeys(cut.source.labels for cut, _ in chips) if path]
    if len(set(names)) > 1:
        raise UnsuitableError("the masks of the scenes name different classes", "cut them into separate folders")
    info = ChipInfo(len(spec.bands or ()) or first.bands, first.dtype, gsd, names[0] if names else ChipInfo.classes, stretch)
    write_index(folder, rows, info, crs if shared else LONLAT)


def _outline(grid: Grid, crs: CRS | None = None) -> shapely.Polygon:
    outline = shapely.Polygon(grid.corners)
    if crs is None:
        return outline
    return shapely.transform(outline, _transformer(grid.crs, crs).transform, interleaved=False)


_transformer = lru_cache(maxsize=16)(partial(Transformer.from_crs, always_xy=True))
