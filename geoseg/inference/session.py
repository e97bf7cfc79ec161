"""What predict and extract share: open a scene for a model, run it, and say what was made with
what.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from geoseg.core.grid import Grid
from geoseg.geometry.burn import Burner
from geoseg.inference.runtimes import Runtime, open_runtime
from geoseg.inference.stream import Plan, ProbabilityStrip, plan, predict_strips, working_gsd
from geoseg.io.provenance import provenance
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.scene_names import redact_url
from geoseg.io.scratch import scratch
from geoseg.labels.footprints import footprints_on
from geoseg.models.modelfile import fingerprint
from geoseg.models.store import bundled, read_spec, short_name
from geoseg.parallel.clock import Clock
from geoseg.report import Progress, Remarks, Stage
from geoseg.specs import ModelSpec, PredictSpec, SceneSpec
from geoseg.specs.vectors import VectorFiles

# Bytes of a row of windows that are held in memory, that of a scene of some 10,000 columns
HELD = 96 * 2**20
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneRun:
    """A scene opened at the model's GSD, the runtime, and the plan of its windows."""

    scene: Scene
    runtime: Runtime
    plan: Plan
    spec: PredictSpec

    def strips(
        self,
        clock: Clock,
        progress: Progress,
        area: Burner | None = None,
        channels: tuple[int, ...] | None = None,
        folder: Path | None = None,
    ) -> Iterator[ProbabilityStrip]:
        """Strips of probability on the grid of ``scene``, of ``channels`` of the model or all. What
        is too large to be held lies in ``folder``.
        """
        advance = progress(Stage(Path(self.scene.path).name, "windows"), self.plan.tiles)
        return predict_strips(
            self.scene,
            self.runtime,
            self.plan,
            tta=self.spec.tta,
            batch_size=self.spec.batch_size,
            area=area,
            channels=channels,
            clock=clock,
            advance=advance,
            allocate=scratch(folder, HELD),
        )


class LoadedModel:
    """Opens a model once for many scenes: a runtime for each size of window."""

    def __init__(
        self, path: Path | None, spec: PredictSpec, scene_spec: SceneSpec = SceneSpec()
    ) -> None:
        self.path = path or bundled()
        self.name = short_name(self.path)
        self.model: ModelSpec = read_spec(self.path)
        self.spec = spec
        self.scene_spec = scene_spec
        self._runtimes: dict[int, Runtime] = {}

    def runtime(self, scene: Scene) -> Runtime:
        # windows reach past a narrow scene no further than training's crops were large: what is
        # there is mirrored; and they are never larger than 1024 by default, so that all larger
        # scenes share one runtime
        short, long = sorted(scene.grid.shape)
        extent = min(1024, -(-max(short, min(long, self.model.size)) // 32) * 32)
        # only the last: two sizes of window in turn are rare, and each runtime holds the weights
        if extent not in self._runtimes:
            self._runtimes = {extent: open_runtime(self.path, self.spec, extent)}
        return self._runtimes[extent]

    @contextmanager
    def open(self, path: str, bands: tuple[int, ...] | None) -> Iterator[SceneRun]:
        """Open ``path`` resampled to the model's GSD where the two differ, or to that of the scene
        spec.
        """
        spec = self.scene_spec
        with ExitStack() as stack:
            native = stack.enter_context(open_scene(path, spec=spec, expand=True))
            gsd = working_gsd(self.model, native.grid, path, native.picture_gsd)
            if native.grid.crs is not None:
                gsd = spec.gsd or gsd
            scene = native
            if gsd:
                scene = stack.enter_context(open_scene(path, gsd, spec=spec, expand=True))
            runtime = self.runtime(scene)
            planned = plan(scene, runtime, self.spec, bands, native)
            run = SceneRun(scene, runtime, planned, self.spec)
            log.info(
                "%s: %d x %d pixels of %s (model: %s); %s, %s, device %s; %d windows of %d pixels",
                redact_url(path),
                scene.grid.width,
                scene.grid.height,
                _metres(scene.gsd),
                _metres(self.model.gsd),
                self.name,
                runtime.name,
                self.spec.device,
                run.plan.tiles,
                runtime.size,
            )
            yield run

    def provenance(self, *sources: str) -> dict[str, str]:
        """What is stored with an output: version, model, command, sources."""
        return provenance(*sources) | {"GEOSEG_MODEL": f"{self.name} {fingerprint(self.path)}"}


def area_of_interest(spec: PredictSpec, grid: Grid, remarks: Remarks) -> Burner | None:
    """What of ``grid`` is computed: the polygons of the spec's file; None where it names none."""
    if spec.aoi is None:
        return None
    files = VectorFiles.of(spec.aoi, setting=None)
    return Burner(footprints_on(files, grid, remarks).geometry)


def _metres(gsd: float | None) -> str:
    return f"{gsd:.3g} m" if gsd else "unknown size"
