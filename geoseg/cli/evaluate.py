"""``geoseg evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command
from geoseg.errors import UnsuitableError, UsageError
from geoseg.specs import EvaluateSpec, PredictSpec

# The worst blocks of ground that text shows, and what of a report it leaves to --json
WORST = 5
LEFT_OUT = {"pixel": ("sweep", "boundary_width"), "object": ("by_iou",)}


@command
@click.argument("prediction", required=False)
@click.argument("truth", required=False)
@options.spec_options(
    "spec",
    EvaluateSpec,
    options.setting(
        EvaluateSpec, "iou", "IoU of a match.", type=click.FloatRange(0, 1, min_open=True)
    ),
    options.setting(
        EvaluateSpec,
        "threshold",
        "Probability from which a pixel is building.  [default: 0.5]",
        type=options.OPEN_UNIT,
    ),
    options.setting(
        EvaluateSpec, "boundary_width", "Pixels, for the boundary IoU.", type=click.IntRange(1)
    ),
    options.setting(
        EvaluateSpec, "neighbourhood", "Side of the blocks of ground that errors are told by."
    ),
    options.setting(
        EvaluateSpec,
        "bootstrap",
        "Draws of blocks, for 95% intervals.",
        metavar="N",
        type=click.IntRange(0),
    ),
    options.setting(EvaluateSpec, "seed", "Seed of the draws."),
    options.setting(
        EvaluateSpec, "sweep", "Score a probability raster at every threshold.", is_flag=True
    ),
    options.setting(
        EvaluateSpec, "profile", "Rules of a challenge.", type=click.Choice(["none", "spacenet2"])
    ),
)
@options.spec_options("predict", PredictSpec, *options.inference)
@click.option(
    "--data",
    type=options.FILE,
    metavar="CHIPS",
    help="Compare --model with the masks of a chip index folder.",
)
@options.model
@click.option("--split", default="test", show_default=True, help="Chips of --data to compare.")
@click.option(
    "--like", metavar="RASTER", help="Compare pixels on this grid.  [default: the first raster's]"
)
@click.option(
    "--layers",
    type=options.FILE,
    metavar="OUT.gpkg",
    help="Write layers of what was right and wrong.",
)
@click.option(
    "--report",
    "page",
    type=options.FILE,
    metavar="OUT.html",
    help="Write a page with pictures and plots.",
)
@click.option(
    "--image", metavar="SCENE", help="Scene that the page shows places on.  [default: plain ground]"
)
@options.overwrite
@click.option(
    "--fail-under",
    multiple=True,
    metavar="METRIC=VALUE",
    callback=options.limits,
    help="Exit with 4 below this.",
)
def evaluate(
    as_json: bool,
    data: Path | None,
    model: Path | None,
    split: str,
    predict: PredictSpec,
    **arguments: Any,
) -> None:
    """Compare a prediction with the truth, or a model with all chips of a split.

    Two rasters are compared by pixel, two layers footprint by footprint, a raster and a layer both
    ways. The text shows the five worst blocks of ground; --json has all numbers. The exit code is 4
    where a limit of --fail-under is missed.

    \b
    Example:
        geoseg evaluate buildings.gpkg footprints.gpkg --fail-under f1=0.7
        geoseg evaluate probability.tif footprints.gpkg --sweep --layers outcomes.gpkg
        geoseg evaluate --data chips -m model.safetensors --split test --report model.html
    """
    if data:
        report = _of_chips(data, model, split, predict, arguments)
        options.emit(report, as_json, _without_confusion)
    else:
        report = _of_files(arguments)
        options.emit(report, as_json, _brief)
    if report.failed:
        raise UnsuitableError(f"{data or arguments['prediction']}: {', '.join(report.failed)}")


def _of_chips(
    data: Path, model: Path | None, split: str, predict: PredictSpec, arguments: dict[str, Any]
) -> Any:
    from geoseg.tools import evaluate_chips as tool

    others = {
        "prediction": "prediction",
        "like": "--like",
        "layers": "--layers",
        "image": "--image",
    }
    if named := [said for name, said in others.items() if arguments[name]]:
        raise UsageError(f"--data compares a model with chips, without {' or '.join(named)}")
    own = {name: arguments[name] for name in ("fail_under", "page", "overwrite")} | {
        "iou": arguments["spec"].iou
    }
    return tool.run(data, model, split=split, spec=predict, progress=options.progress(), **own)


def _of_files(arguments: dict[str, Any]) -> Any:
    from geoseg.tools import evaluate as tool

    if not arguments["truth"]:
        raise UsageError(
            "evaluate takes PREDICTION and TRUTH, or --data", "see geoseg evaluate --help"
        )
    return tool.run(progress=options.progress(), **arguments)


def _without_confusion(content: dict[str, Any]) -> dict[str, Any]:
    content["pixel"].pop("confusion", None)
    return content


def _brief(content: dict[str, Any]) -> dict[str, Any]:
    """What a terminal shows: no curves, of two classes the buildings, of places the worst by their
    middles.
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
