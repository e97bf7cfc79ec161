"""Cut scenes into chips, masks beside them where labels are given, and write the chip index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import shapely
from rasterio.windows import Window

from geoseg import __version__
from geoseg.chips import assign
from geoseg.chips.cut import CutChip, Cutter, Results, Source, TileBatch, cut_tiles
from geoseg.core.bands import BandHistogram, check_same_bands
from geoseg.core.splits import SPLITS
from geoseg.core.tiling import Tile, outlines, tile_count, tiles
from geoseg.errors import UnsuitableError
from geoseg.io.atomic import atomic_folder, make_folder
from geoseg.io.chip_index import INDEX
from geoseg.io.journal import Journal, stamp
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.scene_names import unique_names
from geoseg.parallel.cluster import Cluster, connected
from geoseg.parallel.processes import ordered
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import ChipSpec, FolderTarget, SceneSpec, Stretch, parse_rescale
from geoseg.specs.settings import check
from geoseg.specs.vectors import VectorFiles

JOURNAL = "journal.jsonl"
GROUP = 32  # tiles that a process cuts at a time
STATISTICS = 2**20  # pixels looked at together
SAME_GSD = 1.1
_AHEAD = 4  # groups that are with a cluster for each worker: they take a tenth of a second


@dataclass(frozen=True, kw_only=True)
class TileReport(Report):
    """``chips`` in the index, tiles ``skipped`` for want of data, chips ``dropped`` to keep splits
    apart, chips by split.
    """

    chips: int
    skipped: int
    dropped: int
    splits: dict[str, int]


@dataclass(frozen=True)
class _Job:
    """What is wanted of all scenes."""

    spec: ChipSpec
    view: SceneSpec
    labels: Path | VectorFiles | None
    aoi: Path | None


def run(
    scenes: Sequence[str],
    target: FolderTarget | Path | str,
    spec: ChipSpec,
    *,
    labels: Path | VectorFiles | None = None,
    aoi: Path | None = None,
    scene_spec: SceneSpec = SceneSpec(),
    jobs: int = 1,
    scheduler: str | None = None,
    creation_options: dict[str, str] | None = None,
    progress: Progress = no_progress,
) -> TileReport:
    """Cut ``scenes`` into the folder ``target``: ``images/``, ``masks/`` and ``index.parquet``.

    ``jobs`` processes cut, or the workers of the Dask cluster at address ``scheduler``, which write
    into the same folder.
    ``creation_options`` are GDAL's, for the images alone: what suits imagery, JPEG say, would spoil
    masks. Where the target resumes, what was cut stays in ``.OUTPUT.partial`` when the run is
    stopped. With ``spec.split_by`` block or scene no pixel of a scene lies
    in chips of two splits: train chips that overlap val or test chips are dropped, and val chips
    that overlap test chips. Raises UnsuitableError where the scenes differ in bands, dtype or
    georeference, where labels do not meet them, or where no tile holds data.
    """
    accompany = Run(progress)
    check(scheduler is None or jobs == 1, "jobs", "does not go with `scheduler`")
    target = FolderTarget.of(target)
    if target.is_folder:
        make_folder(target.output.parent)
    job = _Job(spec, replace(scene_spec, gsd=spec.gsd), labels, aoi)
    with atomic_folder(target.output, target.overwrite, INDEX, keep=target.resume) as folder:
        parts = _parts(scenes, job, accompany)
        sources = [part.source for part in parts]
        everything = _everything(sources, job, creation_options) if target.resume else None
        journal = Journal(folder / JOURNAL, everything) if everything else None
        stretch = _stretch(sources, spec, progress)
        _make_folders(folder, bool(labels), target.resume)
        planned = sum(part.count for part in parts)
        cutter = Cutter(folder.absolute(), spec, stretch, creation_options)
        advance = progress(Stage("cut", "tiles"), planned)
        with connected(scheduler) as cluster:
            share_out = _shared_out(cluster) if cluster else partial(ordered, jobs=jobs)
            cuts, doubts = cut_tiles(_groups(parts, spec), cutter, share_out, advance, journal)
        if scheduler:
            _remove_strays(folder)
        accompany.remarks += doubts
        if not any(cut.valid for cut in cuts):
            raise UnsuitableError("no tile holds enough data", "lower `size` or raise `max_nodata`")
        chips = _without_leaks(cuts, folder, spec, accompany)
        assign.write_chip_index(folder, chips, spec, stretch)
        (folder / JOURNAL).unlink(missing_ok=True)
    counts = Counter(split for _, split in chips)
    return TileReport(
        command="tile",
        inputs=tuple(scenes),
        outputs=(str(target.output),),
        seconds=accompany.seconds,
        warnings=accompany.remarks.folded(),
        chips=len(chips),
        skipped=planned - len(cuts),
        dropped=len(cuts) - len(chips),
        splits={split: counts[split] for split in SPLITS if counts[split]},
    )


def _make_folders(folder: Path, with_masks: bool, resume: bool) -> None:
    for name in ("images", "masks") if with_masks else ("images",):
        (folder / name).mkdir(exist_ok=resume)
    _remove_strays(folder)


def _remove_strays(folder: Path) -> None:
    """Delete chips that a run or a worker that died had begun."""
    for stray in folder.glob("*/.*"):
        stray.unlink(missing_ok=True)


def _shared_out(cluster: Cluster) -> Callable[[Cutter, Iterable[TileBatch]], Results]:
    """What has groups of tiles cut by the workers of ``cluster``."""

    def share_out(cutter: Cutter, groups: Iterable[TileBatch]) -> Results:
        return cluster.ordered(cutter, (group.everywhere() for group in groups), _AHEAD)

    return share_out


def _without_leaks(
    cuts: list[CutChip], folder: Path, spec: ChipSpec, accompany: Run
) -> assign.Chips:
    """Chips with their splits; files of those that share pixels with another split are removed."""
    chips, leaks = assign.assign_chips(cuts, spec)
    for cut in leaks if spec.split_by != "random" else ():
        for path in filter(None, (cut.image, cut.mask)):
            (folder / path).unlink(missing_ok=True)
    counts = Counter(split for _, split in chips)
    accompany.remarks += assign.split_warnings(counts, leaks, spec)
    return chips


# What is to be cut


@dataclass(frozen=True)
class _Part:
    """A scene, the area of interest in its CRS if there is one, and the number of tiles wanted."""

    source: Source
    area: shapely.Geometry | None
    count: int
    gsd: float | None


def _parts(scenes: Sequence[str], job: _Job, accompany: Run) -> list[_Part]:
    """The scenes, which must go together."""
    names = unique_names(scenes)
    parts = [_part(path, name, job, accompany) for path, name in zip(scenes, names, strict=True)]
    first = parts[0].source
    chosen = len(job.spec.bands or ())
    check_same_bands(
        [(str(p.source.path), chosen or p.source.bands, p.source.dtype) for p in parts],
        "cut them into separate folders, or choose bands with `bands`",
    )
    for source in (part.source for part in parts):
        if (source.grid.crs is None) != (first.grid.crs is None):
            raise UnsuitableError(
                f"{source.path}: scenes with and without a CRS do not go into one index"
            )
    if job.aoi and not any(part.count for part in parts):
        raise UnsuitableError(f"{job.aoi}: no tile of a scene lies in it")
    _check_format(first, job.spec)
    gsds = [part.gsd for part in parts if part.gsd]
    if gsds and max(gsds) > SAME_GSD * min(gsds):
        accompany.remarks.append(
            f"the scenes have {min(gsds):.3g} to {max(gsds):.3g} m per pixel; "
            "`gsd` resamples them to one"
        )
    return parts


def _check_format(first: Source, spec: ChipSpec) -> None:
    bands = len(spec.bands or ()) or first.bands
    dtype = first.dtype if spec.rescale == "none" else "uint8"
    # the second band of a PNG of two, the fourth of one of four, is transparency to every reader
    if spec.format == "png" and (bands not in (1, 3) or dtype not in ("uint8", "uint16")):
        raise UnsuitableError(
            f"{first.path}: {bands} bands of {dtype} do not fit into PNG, which holds 1 or 3 of 8 "
            "or 16 bits",
            "use `format` tif, or choose bands with `bands`",
        )


def _part(path: str, name: str, job: _Job, accompany: Run) -> _Part:
    spec = job.spec
    labels = _labels_of(path, job)
    with open_scene(path, spec.gsd, spec=job.view, expand=True) as scene:
        grid = scene.grid
        source = Source(path, name, labels, grid, scene.bands, scene.dtype, spec.format, job.view)
        gsd = scene.gsd
        accompany.remarks += scene.warnings + _colours(scene, spec)
    if not job.aoi:
        return _Part(source, None, tile_count(grid.shape, spec.tiling, spec.edge), gsd)
    if grid.crs is None:
        raise UnsuitableError(f"{job.aoi}: an area of interest needs scenes with a CRS")
    from geoseg.labels.footprints import footprints_in

    files = VectorFiles.of(job.aoi, setting=None)
    area = shapely.union_all(footprints_in(files, grid.crs, accompany.remarks, grid=grid).geometry)
    shapely.prepare(area)
    return _Part(source, area, sum(1 for _ in _wanted(source, area, spec)), gsd)


def _labels_of(path: str, job: _Job) -> Path | VectorFiles | None:
    """The labels of one scene, which must fit into chips of the format."""
    if not job.labels:
        return None
    from geoseg.labels.scene_labels import classes, find

    labels = find(job.labels, path)
    if job.spec.format == "png" and classes(labels)[1]:
        raise UnsuitableError(
            f"{labels}: masks of several bands do not fit into PNG", "use `format` tif"
        )
    return labels


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
        # a tile that only touches the area shares no pixel with it
        inside = shapely.intersects(area, found) & ~shapely.touches(area, found)
        yield from (tile for tile, wanted in zip(row, inside, strict=True) if wanted)


def _groups(parts: list[_Part], spec: ChipSpec) -> Iterator[TileBatch]:
    for part in parts:
        wanted = _wanted(part.source, part.area, spec)
        while group := tuple(islice(wanted, GROUP)):
            yield TileBatch(f"{part.source.name} {group[0].id}", part.source, group, part.area)


def _everything(sources: list[Source], job: _Job, options: dict[str, str] | None) -> dict[str, Any]:
    """All that the chips depend on, for the journal."""
    labels = dict.fromkeys(source.labels for source in sources if source.labels)
    files = [source.path for source in sources]
    files += [str(path) for path in (VectorFiles.of(job.aoi).paths if job.aoi else ())]
    files += [str(path) for each in labels for path in VectorFiles.of(each).paths]
    stamps = [(name, *stamp(name)) for name in dict.fromkeys(files)]
    return {
        "version": __version__,
        "files": stamps,
        "spec": asdict(job.spec),
        "view": asdict(job.view),
        "labels": [repr(each) for each in labels],
        "options": options or {},
    }


def _stretch(sources: list[Source], spec: ChipSpec, progress: Progress) -> Stretch | None:
    """One stretch over all of the scenes, never one a chip."""
    kind, low, high = parse_rescale(spec.rescale)
    if kind == "none":
        return None
    histogram = BandHistogram(len(spec.bands) if spec.bands else sources[0].bands, sources[0].dtype)
    advance = progress(Stage("statistics", "rows"), sum(source.grid.height for source in sources))
    for source in sources:
        with open_scene(source.path, spec.gsd, spec=source.view, expand=True) as scene:
            height, width = scene.grid.shape
            # of a scene in strips whole rows are decoded anyhow, of one in tiles few columns are
            # enough
            cols = width if scene.in_strips else min(width, 2048)
            step = max(1, STATISTICS // cols)
            for row in range(0, height, step):
                rows = min(step, height - row)
                for col in range(0, width, cols):
                    chip = scene.read(Window(col, row, min(cols, width - col), rows), spec.bands)
                    histogram.add(chip.image, chip.valid)
                advance(rows)
    return histogram.percentiles(low, high)
