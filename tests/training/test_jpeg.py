"""JPEG by products of matrices gives what an encoder and its decoder do."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from geoseg.training.jpeg import quantisation, recompressed  # noqa: E402
from tests.scenes import buildings, picture  # noqa: E402


def photo(height: int, width: int) -> np.ndarray:
    """uint8 (row, col, band): houses, a slope of colours, and the noise of a sensor."""
    slope = np.mgrid[:height, :width].sum(0)[..., None] * (0.3, 0.1, -0.2)
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 1))
    houses = picture(buildings(height, width, 45)).transpose(1, 2, 0) * 0.6
    return np.clip(houses + slope + noise + 30, 0, 255).astype("uint8")


@pytest.mark.parametrize("height, width", [(96, 128), (77, 130)])
def test_images_come_back_as_from_an_encoder(height: int, width: int) -> None:
    qualities = [20, 50, 89]
    pixels = photo(height, width)
    batch = torch.from_numpy(pixels).permute(2, 0, 1).expand(3, -1, -1, -1) / 255
    found = recompressed(batch, torch.tensor(qualities)) * 255
    assert found.shape == (3, 3, height, width)
    for image, quality in zip(found.permute(0, 2, 3, 1).numpy(), qualities, strict=True):
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        expected = np.asarray(Image.open(stream)).astype(float)
        lost = np.abs(expected - pixels).mean()
        # libjpeg computes in integers, so that some frequencies are rounded to the other side
        assert np.abs(image - expected).mean() < lost / 5
        assert abs(np.abs(image - pixels).mean() - lost) < lost / 20


def test_the_steps_are_those_of_an_encoder() -> None:
    for quality in (1, 35, 50, 89, 100):
        stream = BytesIO()
        Image.new("RGB", (17, 9)).save(stream, "JPEG", quality=quality)
        tables = Image.open(stream).quantization  # type: ignore[attr-defined]
        steps = quantisation(torch.tensor([quality]))
        for found, expected in zip(steps, tables.values(), strict=True):
            assert found[0].tolist() == list(expected)
