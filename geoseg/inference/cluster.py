"""A scene through a model on a Dask cluster: blocks of its rows of windows as tasks.

A block is computed as if nothing lay above it. What a row of windows shares with the next is added
where blocks meet, as one machine adds it between two rows, so the strips are the same to the bit
whoever computes them; they are joined here, in their order, and written by one process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from geoseg.core.strips import Strip, packed, unpacked
from geoseg.core.tiling import offsets
from geoseg.errors import ResourceError
from geoseg.inference.session import LoadedModel, SceneRun, area_of_interest
from geoseg.inference.stream import ProbabilityStrip, Store, Wanted
from geoseg.parallel.clock import Clock
from geoseg.report import Progress, Remarks, Run, Stage, no_progress
from geoseg.specs import PredictSpec, SceneSpec

# Blocks for each worker: fewer leave the others idle behind the slowest
_SHARES = 4
_RETRIES = 3
_ALONE = Lock()
_PATIENCE = 20.0  # seconds for the scheduler to answer


@dataclass(frozen=True)
class _Block:
    """Rows of windows of a scene; the files have the same names on every machine."""

    model: Path
    spec: PredictSpec
    scene_spec: SceneSpec
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


@lru_cache(maxsize=1)
def _loaded(model: Path, spec: PredictSpec, scene_spec: SceneSpec) -> LoadedModel:
    """Opened once in each worker."""
    return LoadedModel(model, spec, scene_spec)


def _compute(block: _Block) -> tuple[bytes, bytes]:
    """In a worker: the strips of the block, and what it shares with the next."""
    # a runtime takes one batch at a time, and threads enough for the machine
    with (
        _ALONE,
        _loaded(block.model, block.spec, block.scene_spec).open(block.scene, block.bands) as run,
    ):
        area = area_of_interest(block.spec, run.scene.grid, Remarks())
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
    scheduler: str | None,
    accompany: Run,
    folder: Path,
    store: Store | None = None,
) -> Iterator[ProbabilityStrip]:
    """As :meth:`SceneRun.strips`, computed here or on the cluster at ``scheduler``."""
    if scheduler:
        return cluster_strips(scheduler, run, loaded, bands, wanted, accompany.progress)
    return run.strips(accompany.clock, accompany.progress, wanted, folder, store)


def cluster_strips(
    scheduler: str,
    run: SceneRun,
    loaded: LoadedModel,
    bands: tuple[int, ...] | None,
    wanted: Wanted,
    progress: Progress,
) -> Iterator[ProbabilityStrip]:
    """As :meth:`SceneRun.strips`, computed by the workers of the cluster at address ``scheduler``.

    Raises ResourceError where there is no cluster or no package for it.
    """
    tiling = run.plan.tiling
    starts = offsets(run.scene.grid.height, tiling.size, tiling.stride)
    across = len(offsets(run.scene.grid.width, tiling.size, tiling.stride))
    advance = progress(Stage(Path(run.scene.path).name, "windows"), run.plan.tiles)
    with _client(scheduler) as client:
        workers = max(1, len(client.scheduler_info()["workers"]))
        count = min(len(starts), _SHARES * workers)
        ends = [
            end
            for end in np.linspace(0, len(starts), count + 1).round().astype(int).tolist()
            if _parts(starts, tiling.size, end)
        ]
        of_scene = partial(
            _Block,
            loaded.path.resolve(),
            loaded.spec,
            loaded.scene_spec,
            _everywhere(run.scene.path),
            bands,
            wanted.channels,
        )
        blocks = [of_scene(first, stop) for first, stop in pairwise(ends)]
        above = None
        ahead: deque[tuple[_Block, Any]] = deque()
        for block in [*blocks, *[None] * len(blocks)]:
            if block is not None:
                task = client.submit(_compute, block, pure=False, retries=_RETRIES)
                ahead.append((block, task))
            if ahead and (block is None or len(ahead) > 2 * workers):
                done, task = ahead.popleft()
                strips, shared = task.result()
                yield from map(wanted.trim, _joined(strips, starts[done.first], above))
                ((_, above, _),) = unpacked(shared)
                advance((done.stop - done.first) * across)


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


def _everywhere(scene: str) -> str:
    """The name of a scene in every folder: workers may have been started in another."""
    return str(Path(scene).resolve()) if Path(scene).exists() else scene


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ResourceError(
            "`scheduler` needs dask.distributed", "pip install 'geoseg[dask]'"
        ) from error
    try:
        return Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ResourceError(
            f"{scheduler}: no Dask scheduler answers", "start one by `dask scheduler`"
        ) from error
