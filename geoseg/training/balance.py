"""How rare the classes are, and what that makes their pixels weigh."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from geoseg.chips.examples import Example
from geoseg.core.encoding import VOID
from geoseg.errors import SettingError, UnsuitableError

READERS = 4


def several_classes(chips: Sequence[Example], classes: int) -> bool:
    """Whether pixels of more than one class occur; stops reading where it knows.

    Of multi-label classes, whether pixels of one and others that are not of it occur.
    """
    seen = np.zeros((), bool)
    for chip in chips:
        seen = seen | (_pixels(chip, classes) > 0)
        if (seen.sum(axis=-1) > 1).any():
            return True
    return False


def class_weights(
    text: str, chips: Sequence[Example], classes: Sequence[str]
) -> list[float] | None:
    """Weights of the classes' pixels: None for ``none``, those given as ``w0,w1,...``, or ``auto``
    by their frequency.

    Each multi-label class is weighed against all else, which weighs 1. Raises
    UsageError where ``text`` is neither, or gives another number of weights than there are classes.
    """
    if text == "none":
        return None
    if text == "auto":
        with ThreadPoolExecutor(READERS) as threads:
            counts = np.stack(list(threads.map(lambda chip: _pixels(chip, len(classes)), chips)))
        return [round(float(weight), 6) for weight in _balanced(counts)]
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingError(
            "class_weights", f"must be none, auto or one number per class, not {text!r}"
        ) from error
    if len(weights) != len(classes) or min(weights) < 0 or max(weights) <= 0:
        raise SettingError(
            "class_weights",
            f"must be {len(classes)} numbers, none below 0, for {', '.join(classes)}",
        )
    return weights


def _balanced(counts: np.ndarray) -> np.ndarray:
    """Weight of each class from the pixels (mask, class) of each mask, or (mask, class, 2), not of
    it and of it.
    """
    if counts.ndim == 2:
        return median_frequency(counts)
    pairs = np.array([median_frequency(class_counts) for class_counts in counts.swapaxes(0, 1)])
    ratios: np.ndarray = pairs[:, 1] / pairs[:, 0]
    return ratios


def median_frequency(counts: np.ndarray) -> np.ndarray:
    """Weight of each class from the pixels (mask, class) of each mask: the median frequency over
    the class's own.

    The frequency of a class is its part of the pixels of those masks in which it occurs (Eigen &
    Fergus 2015, section 6.3.2). A class that never occurs weighs 1.
    """
    # Two masks of 100 pixels: 90 and 10 of background and building, and 100 and 0. Frequencies are
    # 190/200 and 10/100, since the second mask has no building; their median is 0.525, the weights
    # 0.55 and 5.25.
    occurs = counts > 0
    pixels = counts.sum(axis=0)
    pixels_of_its_masks = (occurs * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = np.divide(
        pixels, pixels_of_its_masks, out=np.full(len(pixels), np.nan), where=pixels > 0
    )
    if not np.isfinite(frequency).any():
        return np.ones(len(pixels))
    return np.nan_to_num(np.nanmedian(frequency) / frequency, nan=1.0)


def _pixels(chip: Example, classes: int) -> np.ndarray:
    """Pixels of each class in a chip's mask, int64 (class); ignored ones are left out.

    Of multi-label classes (class, 2): pixels that are not of it, and those that
    are.
    """
    labels = chip.labels()
    if labels.ndim == 3:
        if len(labels) != classes:
            raise UnsuitableError(
                f"{chip.name}: its mask has {len(labels)} bands, but there are {classes} classes"
            )
        return np.stack([_counted(chip.name, band, 2) for band in labels])
    return _counted(chip.name, labels, classes)


def _counted(name: str, labels: np.ndarray, classes: int) -> np.ndarray:
    counts = np.bincount(labels.reshape(-1), minlength=256)
    if counts[classes:VOID].any():
        label = classes + int(np.flatnonzero(counts[classes:VOID])[0])
        raise UnsuitableError(
            f"{name}: its mask holds the class {label}, but there are the classes 0 to "
            f"{classes - 1}"
        )
    return counts[:classes]
