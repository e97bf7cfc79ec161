"""Cut scenes into chips, masks beside them where labels are given, and write the chip index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg import __version__
from geoseg.chips import assign
from geoseg.chips.cut import Cutter, Source, TileBatch, cut_tiles
from geoseg.core.bands import BandHistogram, check_same_bands
from geoseg.core.splits import SPLITS
from geoseg.core.tiling import Tile, outlines, tile_count, tiles
from geoseg.errors import UnsuitableError
from geoseg.io.atomic import atomic_folder
from geoseg.io.chip_index import INDEX
from geoseg.io.journal import Journal, stamp
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.safety import check_claim
from geoseg.io.scene_names import unique_names
from geoseg.report import Progress, Report, no_progress
from geoseg.specs import ChipSpec, SceneSpec, Stretch, parse_rescale
from geoseg.specs.vectors import VectorFiles

JOURNAL = "journal.jsonl"
GROUP = 32  # tiles that a process cuts at a time
STATISTICS = 2**20  # pixels looked at together
SAME_GSD = 1.1


@dataclass(frozen=True, kw_only=True)
class TileReport(Report):
    """``chips`` in the index, tiles ``skipped`` for want of data, chips ``dropped`` to keep splits
    apart, chips by split.
    """

    chips: int
    skipped: int
    dropped: int
    splits: dict[str, int]


def run(
    scenes: Sequence[str],
    output: Path | str,
    spec: ChipSpec,
    *,
    labels: Path | VectorFiles | None = None,
    aoi: Path | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    jobs: int = 1,
    creation_options: dict[str, str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    force: bool = False,
    progress: Progress = no_progress,
) -> TileReport:
    """Cut ``scenes`` into the folder ``output``: ``images/``, ``masks/`` and ``index.parquet``.

    ``creation_options`` are GDAL's, for the images alone: what suits imagery, JPEG say, would spoil
    masks. With ``resume`` what was cut stays in ``.OUTPUT.partial`` when the run is stopped, and
    the next such run goes on there. With ``spec.split_by`` block or scene no pixel of a scene lies
    in chips of two splits: train chips that overlap val or test chips are dropped, and val chips
    that overlap test chips. Raises UnsuitableError where the scenes differ in bands, dtype or
    georeference, where labels do not meet them, or where no tile holds data, and without ``force``
    SafetyError for a scene that claims far more pixels than its file can hold.
    """
    start = time.perf_counter()
    output = Path(output)
    with atomic_folder(output, overwrite, marker=INDEX, keep=resume) as folder:
        view = replace(scene_spec, gsd=spec.gsd)
        plan = _plan(scenes, spec, view, labels, aoi, force)
        sources = [part.source for part in plan]
        journal = (
            Journal(folder / JOURNAL, _everything(sources, spec, aoi, creation_options))
            if resume
            else None
        )
        stretch = _stretch(sources, spec, progress)
        for name in ("images", "masks") if labels else ("images",):
            (folder / name).mkdir(exist_ok=resume)
            for stray in (folder / name).glob(".*"):  # of a run that died
                stray.unlink()
        planned = sum(part.count for part in plan)
        cutter = Cutter(folder, spec, stretch, creation_options)
        cuts, warnings = cut_tiles(
            _groups(plan, spec), cutter, jobs, progress("cut", planned), journal
        )
        if not cuts:
            raise UnsuitableError("no tile holds enough data", "lower `size` or raise `max_nodata`")
        chips, leaks = assign.assign_chips(cuts, spec)
        for cut in leaks if spec.split_by != "random" else ():
            for path in filter(None, (cut.image, cut.mask)):
                (folder / path).unlink(missing_ok=True)
        assign.write_chip_index(folder, chips, spec, stretch)
        (folder / JOURNAL).unlink(missing_ok=True)
    counts = Counter(split for _, split in chips)
    return TileReport(
        command="tile",
        inputs=tuple(scenes),
        outputs=(str(output),),
        seconds=time.perf_counter() - start,
        warnings=(
            *_doubts(plan),
            *_folded([warning for part in plan for warning in part.warnings] + list(warnings)),
            *assign.split_warnings(counts, leaks, spec),
        ),
        chips=len(chips),
        skipped=planned - len(cuts),
        dropped=len(cuts) - len(chips),
        splits={split: counts[split] for split in SPLITS if counts[split]},
    )


# What is to be cut


@dataclass(frozen=True)
class _Part:
    """A scene, the area of interest in its CRS if there is one, and the number of tiles wanted."""

    source: Source
    area: shapely.Geometry | None
    count: int
    gsd: float | None
    warnings: tuple[str, ...]


def _plan(
    scenes: Sequence[str],
    spec: ChipSpec,
    view: SceneSpec,
    labels: Path | VectorFiles | None,
    aoi: Path | None,
    force: bool,
) -> list[_Part]:
    plan = [
        _part(path, name, spec, view, labels, aoi, force)
        for path, name in zip(scenes, unique_names(scenes), strict=True)
    ]
    first = plan[0].source
    chosen = len(spec.bands or ())
    check_same_bands(
        [(str(p.source.path), chosen or p.source.bands, p.source.dtype) for p in plan],
        "cut them into separate folders, or choose bands with `bands`",
    )
    for source in (part.source for part in plan):
        if (source.grid.crs is None) != (first.grid.crs is None):
            raise UnsuitableError(
                f"{source.path}: scenes with and without a CRS do not go into one index"
            )
    if aoi and not any(part.count for part in plan):
        raise UnsuitableError(f"{aoi}: no tile of a scene lies in it")
    bands = len(spec.bands or ()) or first.bands
    dtype = first.dtype if spec.rescale == "none" else "uint8"
    if spec.format == "png" and (bands > 4 or dtype not in ("uint8", "uint16")):
        raise UnsuitableError(
            f"{first.path}: {bands} bands of {dtype} do not fit into PNG", "use `format` tif"
        )
    return plan


def _part(
    path: str,
    name: str,
    spec: ChipSpec,
    view: SceneSpec,
    labels: Path | VectorFiles | None,
    aoi: Path | None,
    force: bool,
) -> _Part:
    if labels:
        from geoseg.labels.scene_labels import classes, find

        labels = find(labels, path)
        if spec.format == "png" and classes(labels)[1]:
            raise UnsuitableError(
                f"{labels}: masks of several bands do not fit into PNG", "use `format` tif"
            )
    with open_scene(path, spec.gsd, spec=view, expand=True) as scene:
        if not force:
            check_claim(
                path,
                scene.source.height
                * scene.source.width
                * scene.bands
                * np.dtype(scene.dtype).itemsize,
                scene.held,
            )
        source = Source(path, name, labels, scene.grid, scene.bands, scene.dtype, spec.format, view)
        gsd = scene.gsd
        warnings = scene.warnings + _colours(scene, spec)
    if not aoi:
        count = tile_count(source.grid.shape, spec.tiling, spec.edge)
        return _Part(source, None, count, gsd, warnings)
    if source.grid.crs is None:
        raise UnsuitableError(f"{aoi}: an area of interest needs scenes with a CRS")
    from geoseg.labels.scene_labels import layer

    area = shapely.union_all(layer(VectorFiles.of(aoi, setting=None), source.grid.crs)[0])
    shapely.prepare(area)
    return _Part(source, area, sum(1 for _ in _wanted(source, area, spec)), gsd, warnings)


def _colours(scene: Scene, spec: ChipSpec) -> tuple[str, ...]:
    """What a user may not expect of the bands of the chips."""
    if scene.expanded:
        return (f"{scene.path}: has a palette, chips get its red, green and blue",)
    if spec.bands or not scene.rgb or scene.rgb == scene.indexes[:3]:
        return ()
    listed = ",".join(map(str, scene.rgb))
    return (
        f"{scene.path}: declares its bands {listed} red, green and blue; chips keep the order of "
        f"the file (`bands` {listed} changes it)",
    )


def _wanted(source: Source, area: shapely.Geometry | None, spec: ChipSpec) -> Iterator[Tile]:
    """Tiles that share ground with ``area``, one after another: of a huge scene there are too many
    to hold.
    """
    plan = tiles(source.grid.shape, spec.tiling, spec.edge)
    if area is None:
        yield from plan
        return
    for _, line in groupby(plan, lambda tile: tile.row):
        row = list(line)
        found = outlines([tile.window for tile in row], source.grid.transform)
        inside = shapely.intersects(area, found) & ~shapely.touches(area, found)
        yield from (tile for tile, wanted in zip(row, inside, strict=True) if wanted)


def _groups(plan: list[_Part], spec: ChipSpec) -> Iterator[TileBatch]:
    for part in plan:
        wanted = _wanted(part.source, part.area, spec)
        while group := tuple(islice(wanted, GROUP)):
            yield TileBatch(f"{part.source.name} {group[0].id}", part.source, group)


def _everything(
    sources: list[Source], spec: ChipSpec, aoi: Path | None, options: dict[str, str] | None
) -> dict[str, Any]:
    """All that the chips depend on, for the journal."""
    labels = dict.fromkeys(source.labels for source in sources if source.labels)
    files = [source.path for source in sources] + [str(aoi or "")]
    files += [str(path) for each in labels for path in VectorFiles.of(each).paths]
    stamps = [(name, *stamp(name)) for name in dict.fromkeys(files)]
    return {
        "version": __version__,
        "files": stamps,
        "spec": asdict(spec),
        "view": asdict(sources[0].view),
        "labels": [repr(each) for each in labels],
        "options": options or {},
    }


def _stretch(sources: list[Source], spec: ChipSpec, progress: Progress) -> Stretch | None:
    """One stretch over all of the scenes, never one a chip."""
    kind, low, high = parse_rescale(spec.rescale)
    if kind == "none":
        return None
    histogram = BandHistogram(len(spec.bands) if spec.bands else sources[0].bands, sources[0].dtype)
    advance = progress("statistics", sum(source.grid.height for source in sources))
    for source in sources:
        with open_scene(source.path, spec.gsd, spec=source.view, expand=True) as scene:
            height, width = scene.grid.shape
            cols = width if scene.in_strips else min(width, 2048)
            step = max(1, STATISTICS // cols)
            for row in range(0, height, step):
                rows = min(step, height - row)
                for col in range(0, width, cols):
                    chip = scene.read(Window(col, row, min(cols, width - col), rows), spec.bands)
                    histogram.add(chip.image, chip.valid)
                advance(rows)
    return histogram.percentiles(low, high)


# Warnings


def _doubts(plan: list[_Part]) -> Iterator[str]:
    gsds = [part.gsd for part in plan if part.gsd]
    if gsds and max(gsds) > SAME_GSD * min(gsds):
        yield (
            f"the scenes have {min(gsds):.3g} to {max(gsds):.3g} m per pixel; "
            "`gsd` resamples them to one"
        )


def _folded(warnings: Iterable[str]) -> Iterator[str]:
    """One line for warnings that say the same of several files."""
    alike: dict[str, list[str]] = {}
    for warning in warnings:
        alike.setdefault(warning.partition(": ")[2], []).append(warning)
    for first, *others in alike.values():
        yield f"{first} (and {len(others)} more files)" if others else first
