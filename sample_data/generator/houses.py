"""Plans and roof forms of houses."""

from __future__ import annotations

import numpy as np

from .styles import ROOFS
from .world import Part


def centred(length: float, depth: float, form: str, lift: float = 0.0) -> Part:
    return Part(-length / 2, -depth / 2, length / 2, depth / 2, form, lift)


def form_for(roof: str, length: float, depth: float, rng: np.random.Generator) -> str:
    """A roof form that suits a covering and the plan."""
    if ROOFS[roof].texture in ("flat", "shell"):
        return "flat"
    boundary_margin = "gable_u" if length >= depth else "gable_v"
    if ROOFS[roof].texture == "thatch":
        return "hip"
    draw = rng.random()
    if ROOFS[roof].texture == "sheet" and draw < 0.3:
        return "mono"
    return "hip" if draw > 0.68 else boundary_margin


def plan(length: float, depth: float, roof: str, rng: np.random.Generator) -> list[Part]:
    """A house: a bar, or an L, T, U or cross of bars under one roof."""
    form = form_for(roof, length, depth, rng)
    draw = rng.random()
    main = centred(length, depth, form)
    if draw < 0.5 or length < 8 or form == "mono":
        return [main]
    other = {"gable_u": "gable_v", "gable_v": "gable_u"}.get(form, form)
    wing = min(length * rng.uniform(0.35, 0.5), depth * 0.95)
    reach = depth * rng.uniform(0.3, 0.75)
    side = 1 if rng.random() < 0.5 else -1
    if draw < 0.78:  # L
        u = length / 2 - wing
        return [
            main,
            Part(u, -depth / 2, u + wing, depth / 2 + reach, other)
            if side > 0
            else _flip(u, wing, depth, reach, other),
        ]
    if draw < 0.92:  # T
        u = rng.uniform(-0.25, 0.25) * length
        return [
            main,
            Part(
                u - wing / 2,
                -depth / 2 - (reach if side < 0 else 0),
                u + wing / 2,
                depth / 2 + (reach if side > 0 else 0),
                other,
            ),
        ]
    if length > 2.6 * wing:  # U
        u = length / 2 - wing
        return [
            main,
            Part(-u - wing, -depth / 2, -u, depth / 2 + reach, other),
            Part(u, -depth / 2, u + wing, depth / 2 + reach, other),
        ]
    return [
        main,
        Part(-wing / 2, -depth / 2 - reach * 0.5, wing / 2, depth / 2 + reach * 0.5, other),
    ]


def _flip(u: float, wing: float, depth: float, reach: float, form: str) -> Part:
    return Part(-u - wing, -depth / 2, -u, depth / 2 + reach, form)


def court(length: float, depth: float, bar: float, form: str) -> list[Part]:
    """Four bars around a courtyard."""
    across = {"gable_u": "gable_v"}.get(form, form)
    u, v = length / 2, depth / 2
    return [
        Part(-u, -v, u, -v + bar, form),
        Part(-u, v - bar, u, v, form),
        Part(-u, -v, -u + bar, v, across),
        Part(u - bar, -v, u, v, across),
    ]
