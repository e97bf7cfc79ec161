"""Compare a prediction with the truth: pixels where there is a grid, footprints where there are
footprints.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely

from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.errors import UnsuitableError, UsageError
from geoseg.evaluation.footprints import LayerComparison, compare_layers
from geoseg.evaluation.outcome_layers import write_outcome_layers
from geoseg.evaluation.pixels import ComparedPixels, compare_pixels
from geoseg.evaluation.regions import (
    footprint_intervals,
    footprint_regions,
    pixel_intervals,
    pixel_regions,
    regional_errors,
)
from geoseg.evaluation.reports import EvaluateReport
from geoseg.evaluation.summary import (
    city_scores,
    failed_limits,
    footprint_scores,
    multilabel_scores,
    pixel_scores,
    sweep_scores,
)
from geoseg.geometry.burn import repair
from geoseg.io.atomic import check_output
from geoseg.io.raster.scene import open_scene
from geoseg.io.vector.layers import check_layers
from geoseg.io.vector.read import read_footprints
from geoseg.labels.class_raster import is_vector, open_class_raster
from geoseg.labels.footprints import footprints_in
from geoseg.labels.interpret import interpret
from geoseg.report import Progress, no_progress
from geoseg.specs import EvaluateSpec
from geoseg.specs.vectors import VectorFiles

# Fewer blocks than this are few to draw from
_FEW = 20
# The least area of SpaceNet 2 in pixels: truths of as much count, predictions only of more
_SPACENET_AREA = 20


def run(
    prediction: Path | str,
    truth: Path | str,
    spec: EvaluateSpec | None = None,
    *,
    like: Path | str | None = None,
    layers: Path | str | None = None,
    page: Path | str | None = None,
    image: Path | str | None = None,
    overwrite: bool = False,
    layer: str | None = None,
    where: str | None = None,
    truth_layer: str | None = None,
    truth_where: str | None = None,
    fail_under: Mapping[str, float] | None = None,
    progress: Progress = no_progress,
) -> EvaluateReport:
    """Compare two rasters, two vector files, or one of each.

    Pixels are compared on the grid of ``like``, else of the prediction, else of the truth,
    whichever is a raster first; a truth raster on another grid is read by nearest neighbour,
    footprints are burned. Pixels without data in either raster do not count. The threshold is that
    of probability rasters, by default what their file says or 0.5.

    Footprints match one to one: of two vector files, predictions reprojected to the truth's CRS; of
    a raster and a vector file, what `geoseg polygonize` makes of the raster, and what of the vector
    file lies on it; of two SpaceNet tables, image by image and in their pixels. Two rasters are
    compared by pixel alone; where both are multi-label, each band with that of its name. ``layers``
    names a GeoPackage of true positives, false positives and misses, ``page`` an HTML page of it
    all, with places pictured on the scene ``image`` or on plain ground.

    Of vector files ``layer`` is taken and the features for which ``where`` holds, an SQL condition;
    ``truth_layer`` and ``truth_where`` stand for those of the truth where they differ.

    ``fail_under`` holds the lowest values that will do: ``f1`` is that of the footprints where
    footprints were compared, else of the pixels; ``pixel.f1`` and ``object.f1`` are plain. Limits
    that are not met are in the report, not raised.
    """
    start = time.perf_counter()
    spec = spec or EvaluateSpec()
    names = (str(prediction), str(truth))
    warnings = list[str]()
    if layers is not None:
        check_layers(layers, overwrite)
    if page is not None:
        check_output(page, overwrite)
    sources = (
        _source(names[0], layer, where),
        _source(names[1], truth_layer or layer, truth_where or where, "truth_layer"),
    )
    bands = _shared(names, spec.threshold)
    if bands and (page is not None or spec.bootstrap):
        raise UsageError(
            f"{names[0]}: multi-label bands have metrics, but no page and no intervals"
        )
    pixels, matched = (None, None) if bands else _compare(sources, spec, like, warnings, progress)
    pixel = (
        _band_metrics(bands, names, spec, like, warnings, progress)
        if bands
        else _pixel_metrics(pixels)
    )
    object_scores = _footprint_metrics(matched, spec)
    intervals = _intervals(pixels, matched, spec, warnings)
    places = footprint_regions(matched) if matched else pixel_regions(pixels) if pixels else ()
    failed = failed_limits(pixel, object_scores, fail_under or {})
    if layers is not None:
        if matched is None:
            raise UnsuitableError(
                f"{names[0]}: no footprints were compared, so there are no layers of them"
            )
        write_outcome_layers(layers, matched, names[0], overwrite)
    report = EvaluateReport(
        command="evaluate",
        inputs=names,
        outputs=tuple(str(path) for path in (layers, page) if path is not None),
        seconds=time.perf_counter() - start,
        warnings=tuple(dict.fromkeys(warnings)),
        pixel=pixel,
        object=object_scores,
        intervals=intervals,
        places=places,
        failed=failed,
    )
    if page is not None:
        # matplotlib takes longer to be imported than most layers to be compared
        from geoseg.reports import evaluation_page

        evaluation_page.write(page, report, matched, pixels, spec, image=image, overwrite=overwrite)
    return report


def _source(
    name: str, layer: str | None, where: str | None, setting: str = "layer"
) -> str | VectorFiles:
    """The path of a raster, or a vector file with what is taken of it."""
    return VectorFiles.of(name, layer, where, setting) if is_vector(name) else name


def _compare(
    sources: tuple[str | VectorFiles, str | VectorFiles],
    spec: EvaluateSpec,
    like: Path | str | None,
    warnings: list[str],
    progress: Progress,
) -> tuple[ComparedPixels | None, LayerComparison | None]:
    """Pixels and footprints compared, each where that can be."""
    names = [str(source) for source in sources]
    vectors = [isinstance(source, VectorFiles) for source in sources]
    if spec.profile != "none" and not all(vectors):
        raise UnsuitableError(
            f"{names[vectors.index(False)]}: the profile {spec.profile} compares SpaceNet tables"
        )
    grid = _grid(
        [str(like)]
        if like
        else [name for name, vector in zip(names, vectors, strict=True) if not vector]
    )
    if grid is None and spec.sweep:
        raise _no_probabilities(names[0])
    pixels, matched = (
        (None, None)
        if grid is None
        else _compare_on(grid, sources, spec, sum(vectors) == 1, warnings, progress)
    )
    return pixels, _match_files(sources, spec, warnings) if all(vectors) else matched


def _compare_on(
    grid: Grid,
    sources: tuple[str | VectorFiles, str | VectorFiles],
    spec: EvaluateSpec,
    footprints: bool,
    warnings: list[str],
    progress: Progress,
) -> tuple[ComparedPixels, LayerComparison | None]:
    """Pixels on ``grid``, and if asked for the ``footprints`` on it."""
    with ExitStack() as stack:
        predicted, true = (
            stack.enter_context(open_class_raster(source, grid, spec.threshold, warnings))
            for source in sources
        )
        if spec.sweep and predicted.scores is None:
            raise _no_probabilities(str(sources[0]))
        pixels = compare_pixels(predicted, true, grid, spec, progress)
        if not (footprints and predicted.footprints and true.footprints):
            return pixels, None
        return pixels, compare_layers(predicted.footprints(), true.footprints(), spec)


def _shared(names: tuple[str, str], threshold: float | None) -> dict[str, tuple[int, int]]:
    """Bands with the same name in two multi-label rasters: name -> (index, index); empty
    otherwise.
    """
    if any(map(is_vector, names)):
        return {}
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


def _band_metrics(
    bands: dict[str, tuple[int, int]],
    names: tuple[str, str],
    spec: EvaluateSpec,
    like: Path | str | None,
    warnings: list[str],
    progress: Progress,
) -> dict[str, Any]:
    """Metrics of the pixels of each of the ``bands`` that :func:`_shared` found."""
    grid = _grid([str(like or names[0])])
    assert grid is not None
    rows = {}
    for band, numbers in bands.items():
        with ExitStack() as stack:
            predicted, true = (
                stack.enter_context(open_class_raster(name, grid, spec.threshold, warnings, number))
                for name, number in zip(names, numbers, strict=True)
            )
            if spec.sweep and predicted.scores is None:
                raise _no_probabilities(names[0])
            rows[band] = _pixel_metrics(compare_pixels(predicted, true, grid, spec, progress))
        del rows[band]["classes"]
    return multilabel_scores(rows)


def _no_probabilities(name: str) -> UnsuitableError:
    return UnsuitableError(
        f"{name}: holds no probabilities to sweep", "give what `geoseg predict` writes"
    )


def _grid(rasters: list[str]) -> Grid | None:
    if not rasters:
        return None
    with open_scene(rasters[0]) as scene:
        return scene.grid


def _match_files(
    sources: tuple[str | VectorFiles, str | VectorFiles], spec: EvaluateSpec, warnings: list[str]
) -> LayerComparison:
    """Footprints of two vector files matched in the truth's CRS, those of two SpaceNet tables image
    by image.
    """
    tables = [
        _in_pixels(VectorFiles.of(source), warnings)
        for source in sources
        if str(source).lower().endswith(".csv")
    ]
    if len(tables) == 2 and all(table.pixels for table in tables):
        predictions, truths = tables
        if spec.profile == "spacenet2":
            predictions = predictions.take(shapely.area(predictions.geometry) > _SPACENET_AREA)
            truths = truths.take(shapely.area(truths.geometry) >= _SPACENET_AREA)
        return compare_layers(predictions, truths, spec, by_image=True)
    if spec.profile != "none":
        raise UnsuitableError(
            f"{sources[0]}: the profile {spec.profile} compares SpaceNet tables with PolygonWKT_Pix"
        )
    truth = footprints_in(sources[1], None, warnings)
    prediction = footprints_in(
        sources[0], truth.crs, warnings, columns=("confidence",), beside=truth
    )
    return compare_layers(prediction, truth, spec)


def _in_pixels(name: VectorFiles, warnings: list[str]) -> Layer:
    table = read_footprints(name.paths[0], where=name.where, pixels=True)
    geometry, repaired = repair(table.geometry)
    if repaired:
        warnings.append(f"{name}: {repaired} invalid footprints repaired")
    return replace(table, geometry=geometry)


def _pixel_metrics(pixels: ComparedPixels | None) -> dict[str, Any]:
    if pixels is None:
        return {}
    swept = {} if pixels.swept is None else sweep_scores(pixels.swept)
    return (
        pixel_scores(pixels.matrix, pixels.outlines, pixels.names)
        | {"boundary_width": pixels.boundary_width}
        | swept
    )


def _footprint_metrics(matched: LayerComparison | None, spec: EvaluateSpec) -> dict[str, Any]:
    if matched is None:
        return {}
    cities = {} if matched.images is None else city_scores(matched)
    return (
        footprint_scores(matched, spec.iou)
        | cities
        | regional_errors(matched, spec.neighbourhood.value)
    )


def _intervals(
    pixels: ComparedPixels | None,
    matched: LayerComparison | None,
    spec: EvaluateSpec,
    warnings: list[str],
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if not spec.bootstrap:
        return out
    if matched:
        out["object"] = footprint_intervals(matched, spec.bootstrap, spec.seed)
        if len(matched.bounds) < _FEW:
            kind = "ground blocks" if matched.images is None else "images"
            warnings.append(
                f"only {len(matched.bounds)} {kind}: confidence intervals are unreliable"
            )
    if pixels:
        out["pixel"] = pixel_intervals(pixels, spec.bootstrap, spec.seed)
    return out
