"""A scene through a model on a Dask cluster: blocks of its rows of windows as tasks.

A block is computed as if nothing lay above it. What a row of windows shares with the next is added
where blocks meet, as one machine adds it between two rows, so the strips are the same to the bit
whoever computes them; they are joined here, in their order, and written by one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np

from geoseg.core.strips import Strip, packed, unpacked
from geoseg.core.tiling import offsets
from geoseg.inference.session import LoadedModel, SceneRun, area_of_interest
from geoseg.inference.stream import ProbabilityStrip, Store, Wanted
from geoseg.io.raster.window_reader import Scene
from geoseg.io.scene_names import everywhere
from geoseg.parallel.clock import Clock
from geoseg.parallel.cluster import Cluster
from geoseg.report import Progress, Remarks, Run, Stage, no_progress

# Blocks for each worker: fewer leave the others idle behind the slowest
_SHARES = 4
# Bytes of probability that a block holds at most, if it is more than one row of windows
_BLOCK = 2**28
# A runtime takes one batch at a time, and threads enough for the machine: a worker of several
# threads computes one task after the other
ALONE = Lock()


@dataclass(frozen=True)
class _Block:
    """Rows of windows of a scene, from the ``first`` to before ``stop``."""

    loaded: LoadedModel
    scene: str
    bands: tuple[int, ...] | None
    channels: tuple[int, ...] | None
    first: int
    stop: int


@dataclass
class _Kept:
    """The strips of a block, and what its last row shares with the next."""

    rows: int = 0
    strips: list[Strip] = field(default_factory=list)
    last: np.ndarray | None = None

    def finished(self) -> Iterator[Strip]:
        return iter(())

    def shared(self) -> np.ndarray | None:
        return None

    def put(self, strip: Strip) -> None:
        self.strips.append(strip)

    def commit(self, row: int, shared: np.ndarray) -> None:
        self.last = shared


def _compute(block: _Block) -> tuple[bytes, bytes]:
    """In a worker: the strips of the block, and what it shares with the next."""
    loaded = block.loaded
    with ALONE, loaded.open(block.scene, block.bands) as run:
        area = area_of_interest(loaded.spec, run.scene.grid, Remarks())
        wanted = Wanted(area, block.channels, range(block.first, block.stop))
        kept = _Kept()
        for _ in run.strips(Clock(), no_progress, wanted, store=kept):
            pass
    assert kept.last is not None
    return packed(kept.strips), packed([(0, kept.last, np.zeros(kept.last.shape[1:], bool))])


def computed_strips(
    run: SceneRun,
    loaded: LoadedModel,
    bands: tuple[int, ...] | None,
    wanted: Wanted,
    cluster: Cluster | None,
    accompany: Run,
    folder: Path,
    store: Store | None = None,
) -> Iterator[ProbabilityStrip]:
    """As :meth:`SceneRun.strips`, computed here or on the ``cluster``; a remark says where the
    whole scene holds no data.
    """
    if cluster is not None:
        strips = cluster_strips(cluster, run, loaded, bands, wanted, accompany.progress)
    else:
        strips = run.strips(accompany.clock, accompany.progress, wanted, folder, store)
    # what lies outside of an area of interest has no data either: that is no news
    return strips if wanted.area is not None else _looked_at(strips, run.scene, accompany.remarks)


def _looked_at(
    strips: Iterator[ProbabilityStrip], scene: Scene, remarks: Remarks
) -> Iterator[ProbabilityStrip]:
    data = False
    for strip in strips:
        data = data or bool(strip.valid.any())
        yield strip
    if not data:
        reason = "" if scene.nodata is None else f": all are its `nodata`, {scene.nodata:g}"
        remarks.append(f"{scene.path}: no pixel holds data{reason}")


def cluster_strips(
    cluster: Cluster,
    run: SceneRun,
    loaded: LoadedModel,
    bands: tuple[int, ...] | None,
    wanted: Wanted,
    progress: Progress,
) -> Iterator[ProbabilityStrip]:
    """As :meth:`SceneRun.strips`, computed by the workers of the ``cluster``."""
    tiling = run.plan.tiling
    height, width = run.scene.grid.shape
    starts = offsets(height, tiling)
    across = len(offsets(width, tiling))
    advance = progress(Stage(Path(run.scene.path).name, "windows"), run.plan.tiles)
    channels = loaded.model.channels if wanted.channels is None else len(wanted.channels)
    count = max(_SHARES * cluster.workers, height * width * channels * 4 // _BLOCK)
    count = min(count, len(starts))
    ends = [
        end
        for end in np.linspace(0, len(starts), count + 1).round().astype(int).tolist()
        if _parts(starts, tiling.size, end)
    ]
    scene = everywhere(run.scene.path)
    blocks = [
        _Block(loaded, scene, bands, wanted.channels, first, stop) for first, stop in pairwise(ends)
    ]
    above = None
    with closing(cluster.ordered(_compute, blocks)) as results:
        for block, (strips, shared) in zip(blocks, results, strict=True):
            yield from map(wanted.trim, _joined(strips, starts[block.first], above))
            ((_, above, _),) = unpacked(shared)
            advance((block.stop - block.first) * across)


def _parts(starts: list[int], size: int, row: int) -> bool:
    """Whether a block may begin at ``row``: no pixel beside it lies in three rows of windows, whose
    sum would be added up in another order.
    """
    if row in (0, len(starts)):
        return True
    return all(
        starts[first] + size <= starts[first + 2]
        for first in (row - 2, row - 1)
        if first >= 0 and first + 2 < len(starts)
    )


def _joined(strips: bytes, top: int, above: np.ndarray | None) -> Iterator[ProbabilityStrip]:
    """Strips of a block that begins at row ``top``, with what the blocks ``above`` have of them."""
    for first, probability, valid in unpacked(strips):
        at = first - top
        rows = 0 if above is None else min(above.shape[1] - at, probability.shape[1])
        if above is not None and rows > 0:
            probability[:, :rows] += above[:, at : at + rows]
        yield ProbabilityStrip(first, probability, valid)
