"""A scene through a model on a Dask cluster: blocks of its rows of windows as tasks.

A block is computed as if nothing lay above it. What a row of windows shares with the next is added
where blocks meet, as one machine adds it between two rows, so the strips are the same to the bit
whoever computes them; they are joined here, in their order, and written by one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from geoseg.core.strips import Strip, packed, unpacked
from geoseg.core.tiling import offsets
from geoseg.inference.memory import Budget, Demand
from geoseg.inference.plan import Plan
from geoseg.inference.runtimes import Runtime
from geoseg.inference.session import LoadedModel, SceneRun, area_of_interest
from geoseg.inference.stream import ProbabilityStrip, Store, Wanted
from geoseg.io.raster.window_reader import Scene
from geoseg.io.scene_names import everywhere
from geoseg.parallel.clock import Clock
from geoseg.parallel.cluster import Cluster
from geoseg.report import Progress, Remarks, Run, Stage, no_progress
from geoseg.specs import ModelSpec, PixelReference, PredictSpec

# Blocks for each worker, if there are so many rows of windows: fewer leave the others idle behind
# the slowest, and who joins them behind the first
_SHARES = 16
# Bytes of probability that a block holds at most, if it is more than one row of windows
_BLOCK = 2**28
# A runtime takes one batch at a time, and threads enough for the machine: a worker of several
# threads computes one task after the other
ALONE = Lock()


@contextmanager
def opened(
    loaded: LoadedModel,
    path: str,
    bands: tuple[int, ...] | None,
    reference: PixelReference | None = None,
    traced: bool = False,
    cluster: Cluster | None = None,
) -> Iterator[SceneRun]:
    """As :meth:`LoadedModel.open`. On a ``cluster`` a worker opens the model and plans, and the
    scene alone is opened here: whoever writes needs neither the memory nor a device for it.
    """
    if cluster is None:
        with loaded.open(path, bands, reference, traced) as run:
            yield run
        return
    with loaded.scenes(path, reference) as (scene, _):
        task = _Planning(loaded, everywhere(path), bands, traced)
        run = SceneRun(scene, *cluster.asked(_planned, task))
        loaded.tell(run)
        yield run


@dataclass
class RemoteRuntime:
    """What is known here of a runtime in another process, which alone can compute."""

    spec: ModelSpec
    size: int
    name: str
    border: int
    batch: int
    ahead: int
    takes_bytes: bool

    @classmethod
    def of(cls, runtime: Runtime) -> RemoteRuntime:
        return cls(**{each.name: getattr(runtime, each.name) for each in fields(cls)})

    def __call__(self, images: np.ndarray) -> np.ndarray:
        raise RuntimeError(f"{self.name} runs in another process")

    def begin(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        return partial(self, images)


class _Planning(NamedTuple):
    """What a worker needs to plan how a scene goes through a model."""

    loaded: LoadedModel
    scene: str
    bands: tuple[int, ...] | None
    traced: bool


def _planned(task: _Planning) -> tuple[RemoteRuntime, Plan, PredictSpec, Demand, Budget]:
    """In a worker: what a :class:`SceneRun` has beside the scene."""
    with ALONE, task.loaded.open(task.scene, task.bands, traced=task.traced) as run:
        return RemoteRuntime.of(run.runtime), run.plan, run.spec, run.demand, run.budget


@dataclass(frozen=True)
class _Block:
    """Rows of windows of a scene, from the ``first`` to before ``stop``, of which the rows of
    pixels before ``own`` lie in the block above too.
    """

    loaded: LoadedModel
    scene: str
    plan: Plan
    demand: Demand
    budget: Budget
    wanted: Wanted
    first: int
    stop: int
    own: int


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
    with ALONE, loaded.scenes(block.scene) as (scene, _):
        runtime = loaded.runtime(scene, block.budget.window)
        run = SceneRun(scene, runtime, block.plan, loaded.spec, block.demand, block.budget)
        area = area_of_interest(loaded.spec, scene.grid, Remarks())
        rows = range(block.first, block.stop)
        kept = _Kept()
        wanted = replace(block.wanted, area=area, rows=rows, trim=partial(_trimmed, block))
        for _ in run.strips(Clock(), no_progress, wanted, store=kept):
            pass
    assert kept.last is not None
    return packed(kept.strips), packed([(0, kept.last, np.zeros(kept.last.shape[1:], bool))])


def _trimmed(block: _Block, strip: ProbabilityStrip) -> ProbabilityStrip:
    """Without what nobody will look at; what is to be added to comes whole."""
    return strip if strip.row < block.own else block.wanted.trim(strip)


def computed_strips(
    run: SceneRun,
    loaded: LoadedModel,
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
        strips = cluster_strips(cluster, run, loaded, wanted, accompany.progress)
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
    # an area is opened where it is burned, from its file
    sent = replace(wanted, area=None)
    common = loaded, everywhere(run.scene.path), run.plan, run.demand, run.budget, sent
    blocks = [
        _Block(*common, first, stop, starts[first - 1] + tiling.size if first else 0)
        for first, stop in pairwise(ends)
    ]
    above = None
    with closing(cluster.ordered(_compute, blocks)) as results:
        for block, (strips, shared) in zip(blocks, results, strict=True):
            yield from _joined(strips, starts[block.first], above)
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
            probability = probability.copy()
            probability[:, :rows] += above[:, at : at + rows]
        yield ProbabilityStrip(first, probability, valid)
