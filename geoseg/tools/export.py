"""Write a trained model in a format that runs without torch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ResourceError, UsageError
from geoseg.io.atomic import check_apart, check_output
from geoseg.report import Progress, Report, no_progress

FORMATS = (".onnx", ".pt2", ".xml")


@dataclass(frozen=True, kw_only=True)
class ExportReport(Report):
    """Size of the model in bytes, that of all its files."""

    bytes: int


def run(
    model: Path,
    output: Path | str,
    *,
    tile_size: int | None = None,
    merge_boundary: bool = False,
    stac: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ExportReport:
    """Export the model file ``model``, of any kind, by the extension of ``output``: ONNX, torch's
    ``.pt2`` or OpenVINO's ``.xml``; with ``stac`` a STAC item beside it.

    Raises UsageError (another extension), ModelError, OutputError, ResourceError (a package that is
    not there).
    """
    start = time.perf_counter()
    check_apart(output, model)
    output = check_output(output, overwrite)
    if output.suffix.lower() not in FORMATS:
        raise UsageError(f"{output}: models are exported as .onnx, .pt2 or .xml")
    advance = progress("export", 1)
    try:
        from geoseg.models.exportable import exportable

        if stac:
            import stac_model  # noqa: F401  (before the work, not after it)

            from geoseg.models.stac_item import item_path

            check_output(item_path(output), overwrite)
        prepared = exportable(model, tile_size, merge_boundary=merge_boundary)
        files = _write(prepared, output, overwrite)
        written = files
        if stac:
            from geoseg.models.stac_item import write

            written += (write(prepared, files, overwrite),)
    except ImportError as error:
        extra = "stac" if (error.name or "").startswith(("stac_model", "pystac")) else "export"
        raise ResourceError(
            f"export needs {error.name}", f"pip install 'geoseg[{extra}]'"
        ) from error
    advance(1)
    return ExportReport(
        command="export",
        inputs=(str(model),),
        outputs=tuple(map(str, written)),
        seconds=time.perf_counter() - start,
        warnings=prepared.warnings,
        bytes=sum(file.stat().st_size for file in files),
    )


def _write(prepared: object, output: Path, overwrite: bool) -> tuple[Path, ...]:
    """Write the model; returns its files."""
    from geoseg.models import onnxfile, openvinofile, pt2file
    from geoseg.models.exportable import Exportable

    assert isinstance(prepared, Exportable)
    suffix = output.suffix.lower()
    module = {".onnx": onnxfile, ".pt2": pt2file, ".xml": openvinofile}[suffix]
    module.export(prepared, output, overwrite=overwrite)
    return (output, *([output.with_suffix(openvinofile.WEIGHTS)] if suffix == ".xml" else ()))
