"""Options that choose labelled data: chips of a split, or scenes with labels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from geoseg.cli import options
from geoseg.errors import SettingError
from geoseg.io.scene_names import expand
from geoseg.specs import LabelledData
from geoseg.specs.settings import settings
from geoseg.specs.toml import to_cli_text


def labelled_data(split: str, *more: options.Decorator) -> options.Decorator:
    """Options of how ``data`` is labelled and split, by default as ``split``; the function gets one
    :class:`~geoseg.specs.LabelledData`, or None without ``data``. The random seed is one of the
    options ``more``, or that of the command's ``spec``.
    """
    decorators: tuple[options.Decorator, ...] = (
        click.option(
            "--split",
            type=click.Choice(settings(LabelledData)["split"].choices),
            default=split,
            show_default=True,
            help="Split to score.",
        ),
        options.labels(
            "Footprints or masks of the scenes: files (repeatable), or a folder, of which the file "
            "named like the scene is taken, else all of them.  [default: none]"
        ),
        click.option(
            "--fractions",
            type=options.FRACTIONS,
            default=to_cli_text(LabelledData.fractions),
            show_default=True,
            help="Fractions of train, val and test, as scenes are split in training.",
        ),
        options.bands,
        *more,
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def gathered(*args: Any, data: tuple[str, ...], **values: Any) -> Any:
            own = {name: values.pop(name) for name in ("split", "labels", "fractions", "bands")}
            seed = values["spec"].seed if "spec" in values else values.pop("seed")
            if data:
                return function(*args, data=LabelledData(_listed(data), seed=seed, **own), **values)
            if own["labels"]:
                raise SettingError("labels", "goes with `data`")
            return function(*args, data=None, **values)

        made: Callable[..., Any] = gathered
        for option in reversed(decorators):
            made = option(made)
        return made

    return decorate


def _listed(data: tuple[str, ...]) -> tuple[str, ...]:
    """Folders of chips as they are, scenes as they are named: by folder, pattern and list."""
    from geoseg.io.chip_index import INDEX

    return tuple(
        path
        for name in data
        for path in ([name] if (Path(name) / INDEX).is_file() else expand([name]))
    )
