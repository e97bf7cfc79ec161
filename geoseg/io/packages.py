"""The packages that geoseg can use, and the extras that install them, by its own metadata."""

from __future__ import annotations

import re

# Packages that are imported under another name
IMPORT_NAMES = {"pillow": "PIL", "scikit-image": "skimage"}


def requirements() -> dict[str, str]:
    """Distributions that geoseg requires, and the extra that brings each; ``""`` for all
    installations.

    In the order of pyproject.toml; empty where geoseg itself is not installed.
    """
    from importlib import metadata  # slow to import

    try:
        lines = metadata.requires("geoseg") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == [\"'](\w+)", line)
        if name and name[0] != "geoseg":
            found.setdefault(name[0], extra[1] if extra else "")
    return found


def import_name(distribution: str) -> str:
    """``segmentation_models_pytorch`` for ``segmentation-models-pytorch``."""
    return IMPORT_NAMES.get(distribution, distribution.replace("-", "_"))


def how_to_install(module: str) -> str | None:
    """The command that installs the package of ``module``; None where no extra of geoseg has it."""
    package = module.split(".")[0]
    extras = {import_name(name): extra for name, extra in requirements().items() if extra}
    return f"pip install 'geoseg[{extras[package]}]'" if package in extras else None
