"""Pixels of pictures: scenes, classes laid over them, probabilities as colours.

Pictures are uint8 (row, col, 3); colours are written as on the web, ``#0072b2``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib import colormaps

from geoseg.core.encoding import VOID
from geoseg.drawing.colours import FN, FP, TP, rgb

BUILDING = "#ffb000"
# Petroff, "Accessible Color Sequences for Data Visualization" (2021, arXiv:2107.02270), then Tol's
# "muted"; over and over
_CLASSES = [
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
    "#117733",
    "#88ccee",
    "#cc6677",
    "#332288",
    "#ddcc77",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
]
# What most pictures call their classes, in the colours that one expects
_NAMED = {
    "building": "#ffb000",
    "roof": "#ffb000",
    "sky": "#9ed2f0",
    "road": "#6f6f7d",
    "sidewalk": "#cc79a7",
    "pavement": "#cc79a7",
    "path": "#cc79a7",
    "vegetation": "#2e8b57",
    "tree": "#2e8b57",
    "field": "#b5c334",
    "grass": "#b5c334",
    "land": "#d9c17c",
    "water": "#2a78c2",
    "pole": "#e0218a",
    "traffic light or sign": "#fff04d",
    "fence": "#9c6b3f",
    "vehicle": "#0f4fc4",
    "car": "#0f4fc4",
    "pedestrian": "#e3342f",
    "cyclist": "#8a2be2",
}
# Of the labels of :func:`outcomes`, and what they are called
OUTCOMES = {1: TP, 2: FP, 3: FN}
RESULT = {"correct": TP, "false positive": FP, "missed": FN}
HEAT = "plasma"
PLAIN = (38, 42, 50)  # ground without imagery: dark, so that all colours stand out
_HATCH = (236, 224)  # greys of the stripes where there is no data
_STRIPE = 6


def class_colours(names: Mapping[int, str], present: tuple[int, ...]) -> dict[int, str]:
    """Colour of each class that is drawn: all that may be ``present`` but the background, which is
    0 unless it has a name.
    """
    bare = names.get(0, "background").lower() == "background"
    if bare and max(present, default=0) <= 1:
        return {1: BUILDING}
    spare = cycle(_CLASSES)
    named = {
        label: _NAMED.get(names.get(label, "").lower()) for label in present if label or not bare
    }
    return {label: colour or next(spare) for label, colour in named.items()}


def drawn_names(classes: Sequence[str], multilabel: bool) -> dict[int, str]:
    """Names of the labels that are drawn; multi-label classes are
    :func:`~geoseg.core.encoding.layered` over nothing.
    """
    return dict(enumerate(("background", *classes) if multilabel else classes))


def opacity_of(classes: int, wanted: float | None) -> float:
    """How strong labels of that many classes lie over a picture: as ``wanted``, else faintly where
    outlines show them.
    """
    return wanted if wanted is not None else 0.3 if classes == 1 else 0.6


def picture(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The first three bands of an image uint8 (band, row, col), or the first as grey; stripes where
    it is not valid.
    """
    bands = image[:3] if len(image) >= 3 else image[[0, 0, 0]]
    return np.where(valid[..., None], bands.transpose(1, 2, 0), ground(valid.shape))


def ground(shape: tuple[int, int]) -> np.ndarray:
    """Pale slanting stripes: a picture of no data, of ``shape`` (height, width)."""
    row, col = np.ogrid[: shape[0], : shape[1]]
    # row + col is the same along each slanting line
    stripes = np.array(_HATCH, np.uint8)[(row + col) // _STRIPE % 2]
    return np.repeat(stripes[..., None], 3, axis=2)


def tint(
    under: np.ndarray, labels: np.ndarray, colours: Mapping[int, str], opacity: float
) -> np.ndarray:
    """The picture ``under`` seen through the colours of its ``labels`` uint8 (row, col); faint ones
    have outlines.

    Labels without a colour are left as they are; ``VOID`` is veiled in grey.
    """
    table = np.zeros((256, 3), np.float32)
    share = np.zeros(256, np.float32)
    for label, colour in colours.items():
        table[label] = rgb(colour)
        share[label] = opacity
    table[VOID] = 200
    share[VOID] = 0.6
    part = np.take(share, labels)
    if opacity < 0.5:  # too faint to show where they end
        part = np.where(_outlines(labels) & (labels != VOID), np.take(share > 0, labels), part)
    return np.rint(under + (table[labels] - under) * part[..., None]).astype(np.uint8)


def heat(probability: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Probabilities float (row, col) as the colours of ``HEAT``; stripes where they are not
    valid.
    """
    colours = colormaps[HEAT](probability, bytes=True)[..., :3]
    return np.where(valid[..., None], colours, ground(valid.shape))


def outcomes(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Outcome of each pixel, uint8 (row, col): 1 true positive, 2 false positive, 3 missed,
    ``VOID`` if unknown.
    """
    # 2 predicted, 3 true, both 2 + 3 - 4 = 1
    out = (
        (prediction == 1).astype(np.uint8) * 2
        + (truth == 1) * np.uint8(3)
        - 4 * ((prediction == 1) & (truth == 1)).astype(np.uint8)
    )
    out[(prediction == VOID) | (truth == VOID)] = VOID
    return out


def _outlines(labels: np.ndarray) -> np.ndarray:
    """Pixels that have another label above or on their left, or below or on their right."""
    edge = np.zeros(labels.shape, bool)
    down = labels[1:] != labels[:-1]
    right = labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge
