"""A scene through a model: windows -> forward -> blended strips of probability, in the memory of
one row of windows.

Reading runs ahead in one thread; whoever takes the strips may do so in another
(:func:`geoseg.parallel.prefetch.ahead`), so that reading, forward and post-processing overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from rasterio.windows import Window

from geoseg.core.band import Allocate, Band, MemoryBuffer
from geoseg.core.bands import BandHistogram, to_unit
from geoseg.core.bit_depth import full_scale
from geoseg.core.blend import StripBlender
from geoseg.core.grid import Grid
from geoseg.core.strips import Strip
from geoseg.core.tiling import Tile, offsets, tiles
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.inference.runtimes import Runtime
from geoseg.io.raster.sampling import sampled_strips
from geoseg.io.raster.scene import Scene
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.specs import ModelSpec, PredictSpec, Stretch, TilingSpec


# What overlaps in time, one column a thread; a strip leaves when the row of windows below it is
# done:
#
#     reads ahead        runs the network       takes strips (extract, predict)
#     window 7
#     window 8           windows 1-6
#     window 9           -> strip, rows 0-447   clean, trace, write rows 0-447
#     ...                windows 7-12           ...
class ProbabilityStrip(NamedTuple):
    """Finished rows: the first ``row``, ``probability`` float32 (channel, row, col) and ``valid``
    bool (row, col), False where there is no data.
    """

    row: int
    probability: np.ndarray
    valid: np.ndarray


# A scene within this factor of the model's GSD is read as it is: networks are trained to bear more
GSD_TOLERANCE = 1.2
MAX_ENLARGEMENT = 4.0
DOUBTFUL = 2.0
# Times that a window goes through the network
TTA_PASSES = {"none": 1, "flips": 4, "d4": 8}
# Finished rows leave in strips of at most so many rows and pixels: whoever waits in a queue then
# holds little, however wide the scene. Of fewer rows each stage would do more for strips than for
# pixels.
STRIP_ROWS = 128
STRIP_PIXELS = 2**20
LEAST_ROWS = 32


@dataclass(frozen=True)
class Plan:
    """How a scene goes through a model: which bands, stretched how, in which windows, with how many
    pixels around each.
    """

    bands: tuple[int, ...]
    stretch: Stretch | None
    tiling: TilingSpec
    margin: int
    border: int
    tiles: int
    warnings: tuple[str, ...]


def working_gsd(
    model: ModelSpec, grid: Grid, path: str, picture_gsd: float | None = None
) -> float | None:
    """GSD in metres to read a scene at, None as it is; ``picture_gsd`` is that of a picture without
    a CRS. Raises UnsuitableError where the scene is
    far too coarse.
    """
    try:
        own = grid.gsd or picture_gsd
    except UnsuitableError as error:
        raise UnsuitableError(f"{path}: {error.message}", error.hint) from error
    if model.gsd is None or own is None or 1 / GSD_TOLERANCE <= own / model.gsd <= GSD_TOLERANCE:
        return None
    if own > MAX_ENLARGEMENT * model.gsd:
        raise UnsuitableError(
            f"{path}: has {own:.2f} m a pixel, too coarse for a model of {model.gsd:.2f} m",
            "use a model of its GSD",
        )
    return model.gsd


@dataclass(frozen=True)
class Taken:
    """The bands of a scene that a model sees, how they are stretched, and what of it is in
    doubt.
    """

    bands: tuple[int, ...]
    stretch: Stretch | None
    warnings: tuple[str, ...]


def take(
    scene: Scene,
    model: ModelSpec,
    bands: tuple[int, ...] | None = None,
    native: Scene | None = None,
) -> Taken:
    """What a model of this description sees of ``scene``; its weights are not needed to know.

    ``native`` is the scene at its own GSD, by whose values its bit depth is known. Raises
    UnsuitableError where the scene has too few bands, InputError where it cannot be read.
    """
    warnings = list(scene.warnings)
    if bands is None:
        bands, doubt = _bands(scene, model)
        warnings += doubt
    elif scene.expanded and set(bands) == {1}:  # its one band, whose values are no brightness
        bands = scene.indexes
        warnings.append(f"{scene.path}: using the red, green and blue of its palette")
    if len(bands) != model.bands:
        raise UnsuitableError(
            f"{scene.path}: `bands` has {len(bands)} bands; the model needs {model.bands}"
        )
    scene.check_bands(bands)
    stretch, doubt = _stretch(scene, native or scene, model, bands)
    doubt += _doubtful_gsd((native or scene).gsd, model, scene.path)
    return Taken(bands, stretch, tuple(warnings + doubt))


def plan(
    scene: Scene,
    runtime: Runtime,
    spec: PredictSpec,
    bands: tuple[int, ...] | None = None,
    *,
    taken: Taken | None = None,
) -> Plan:
    """``taken`` is what the model sees of the scene, found here where it is not given.

    Raises as :func:`take` does.
    """
    taken = taken or take(scene, runtime.spec, bands)
    overlap = min(runtime.size // 8, 128) if spec.overlap is None else spec.overlap
    tiling = TilingSpec(runtime.size, overlap)
    count = len(offsets(scene.grid.height, tiling.size, tiling.stride)) * len(
        offsets(scene.grid.width, tiling.size, tiling.stride)
    )
    margin = min(runtime.spec.margin, overlap // 4)
    return Plan(taken.bands, taken.stretch, tiling, margin, runtime.border, count, taken.warnings)


def _doubtful_gsd(own: float | None, model: ModelSpec, path: str) -> list[str]:
    """What speaks against reading a scene of ``own`` metres a pixel with the model."""
    if model.gsd is None:
        return []
    if own is None:
        wanted = f"the model is for {model.gsd:.3g}"
        return [f"{path}: its metres per pixel are not known, {wanted} (`gsd` says them)"]
    if own >= DOUBTFUL * model.gsd:
        times = f"{own / model.gsd:.1f} times"
        return [f"{path}: has {own:.3g} m a pixel, {times} what the model is for: expect little"]
    return []


def _bands(scene: Scene, model: ModelSpec) -> tuple[tuple[int, ...], list[str]]:
    """The bands that the model was trained on, else those declared red, green and blue, else the
    first; and what of it is in doubt.
    """
    chosen = model.source_bands
    if chosen and set(chosen) <= set(scene.indexes):
        listed = ",".join(map(str, chosen))
        warning = (
            f"{scene.path}: using bands {listed}, as in training (chips that hold only these need "
            "`bands`)"
        )
        return chosen, [warning] if scene.bands == model.bands else []
    if scene.bands < model.bands:
        raise UnsuitableError(
            f"{scene.path}: has {scene.bands} band{'s' * (scene.bands > 1)}; the model needs "
            f"{model.bands}",
            "grey imagery: `bands` 1,1,1" if scene.bands == 1 else "choose them with `bands`",
        )
    first = scene.indexes[: model.bands]
    if model.bands == 3 and scene.rgb and scene.rgb != first:
        listed = ",".join(map(str, scene.rgb))
        return scene.rgb, [f"{scene.path}: using bands {listed}, its red, green and blue"]
    warning = f"{scene.path}: using the first {model.bands} of {scene.bands} bands"
    return first, [warning] if scene.bands > model.bands else []


def _stretch(
    scene: Scene, native: Scene, model: ModelSpec, bands: tuple[int, ...]
) -> tuple[Stretch | None, list[str]]:
    """The stretch that the model was trained with, or by its rule the scene's own; and what of it
    is in doubt.
    """
    if scene.dtype == model.dtype and not model.percentiles:
        return model.stretch, []
    stretched = model.stretch or model.percentiles
    if scene.dtype == "uint8" and stretched:  # as the chips were that it was trained on
        return None, [
            f"{scene.path}: uint8 is taken as stretched already, the model takes {model.dtype}"
        ]
    histogram = _histogram(native, bands)
    # What a scene of 16 bits holds, tried in this order: what the model was trained on; a picture
    # of 8 bits in a wider type, which has a white; counts of a sensor, which only have percentiles.
    values = None if stretched else histogram.values()
    if values and (top := full_scale(values, native.bits)):
        doubt = f"{scene.path}: {scene.dtype} holds an 8-bit picture, whose white is {top:g}"
        return Stretch((0.0,) * len(bands), (top,) * len(bands)), [doubt]
    low, high = model.percentiles or (2.0, 98.0)
    doubt = (
        f"{scene.path}: {scene.dtype} stretched from its percentile {low:g} to {high:g}, "
        f"the model takes {model.dtype}"
    )
    if native.grid != scene.grid:
        histogram = _histogram(scene, bands)
    return histogram.percentiles(low, high), [doubt] if scene.dtype != model.dtype else []


def _histogram(scene: Scene, bands: tuple[int, ...]) -> BandHistogram:
    histogram = BandHistogram(len(bands), scene.dtype)
    for image, valid in sampled_strips(scene, bands):
        histogram.add(image, valid)
    return histogram


class Store(Protocol):
    """What of a scene is done already: so many ``rows`` of windows with their ``finished`` strips,
    and what they have of the rows that they share with the next. It takes each strip, and learns
    when a row of windows is complete.
    """

    @property
    def rows(self) -> int: ...

    def finished(self) -> Iterator[Strip]: ...

    def shared(self) -> np.ndarray | None: ...

    def put(self, strip: Strip) -> None: ...

    def commit(self, row: int, shared: np.ndarray) -> None: ...


class _Nothing:
    """Nothing is done, and nothing is kept."""

    rows = 0

    def finished(self) -> Iterator[Strip]:
        return iter(())

    def shared(self) -> np.ndarray | None:
        return None

    def put(self, strip: Strip) -> None:
        pass

    def commit(self, row: int, shared: np.ndarray) -> None:
        pass


@dataclass(frozen=True)
class Wanted:
    """What of a scene is to be predicted: where it lies in ``area`` (polygons in the scene's CRS),
    all of the model's channels or ``channels`` of them, the ``rows`` of windows from the first to
    before the last, all by default. ``trim`` takes away what nobody will look at, so that less is
    kept.
    """

    area: Burner | None = None
    channels: tuple[int, ...] | None = None
    rows: range | None = None
    trim: Callable[[ProbabilityStrip], ProbabilityStrip] = lambda strip: strip


EVERYTHING = Wanted()


def predict_strips(
    scene: Scene,
    runtime: Runtime,
    plan: Plan,
    spec: PredictSpec,
    wanted: Wanted = EVERYTHING,
    *,
    clock: Clock,
    advance: Callable[[int], None] = lambda count: None,
    allocate: Allocate = MemoryBuffer,
    store: Store | None = None,
) -> Iterator[ProbabilityStrip]:
    """``(first row, probability float32 (channel, row, col), valid bool (row, col))`` from top to
    bottom, of what is ``wanted``.

    Pixels without data, and outside of the area, are not valid. Windows without a valid pixel are
    not computed. ``advance`` counts every window. A row of windows is held in memory that
    ``allocate`` gives. What the ``store`` holds is not computed again.
    """
    shape = scene.grid.shape
    kept = store or _Nothing()
    channels = wanted.channels
    blender = StripBlender(
        shape,
        plan.tiling,
        channels=runtime.spec.channels if channels is None else len(channels),
        margin=plan.margin,
        strip_rows=strip_rows(shape[1]),
        allocate=allocate,
    )
    validity = Band((plan.tiling.size, shape[1]), bool, allocate)
    rows = range(len(blender.rows.offsets)) if wanted.rows is None else wanted.rows
    rows = rows[kept.rows :]
    for done in kept.finished():
        yield ProbabilityStrip(*done)
    blender.resume(rows.start, kept.shared())
    advance((rows.start - (wanted.rows.start if wanted.rows else 0)) * len(blender.cols.offsets))

    def finish() -> Iterator[ProbabilityStrip]:
        row = blender.row
        top = blender.rows.offsets[row]
        for at, probability in clock.timed("blend", blender.finish_row()):
            height = probability.shape[1]
            inside = validity.rows(at - top, at - top + height)
            strip = wanted.trim(ProbabilityStrip(at, probability, inside))
            kept.put(strip)
            yield strip
        validity.clear()
        if store is not None:
            kept.commit(row, blender.shared())

    windows = _windows(scene, plan, wanted.area, rows, clock)
    for batch in _batched(ahead(windows), spec.batch_size):
        with clock("forward"):
            results = _forward(runtime, batch, spec.tta, plan.stretch)
        for (tile, _, valid), result in zip(batch, results, strict=True):
            while blender.row < tile.row:
                yield from finish()
            if result is not None and valid is not None:
                with clock("blend"):
                    left = tile.window.col_off
                    columns = slice(left, left + tile.window.width)
                    validity.put(slice(0, tile.window.height), columns, valid)
                    blender.add(tile, result if channels is None else result[list(channels)])
            advance(1)
    while blender.row < rows.stop:
        yield from finish()


def strip_rows(width: int) -> int:
    """Rows of a strip of a scene of ``width`` pixels."""
    return max(LEAST_ROWS, min(STRIP_ROWS, STRIP_PIXELS // width))


class _Window(NamedTuple):
    """A window as it was read: ``image`` (band, size, size), of the scene's dtype, and ``valid``
    bool (row, col) of the tile. Both are None where nothing is valid, so that windows without data
    weigh nothing.
    """

    tile: Tile
    image: np.ndarray | None = None
    valid: np.ndarray | None = None


def _windows(
    scene: Scene, plan: Plan, area: Burner | None, rows: range, clock: Clock
) -> Iterator[_Window]:
    for tile in tiles(scene.grid.shape, plan.tiling):
        if tile.row not in rows:
            continue
        with clock("read"):
            window = _read(scene, tile, plan, area)
        yield window


def _read(scene: Scene, tile: Tile, plan: Plan, area: Burner | None) -> _Window:
    """``tile`` with ``plan.border`` pixels around it; what lies beyond the scene is mirrored."""
    around = plan.border
    own = tile.window
    left = max(0, own.col_off - around)
    top = max(0, own.row_off - around)
    right = min(scene.grid.width, own.col_off + own.width + around)
    bottom = min(scene.grid.height, own.row_off + own.height + around)
    chip = scene.read(Window(left, top, right - left, bottom - top), plan.bands)
    rows = slice(own.row_off - top, own.row_off - top + own.height)
    cols = slice(own.col_off - left, own.col_off - left + own.width)
    valid = chip.valid[rows, cols]
    if area is not None and valid.any():
        valid = valid & (area.burn(scene.grid.window(own)) > 0)
    if not valid.any():
        return _Window(tile)
    side = plan.tiling.size + 2 * around
    # what the scene lacks of the surroundings on each side is mirrored
    above = around - rows.start
    before = around - cols.start
    below = side - above - chip.valid.shape[0]
    behind = side - before - chip.valid.shape[1]
    image = chip.image
    if above or before or below or behind:
        image = np.pad(image, ((0, 0), (above, below), (before, behind)), mode="symmetric")
    return _Window(tile, image, valid)


def _batched(reads: Iterator[_Window], size: int) -> Iterator[list[_Window]]:
    """Windows in their order, ``size`` of them with data at a time."""
    batch: list[_Window] = []
    for read in reads:
        batch.append(read)
        # windows without data go along for nothing, so that a batch is full all the same
        if sum(window.image is not None for window in batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _forward(
    runtime: Runtime, batch: list[_Window], tta: str, stretch: Stretch | None
) -> list[np.ndarray | None]:
    # brought to [0, 1] here and not where they are read: bytes that wait weigh a quarter
    images = [to_unit(window.image, stretch)[None] for window in batch if window.image is not None]
    if not images:
        return [None] * len(batch)
    joined = images[0] if len(images) == 1 else np.concatenate(images)
    results = iter(_augmented(runtime, joined, tta))
    return [None if window.image is None else next(results) for window in batch]


def _augmented(runtime: Runtime, images: np.ndarray, tta: str) -> np.ndarray:
    """Mean over the flips, or over all eight symmetries of the square, each turned back."""
    if tta == "none":
        return runtime(images)
    # With flips, turns by 0 and 180 degrees, each as it is and mirrored: all four flips. With d4
    # all eight symmetries. What comes out is mirrored and turned back, in that order.
    # flips are the symmetries of half a turn
    turns = range(4) if tta == "d4" else (0, 2)
    total = np.zeros((), np.float32)
    for turn in turns:
        for flip in (False, True):
            view = np.rot90(images, turn, (2, 3))
            view = np.ascontiguousarray(view[..., ::-1] if flip else view)
            out = runtime(view)
            total = total + np.rot90(out[..., ::-1] if flip else out, -turn, (2, 3))
    return np.ascontiguousarray(total / (2 * len(turns)))
