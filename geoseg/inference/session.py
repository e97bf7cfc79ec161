"""What predict and extract share: open a scene for a model, run it, and say what was made with
what.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np

from geoseg import __version__
from geoseg.core.grid import Grid
from geoseg.geometry.burn import Burner
from geoseg.inference.memory import WINDOWS, Budget, Demand, budget
from geoseg.inference.plan import Plan, plan, take, working_gsd
from geoseg.inference.runtimes import Runtime, open_runtime, runs_on_gpu, runs_torch
from geoseg.inference.stream import (
    EVERYTHING,
    TTA_PASSES,
    ProbabilityStrip,
    Store,
    Wanted,
    predict_strips,
    strip_rows,
)
from geoseg.io.journal import stamp
from geoseg.io.provenance import provenance
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.scene_names import everywhere, redact_url
from geoseg.io.scratch import scratch
from geoseg.io.strip_store import StripStore
from geoseg.io.vector.source import sniff
from geoseg.labels.footprints import footprints_on
from geoseg.models.modelfile import fingerprint
from geoseg.models.store import bundled, read_spec, short_name
from geoseg.parallel.clock import Clock
from geoseg.parallel.threads import thread_limit
from geoseg.report import Progress, Remarks, Stage
from geoseg.specs import ModelSpec, PixelReference, PredictSpec, SceneSpec
from geoseg.specs.vectors import VectorFiles

# Seconds that a megapixel takes beside the network, cleaning and tracing included
_OTHER_WORK = 0.02
# Bytes that a pixel of what is written takes at most
_WRITTEN = 1.5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneRun:
    """A scene opened at the model's GSD, the runtime, the plan of its windows, the ``demand`` for
    memory and the ``budget`` that meets it.
    """

    scene: Scene
    runtime: Runtime
    plan: Plan
    spec: PredictSpec
    demand: Demand
    budget: Budget

    def strips(
        self,
        clock: Clock,
        progress: Progress,
        wanted: Wanted = EVERYTHING,
        folder: Path | None = None,
        store: Store | None = None,
    ) -> Generator[ProbabilityStrip, None, None]:
        """Strips of probability on the grid of ``scene``, of what is ``wanted`` and the ``store``
        does not hold. What is too large to be held lies in ``folder``.
        """
        return predict_strips(
            self.scene,
            self.runtime,
            self.plan,
            self.spec,
            wanted,
            clock=clock,
            advance=progress(Stage(Path(self.scene.path).name, "windows"), self.plan.tiles),
            allocate=scratch(folder, self.budget.held),
            store=store,
        )

    @property
    def strips_ahead(self) -> int:
        """How many strips are made before who takes them wants them."""
        if not self.runtime.ahead:
            return 1
        # a row of windows gives its strips all at once: were there no room for them, a GPU could
        # not go on with the next row until the last of them is taken
        return -(-self.plan.tiling.size // strip_rows(self.scene.grid.width))

    def describe(self) -> dict[str, Any]:
        """The scene, how it is read, and its :meth:`forecast`."""
        source = self.scene.source
        return {
            "crs": self.scene.grid.crs.to_string() if self.scene.grid.crs else None,
            "shape": list(source.shape),
            "gsd": source.gsd,
            "working_gsd": self.scene.grid.gsd,
            **self.forecast(),
            "warnings": list(self.plan.warnings),
        }

    def forecast(self) -> dict[str, Any]:
        """What the scene will take, by the size of its windows and the time of one: megabytes of
        memory (``peak``) and of ``disk``, ``seconds`` if there is data everywhere.
        """
        size = self.plan.tiling.size
        height, width = self.scene.grid.shape
        side = size + 2 * self.plan.border
        count = self.runtime.batch
        batch = np.zeros((count, self.runtime.spec.bands, side, side), np.float32)
        self.runtime(batch)  # the first takes longer
        start = perf_counter()
        self.runtime(batch)
        each = (perf_counter() - start) * TTA_PASSES[self.spec.tta] / count
        row = self.demand.row(size)
        disk = height * width * _WRITTEN + (row if row > self.budget.held else 0)
        seconds = self.plan.tiles * each + height * width / 1e6 * _OTHER_WORK
        return {
            "windows": self.plan.tiles,
            "window": size,
            "overlap": self.plan.tiling.overlap,
            "redundancy": round(self.plan.tiles * size * size / (height * width), 3),
            "peak_megabytes": round(self.demand.peak(size, self.budget.held) / 1e6),
            "disk_megabytes": round(disk / 1e6, 1),
            "seconds": round(seconds, 1),
        }


class LoadedModel:
    """Opens a model once for many scenes: a runtime for each size of window.

    It is pickled as its name: each process opens the file once, as long as that does not change.
    """

    def __init__(
        self, path: Path | None, spec: PredictSpec, scene_spec: SceneSpec = SceneSpec()
    ) -> None:
        self.path = path or bundled()
        self.name = short_name(self.path)
        self.model: ModelSpec = read_spec(self.path)
        self.spec = spec
        if spec.aoi is not None:
            sniff(Path(spec.aoi))
        self.scene_spec = scene_spec
        self._runtimes: dict[int, Runtime] = {}
        # for who shares it among threads: runtimes compute one batch at a time, in memory that the
        # next one overwrites
        self.lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        aoi = self.spec.aoi
        spec = replace(self.spec, aoi=aoi and Path(everywhere(str(aoi))))
        path = Path(everywhere(str(self.path)))
        return _opened, (path, stamp(str(path)), spec, self.scene_spec, thread_limit())

    def runtime(self, scene: Scene, most: int = WINDOWS[0]) -> Runtime:
        """The runtime for windows that suit ``scene``, of ``most`` pixels a side at most."""
        # windows reach past a narrow scene no further than training's crops were large: what is
        # there is mirrored; and they are never larger than 1024 by default, so that all larger
        # scenes share one runtime
        short, long = sorted(scene.grid.shape)
        extent = min(most, -(-max(short, min(long, self.model.size)) // 32) * 32)
        # only the last: two sizes of window in turn are rare, and each runtime holds the weights
        if extent not in self._runtimes:
            self._runtimes = {extent: open_runtime(self.path, self.spec, extent)}
        return self._runtimes[extent]

    @contextmanager
    def open(
        self,
        path: str,
        bands: tuple[int, ...] | None,
        reference: PixelReference | None = None,
        traced: bool = False,
    ) -> Iterator[SceneRun]:
        """Open ``path`` resampled to the model's GSD where the two differ, or to that of the scene
        spec. What is wrong with it shows before a model is loaded; with a ``reference`` also where
        it has no CRS. Where footprints are to be ``traced`` less memory is left for windows.
        """
        with self.scenes(path, reference) as (scene, native):
            taken = take(scene, self.model, bands, native)
            demand = self._demand(scene, traced)
            most = self.spec.max_memory.value if self.spec.max_memory else None
            # a network that looks at all of a window, at one as large as it learned from
            learned = self.model.size if self.model.global_context else None
            allowed = budget(demand, self.spec.tile_size or learned, most, path)
            runtime = self.runtime(scene, allowed.window)
            planned = plan(scene, runtime, self.spec, taken=taken)
            run = SceneRun(scene, runtime, planned, self.spec, demand, allowed)
            self.tell(run)
            yield run

    @contextmanager
    def scenes(
        self, path: str, reference: PixelReference | None = None
    ) -> Iterator[tuple[Scene, Scene]]:
        """The scene at ``path`` as the model reads it, and as it is: :meth:`open` without the
        model.
        """
        spec = self.scene_spec
        with ExitStack() as stack:
            native = stack.enter_context(open_scene(path, spec=spec, expand=True))
            if reference:
                native.placed(reference)
            gsd = working_gsd(self.model, native.grid, path, native.picture_gsd)
            if native.grid.crs is not None:
                gsd = spec.gsd or gsd
            scene = native
            if gsd:
                scene = stack.enter_context(open_scene(path, gsd, spec=spec, expand=True))
            yield scene, native

    def tell(self, run: SceneRun) -> None:
        """How a scene is read and what runs the model, for those who want to know."""
        log.info(
            "%s: %d x %d pixels of %s (model: %s); %s, %s, device %s; %d windows of %d pixels",
            redact_url(run.scene.path),
            run.scene.grid.width,
            run.scene.grid.height,
            _metres(run.scene.gsd),
            _metres(self.model.gsd),
            self.name,
            run.runtime.name,
            self.spec.device,
            run.plan.tiles,
            run.runtime.size,
        )

    def _demand(self, scene: Scene, traced: bool) -> Demand:
        torch = runs_torch(self.path, self.spec)
        return Demand(
            self.model,
            self.path.stat().st_size,
            torch,
            self.spec.batch_size,
            np.dtype(scene.dtype).itemsize,
            scene.grid.width,
            torch and runs_on_gpu(self.spec),
            traced,
        )

    def provenance(self, *sources: str) -> dict[str, str]:
        """What is stored with an output: version, model, command, sources."""
        return provenance(*sources) | {"GEOSEG_MODEL": f"{self.name} {fingerprint(self.path)}"}


@lru_cache(maxsize=1)
def _opened(
    path: Path,
    stamp: tuple[int, int],
    spec: PredictSpec,
    scene_spec: SceneSpec,
    threads: int | None,
) -> LoadedModel:
    """The model of that ``path`` and ``stamp``, whose runtimes have so many ``threads``."""
    return LoadedModel(path, spec, scene_spec)


def kept_strips(
    output: Path, name: str, scene_run: SceneRun, loaded: LoadedModel, settings: object
) -> StripStore:
    """What an earlier run for ``output`` has computed of scene ``name``, and where this one keeps
    what it computes.

    ``settings`` are what the strips depend on beside scene, model and how it is run. Raises
    UsageError where the earlier run had others, or is not over.
    """
    path = scene_run.scene.path
    spec = loaded.spec
    plan = {
        "version": __version__,
        "scene": [path, *stamp(path)],
        "model": fingerprint(loaded.path),
        "runtime": scene_run.runtime.name,
        "predict": [repr(spec), repr(loaded.scene_spec), repr(scene_run.plan)],
        "aoi": stamp(str(spec.aoi)) if spec.aoi else None,
        "settings": repr(settings),
    }
    return StripStore(resume_folder(output) / name, plan)


def resume_folder(output: Path) -> Path:
    """Where what is done of ``output`` is kept until all is."""
    return output.with_name(f".{output.name}.resume")


def area_of_interest(spec: PredictSpec, grid: Grid, remarks: Remarks) -> Burner | None:
    """What of ``grid`` is computed: the polygons of the spec's file; None where it names none."""
    if spec.aoi is None:
        return None
    files = VectorFiles.of(spec.aoi, setting=None)
    return Burner(footprints_on(files, grid, remarks).geometry)


def _metres(gsd: float | None) -> str:
    return f"{gsd:.3g} m" if gsd else "unknown size"
