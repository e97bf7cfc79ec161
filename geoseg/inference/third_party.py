"""ONNX graphs of other programs: what they take and give, brought to what geoseg's own do.

Geoseg's graphs take float32 (batch, band, row, col) in [0, 1] and give probabilities of the same
rows and columns. Others take bytes or put the bands last, give logits, only the middle of the
window, or fewer pixels. What a graph does is found by running it once on black, white and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.core.resize import StripResizer
from geoseg.errors import ModelError

Infer = Callable[[np.ndarray], np.ndarray]
# What rounding may add to a probability
_ROUNDING = 1e-3


@dataclass(frozen=True)
class InputForm:
    """How a graph takes images: as bytes from 0 to 255 or floats from 0 to 1, bands first or
    last.
    """

    as_bytes: bool = False
    bands_last: bool = False

    def shape(self, batch: int, bands: int, size: int) -> list[int]:
        return [batch, size, size, bands] if self.bands_last else [batch, bands, size, size]

    def prepare(self, batch: np.ndarray) -> np.ndarray:
        """``batch`` float32 (batch, band, row, col) in [0, 1] as the graph takes it."""
        if self.as_bytes:
            batch = np.rint(batch * np.float32(255)).astype(np.uint8)
        return np.ascontiguousarray(batch.transpose(0, 2, 3, 1)) if self.bands_last else batch


@dataclass(frozen=True)
class OutputForm:
    """What a graph gives for a window: ``logits`` or probabilities, bands first or last, without
    ``border`` pixels on each side, or one value for ``factor`` pixels along each axis.
    """

    logits: bool = False
    bands_last: bool = False
    border: int = 0
    factor: int = 1

    @classmethod
    def found(cls, infer: Infer, shape: tuple[int, ...], classes: int, path: Path) -> OutputForm:
        """The form of the graph behind ``infer``, which takes ``shape`` (batch, band, row, col).

        Raises ModelError where what it gives is none of these forms.
        """
        # Why three: on black alone a network may answer 0.2 everywhere, which logits could be too.
        # Of white and noise the logits of some class leave 0 to 1.
        noise = np.random.default_rng(0).random(shape, np.float32)
        tried = [np.zeros(shape, np.float32), np.ones(shape, np.float32), noise]
        outputs = [np.array(infer(batch), np.float32) for batch in tried]
        out = outputs[0]
        if out.ndim != 4:
            raise ModelError(f"{path}: gives {out.ndim} dimensions, not classes of pixels")
        if not all(np.isfinite(each).all() for each in outputs):
            raise ModelError(f"{path}: gives values that are not finite")
        # for 2 classes (1, 512, 512, 2) has the bands last, (1, 2, 512, 512) first
        last = out.shape[1] not in (1, classes) and out.shape[3] in (1, classes)
        height, width = out.shape[1:3] if last else out.shape[2:]
        size = shape[-1]
        # For windows of 512: 512 is the whole, 128 one value for 4 x 4 pixels, 388 the middle
        # without a border of 62 on each side, as a U-Net without padding gives. 200 is less than
        # half and no part of 512, and refused.
        whole = size % height == 0
        if height != width or not (whole or (2 * height >= size and (size - height) % 2 == 0)):
            raise ModelError(f"{path}: gives {height} x {width} pixels for {size} x {size}")
        low = min(map(np.min, outputs))
        high = max(map(np.max, outputs))
        logits = bool(low < -_ROUNDING or high > 1 + _ROUNDING)
        if whole:
            return cls(logits, last, factor=size // height)
        return cls(logits, last, border=(size - height) // 2)

    def finish(self, out: np.ndarray, multilabel: bool, path: Path) -> np.ndarray:
        """Probabilities float32 (batch, class, row, col) of the window within the border, in memory
        of their own: runtimes hand out what the next call writes to. Raises ModelError where values
        leave 0..1.
        """
        out = np.moveaxis(out, -1, 1) if self.bands_last else out
        if self.logits:
            out = _sigmoid(out) if multilabel or out.shape[1] == 1 else _softmax(out)
        low = float(out.min())
        high = float(out.max())
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ModelError(f"{path}: gives values from {low:g} to {high:g}, not probabilities")
        if self.factor > 1:
            out = np.stack([_enlarged(image, self.factor) for image in out])
        return np.clip(out, 0, 1, order="C")


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # beyond 80 the exponential overflows float32 and the sigmoid is 0 or 1
    return 1 / (1 + np.exp(-logits.clip(-80, 80)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """``image`` (class, row, col) with ``factor`` times the pixels along each axis, bilinearly."""
    height, width = image.shape[1:]
    resizer = StripResizer((height, width), (height * factor, width * factor))
    return np.concatenate([rows for _, rows in resizer.push(image)], axis=1)
