"""Compare a prediction with the truth: pixels where there is a grid, footprints where there are
footprints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from geoseg.errors import UnsuitableError, UsageError
from geoseg.evaluation.compare_files import Comparison, compare_files, source_of
from geoseg.evaluation.footprints import LayerComparison
from geoseg.evaluation.outcome_layers import write_outcome_layers
from geoseg.evaluation.pixels import ComparedPixels
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
from geoseg.io.atomic import check_apart, check_output
from geoseg.io.vector.layers import check_layers
from geoseg.parallel.cluster import connected
from geoseg.report import Progress, Remarks, Run, no_progress
from geoseg.specs import (
    ComparedGround,
    EvaluateSpec,
    EvaluationOutput,
    FootprintChoice,
    SceneSpec,
)
from geoseg.specs.vectors import VectorFiles

# Fewer blocks than this are few to draw from
_FEW = 20


def run(
    prediction: Path | str,
    truth: Path | str,
    spec: EvaluateSpec | None = None,
    *,
    choice: FootprintChoice = FootprintChoice(),
    ground: ComparedGround = ComparedGround(),
    scene_spec: SceneSpec = SceneSpec(),
    output: EvaluationOutput = EvaluationOutput(),
    fail_under: Mapping[str, float] | None = None,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> EvaluateReport:
    """Compare two rasters, two vector files, or one of each.

    Pixels are compared on the grid of ``ground.like``, else of the prediction, else of the truth,
    whichever is a raster first; a truth raster on another grid is read by nearest neighbour,
    footprints are burned. Pixels without data in either raster do not count. The threshold is that
    of probability rasters, by default what their file says or 0.5.

    Footprints match one to one: of two vector files, predictions reprojected to the truth's CRS; of
    a raster and a vector file, what `geoseg polygonize` makes of the raster; of two SpaceNet
    tables, image by image and in their pixels. What lies beyond the data of the raster, of the
    scene ``ground.image`` or of that which the prediction was made from, or beyond ``ground.aoi``,
    is neither missed nor found (:mod:`geoseg.evaluation.extent`); ``scene_spec`` says which part of
    ``ground.image`` counts, and what it lacks. Two rasters are compared by pixel
    alone; where both are multi-label, each band with that of its name.

    ``fail_under`` holds the lowest values that will do: ``f1`` is that of the footprints where
    footprints were compared, else of the pixels; ``pixel.f1`` and ``object.f1`` are plain. Limits
    that are not met are in the report, not raised. The workers of the Dask cluster at address
    ``scheduler`` count the pixels where one is given.
    """
    accompany = Run(progress)
    spec = spec or EvaluateSpec()
    names = (str(prediction), str(truth))
    for path in output.paths:
        check_apart(path, *_files(names, ground))
    if output.layers is not None:
        check_layers(output.layers, output.overwrite)
    if output.page is not None:
        check_output(output.page, output.overwrite)
    sources = (
        source_of(names[0], choice.of_prediction(names[0])),
        source_of(names[1], choice.of_truth(names[1])),
    )
    with connected(scheduler) as cluster:
        compared = compare_files(sources, spec, ground, accompany, scene_spec, cluster)
    _check_asked(compared, names[0], spec, output)
    report = _report(names, compared, spec, fail_under or {}, output, accompany)
    if output.layers is not None and compared.footprints is not None:
        write_outcome_layers(output.layers, compared.footprints, names[0], output.overwrite)
    if output.page is not None:
        # matplotlib takes longer to be imported than most layers to be compared
        from geoseg.reports import evaluation_page

        evaluation_page.write(output.page, report, compared, spec, ground.image, output.overwrite)
    return report


def _files(names: tuple[str, str], ground: ComparedGround) -> Iterator[Path]:
    """All files that are read; of a vector file the path without its layer."""
    for name in (*names, ground.like, ground.image, ground.aoi):
        if name is not None:
            yield from VectorFiles.of(name).paths


def _check_asked(
    compared: Comparison, name: str, spec: EvaluateSpec, output: EvaluationOutput
) -> None:
    """Raise where what was compared does not give what was asked for."""
    if compared.bands and (output.page is not None or spec.bootstrap):
        raise UsageError(f"{name}: multi-label bands have metrics, but no page and no intervals")
    if output.layers is not None and compared.footprints is None:
        raise UnsuitableError(
            f"{name}: no footprints were compared, so there are no layers of them"
        )


def _report(
    names: tuple[str, str],
    compared: Comparison,
    spec: EvaluateSpec,
    limits: Mapping[str, float],
    output: EvaluationOutput,
    accompany: Run,
) -> EvaluateReport:
    """The scores of what was compared."""
    pixels, matched = compared.pixels, compared.footprints
    pixel = _pixel_metrics(pixels)
    if compared.bands:
        pixel = multilabel_scores({band: _of_band(each) for band, each in compared.bands.items()})
    object_scores = _footprint_metrics(matched, spec)
    intervals = _intervals(pixels, matched, spec, accompany.remarks)
    places = footprint_regions(matched) if matched else pixel_regions(pixels) if pixels else ()
    return EvaluateReport(
        command="evaluate",
        inputs=names,
        outputs=tuple(map(str, output.paths)),
        seconds=accompany.seconds,
        warnings=accompany.remarks.unique(),
        pixel=pixel,
        object=object_scores,
        ground=compared.ground,
        intervals=intervals,
        places=places,
        failed=failed_limits(pixel, object_scores, limits),
    )


def _pixel_metrics(pixels: ComparedPixels | None) -> dict[str, Any]:
    if pixels is None:
        return {}
    swept = {} if pixels.swept is None else sweep_scores(pixels.swept)
    return (
        pixel_scores(pixels.matrix, pixels.outlines, pixels.names)
        | {"boundary_width": pixels.boundary_width}
        | swept
    )


def _of_band(pixels: ComparedPixels) -> dict[str, Any]:
    """Metrics of one multi-label band, which is a class itself."""
    metrics = _pixel_metrics(pixels)
    del metrics["classes"]
    return metrics


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
    remarks: Remarks,
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if not spec.bootstrap:
        return out
    if matched:
        out["object"] = footprint_intervals(matched, spec.bootstrap, spec.seed)
        if len(matched.bounds) < _FEW:
            kind = "ground blocks" if matched.images is None else "images"
            remarks.append(
                f"only {len(matched.bounds)} {kind}: confidence intervals are unreliable"
            )
    if pixels:
        out["pixel"] = pixel_intervals(pixels, spec.bootstrap, spec.seed)
    return out
