"""A sheet of panels: pictures side by side with titles, and under them a colour bar, a legend and a
table of metrics.

Lengths in here are inches from the upper left corner, text is in points: the sheet keeps its
proportions at any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.textpath import text_to_path

from geoseg.drawing.pictures import HEAT
from geoseg.drawing.plots import INK, RULE, SOFT

# of a sheet whose longest side is its width; smaller ones than 800 pixels are narrower, to stay
# legible
WIDTH = 8.0
MARGIN = 0.12
GAP = 0.1
LINE = 0.19
FONT = 8.0
LEAST = 3.6  # of what stands under tall panels
_SWATCH = 0.11
_NUMBER = 0.62


@dataclass(frozen=True)
class Outlines:
    """Polygons (n,) in the pixels of a panel, x to the right and y downwards, in one ``colour``,
    filled by ``opacity``.
    """

    geometry: np.ndarray
    colour: str
    opacity: float = 0.25


@dataclass(frozen=True)
class Panel:
    """A picture uint8 (row, col, 3) under a title, with outlines on it."""

    title: str
    image: np.ndarray
    outlines: tuple[Outlines, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """What goes onto a picture; all but the panels may be missing.

    Panels stand in so many ``columns``, or in as many as leave them largest. ``keys`` are names
    with their colours; ``rows`` those of a table, what is under ``colour`` becoming a swatch;
    ``metres`` the ground that a pixel of the first panel covers, for a scale bar; ``bar`` names the
    colours of probabilities.
    """

    panels: Sequence[Panel]
    title: str = ""
    columns: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    metres: float | None = None
    bar: str = ""


def draw(sheet: Sheet, size: int) -> Figure:
    """The sheet as a figure whose longest side has ``size`` pixels (of ``figure.dpi`` an inch)."""
    limit = min(WIDTH, size / 100)
    titled = LINE if any(panel.title for panel in sheet.panels) else 0.0
    ratio = float(
        np.median([panel.image.shape[0] / panel.image.shape[1] for panel in sheet.panels])
    )
    inner = limit - 2 * MARGIN
    # a narrower sheet needs more lines under its panels, which leave less room for these
    for _ in range(3):
        parts = _parts(sheet, inner)
        above = LINE * 1.3 if sheet.title else 0.0
        room = limit - 2 * MARGIN - above - sum(GAP + high for high, _ in parts)
        columns, wide = _columns(sheet, limit - 2 * MARGIN, room, titled, ratio)
        inner = max(columns * wide + (columns - 1) * GAP, min(LEAST, limit - 2 * MARGIN))
    rows = -(-len(sheet.panels) // columns)
    step = titled + wide * ratio + GAP
    total = 2 * MARGIN + above + rows * step - GAP + sum(GAP + high for high, _ in parts)
    across = inner + 2 * MARGIN
    figure = Figure(figsize=(across, total), dpi=size / max(across, total), facecolor="white")
    ink = _inches(figure)
    _write(
        ink,
        MARGIN,
        MARGIN + LINE / 2,
        _fit(sheet.title, inner / 1.1, FONT + 1),
        size=FONT + 1,
        weight="bold",
    )
    for number, panel in enumerate(sheet.panels):
        row, column = divmod(number, columns)
        left = MARGIN + column * (wide + GAP)
        top = MARGIN + above + row * step
        font = FONT if wide > 1.8 else FONT - 1.5
        _write(ink, left, top + titled * 0.45, _fit(panel.title, wide, font), size=font)
        axes = _axes(figure, left, top + titled, wide, wide * ratio)
        _fill(axes, panel, wide * 72)
        if number == 0 and sheet.metres:
            _scale(axes, panel.image.shape, sheet.metres, wide * 72)
    top = MARGIN + above + rows * step - GAP
    for high, put in parts:
        put(ink, top + GAP)
        top += GAP + high
    return figure


def single_panel(panel: Panel, size: int, metres: float | None = None) -> Figure:
    """A panel without title or margin, its longer side of ``size`` pixels; ``metres`` as of a
    sheet.
    """
    height, width = panel.image.shape[:2]
    longest = max(height, width)
    figure = Figure(
        figsize=(WIDTH / 2 * width / longest, WIDTH / 2 * height / longest), dpi=size / (WIDTH / 2)
    )
    wide, high = figure.get_size_inches()
    axes = _axes(figure, 0, 0, wide, high)
    _fill(axes, panel, wide * 72)
    if metres:
        _scale(axes, panel.image.shape, metres, wide * 72)
    return figure


def panel_pixels(count: int, shape: tuple[int, int], size: int) -> int:
    """About how many pixels the longer side of each of ``count`` panels of ``shape`` (height,
    width) has, out of ``size``.
    """
    panels = [Panel("", np.empty((*shape, 3), np.uint8))] * count
    _, wide = _columns(Sheet(panels), 1.0, 1.0, 0.0, shape[0] / shape[1])
    return math.ceil(size * wide * max(1.0, shape[0] / shape[1]))


def _columns(
    sheet: Sheet, wide: float, high: float, titled: float, ratio: float
) -> tuple[int, float]:
    """How many panels go side by side, and their width: as large as they can be, without holes in a
    sheet of few.
    """
    count = len(sheet.panels)
    choices = (
        [sheet.columns]
        if sheet.columns
        else [n for n in range(1, count + 1) if count % n == 0 or count > 4]
    )
    widths = {}
    for columns in choices:
        rows = -(-count // columns)
        by_height = (high - rows * titled - (rows - 1) * GAP) / rows / ratio
        widths[columns] = max(0.2, min((wide - (columns - 1) * GAP) / columns, by_height))
    # one below the other only where that is much larger: side by side they are easier to compare
    return max(widths.items(), key=lambda item: item[1] * (1 if item[0] == 1 else 1.25))


def _inches(figure: Figure) -> Axes:
    """Axes over the whole figure, in inches from its upper left corner."""
    axes = figure.add_axes((0, 0, 1, 1))
    width, height = figure.get_size_inches()
    axes.set_xlim(0, width)
    # y counts downwards, as lines of text do
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return axes


def _axes(figure: Figure, left: float, top: float, wide: float, high: float) -> Axes:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))
    axes.set_axis_off()
    return axes


# Panels


def _fill(axes: Axes, panel: Panel, points: float) -> None:
    """The picture and its outlines; ``points`` is the width of the axes."""
    height, width = panel.image.shape[:2]
    axes.imshow(panel.image, extent=(0, width, height, 0))
    # one that is of another shape than most takes a part of its place
    axes.set_aspect("equal", anchor="NW")
    bounds = np.concatenate(
        [np.empty((0, 4)), *(shapely.bounds(outlines.geometry) for outlines in panel.outlines)]
    )
    sides = np.ptp(bounds.reshape(-1, 2, 2), axis=1).mean(axis=1)
    # outlines a tenth as wide as a usual building, so that small ones are still seen
    line = float(np.clip(np.median(sides) * points / width / 10, 0.35, 1.2)) if len(sides) else 1.0
    for outlines in panel.outlines:
        faces = to_rgba(outlines.colour, outlines.opacity)
        edges = to_rgba(outlines.colour)
        axes.add_collection(
            PathCollection(
                _paths(outlines.geometry), facecolor=faces, edgecolor=edges, linewidth=line
            )
        )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _paths(geometry: np.ndarray) -> list[Path]:
    """A compound path for each polygon or multipolygon; holes run the other way round, so that they
    stay empty.
    """
    paths = []
    for polygon in shapely.orient_polygons(geometry):
        rings, _ = shapely.get_rings(shapely.get_parts(polygon), return_index=True)
        paths.append(
            Path.make_compound_path(
                *(Path(shapely.get_coordinates(ring), closed=True) for ring in rings)
            )
        )
    return paths


def _scale(axes: Axes, shape: tuple[int, ...], metres: float, points: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten metres, at most a third of the panel, in its lower
    left corner.
    """
    height, width = shape[:2]
    most = width * metres / 3
    # of 340 m at most 200 m, of 1.2 km 1 km, of 70 m 50 m
    power = 10 ** math.floor(math.log10(most))
    length = next(n * power for n in (5, 2, 1) if n * power <= most)
    point = width / points
    left = 8 * point
    bottom = height - 9 * point
    halo = [withStroke(linewidth=2.6, foreground="#000000b0")]
    axes.plot(
        [left, left + length / metres],
        [bottom, bottom],
        color="white",
        linewidth=2.2,
        solid_capstyle="butt",
        path_effects=[withStroke(linewidth=4, foreground="#000000b0")],
    )
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.text(
        left, bottom - 4 * point, text, size=FONT, color="white", path_effects=halo, va="bottom"
    )


# What stands under the panels: each part has a height, and puts itself onto axes in inches at a
# distance from the top

Part = tuple[float, Callable[[Axes, float], None]]


def _parts(sheet: Sheet, wide: float) -> list[Part]:
    parts: list[Part] = []
    if sheet.bar:
        parts.append((LINE * 1.7, lambda ink, top: _bar(ink, top, sheet, wide)))
    if sheet.keys:
        parts.append(_legend(sheet.keys, wide))
    if sheet.rows:
        parts.append(_table(sheet.rows, wide))
    return parts


def _bar(ink: Axes, top: float, sheet: Sheet, wide: float) -> None:
    name = _width(sheet.bar, FONT) + 0.12
    _write(ink, MARGIN, top + LINE / 2, sheet.bar)
    figure = ink.figure
    assert isinstance(figure, Figure)
    axes = _axes(figure, MARGIN + name, top + LINE / 2 - 0.06, min(2.6, wide - name - 0.1), 0.12)
    axes.set_axis_on()
    axes.imshow(
        np.linspace(0, 1, 256)[None], cmap=colormaps[HEAT], aspect="auto", extent=(0, 1, 0, 1)
    )
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.tick_params(labelsize=FONT - 1, length=2, pad=1.5, colors=SOFT, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _legend(keys: Mapping[str, str], wide: float) -> Part:
    """Swatches with their names, in as many lines as they need."""
    places = []
    left = 0.0
    line = 0
    for name in keys:
        long = _SWATCH + 0.06 + _width(name, FONT) + 0.2
        if left and left + long - 0.2 > wide:
            left = 0.0
            line = line + 1
        places.append((left, line))
        left += long

    def put(ink: Axes, top: float) -> None:
        for (name, colour), (x, at) in zip(keys.items(), places, strict=True):
            middle = top + at * LINE + LINE / 2
            _swatch(ink, MARGIN + x, middle, colour)
            _write(ink, MARGIN + x + _SWATCH + 0.06, middle, name)

    return (line + 1) * LINE, put


def _table(rows: Sequence[Mapping[str, Any]], wide: float) -> Part:
    """Rows in as many blocks side by side as there is room for, four rows at least in each."""
    columns = [
        name for name in dict.fromkeys(key for row in rows for key in row) if name != "colour"
    ]
    first = columns[0]
    numbers = columns[1:]
    swatch = _SWATCH + 0.06 if any("colour" in row for row in rows) else 0.0
    named = min(
        max(_width(str(row[first]), FONT) for row in rows) + 0.1,
        wide - swatch - len(numbers) * _NUMBER,
    )
    long = swatch + named + len(numbers) * _NUMBER
    blocks = max(1, min(int((wide + 0.3) // (long + 0.3)), len(rows) // 4))
    deep = -(-len(rows) // blocks)

    def put(ink: Axes, top: float) -> None:
        for block in range(blocks):
            left = MARGIN + block * (long + 0.3)
            ends = [left + swatch + named + (i + 1) * _NUMBER for i in range(len(numbers))]
            for end, name in zip(ends, numbers, strict=True):
                _write(ink, end, top + LINE / 2, name, size=FONT - 0.5, color=SOFT, ha="right")
            ink.plot([left, left + long], [top + LINE] * 2, color=RULE, linewidth=0.8)
            for at, row in enumerate(rows[block * deep : (block + 1) * deep], 1):
                middle = top + (at + 0.5) * LINE + 0.02
                if "colour" in row:
                    _swatch(ink, left, middle, row["colour"])
                _write(ink, left + swatch, middle, _fit(str(row[first]), named, FONT))
                for end, name in zip(ends, numbers, strict=True):
                    _write(ink, end, middle, _number(row.get(name)), ha="right")

    return (deep + 1) * LINE + 0.02, put


def _swatch(ink: Axes, left: float, middle: float, colour: str) -> None:
    ink.add_patch(
        Rectangle(
            (left, middle - _SWATCH / 2),
            _SWATCH,
            _SWATCH,
            facecolor=colour,
            edgecolor=SOFT,
            linewidth=0.3,
        )
    )


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def _write(ink: Axes, x: float, middle: float, text: str, **look: Any) -> None:
    """A line of text, as it is: a file name may hold a ``$``."""
    usual: dict[str, Any] = {"size": FONT, "color": INK, "va": "center", "parse_math": False}
    ink.text(x, middle, text, **usual | look)


def _width(text: str, size: float) -> float:
    """Inches that a line of text takes."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=size), ismath=False
    )
    return float(width) / 72


def _fit(text: str, wide: float, size: float) -> str:
    """``text`` with its middle left out where it is too long; names differ most at their ends."""
    kept = text
    while len(kept) > 4 and _width(kept, size) > wide:
        # two letters less each time
        half = (len(kept) - 2) // 2
        kept = f"{text[:half]}…{text[-half:]}"
    return kept
