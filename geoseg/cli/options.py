"""Options that commands share, and the specs they build."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from geoseg.cli.command import session
from geoseg.cli.groups import GroupedOption
from geoseg.cli.show import emit, progress
from geoseg.errors import GeosegError, SettingError
from geoseg.io.scene_names import expand
from geoseg.specs import (
    ARCHITECTURES,
    Area,
    Length,
)
from geoseg.specs.scene import band_numbers
from geoseg.specs.vectors import VectorFiles

__all__ = ["emit", "progress"]  # with the options of this file

# What a shell completes; `geoseg models --encoders` has them all, but after seconds of imports
COMMON_ENCODERS = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"efficientnet_lite{size}" for size in range(3)),
    *(f"efficientnet-b{size}" for size in range(8)),
    *(f"mit_b{size}" for size in range(6)),
    *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
    *("mobilenet_v2", "resnext50_32x4d", "vgg16", "vgg16_bn", "xception"),
)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


# Values


class Text(click.ParamType):
    """A value that ``parse`` makes of what was typed; a GeosegError or ValueError in it is a usage
    error.

    A shell completes it to the names that ``complete`` gives, and to files if these are ``files``.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        complete: Callable[[], Iterable[str]] = tuple,
        files: bool = False,
    ) -> None:
        self.name = name
        self.parse = parse
        self.complete = complete
        self.files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        names = [CompletionItem(name) for name in self.complete() if name.startswith(incomplete)]
        if not self.files:
            return names
        # click's script for bash forgets what comes before a file, and asks for files where nothing
        # comes after it: names wait until a letter of theirs is typed, or files were never listed
        return [CompletionItem(incomplete, type="file"), *(names if incomplete else ())]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str | int | float):
            return value
        try:
            return self.parse(str(value))
        except (GeosegError, ValueError) as error:
            self.fail(str(error), param, ctx)


class Auto(Text):
    """A number, or ``auto``, which is 0 in a spec."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        super().__init__(f"auto|{kind.__name__}", lambda text: kind(0 if text == "auto" else text))

    def shown(self, value: float) -> Any:
        return value or "auto"


def pixels(text: str) -> tuple[int, ...]:
    """``"0,0,2000,1500"`` -> integers."""
    return tuple(int(part) for part in text.split(","))


def fractions(text: str) -> tuple[float, ...]:
    """``"0.8,0.1,0.1"`` -> floats."""
    return tuple(float(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """``"csv, mlflow"`` -> names."""
    return tuple(part.strip() for part in text.split(","))


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if not re.match(r"[^=]+=", value):
            raise click.BadParameter(f"{value!r} is not NAME=VALUE", param=parameter)
    return dict(value.split("=", 1) for value in values)


def network(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, Any], ...]:
    """``decoder_channels=128,64,32`` -> name and value: a number, a list of numbers, or text."""
    pairs = _pairs(context, parameter, values).items()
    return tuple(
        (name, [_number(v) for v in text.split(",")] if "," in text else _number(text))
        for name, text in pairs
    )


def _number(text: str) -> int | float | str:
    # hidden=512 is a number, decoder_attention_type=scse a text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def commas(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Values given one by one or in lists with commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def limits(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, float]:
    """``f1=0.7`` -> lowest value of a metric."""
    try:
        return {name: float(value) for name, value in _pairs(_, parameter, values).items()}
    except ValueError as error:
        raise click.BadParameter("is METRIC=NUMBER", param=parameter) from error


def _model(name: str) -> Path:
    from geoseg.models.store import model_path

    return model_path(name)


LENGTH = Text("length", Length.parse)
AREA = Text("area", Area.parse)
BANDS = Text("bands", band_numbers)
PIXELS = Text("pixels", pixels)
FRACTIONS = Text("fractions", fractions)
NAMES = Text("list", names)
FILE = click.Path(path_type=Path)
# as typed, for a folder's name may end in /
OUTPUT = Text("path", str, files=True)
SCENE = Text("scene", str, files=True)
MODEL = Text("model", _model, lambda: ["bundled", "fast"], files=True)
ARCH = Text("name", str, lambda: ARCHITECTURES)
ENCODER = Text("name", str, lambda: COMMON_ENCODERS)


# Single options


def _scenes(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    session().texts += [Path(name[1:]) for name in names if name.startswith("@")]
    return expand(names)


_SCENES = """
    SCENE is a raster, a folder of them, a pattern, @list.txt, an https:// or s3:// address,
    ITEM.json#ASSET of STAC, or a folder of map tiles (z/x/y or z-x-y).
"""


def scenes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Argument SCENE..., explained below the text of the command: click before 8.5 has no help of
    arguments.
    """
    function.__doc__ = f"{(function.__doc__ or '').rstrip()}\n{_SCENES}"
    return click.argument(
        "scenes", nargs=-1, required=True, metavar="SCENE...", type=SCENE, callback=_scenes
    )(function)


chips = click.argument(
    "chips", nargs=-1, required=True, metavar="CHIPS...", type=SCENE, callback=_scenes
)
output = click.option("-o", "--output", type=FILE, required=True, help="Output file.")
folder = click.option("-o", "--output", type=OUTPUT, required=True, help="Output folder.")
layers_output = click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    help="Output file: .gpkg, .geojson, .fgb, .parquet, .shp or .pmtiles; or a folder (FOLDER/ is "
    "made), one file per scene.",
)
raster_output = click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    help="Output GeoTIFF; or a folder (FOLDER/ is made), one file per scene.",
)
overwrite = click.option(
    "--overwrite", is_flag=True, help="Replace an existing output.  [default: refuse]"
)
creation_options = click.option(
    "--co",
    "creation_options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="GDAL creation option of the raster, repeatable, e.g. COMPRESS=ZSTD.",
)
bands = click.option(
    "-b",
    "--bands",
    type=BANDS,
    metavar="LIST",
    help="Bands to read, counted from 1: 3,2,1 or 1-3.  [default: all but alpha]",
)
jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of parallel processes.",
)
model = click.option(
    "-m",
    "--model",
    type=MODEL,
    help="Model file, .safetensors or .onnx, or `fast`.  [default: the bundled model]",
)
aoi = click.option(
    "--aoi",
    type=FILE,
    help="Polygons of the area of interest; the rest is left out.  [default: all]",
)
layer = click.option("--layer", help="Name of the layer to write.  [default: footprints]")
input_layer = click.option(
    "--layer",
    cls=GroupedOption,
    group="Input",
    help="Layer of the vector file to read.  [default: footprints, or the only one]",
)
where = click.option(
    "--where",
    cls=GroupedOption,
    group="Input",
    metavar="SQL",
    help='Condition of the footprints to read, e.g. "height > 3".  [default: all]',
)
of_truth = (
    click.option(
        "--truth-layer", metavar="NAME", help="Layer of the truth.  [default: as --layer]"
    ),
    click.option("--truth-where", metavar="SQL", help="As --where, of the truth.  [default: it]"),
)
vector_format = click.option(
    "-f",
    "--format",
    metavar="EXT",
    help="Vector format as an extension, e.g. gpkg; or parquet-tiles: a folder of GeoParquet by "
    "map tile.  [default: that of the output file]",
)
dst_crs = click.option(
    "--dst-crs",
    metavar="CRS",
    help="CRS of the footprints, e.g. EPSG:4326.  [default: that of the raster]",
)
pixel_coords = click.option(
    "--pixel-coords",
    is_flag=True,
    help="Pixel coordinates for imagery without a CRS, as QGIS shows it: y from 0 to -height.",
)


def _threads(ctx: click.Context, _: click.Parameter, value: int | None) -> int | None:
    from geoseg.parallel.threads import limited

    ctx.with_resource(limited(value))
    return value


threads = click.option(
    "--threads",
    type=click.IntRange(1),
    callback=_threads,
    expose_value=False,
    help="Threads that compute, read and write.  [default: all cores]",
)
dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help="Show windows, CRS and the expected memory, disk and time; write nothing.",
)
resume = click.option(
    "--resume",
    is_flag=True,
    help="Keep what is done beside the output, and go on with what an earlier run kept.",
)
scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask cluster that computes, such as tcp://host:8786.  [default: this machine]",
)
on_error = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="When a scene fails: stop, or skip it and exit with 9 after the others.",
)


def labels(help: str) -> Decorator:
    """Options --labels, --labels-layer and --labels-where, which the function gets as one
    ``labels``: VectorFiles or None.
    """
    decorators = (
        click.option("--labels", type=FILE, multiple=True, metavar="FILE", help=help),
        click.option(
            "--labels-layer",
            metavar="NAME",
            help="Layer of the labels to read.  [default: footprints, or the only one]",
        ),
        click.option(
            "--labels-where",
            metavar="SQL",
            help='Condition of the labels to read, e.g. "height > 3".  [default: all]',
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def gathered(
            *args: Any,
            labels: tuple[Path, ...],
            labels_layer: str | None,
            labels_where: str | None,
            **values: Any,
        ) -> Any:
            if not labels and (labels_layer or labels_where):
                raise SettingError("labels", "is what `labels_layer` and `labels_where` go with")
            files = (
                VectorFiles.of(labels, labels_layer, labels_where, "labels_layer")
                if labels
                else None
            )
            return function(*args, labels=files, **values)

        made: Callable[..., Any] = gathered
        # the first stands first in --help
        for option in reversed(decorators):
            made = option(made)
        return made

    return decorate


# Specs
