"""Pictures in files: figures of matplotlib as PNG, JPEG, PDF or SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from geoseg.errors import UsageError
from geoseg.io.atomic import atomic

FORMATS = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


def check_picture(path: Path | str) -> None:
    """Raise UsageError where the extension of ``path`` names no format of a picture."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: is not a figure by its extension", "png, jpg, pdf or svg")


def write_figure(
    path: Path | str,
    figure: Figure,
    *,
    tags: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``figure`` at its own size, the same bytes each time; a PNG carries ``tags``. Raises
    UsageError, OutputError.
    """
    check_picture(path)
    options: dict[str, dict[str, Any]] = {
        ".png": {"metadata": {"Software": None, **(tags or {})}},
        ".pdf": {"metadata": {"CreationDate": None}},
        ".svg": {"metadata": {"Date": None}},
    }
    chosen = options.get(Path(path).suffix.lower(), {"pil_kwargs": {"quality": 90}})
    with (
        atomic(path, overwrite) as temporary,
        rc_context({"svg.hashsalt": "geoseg", "pdf.fonttype": 42}),
    ):
        figure.savefig(temporary, dpi=figure.dpi, **chosen)
