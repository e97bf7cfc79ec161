"""The architectures that `train` can build."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from geoseg.models import registry
from geoseg.tools.report import Report


@dataclass(frozen=True, kw_only=True)
class ModelsReport(Report):
    """``models``: name, default encoder and parameter count (three bands, two classes) of each architecture."""

    models: tuple[dict[str, Any], ...]


def run() -> ModelsReport:
    """Build every architecture without memory for its weights and count its parameters. Needs torch."""
    start = time.monotonic()
    models = tuple(registry.describe())
    return ModelsReport(command="models", models=models, seconds=time.monotonic() - start)
