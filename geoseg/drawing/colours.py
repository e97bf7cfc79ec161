"""Colours of outcomes, apart for the colour-blind."""

from __future__ import annotations

from geoseg.core.class_map import Colour

# Correct, false positive, missed: apart for the colour-blind and on any imagery (after Okabe and
# Ito 2008)
TP, FP, FN = "#56b4e9", "#e8601c", "#f0e442"


def rgb(colour: str) -> Colour:
    """``#0072b2`` -> (0, 114, 178)."""
    red, green, blue = bytes.fromhex(colour.lstrip("#"))
    return red, green, blue
