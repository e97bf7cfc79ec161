"""A scene through a model: windows -> forward -> blended strips of probability, in the memory of
one row of windows.

Reading runs ahead in one thread; whoever takes the strips may do so in another
(:func:`geoseg.parallel.prefetch.ahead`), so that reading, forward and post-processing overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from rasterio.windows import Window

from geoseg.core.band import Allocate, Band, MemoryBuffer
from geoseg.core.bands import to_unit
from geoseg.core.blend import StripBlender
from geoseg.core.strips import Strip
from geoseg.core.tiling import Tile, tiles
from geoseg.geometry.burn import Burner
from geoseg.inference.plan import Plan
from geoseg.inference.runtimes import Runtime
from geoseg.io.raster.scene import Scene
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.specs import PredictSpec, Stretch


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


# Times that a window goes through the network
TTA_PASSES = {"none": 1, "flips": 4, "d4": 8}
# Finished rows leave in strips of at most so many rows and pixels: whoever waits in a queue then
# holds little, however wide the scene. Of fewer rows each stage would do more for strips than for
# pixels.
STRIP_ROWS = 128
STRIP_PIXELS = 2**20
LEAST_ROWS = 16


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


def as_it_is(strip: ProbabilityStrip) -> ProbabilityStrip:
    return strip


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
    trim: Callable[[ProbabilityStrip], ProbabilityStrip] = as_it_is


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
) -> Generator[ProbabilityStrip, None, None]:
    """``(first row, probability float32 (channel, row, col), valid bool (row, col))`` from top to
    bottom, of what is ``wanted``.

    Pixels without data, and outside of the area, are not valid. Windows without a valid pixel are
    not computed. ``advance`` counts every window. A row of windows is held in memory that
    ``allocate`` gives. What the ``store`` holds is not computed again. Whoever may leave them early
    closes them, before the ``scene``.
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
    with _batches(windows, runtime, spec.tta, plan.stretch, clock) as computed:
        for batch, results in computed:
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


# Windows with their probabilities, None for those of which nothing is valid
_Batch = tuple[list[_Window], list[np.ndarray | None]]


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


@contextmanager
def _batches(
    windows: Iterator[_Window],
    runtime: Runtime,
    tta: str,
    stretch: Stretch | None,
    clock: Clock,
) -> Iterator[Iterator[_Batch]]:
    """Batches of windows with their results; windows are read ahead.

    At the end, early or not, no thread reads any more: the scene is closed next, and GDAL ends the
    process where one does.
    """
    with ExitStack() as stack:
        read = stack.enter_context(closing(ahead(windows)))
        computed = _computed(runtime, read, tta, stretch, clock)
        if runtime.ahead:  # blending takes as long as a GPU does: beside it, not in turn
            computed = stack.enter_context(closing(ahead(computed, depth=1)))
        yield computed


def _computed(
    runtime: Runtime,
    windows: Iterator[_Window],
    tta: str,
    stretch: Stretch | None,
    clock: Clock,
) -> Iterator[_Batch]:
    """Batches of windows in their order, each with its results; ``runtime.ahead`` more have begun
    by then.
    """
    begun: deque[tuple[list[_Window], Callable[[], np.ndarray] | None]] = deque()
    for batch in chain(_batched(windows, runtime), [None] * runtime.ahead):
        if batch is not None:
            with clock("forward"):
                begun.append((batch, _begin(runtime, batch, tta, stretch)))
        if len(begun) > (0 if batch is None else runtime.ahead):
            done, result = begun.popleft()
            with clock("forward"):
                results = iter(() if result is None else result())
            yield done, [None if window.image is None else next(results) for window in done]


def _batched(windows: Iterator[_Window], runtime: Runtime) -> Iterator[list[_Window]]:
    """Windows in their order, ``runtime.batch`` of them with data at a time."""
    batch: list[_Window] = []
    count = 0
    for window in windows:
        batch.append(window)
        # windows without data go along for nothing, so that a batch is full all the same; before
        # the first with data they need not wait
        count += window.image is not None
        if count in (0, runtime.batch):
            yield batch
            batch = []
            count = 0
    if batch:
        yield batch


def _begin(
    runtime: Runtime, batch: list[_Window], tta: str, stretch: Stretch | None
) -> Callable[[], np.ndarray] | None:
    """What waits for the results of the windows with data; None where there are none."""
    images = [window.image[None] for window in batch if window.image is not None]
    if not images:
        return None
    # brought to [0, 1] here and not where they are read: bytes that wait weigh a quarter
    if not (runtime.takes_bytes and stretch is None and images[0].dtype == np.uint8):
        images = [to_unit(image[0], stretch)[None] for image in images]
    joined = images[0] if len(images) == 1 else np.concatenate(images)
    if tta == "none":
        return runtime.begin(joined)
    return partial(_augmented, runtime, joined, tta)


def _augmented(runtime: Runtime, images: np.ndarray, tta: str) -> np.ndarray:
    """Mean over the flips, or over all eight symmetries of the square, each turned back."""
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
