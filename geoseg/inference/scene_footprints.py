"""The footprints of one scene by a model, computed here, by blocks on a Dask cluster, or scene by
scene on one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.geometry.footprints import FootprintLabels, trace_footprints
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface
from geoseg.inference.cluster import ALONE, computed_strips, opened
from geoseg.inference.probability_raster import probability_file
from geoseg.inference.session import LoadedModel, SceneRun, area_of_interest, kept_strips
from geoseg.inference.stream import ProbabilityStrip, Wanted, as_it_is
from geoseg.io.raster.scene import open_scene
from geoseg.io.scene_names import everywhere
from geoseg.parallel.cluster import Cluster, Results
from geoseg.parallel.prefetch import ahead
from geoseg.parallel.threads import mapped
from geoseg.report import Run, Stage
from geoseg.specs import PixelReference, PolygonSpec, RasterTarget

# Scenes from which on each is computed whole by one worker: of fewer, shared out by blocks, one
# process traces all, which is as fast as two or three workers
_SCENES = 4
# Scenes that are with the cluster for each worker: footprints are small, and while one scene takes
# long the workers have others
_AHEAD = 8


@dataclass(frozen=True)
class FootprintSettings:
    """What holds for all scenes; threshold and minimum area of ``spec`` are resolved,
    ``names`` are those of the scenes by path, ``resume`` is the output beside which what is done is
    kept, ``cluster`` computes where there is one.
    """

    loaded: LoadedModel
    surface: ClassSurface
    spec: PolygonSpec
    names: dict[str, str]
    bands: tuple[int, ...] | None
    reference: PixelReference
    save_prob: Path | None
    folder: Path
    cluster: Cluster | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class SceneFootprints:
    """Footprints of a scene on ``grid``, in batches as they are found, what ran the model, and how
    many pixels the scene has.
    """

    grid: Grid
    batches: Iterable[Layer]
    runtime: str
    pixels: int


Source = Callable[[str, FootprintSettings], AbstractContextManager[SceneFootprints]]


@contextmanager
def footprint_source(
    scenes: Sequence[str], settings: FootprintSettings, accompany: Run
) -> Iterator[Source]:
    """What gives the footprints of each of ``scenes``, asked for in their order.

    On a cluster scenes are computed whole, each by a worker, where there are several; else one
    after the other, by blocks. The same footprints in the same batches in any case.
    """
    cluster = settings.cluster
    if cluster is None or len(scenes) < _SCENES:
        yield partial(_open, accompany)
        return
    tasks = (_task(path, settings) for path in scenes)
    advance = accompany.progress(Stage("extract", "scenes"), len(scenes))
    with closing(cluster.ordered(_compute, tasks, _AHEAD)) as results:
        yield _Computed(results, accompany, advance)


@dataclass(frozen=True)
class _Done:
    """What a worker hands back of a scene, with the warnings and the seconds by stage."""

    found: SceneFootprints
    remarks: list[str]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Computed:
    """A source of what workers hand back, scene by scene."""

    results: Results[_Done]
    accompany: Run
    advance: Callable[[int], None]

    @contextmanager
    def __call__(self, path: str, settings: FootprintSettings) -> Iterator[SceneFootprints]:
        try:
            done = next(self.results)
        finally:
            self.advance(1)
        self.accompany.remarks += done.remarks
        for stage, seconds in done.seconds.items():
            self.accompany.clock.seconds[stage] += seconds
        yield done.found


def _task(path: str, settings: FootprintSettings) -> tuple[str, FootprintSettings]:
    """What a worker needs of the ``settings`` for one scene."""
    scene = everywhere(path)
    return scene, replace(settings, names={scene: settings.names[path]}, cluster=None)


def _compute(task: tuple[str, FootprintSettings]) -> _Done:
    """In a worker: the footprints of a scene."""
    accompany = Run()
    with ALONE, _open(accompany, *task) as scene:
        found = replace(scene, batches=list(scene.batches))
    return _Done(found, list(accompany.remarks), dict(accompany.clock.seconds))


@contextmanager
def _open(accompany: Run, path: str, settings: FootprintSettings) -> Iterator[SceneFootprints]:
    """Footprints of a scene, found while they are taken."""
    with opened(
        settings.loaded,
        path,
        settings.bands,
        settings.reference,
        traced=True,
        cluster=settings.cluster,
    ) as scene_run:
        grid = scene_run.scene.placed(settings.reference)
        source = scene_run.scene.source
        with _probability(scene_run, grid, settings, accompany) as probability:
            pixels = source.height * source.width
            with closing(_footprints(probability, path, grid, settings, accompany)) as batches:
                yield SceneFootprints(grid, batches, scene_run.runtime.name, pixels)


@contextmanager
def _probability(
    scene_run: SceneRun, grid: Grid, settings: FootprintSettings, accompany: Run
) -> Iterator[Iterator[ProbabilityStrip]]:
    """Strips of probability, computed ahead in a thread; also written where that is asked for."""
    accompany.remarks += scene_run.plan.warnings
    area = area_of_interest(settings.loaded.spec, grid, accompany.remarks)
    # the file of probabilities gets every channel, the footprints are made of some
    channels = None if settings.save_prob else settings.surface.channels
    wanted = Wanted(area, channels)
    store = None
    if settings.resume is not None or settings.cluster is not None:
        wanted = replace(wanted, trim=_trimmer(settings))
    if settings.resume is not None:
        name = settings.names[scene_run.scene.path]
        shaping = settings.spec, channels, grid
        store = kept_strips(settings.resume, name, scene_run, settings.loaded, shaping)
    strips = computed_strips(
        scene_run,
        settings.loaded,
        wanted,
        settings.cluster,
        accompany,
        settings.folder,
        store,
    )
    with ExitStack() as stack:
        if settings.save_prob:
            native = stack.enter_context(
                open_scene(scene_run.scene.path, spec=settings.loaded.scene_spec, expand=True)
            )
            kept = RasterTarget(settings.save_prob, overwrite=True)
            put = stack.enter_context(
                probability_file(kept, scene_run, native, settings.loaded, accompany.clock, area)
            )
            strips = (_passed_on(strip, put) for strip in strips)
        yield stack.enter_context(closing(ahead(strips, depth=scene_run.strips_ahead)))


@dataclass(frozen=True)
class _OfBuildings:
    """Leaves of a strip only the probabilities of buildings, at or above the ``level``: what is
    kept or sent then is a tenth.
    """

    surface: ClassSurface
    level: np.float32

    def __call__(self, strip: ProbabilityStrip) -> ProbabilityStrip:
        if not strip.valid.any():
            return strip
        scores, _ = self.surface.score(strip.probability)
        building = (scores >= self.level) & strip.valid
        return strip._replace(probability=np.where(building, strip.probability, np.float32(0)))


def _trimmer(settings: FootprintSettings) -> Callable[[ProbabilityStrip], ProbabilityStrip]:
    """What takes from a strip all that its footprints are not made of."""
    spec = settings.spec
    # Closing fills gaps and subpixel outlines interpolate with probabilities below the threshold
    whole = settings.save_prob or spec.close.value > 0 or spec.outline == "subpixel"
    return as_it_is if whole else _OfBuildings(settings.surface, np.float32(spec.threshold or 0))


def _passed_on(strip: ProbabilityStrip, put: Any) -> ProbabilityStrip:
    put(strip)
    return strip


def _footprints(
    probability: Iterable[ProbabilityStrip],
    path: str,
    grid: Grid,
    settings: FootprintSettings,
    accompany: Run,
) -> Generator[Layer, None, None]:
    """Batches of footprints of one scene: where the probability reaches the threshold."""
    surface = settings.surface
    spec = settings.spec
    level = np.float32(spec.threshold or 0)
    assert spec.min_area is not None
    return trace_footprints(
        (_cut(strip, surface, level) for strip in probability),
        grid,
        FootprintLabels(settings.names[path], surface.name),
        spec,
        spec.min_area,
        float(level),
        clock=accompany.clock,
        mapper=settings.cluster.mapped if settings.cluster else mapped,
    )


def _cut(strip: ProbabilityStrip, surface: ClassSurface, level: np.float32) -> MaskStrip:
    probability = strip.probability
    if not strip.valid.any():  # ground without data costs no more than a look
        nothing = strip.valid
        margin = None if surface.boundary_channel is None else nothing.astype(np.int16)
        return MaskStrip(nothing, nothing, probability[0], margin)
    if len(probability) > len(surface.channels):
        probability = probability[list(surface.channels)]
    scores, boundary_margin = surface.score(probability)
    return MaskStrip((scores >= level) & strip.valid, strip.valid, scores, boundary_margin)
