"""``geoseg export``."""

from __future__ import annotations

from typing import Any

import click

from geoseg.cli import options
from geoseg.cli.command import command


@command
@click.argument("model", type=options.MODEL)
@click.option(
    "-o",
    "--output",
    type=options.FILE,
    required=True,
    help="Output file: .onnx, .pt2 (torch.export) or .xml (OpenVINO, with a .bin beside it).",
)
@click.option(
    "--tile-size",
    type=click.IntRange(32),
    help="Size of the input in pixels per side, a multiple of 32.  [default: 512; the crop size "
    "for networks that look at the whole window]",
)
@click.option(
    "--merge-boundary",
    is_flag=True,
    help="Count the boundary class as building: two classes, for QGIS Deepness and GeoDeep.",
)
@click.option("--stac", is_flag=True, help="Write a STAC item (MLM) beside it: OUTPUT.json.")
@options.overwrite
def export(as_json: bool, **arguments: Any) -> None:
    """Export a trained model: ONNX, torch.export or OpenVINO.

    An ONNX file runs without torch: in geoseg, ONNX Runtime, OpenVINO, QGIS Deepness and GeoDeep.

    \b
    Example:
        geoseg export model.safetensors -o model.onnx
    """
    from geoseg.tools import export as tool

    options.emit(tool.run(progress=options.progress(), **arguments), as_json)
