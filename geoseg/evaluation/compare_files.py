"""Two files compared: by pixel where there is a grid, footprint by footprint where there are
footprints.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import shapely

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import SettingError, UnsuitableError
from geoseg.evaluation.cluster import ComparedSides
from geoseg.evaluation.extent import Extent, cut_at, masked, meets
from geoseg.evaluation.footprints import LayerComparison, compare_layers
from geoseg.evaluation.pixels import ComparedPixels, compare_pixels
from geoseg.evaluation.source_scenes import source_scenes
from geoseg.geometry.burn import repair
from geoseg.io.raster.scene import open_scene
from geoseg.io.vector.read import read_footprints
from geoseg.labels.class_raster import ClassRaster, is_vector, open_class_raster
from geoseg.labels.data_extent import extent_of, scene_extent
from geoseg.labels.footprints import footprints_in
from geoseg.labels.interpret import interpret
from geoseg.parallel.cluster import Cluster
from geoseg.report import Run
from geoseg.specs import ComparedGround, EvaluateSpec, SceneSpec
from geoseg.specs.vectors import VectorFiles

# The least area of SpaceNet 2 in pixels: truths of as much count, predictions only of more
_SPACENET_AREA = 20

Source = str | VectorFiles


@dataclass
class Comparison:
    """What was compared: ``pixels``, ``footprints``, and of two multi-label rasters the pixels of
    each of their ``bands``.

    ``ground`` is what a report says of where: the ``scenes`` whose data bounds it, what
    ``named_by`` (``image`` or ``provenance``), the ``aoi``, and how many footprints of the truth
    and of the prediction lie ``beyond``.
    """

    pixels: ComparedPixels | None = None
    footprints: LayerComparison | None = None
    bands: dict[str, ComparedPixels] = field(default_factory=dict)
    ground: dict[str, Any] = field(default_factory=dict)


def compare_files(
    sources: tuple[Source, Source],
    spec: EvaluateSpec,
    ground: ComparedGround,
    accompany: Run,
    scene_spec: SceneSpec = SceneSpec(),
    cluster: Cluster | None = None,
) -> Comparison:
    """Prediction and truth compared, each where that can be; ``scene_spec`` is how the scene of
    ``ground`` is read, pixels are counted by the ``cluster`` where there is one.

    Raises UnsuitableError where the two do not go together.
    """
    names = [str(source) for source in sources]
    vectors = [isinstance(source, VectorFiles) for source in sources]
    if spec.profile != "none" and not all(vectors):
        raise UnsuitableError(
            f"{names[vectors.index(False)]}: the profile {spec.profile} compares SpaceNet tables"
        )
    if ground.image is None and scene_spec != SceneSpec():
        raise SettingError("image", "is the scene of which a part or nodata is given")
    compare = _Comparing(sources, spec, ground, accompany, scene_spec, cluster)
    # Without a grid of its own choice the comparison takes that of the first raster; two vector
    # files are compared by footprints alone
    rasters = [name for name, vector in zip(names, vectors, strict=True) if not vector]
    grid = _grid([ground.like] if ground.like else rasters)
    if grid is None and spec.sweep:
        raise _no_probabilities(names[0])
    if all(vectors):
        compare.layers()
        if grid is not None:
            compare.on_grid(grid)
        return compare.made
    assert grid is not None
    shared = {} if any(vectors) else _shared((names[0], names[1]), spec.threshold)
    if shared:
        compare.bands(grid, shared)
    else:
        compare.on_grid(grid, footprints=any(vectors))
    return compare.made


class _Comparing:
    """Compares one pair of files, and notes in ``made`` what came of it."""

    def __init__(
        self,
        sources: tuple[Source, Source],
        spec: EvaluateSpec,
        ground: ComparedGround,
        accompany: Run,
        scene_spec: SceneSpec,
        cluster: Cluster | None,
    ) -> None:
        self.sources = sources
        self.spec = spec
        self.ground = ground
        self.accompany = accompany
        self.scene_spec = scene_spec
        self.cluster = cluster
        self.extent: Extent | None = None
        self.made = Comparison()

    def on_grid(self, grid: Grid, footprints: bool = False) -> None:
        """Compare pixels on ``grid``, and where asked for the ``footprints`` on it."""
        with ExitStack() as stack:
            predicted, true = self._opened(grid, stack)
            if self.extent is None:
                self.extent = self._bounded(grid)
            true = masked(true, self.extent, grid)
            if doubt := predicted.doubt(true):
                self.accompany.remarks.append(f"{self.sources[0]}, {self.sources[1]}: {doubt}")
            self.made.pixels = self._compared(predicted, true, grid)
            if footprints and predicted.footprints and true.footprints:
                raster = predicted if isinstance(self.sources[1], VectorFiles) else true
                # beyond the data of a raster nothing can be found, and nothing is known
                data = extent_of(lambda first, last: raster.read(first, last) != VOID, grid)
                areas = (data, *(self.extent.areas if self.extent else ()))
                self._match(predicted.footprints(), true.footprints(), Extent(areas))

    def bands(self, grid: Grid, shared: dict[str, tuple[int, int]]) -> None:
        """Compare the pixels of each of the bands that :func:`_shared` found."""
        self.extent = self._bounded(grid)
        for band, numbers in shared.items():
            with ExitStack() as stack:
                predicted, true = self._opened(grid, stack, numbers)
                true = masked(true, self.extent, grid)
                self.made.bands[band] = self._compared(predicted, true, grid, numbers)

    def _compared(
        self,
        predicted: ClassRaster,
        true: ClassRaster,
        grid: Grid,
        bands: tuple[int | None, int | None] = (None, None),
    ) -> ComparedPixels:
        """Pixels counted here, or by the workers of the cluster."""
        self._check_sweep(predicted)
        progress = self.accompany.progress
        counting = None
        if self.cluster is not None:
            present = predicted.present, true.present
            sides = ComparedSides(self.sources, grid, self.spec, bands, present, self.extent)
            counting = partial(sides.shared_out, self.cluster)
        try:
            return compare_pixels(predicted, true, grid, self.spec, progress, counting=counting)
        except UnsuitableError as error:
            names = ", ".join(map(str, self.sources))
            raise UnsuitableError(f"{names}: {error.message}", error.hint) from error

    def layers(self) -> None:
        """Match the footprints of two vector files in the truth's CRS, those of two SpaceNet tables
        image by image.
        """
        if self._tables():
            return
        predictions, truths = self.sources
        assert isinstance(predictions, VectorFiles)
        remarks = self.accompany.remarks
        truth = footprints_in(truths, None, remarks)
        prediction = footprints_in(
            predictions, truth.crs, remarks, columns=("confidence", "scene"), beside=truth
        )
        scenes: dict[str, Layer] = {}
        if self.ground.image:
            scenes = {self.ground.image: scene_extent(self.ground.image, self.scene_spec)}
        elif scenes := source_scenes(predictions, prediction, remarks):
            self.made.ground["named_by"] = "provenance"
        self.extent = self._within(scenes, truth, prediction)
        self._match(prediction, truth, self.extent)

    def _within(self, scenes: dict[str, Layer], truth: Layer, prediction: Layer) -> Extent:
        """The data of the ``scenes``, where footprints lie on it, and the area of interest."""
        areas = []
        if scenes:
            data = Layer.joined(_in_one_crs(list(scenes.values())), next(iter(scenes.values())).crs)
            fits = (data.crs is None) == (truth.crs is None) and meets(
                [prediction, truth], Extent((data,)).in_crs(truth.crs, _middle(truth))
            )
            if fits:
                areas.append(data)
                self.made.ground["scenes"] = tuple(scenes)
                self.made.ground.setdefault("named_by", "image")
            else:
                self.made.ground.clear()
                self.accompany.remarks.append(
                    f"{next(iter(scenes))}: no footprint lies on it, so it does not bound the truth"
                )
        return Extent((*areas, *self._aoi(truth.crs, beside=truth)))

    def _bounded(self, grid: Grid) -> Extent:
        """The data of the scene that is named and the area of interest, where rasters are
        compared.
        """
        areas = []
        if self.ground.image:
            data = scene_extent(self.ground.image, self.scene_spec)
            frame = [shapely.box(*grid.bounds)]
            fits = (data.crs is None) == (grid.crs is None) and meets(
                [Layer(np.array(frame), grid.crs)], Extent((data,)).in_crs(grid.crs)
            )
            if fits:
                areas.append(data)
                self.made.ground |= {"scenes": (self.ground.image,), "named_by": "image"}
        return Extent((*areas, *self._aoi(grid.crs, grid=grid)))

    def _aoi(self, crs: Any, **near: Any) -> list[Layer]:
        if not self.ground.aoi:
            return []
        area = VectorFiles.of(self.ground.aoi, setting=None)
        found = footprints_in(area, crs, self.accompany.remarks, **near)
        if shapely.is_empty(found.geometry).all():
            raise UnsuitableError(f"{area}: holds no polygons")
        self.made.ground["aoi"] = self.ground.aoi
        return [replace(found, crs=crs)]

    def _match(self, prediction: Layer, truth: Layer, extent: Extent) -> None:
        """Match footprints on the ground of ``extent``."""
        there = [int((~shapely.is_empty(each.geometry)).sum()) for each in (prediction, truth)]
        if extent.areas:
            inside = extent.in_crs(truth.crs, _middle(truth))
            prediction, truth = cut_at(prediction, truth, inside, self.spec)
            left_out = there[0] - len(prediction), there[1] - len(truth)
            if self.made.ground or any(left_out):
                self.made.ground["beyond"] = {"prediction": left_out[0], "truth": left_out[1]}
        self.made.footprints = compare_layers(prediction, truth, self.spec)

    def _tables(self) -> bool:
        """Compare two SpaceNet tables image by image; False where there are no two."""
        tables = [
            self._in_pixels(VectorFiles.of(source))
            for source in self.sources
            if str(source).lower().endswith(".csv")
        ]
        if len(tables) == 2 and all(table.pixels for table in tables):
            predictions, truths = tables
            if self.spec.profile == "spacenet2":
                predictions = predictions.take(shapely.area(predictions.geometry) > _SPACENET_AREA)
                truths = truths.take(shapely.area(truths.geometry) >= _SPACENET_AREA)
            self.made.footprints = compare_layers(predictions, truths, self.spec, by_image=True)
            return True
        if self.spec.profile != "none":
            raise UnsuitableError(
                f"{self.sources[0]}: the profile {self.spec.profile} compares SpaceNet tables with "
                "PolygonWKT_Pix"
            )
        return False

    def _in_pixels(self, name: VectorFiles) -> Layer:
        table = read_footprints(name.paths[0], where=name.where, pixels=True)
        geometry, repaired = repair(table.geometry)
        if repaired:
            self.accompany.remarks.append(f"{name}: {repaired} invalid footprints repaired")
        return replace(table, geometry=geometry)

    def _opened(
        self, grid: Grid, stack: ExitStack, bands: tuple[int | None, int | None] = (None, None)
    ) -> list[ClassRaster]:
        """Prediction and truth on ``grid``."""
        level = self.spec.threshold
        remarks = self.accompany.remarks
        return [
            stack.enter_context(open_class_raster(source, grid, level, remarks, band))
            for source, band in zip(self.sources, bands, strict=True)
        ]

    def _check_sweep(self, predicted: ClassRaster) -> None:
        if self.spec.sweep and predicted.scores is None:
            raise _no_probabilities(str(self.sources[0]))


def _shared(names: tuple[str, str], threshold: float | None) -> dict[str, tuple[int, int]]:
    """Bands with the same name in two multi-label rasters: name -> (index, index); empty
    otherwise.
    """
    named = []
    for name in names:
        with open_scene(name) as scene:
            meaning = interpret(scene, threshold)
        several = meaning.names.values() if meaning.kind == "multilabel" else ()
        named.append([band.lower() for band in several])
    predicted, true = named
    shared = {band: (predicted.index(band), true.index(band)) for band in predicted if band in true}
    if predicted and true and not shared:
        raise UnsuitableError(
            f"{names[0]}: has the bands {', '.join(predicted)}, {names[1]} {', '.join(true)}"
        )
    return shared


def _in_one_crs(layers: list[Layer]) -> list[Layer]:
    """Layers of polygons without columns in the CRS of the first."""
    first = layers[0].crs
    return [
        layer if layer.crs == first else Layer(np.array([Extent((layer,)).in_crs(first)]), first)
        for layer in layers
    ]


def _middle(layer: Layer) -> float | None:
    left, _, right, _ = layer.bounds
    return (left + right) / 2 if np.isfinite(left + right) else None


def _grid(rasters: list[str]) -> Grid | None:
    if not rasters:
        return None
    with open_scene(rasters[0]) as scene:
        return scene.placed_grid


def _no_probabilities(name: str) -> UnsuitableError:
    return UnsuitableError(
        f"{name}: holds no probabilities to sweep", "give what `geoseg predict` writes"
    )


def source_of(name: str, chosen: VectorFiles) -> Source:
    """The path of a raster, or a vector file with what is ``chosen`` of it."""
    return chosen if is_vector(name) else name
