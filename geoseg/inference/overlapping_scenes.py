"""The layer that the scenes of one run share: footprints that several of them may have found wait
until all are done, so that each building is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import numpy as np
import shapely
from pyproj import CRS

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer, size_columns
from geoseg.core.transformation import LONLAT
from geoseg.errors import GeosegError
from geoseg.geometry.duplicates import distinct
from geoseg.geometry.footprints import columns
from geoseg.geometry.longitudes import mended, near, period
from geoseg.geometry.outlines import to_crs_coordinates
from geoseg.inference.session import LoadedModel
from geoseg.io.raster.scene import open_scene
from geoseg.io.vector.write import FootprintWriter, create_vector
from geoseg.parallel.clock import Clock
from geoseg.specs import PixelReference, PolygonSpec, VectorTarget

# Points along a side of a scene: what is straight in its CRS is not in another
_POINTS = 32


class OverlapBuffer:
    """Footprints on ground that other scenes of the run show too; memory is theirs alone.

    ``grids`` has that of each scene. Without a CRS no two scenes are known to show the same ground.
    """

    def __init__(self, grids: Mapping[str, Grid], crs: CRS | None) -> None:
        self.scenes = [name for name, grid in grids.items() if grid.crs is not None]
        self.crs = crs
        extents = [_extent(name, grids[name], crs) for name in self.scenes] if crs else []
        # a quarter of the globe from the scene that gives the CRS others may have no place in it
        if not np.isfinite(shapely.get_coordinates(extents)).all():
            self.crs = LONLAT
            extents = [_extent(name, grids[name], LONLAT) for name in self.scenes]
        self.circle = period(self.crs)
        self.middle = 0.0
        if self.circle and extents:
            left, _, right, _ = shapely.bounds(mended(np.array(extents[:1]), self.circle))[0]
            self.middle = (left + right) / 2
        self.tree = shapely.STRtree(self._on_one_side(np.array(extents, object)))
        self.held: list[tuple[Layer, np.ndarray]] = []

    def unshared(self, scene: str, batch: Layer) -> Layer:
        """Those of ``batch`` that no other scene can have found; the others are held."""
        # footprints are compared in one CRS, and written from their own: on the way through one
        # that lies far off they could lose their place
        places = batch.geometry
        if batch.crs is not None and self.crs is not None and batch.crs != self.crs:
            places = batch.to_crs(self.crs, scene).geometry
        places = self._on_one_side(places)
        one, other = self.tree.query(places, predicate="intersects")
        shared = np.zeros(len(batch), bool)
        shared[one[np.array(self.scenes, object)[other] != scene]] = True
        if shared.any():
            self.held.append((batch.take(shared), places[shared]))
        return batch.take(~shared)

    def _on_one_side(self, geometry: np.ndarray) -> np.ndarray:
        """What lies beyond 180 degrees for one scene and beyond -180 for another, side by side."""
        return near(geometry, self.middle, self.circle) if self.circle else geometry

    def resolve_held(self) -> Iterator[Layer]:
        """The best footprint of each building that was held, in the order they came."""
        if not self.held:
            return
        columns = [batch.columns for batch, _ in self.held]
        stays = distinct(
            np.concatenate([places for _, places in self.held]),
            np.concatenate([each["edge"] for each in columns]),
            np.concatenate([each["confidence"] for each in columns]),
        )
        ends = np.cumsum([len(batch) for batch, _ in self.held])
        for (batch, _), chosen in zip(self.held, np.split(stays, ends[:-1]), strict=True):
            yield batch.take(chosen)


def _extent(name: str, grid: Grid, crs: CRS | None) -> shapely.Geometry:
    # before it is reprojected: with corners alone the sides would stay straight
    box = shapely.segmentize(shapely.box(0, 0, grid.width, grid.height), max(grid.shape) / _POINTS)
    outline = Layer(to_crs_coordinates(np.array([box]), grid.transform), grid.crs)
    same = crs is None or grid.crs == crs
    return (outline if same else outline.to_crs(crs, name)).geometry[0]


class SharedLayer:
    """The layer of ``scenes`` in ``target``, opened in the CRS of the first that is written, and
    closed by ``stack``.

    ``footprints`` are written so far, of ``area`` together: in square metres, or in pixels without
    a ``crs``.
    """

    def __init__(
        self,
        scenes: Sequence[str],
        target: VectorTarget,
        loaded: LoadedModel,
        spec: PolygonSpec,
        reference: PixelReference,
        stack: ExitStack,
    ) -> None:
        self.scenes = scenes
        self.target = target
        self.loaded = loaded
        self.spec = spec
        self.reference = reference
        self.stack = stack
        self.writer: FootprintWriter | None = None
        self.crs: CRS | None = None
        self.footprints = 0
        self.area = 0.0

    def write(self, path: str, grid: Grid, batches: Iterable[Layer], clock: Clock) -> None:
        """Write ``batches`` of the scene at ``path``; what other scenes show too is held back."""
        if self.writer is None:
            self.crs = grid.crs
            self.overlaps = OverlapBuffer(self._grids(), grid.crs)
            self.writer = self.stack.enter_context(
                create_vector(
                    self.target.output,
                    grid.crs,
                    columns=columns(self.spec, grid.crs),
                    metadata=self.loaded.provenance(*self.scenes),
                    **self.target.keywords(),
                )
            )
        for batch in batches:
            with clock("write"):
                self._add(self.writer, self.overlaps.unshared(path, batch))

    def finish(self) -> None:
        """Write what was held back: each building once."""
        if self.writer is not None:
            for batch in self.overlaps.resolve_held():
                self._add(self.writer, batch)
            self._count(self.writer.finish())

    def _add(self, writer: FootprintWriter, batch: Layer) -> None:
        """Write ``batch``, numbered onwards."""
        numbers = np.arange(writer.count + 1, writer.count + 1 + len(batch))
        self._count(writer.write(replace(batch, columns={**batch.columns, "id": numbers})))

    def _count(self, written: Layer) -> None:
        self.footprints += len(written)
        name, _ = size_columns(written.crs)
        self.area += float(written.columns[name].sum()) if len(written) else 0.0

    def _grids(self) -> dict[str, Grid]:
        """Where the scenes lie; what is wrong with one is an error when its turn comes."""
        grids = {}
        for path in self.scenes if len(self.scenes) > 1 else ():
            with (
                suppress(GeosegError),
                open_scene(path, spec=self.loaded.scene_spec) as scene,
            ):
                grids[path] = scene.placed(self.reference)
        return grids
