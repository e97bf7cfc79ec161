"""Put georeferenced chips, in any order and with any overlap, back into one mosaic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from geoseg.core.bands import check_same_bands
from geoseg.core.encoding import RasterTags, mosaic_tags
from geoseg.core.grid import Grid
from geoseg.core.merge import Merger, taper
from geoseg.errors import UnsuitableError
from geoseg.io.atomic import check_apart, check_output
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.raster.window_reader import Colour
from geoseg.io.raster.write import create_raster
from geoseg.labels.interpret import interpret
from geoseg.report import Progress, Report, Run, Stage, no_progress
from geoseg.specs import SceneSpec

# Values (of all bands) held at a time; rows and columns are multiples of the output's blocks.
HELD_VALUES = 2**23
BLOCK = 256
# A mosaic of more pixels than this must not be emptier than one part in SPARSE: its chips are not
# of one scene.
LARGE = 2**30
SPARSE = 100
# Parts of a pixel by which a chip may lie off the grid of the others.
TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class StitchReport(Report):
    """``chips`` stitched, the mosaic's size in pixels, ``valid_fraction`` of its pixels that hold
    data.
    """

    chips: int
    height: int
    width: int
    bands: int
    valid_fraction: float


@dataclass(frozen=True)
class _Sort:
    """What all chips have in common, and what the mosaic takes over; ``nodata`` is None where they
    differ in it. ``shape`` is (rows, columns) of a chip without what was padded.
    """

    bands: int
    dtype: str
    nodata: float | None
    masked: bool
    tags: dict[str, str]
    scales: tuple[float, ...]
    descriptions: tuple[str | None, ...]
    palette: dict[int, Colour] | None
    rgb: tuple[int, ...] | None
    classes: Mapping[int, str]
    shape: tuple[int, int]


@dataclass(frozen=True)
class _Plan:
    """Paths of the chips, in the order given, their boxes int (chip, (top, left, bottom, right)) on
    the mosaic's grid.
    """

    paths: tuple[str, ...]
    boxes: np.ndarray
    grid: Grid
    sort: _Sort
    labels: bool
    view: SceneSpec

    @property
    def gaps(self) -> bool:
        """Whether the mosaic has pixels that may be without data."""
        top, left, bottom, right = self.boxes.T
        covered = shapely.union_all(shapely.box(left, top, right, bottom)).area
        return self.sort.masked or covered < self.grid.height * self.grid.width


def run(
    chips: Sequence[Path | str],
    output: Path | str,
    *,
    blend: str = "hann",
    nodata: float | None = None,
    overwrite: bool = False,
    creation_options: dict[str, Any] | None = None,
    progress: Progress = no_progress,
) -> StitchReport:
    """Stitch ``chips`` into ``output``, on the grid that they share and with their dtype and bands.

    ``nodata`` is the chips' where they name none. ``blend`` says what counts where chips overlap:
    ``hann`` (weights that fall towards a chip's border), ``mean``, ``max``, or the ``first`` or
    ``last`` in the order given. Labels are not averaged: the chip counts in whose middle a pixel
    lies. Gaps are the chips' nodata, or masked out where they have none. Holds some rows of the
    mosaic at a time. Raises UnsuitableError where a chip does not fit the first one.
    """
    accompany = Run(progress)
    check_apart(output, *chips)
    check_output(output, overwrite)
    plan = _plan([str(chip) for chip in chips], SceneSpec(nodata=nodata), blend)
    grid = plan.grid
    sort = plan.sort
    masked = sort.nodata is None and plan.gaps
    advance = progress(Stage("stitch", "pixels"), grid.height * grid.width)
    valid_pixels = 0
    with create_raster(
        output,
        grid,
        count=sort.bands,
        dtype=sort.dtype,
        nodata=sort.nodata,
        tags=sort.tags,
        overwrite=overwrite,
        options=creation_options,
    ) as out:
        _describe(out, sort)
        for window, image, valid in _parts(plan, blend):
            out.write(image, window=window)
            if masked:
                out.write_mask(valid, window=window)
            valid_pixels += int(np.count_nonzero(valid))
            advance(window.height * window.width)
    return StitchReport(
        command="stitch",
        inputs=plan.paths,
        outputs=(str(output),),
        seconds=accompany.seconds,
        chips=len(plan.paths),
        height=grid.height,
        width=grid.width,
        bands=sort.bands,
        valid_fraction=valid_pixels / (grid.height * grid.width),
    )


def _plan(paths: list[str], view: SceneSpec, blend: str) -> _Plan:
    if not paths:
        raise UnsuitableError("there are no chips to stitch")
    grids = []
    sorts = []
    for path in paths:
        with open_scene(path, spec=view) as scene:
            grids.append(scene.grid)
            sorts.append(_sort(scene))
    for path, grid, sort in zip(paths, grids, sorts, strict=True):
        _check(path, grid, sort, paths[0], grids[0], sorts[0])
    if len(paths) > 1 and all(grid.crs is None and grid.transform.is_identity for grid in grids):
        raise UnsuitableError(f"{paths[0]}: chips without a georeference cannot be placed")
    corners = np.array(
        [_offset(path, grid, grids[0]) for path, grid in zip(paths, grids, strict=True)]
    )
    boxes = np.hstack([corners, corners + [sort.shape for sort in sorts]])
    top, left = (int(edge) for edge in boxes[:, :2].min(axis=0))
    boxes = boxes - [top, left, top, left]
    height, width = (int(edge) for edge in boxes[:, 2:].max(axis=0))
    if height * width > max(LARGE, SPARSE * sum(grid.height * grid.width for grid in grids)):
        raise UnsuitableError(
            f"{paths[0]}: the other chips lie too far away: the mosaic would have {height:,} x "
            f"{width:,} pixels"
        )
    # a chip in the corner has the transform of the scene to the last bit
    first = next((i for i, box in enumerate(boxes.tolist()) if box[:2] == [0, 0]), 0)
    moved = Affine.translation(*(-boxes[first, 1::-1]).tolist())
    grid = Grid(grids[0].crs, grids[first].transform * moved, height, width)
    masked = any(sort.masked for sort in sorts)
    sort = replace(sorts[0], nodata=_shared_nodata(sorts), masked=masked)
    return _Plan(tuple(paths), boxes, grid, sort, _holds_labels(paths[0], sort, view, blend), view)


def _shared_nodata(sorts: list[_Sort]) -> float | None:
    """The nodata value of all chips; that of some where it is NaN, for without any gap a chip of
    floats names none.
    """
    values = {str(sort.nodata): sort.nodata for sort in sorts}
    if values.keys() == {"None", "nan"}:
        return values["nan"]
    return sorts[0].nodata if len(values) == 1 else None


def _sort(scene: Scene) -> _Sort:
    tags = RasterTags.parse(scene.tags, scene.path)
    inside = tags.inside or scene.grid.shape
    rows, cols = np.minimum(inside, scene.grid.shape).tolist()
    return _Sort(
        scene.bands,
        scene.dtype,
        scene.nodata,
        scene.has_mask,
        mosaic_tags(scene.tags),
        scene.scales,
        scene.descriptions,
        scene.colormap,
        scene.rgb,
        tags.classes,
        (rows, cols),
    )


def _check(
    path: str, grid: Grid, sort: _Sort, first_path: str, first: Grid, first_sort: _Sort
) -> None:
    if grid.crs != first.crs:
        names = [g.crs.to_string() if g.crs else "none" for g in (grid, first)]
        raise UnsuitableError(f"{path}: its CRS is {names[0]}, that of {first_path} {names[1]}")
    check_same_bands(
        [(first_path, first_sort.bands, first_sort.dtype), (path, sort.bands, sort.dtype)]
    )
    # the same number would mean something else in each
    meanings = {
        "palette": (sort.palette, first_sort.palette),
        "scale": (sort.scales, first_sort.scales),
        "order of red, green and blue": (sort.rgb, first_sort.rgb),
        "list of classes": (dict(sort.classes), dict(first_sort.classes)),
    }
    for what, (own, other) in meanings.items():
        if own != other and (what != "order of red, green and blue" or (own and other)):
            raise UnsuitableError(f"{path}: has another {what} than {first_path}")


def _offset(path: str, grid: Grid, first: Grid) -> tuple[int, int]:
    """Row and column of a chip's upper left pixel on the first chip's grid; UnsuitableError where
    the pixels do not meet.
    """
    to_first = ~first.transform * grid.transform
    col = round(to_first.c)
    row = round(to_first.f)
    # three corners fix an affine transform: other sizes of pixels and rotations show too
    for x, y in ((0, 0), (grid.width, 0), (0, grid.height)):
        at_x, at_y = to_first * (x, y)
        if max(abs(at_x - col - x), abs(at_y - row - y)) > TOLERANCE:
            raise UnsuitableError(
                f"{path}: its pixels do not fall on those of the first chip",
                "stitch takes chips of one grid; warp them first",
            )
    return row, col


def _holds_labels(path: str, sort: _Sort, view: SceneSpec, blend: str) -> bool:
    """Whether values are numbers of something, of which there are no averages: by what the chips
    declare, else by the values of the first one, ``path``, unless an average is asked for.
    """
    if sort.palette:
        return True
    if sort.dtype.startswith("float") or (blend == "mean" and not sort.classes):
        return False
    try:
        with open_scene(path, spec=view) as scene:
            return interpret(scene).unit is None
    except UnsuitableError:  # a picture
        return False


def _describe(out: DatasetWriter, sort: _Sort) -> None:
    if sort.palette:
        out.write_colormap(1, sort.palette)
    if any(scale != 1 for scale in sort.scales):
        out.scales = sort.scales
    for band, text in enumerate(sort.descriptions, 1):
        if text:
            out.set_band_description(band, text)


def _parts(plan: _Plan, blend: str) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """Windows that share out the mosaic, whole rows where they are not too wide, with image (band,
    row, col) and valid.
    """
    height, width = plan.grid.shape
    blocks = max(1, HELD_VALUES // (plan.sort.bands * BLOCK**2))
    # as wide as the mosaic where that leaves whole rows of blocks, else square-ish parts of it
    cols = min(blocks, -(-width // BLOCK)) * BLOCK
    rows = max(1, blocks * BLOCK // cols) * BLOCK
    for top in range(0, height, rows):
        for left in range(0, width, cols):
            part = Window(left, top, min(cols, width - left), min(rows, height - top))
            yield part, *_laid(plan, part, blend)


def _laid(plan: _Plan, part: Window, blend: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and validity of a window of the mosaic: the chips in it, laid over one another in their
    order.
    """
    overlay = Merger(
        (plan.sort.bands, part.height, part.width), plan.sort.dtype, blend, plan.labels
    )
    first = np.array([part.row_off, part.col_off])
    last = first + (part.height, part.width)
    for index in np.flatnonzero(
        ((plan.boxes[:, :2] < last) & (plan.boxes[:, 2:] > first)).all(axis=1)
    ):
        corner = plan.boxes[index, :2]
        end = plan.boxes[index, 2:]
        begin = np.maximum(first - corner, 0)
        inside = [
            slice(*ends)
            for ends in zip(begin.tolist(), (np.minimum(last, end) - corner).tolist(), strict=True)
        ]
        with open_scene(plan.paths[index], spec=plan.view) as scene:
            chip = scene.read(Window.from_slices(*inside))
        weight = None
        if blend == "hann":
            weight = np.outer(
                *[
                    taper(size)[own]
                    for size, own in zip((end - corner).tolist(), inside, strict=True)
                ]
            )
        row, col = (corner + begin - first).tolist()
        overlay.add(row, col, chip.image, chip.valid, weight)
    return overlay.result(plan.sort.nodata or 0)
