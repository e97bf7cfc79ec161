"""Examples at another resolution: the same ground, with more or fewer pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from geoseg.chips.examples import ResampledExample
from geoseg.core.encoding import VOID


@dataclass(frozen=True)
class Ramp:
    """A ramp to the right in three bands, its right part one class, a corner unknown."""

    dtype: str
    weight: float = 1.0
    name: str = "ramp"

    def missing(self) -> Path | None:
        return None

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        ramp = np.tile(np.arange(60, dtype=self.dtype) * 4, (40, 1))
        return np.stack([ramp, ramp // 2, ramp[:, ::-1]]), self.labels()

    def labels(self) -> np.ndarray:
        mask = np.zeros((40, 60), np.uint8)
        mask[:, 33:] = 1
        mask[:8, :6] = VOID
        return mask


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("zoom", [0.5, 1.5, 2.0])
def test_pixels_and_labels_stay_on_their_ground(zoom: float, dtype: str) -> None:
    image, mask = ResampledExample(Ramp(dtype), zoom).read()
    height, width = round(40 * zoom), round(60 * zoom)
    assert image.shape == (3, height, width) and image.dtype == dtype
    assert mask.shape == (height, width) and mask.dtype == np.uint8
    # the middle of each pixel in the source's pixels, away from the borders
    middle = ((np.arange(width) + 0.5) / zoom - 0.5)[4:-4]
    np.testing.assert_allclose(image[0, height // 2, 4:-4], middle * 4, atol=0.6)
    np.testing.assert_allclose(image[2, height // 2, 4:-4], (59 - middle) * 4, atol=0.6)
    assert (mask == 1).sum() == pytest.approx(40 * 27 * zoom**2, rel=0.05)
    assert (mask == VOID).sum() == pytest.approx(8 * 6 * zoom**2, rel=0.1)
    assert mask[-1, 0] == 0 and mask[-1, -1] == 1 and mask[0, 0] == VOID


def test_masks_of_several_bands_keep_them() -> None:
    class Many(Ramp):
        def labels(self) -> np.ndarray:
            return np.stack([super().labels(), super().labels()])

    assert ResampledExample(Many("uint8"), 1.5).labels().shape == (2, 60, 90)
