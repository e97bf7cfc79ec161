"""Plots of numbers, in one style: figures of matplotlib, drawn without its global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

# Okabe and Ito, "Color Universal Design" (2008): apart for the colour-blind too, the pale ones last
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
INK, SOFT, RULE = "#1c2024", "#60646c", "#d9dbe0"

Line = tuple[Sequence[float], Sequence[float]]


def curves(
    lines: Mapping[str, Line],
    *,
    x: str,
    y: str,
    limits: tuple[float, float] | None = None,
    mark: tuple[str, float] | None = None,
) -> Figure:
    """Lines by name, each of x and y values, under the names of the axes ``x`` and ``y``; up to
    eight have colours.

    ``limits`` are those of y; ``mark`` is a name and an x at which a line stands, such as the
    threshold that was used.
    """
    figure, axes = _axes(x, y)
    for (name, (xs, ys)), colour in zip(lines.items(), COLOURS, strict=False):
        axes.plot(
            xs,
            ys,
            color=colour,
            linewidth=1.8,
            label=name,
            marker="o" if len(xs) < 3 else None,
            markersize=4,
        )
    if limits:
        axes.set_ylim(*limits)
    if mark:
        axes.axvline(mark[1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{mark[0]} {mark[1]:.3g}",
            (mark[1], 1),
            (4, -3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=SOFT,
            fontsize=8,
            va="top",
        )
    if len(lines) > 1:
        _legend(axes, figure)
    return figure


def bars(names: Sequence[str], groups: Mapping[str, Sequence[float]], *, x: str, y: str) -> Figure:
    """A bar for each of ``names`` in each group, those of one name stacked in the groups' order."""
    figure, axes = _axes(x, y)
    base = [0.0] * len(names)
    for (group, heights), colour in zip(groups.items(), COLOURS, strict=False):
        axes.bar(names, heights, bottom=base, color=colour, width=0.72, label=group, zorder=2)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.grid(visible=False, axis="x")
    if len(groups) > 1:
        _legend(axes, figure)
    return figure


def shaded_map(
    under: np.ndarray,
    areas: Sequence[np.ndarray],
    values: Sequence[float],
    *,
    label: str,
    marks: Mapping[str, tuple[float, float]],
) -> Figure:
    """Areas, each an outline (n, 2) of x and y in pixels of the picture ``under`` (row, col, 3), in
    the colours of their ``values`` of 0 to 1, which the colour bar calls ``label``.

    ``marks`` are short names and where they stand.
    """
    figure, axes = _picture(under)
    shades = PolyCollection(
        list(areas), cmap="RdYlBu", norm=Normalize(0, 1), alpha=0.6, edgecolors="#ffffff", lw=0.5
    )
    shades.set_array(np.asarray(values, float))
    axes.add_collection(shades)
    bar = figure.colorbar(shades, ax=axes, fraction=0.04, pad=0.02, label=label)
    bar.solids.set_alpha(1)  # type: ignore[union-attr]
    for name, (x, y) in marks.items():
        axes.annotate(
            name,
            (x, y),
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": SOFT, "lw": 0.5},
        )
    return figure


def grouped_map(under: np.ndarray, groups: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """Areas as of :func:`shaded_map`, those of each group in one colour."""
    figure, axes = _picture(under)
    for areas, colour in zip(groups.values(), COLOURS, strict=False):
        shades = PolyCollection(list(areas), facecolors=f"{colour}73", edgecolors=colour)
        axes.add_collection(shades)
    figure.legend(
        handles=[
            Patch(facecolor=f"{colour}73", edgecolor=colour, label=f"{name}: {len(areas):,}")
            for (name, areas), colour in zip(groups.items(), COLOURS, strict=False)
        ],
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    return figure


def _picture(under: np.ndarray) -> tuple[Figure, Axes]:
    """Axes that are a picture uint8 (row, col, 3), in its pixels."""
    height, width = under.shape[:2]
    longest = max(height, width)
    size = 8 * width / longest + 0.9, 8 * height / longest + 0.4
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(under, extent=(0, width, height, 0))
    axes.set_axis_off()
    return figure, axes


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=SOFT, labelcolor=INK, labelsize=9, length=3)
    for name, spine in axes.spines.items():
        spine.set_color(SOFT)
        spine.set_visible(name in ("left", "bottom"))
    return figure, axes


def _legend(axes: Axes, figure: Figure) -> None:
    """Above the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=min(4, len(labels)),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
