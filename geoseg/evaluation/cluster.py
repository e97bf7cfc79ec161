"""Pixels of two class rasters counted on a Dask cluster: a task opens both, and counts some
strips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from rasterio.windows import Window

from geoseg.core.grid import Grid
from geoseg.evaluation.extent import Extent, masked
from geoseg.evaluation.pixels import PixelSums, count_strip
from geoseg.io.scene_names import everywhere
from geoseg.labels.class_raster import open_class_raster
from geoseg.parallel.cluster import Cluster
from geoseg.report import Remarks
from geoseg.specs import EvaluateSpec
from geoseg.specs.vectors import VectorFiles

# Tasks for each worker: fewer leave the others idle behind the slowest, more open files more often
_SHARES = 4


@dataclass(frozen=True)
class ComparedSides:
    """Prediction and truth, of multi-label rasters the ``bands`` of the two, and the classes that
    are ``present`` in each, as they lie on ``grid`` within ``extent``.
    """

    sources: tuple[str | VectorFiles, str | VectorFiles]
    grid: Grid
    spec: EvaluateSpec
    bands: tuple[int | None, int | None]
    present: tuple[tuple[int, ...], tuple[int, ...]]
    extent: Extent | None

    def shared_out(
        self, cluster: Cluster, strips: Sequence[Window]
    ) -> Iterable[tuple[int, PixelSums]]:
        """Rows and their sums, counted by the workers of ``cluster``."""
        first, second = map(_everywhere, self.sources)
        there = replace(self, sources=(first, second))
        each = -(-len(strips) // (_SHARES * cluster.workers))
        groups = [strips[start : start + each] for start in range(0, len(strips), each)]
        return cluster.ordered(_count, [(there, group) for group in groups])


def _count(task: tuple[ComparedSides, Sequence[Window]]) -> tuple[int, PixelSums]:
    """In a worker: the sums of some strips, and how many rows they have."""
    sides, strips = task
    level = sides.spec.threshold
    with ExitStack() as stack:
        prediction, truth = (
            stack.enter_context(
                open_class_raster(source, sides.grid, level, Remarks(), band, present=present)
            )
            for source, band, present in zip(sides.sources, sides.bands, sides.present, strict=True)
        )
        truth = masked(truth, sides.extent, sides.grid)
        whole, *others = (
            count_strip(prediction, truth, sides.grid, sides.spec, strip) for strip in strips
        )
        for sums in others:
            whole.add(sums)
    return sum(strip.height for strip in strips), whole


def _everywhere(source: str | VectorFiles) -> str | VectorFiles:
    return source.everywhere() if isinstance(source, VectorFiles) else everywhere(source)
