"""What the page shows of results, as HTML in which every value is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from geoseg.errors import HINT, MESSAGE, GeosegError, clean
from geoseg.web.workspace import Workspace

_COLUMNS = {
    "raw": "At 0.5",
    "filtered": "At 0.5, noise filter",
    "set": "As set",
}
# What the page calls a setting that an error or a remark names
_FIELDS = {"gsd": "the field Metres per pixel"}
_CRS = 100  # characters of the name of a CRS, which a file may give itself
_STATUS = 600  # and of all that the status shows
# Buildings match at an IoU of 0.5
_ROWS = {
    ("pixel", "iou"): "IoU of pixels",
    ("pixel", "f1"): "F1 of pixels",
    ("pixel", "precision"): "Precision of pixels",
    ("pixel", "recall"): "Recall of pixels",
    ("object", "f1"): "F1 of buildings",
    ("object", "precision"): "Precision of buildings",
    ("object", "recall"): "Recall of buildings",
}


def note(text: str) -> str:
    """A line of status."""
    return f'<div class="status" role="status">{escape(clean(text, _STATUS))}</div>'


def failure(error: GeosegError) -> str:
    """An error as its line, and below it what can be done."""
    hint = f"<small>{escape(_plain(error.hint, HINT))}</small>" if error.hint else ""
    line = escape(_plain(error.message))
    return f'<div class="status error" role="alert">{line}{hint}</div>'


def map_of(workspace: Workspace) -> str:
    """The map of the visitor's scene."""
    view = escape(json.dumps({"id": workspace.key} | workspace.map, allow_nan=False))
    return f'<geoseg-map data-view="{view}"></geoseg-map>'


def about_scene(name: str, about: Mapping[str, Any]) -> str:
    """A scene in a line: its name, format, size, GSD and CRS."""
    gsd = f"{about['gsd']:.3g} m a pixel" if about["gsd"] else "no coordinates"
    bands = f"{about['bands']} band{'s' * (about['bands'] != 1)} of {about['dtype']}"
    size = f"{about['width']:,} x {about['height']:,} pixels"
    empty = "" if about["valid_fraction"] else "a sample of it holds no data"
    crs = clean(about["crs"] or "", _CRS)
    parts = (name, about["format"], size, bands, gsd, crs, empty)
    return " · ".join(part for part in parts if part)


def summary(workspace: Workspace, made: Mapping[str, Any]) -> str:
    """How many footprints, their area, and how long the model took."""
    count = made["footprints"]
    unit = "m²" if workspace.placed else "square pixels"
    found = f"{count:,} building{'s' * (count != 1)}" if count else "No buildings found"
    area = f"{made['area']:,.0f} {unit}" if count else ""
    took = f"model {workspace.model['seconds']:.1f} s"
    remarks = map(_plain, workspace.model["warnings"])
    parts = (str(workspace.scene), found, area, took, *remarks)
    return " · ".join(part for part in parts if part)


def score_table(scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    """Metrics without and with post-processing, a column each; empty without a truth."""
    if not scores:
        return ""
    names = "".join(f'<th scope="col">{_COLUMNS[name]}</th>' for name in scores)
    lines = [
        f'<tr><th scope="row">{title}</th>'
        + "".join(f"<td>{_number(column[kind][metric])}</td>" for column in scores.values())
        + "</tr>"
        for (kind, metric), title in _ROWS.items()
    ]
    return (
        '<div class="scores"><table><thead><tr><td></td>'
        f"{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(text: str, longest: int = MESSAGE) -> str:
    """Settings as the page calls them, no backquotes around commands, no control characters."""
    named = re.sub("`([^`]*)`", lambda quoted: _FIELDS.get(quoted[1], quoted[1]), text)
    return clean(named, longest)
