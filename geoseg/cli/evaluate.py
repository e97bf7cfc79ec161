"""``geoseg evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options, scene_options, specs
from geoseg.cli.command import command
from geoseg.cli.labelled import labelled_data
from geoseg.errors import SettingError, UnsuitableError, UsageError
from geoseg.specs import (
    ComparedGround,
    EvaluateSpec,
    EvaluationOutput,
    ExtractSpec,
    FootprintChoice,
    LabelledData,
    PredictSpec,
)

# The worst ground blocks that the text shows, and the parts of a report that only --json has
WORST = 5
LEFT_OUT = {"pixel": ("sweep", "boundary_width"), "object": ("by_iou",)}


@command
@click.argument("prediction", required=False, type=options.SCENE)
@click.argument("truth", required=False, type=options.SCENE)
@specs.spec_options(
    "spec",
    EvaluateSpec,
    specs.setting(EvaluateSpec, "iou", "Minimum IoU at which a prediction counts as a match."),
    specs.setting(
        EvaluateSpec,
        "threshold",
        "Minimum probability of a building pixel, 0 to 1.  [default: that of the raster, else 0.5]",
    ),
    specs.setting(EvaluateSpec, "boundary_width", "Width of the boundary IoU's band in pixels."),
    specs.setting(
        EvaluateSpec,
        "neighbourhood",
        "Size of the ground blocks by which errors are reported, in metres.",
    ),
    specs.setting(
        EvaluateSpec,
        "bootstrap",
        "Number of bootstrap samples for 95% confidence intervals; 0 computes none.",
        metavar="N",
    ),
    specs.setting(
        EvaluateSpec, "seed", "Random seed of the bootstrap, and of the split of scenes."
    ),
    specs.setting(
        EvaluateSpec, "sweep", "Score a probability raster at every threshold.  [default: at one]"
    ),
    specs.setting(
        EvaluateSpec, "profile", "Rules of a challenge: spacenet2 scores its CSV tables."
    ),
)
@specs.spec_options("predict", PredictSpec, *specs.inference)
@specs.spec_options("polygon", ExtractSpec, *specs.shaping)
@click.option(
    "--data",
    multiple=True,
    type=options.SCENE,
    metavar="DATA",
    help="Score the model on this chip folder, or on this scene with --labels, instead of two "
    "files; repeatable.",
)
@labelled_data("test")
@options.model
@specs.spec_options(
    "ground",
    ComparedGround,
    click.option(
        "--like",
        type=options.SCENE,
        metavar="RASTER",
        help="Raster whose grid pixels are compared on.  [default: the first raster of the two]",
    ),
    click.option(
        "--image",
        type=options.SCENE,
        metavar="SCENE",
        help="Scene beyond whose data nothing counts; drawn under the figures of the report.  "
        "[default: the scene that the prediction was made from, if it is there]",
    ),
    click.option(
        "--aoi",
        type=options.SCENE,
        metavar="FILE",
        help="Polygons of the area of interest; beyond them nothing counts.  [default: all]",
    ),
)
@scene_options.part_in_crs
@specs.spec_options(
    "choice", FootprintChoice, options.input_layer, options.where, *options.of_truth
)
@specs.spec_options(
    "output",
    EvaluationOutput,
    click.option(
        "--layers",
        type=options.FILE,
        metavar="OUT.gpkg",
        help="Write a GeoPackage with layers of true positives, false positives and missed "
        "footprints.",
    ),
    click.option(
        "--report",
        "page",
        type=options.FILE,
        metavar="OUT.html",
        help="Write a self-contained page with figures and plots.",
    ),
    options.overwrite,
)
@click.option(
    "--fail-under",
    multiple=True,
    metavar="METRIC=VALUE",
    callback=options.limits,
    help="Exit code 4 if a score is lower, e.g. f1=0.7; repeatable.",
)
@options.scheduler
@options.threads
def evaluate(
    as_json: bool,
    data: LabelledData | None,
    model: Path | None,
    predict: PredictSpec,
    polygon: ExtractSpec,
    **arguments: Any,
) -> None:
    """Score a prediction, or a model on labelled data: chips, or scenes with --labels.

    Two rasters are compared by pixel, two layers footprint by footprint, a raster and a layer both
    ways. The text shows the five worst ground blocks; --json has all numbers. The exit code is 4
    if a score is below its limit of --fail-under.

    \b
    Example:
        geoseg evaluate buildings.gpkg footprints.gpkg --fail-under f1=0.7
        geoseg evaluate probability.tif footprints.gpkg --sweep --layers outcomes.gpkg
        geoseg evaluate --data chips -m model.safetensors --split test --report model.html
        geoseg evaluate --data scene.tif --labels footprints.gpkg --split all
    """
    report = _of_data(data, model, predict, polygon, arguments) if data else _of_files(arguments)
    error = None
    if report.failed:
        name = data or arguments["prediction"]
        error = UnsuitableError(f"{name}: {', '.join(report.failed)}")
    options.emit(report, as_json, _without_confusion if data else _brief, error)


def _of_data(
    data: LabelledData,
    model: Path | None,
    predict: PredictSpec,
    polygon: ExtractSpec,
    arguments: dict[str, Any],
) -> Any:
    from geoseg.tools import evaluate_chips as tool

    output = arguments["output"]
    others = {name: arguments[name] for name in ("prediction", "scheduler")}
    others["layers"] = output.layers
    for part in ("ground", "choice", "scene_spec"):
        others |= vars(arguments[part])
    if named := [f"`{name}`" for name, value in others.items() if value]:
        raise SettingError("data", f"cannot be combined with {' or '.join(named)}")
    return tool.run(
        data,
        model,
        predict_spec=predict,
        polygon_spec=polygon,
        iou=arguments["spec"].iou,
        fail_under=arguments["fail_under"],
        page=output.page,
        overwrite=output.overwrite,
        progress=options.progress(),
    )


def _of_files(arguments: dict[str, Any]) -> Any:
    from geoseg.tools import evaluate as tool

    if not arguments["truth"]:
        raise UsageError("needs PREDICTION and TRUTH, or --data", "see geoseg evaluate --help")
    return tool.run(progress=options.progress(), **arguments)


def _without_confusion(content: dict[str, Any]) -> dict[str, Any]:
    content["pixel"].pop("confusion", None)
    return content


def _brief(content: dict[str, Any]) -> dict[str, Any]:
    """What a terminal shows: no curves, only buildings of two classes, and the worst places by
    their centres.
    """
    if "tp" in content["pixel"]:
        del content["pixel"]["classes"]
    for part, names in LEFT_OUT.items():
        for metrics in (content[part], *content[part].get("classes", {}).values()):
            for name in metrics.keys() & names:
                del metrics[name]
    worst = [
        place for place in content.pop("places")[:WORST] if place.get("f1", place.get("iou")) < 1
    ]
    return content | {"worst_places": [_placed(**place) for place in worst]}


def _placed(bounds: list[float], crs: str | None, **values: Any) -> dict[str, Any]:
    digits = 5 if crs and max(map(abs, bounds)) <= 180 else 0  # degrees
    x, y = (f"{(bounds[side] + bounds[side + 2]) / 2:.{digits}f}" for side in (0, 1))
    where = {} if "image" in values else {"x": x, "y": y}
    return where | {name: value for name, value in values.items() if name not in ("tp", "fp", "fn")}
