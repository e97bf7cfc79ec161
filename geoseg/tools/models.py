"""The models that come with geoseg, and the architectures that `train` can build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geoseg.errors import ResourceError, UsageError
from geoseg.models.store import bundled_models
from geoseg.report import Report, Run
from geoseg.specs import ARCHITECTURES


@dataclass(frozen=True, kw_only=True)
class ModelsReport(Report):
    """``bundled``: what ``bundled_models`` says of each model that comes with geoseg.

    ``models``: each architecture's name and encoder, and with torch what ``registry.describe``
    says of it.

    ``encoders``: names of all encoders, where they were asked for.
    """

    bundled: tuple[dict[str, Any], ...]
    models: tuple[dict[str, Any], ...]
    encoders: tuple[str, ...] = ()


def run(*, encoder: str | None = None, encoders: bool = False) -> ModelsReport:
    """List the bundled models, and every architecture with its default encoder, or with
    ``encoder`` those that take one.

    Raises UsageError for an encoder that no architecture takes, ResourceError where one needs torch
    and there is none.
    """
    accompany = Run()
    # fcn8s has VGG16 and no other
    chosen = (
        {name: encoder for name in ARCHITECTURES if name not in ("cnn", "fcn8s")}
        if encoder
        else dict(ARCHITECTURES)
    )
    rows: list[dict[str, Any]] = [{"name": name, "encoder": own} for name, own in chosen.items()]
    warnings: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    try:
        from geoseg.models import registry

        listed = tuple(registry.encoders()) if encoders else ()
        rows, warnings = _described(rows, registry.describe)
    except ImportError as error:
        if encoder or encoders:
            raise ResourceError(
                f"encoders need {error.name}", "pip install 'geoseg[train]'"
            ) from error
        warnings = (
            f"parameters and operations are known with {error.name} alone: pip install "
            "'geoseg[train]'",
        )
    return ModelsReport(
        command="models",
        bundled=tuple({"name": name} | known for name, known in bundled_models().items()),
        models=tuple(rows),
        encoders=listed,
        warnings=warnings,
        seconds=accompany.seconds,
    )


def _described(
    rows: list[dict[str, Any]], describe: Callable[[str, str | None], dict[str, Any]]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Rows of the architectures that can be built, and which cannot."""
    found = []
    failed = []
    for row in rows:
        try:
            found.append(row | describe(row["name"], row["encoder"]))
        except UsageError as error:
            failed.append((row, error))
    if not found:
        raise failed[0][1]
    names = ", ".join(row["name"] for row, _ in failed)
    return found, (f"not with the encoder {failed[0][0]['encoder']}: {names}",) if failed else ()
