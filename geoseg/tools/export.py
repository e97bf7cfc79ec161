"""Write a trained model in a format that runs without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ResourceError, UsageError
from geoseg.io.atomic import check_output
from geoseg.models.store import as_typed
from geoseg.report import Progress, Report, Run, no_progress


@dataclass(frozen=True, kw_only=True)
class ExportReport(Report):
    """Size of the file in bytes."""

    bytes: int


def run(
    model: Path,
    output: Path | str,
    *,
    tile_size: int | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ExportReport:
    """Export the safetensors model file ``model`` as ONNX."""
    accompany = Run(progress)
    output = check_output(output, overwrite)
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: models are exported as .onnx")
    advance = accompany.progress("export", 1)
    try:
        from geoseg.models.onnxfile import export
    except ImportError as error:
        raise ResourceError(f"export needs {error.name}", "pip install 'geoseg[export]'") from error
    export(model, output, tile_size=tile_size, overwrite=overwrite)
    advance(1)
    return ExportReport(
        command="export",
        inputs=(as_typed(model),),
        outputs=(str(output),),
        seconds=accompany.seconds,
        bytes=output.stat().st_size,
    )
