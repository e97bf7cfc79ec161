"""Random crops keep image and mask together; colour keeps the range."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from geoseg.io.chips import IGNORE  # noqa: E402
from geoseg.training.augment import Colour, Geometry, crop  # noqa: E402
from tests.scenes import buildings  # noqa: E402

HEIGHT, WIDTH = 90, 140


def chip() -> tuple[torch.Tensor, torch.Tensor]:
    mask = buildings(HEIGHT, WIDTH, 45)
    return torch.from_numpy(np.repeat(mask[None], 3, 0).astype("float32")), torch.from_numpy(mask.astype("uint8"))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rotation=st.booleans(), low=st.floats(0.4, 1.0), high=st.floats(1.0, 2.5))
def test_mask_and_image_are_moved_alike(seed: int, rotation: bool, low: float, high: float) -> None:
    torch.manual_seed(seed)
    image, mask = crop(*chip(), Geometry(48, (low, high), True, rotation))
    assert image.shape == (3, 48, 48) and mask.shape == (48, 48) and mask.dtype == torch.uint8  # square: crops are
    assert set(mask.unique().tolist()) <= {0, 1, IGNORE}
    inside = mask != IGNORE
    # they differ only where bilinear meets nearest, along outlines
    assert (((image[0] > 0.5) == (mask == 1)) | ~inside).float().mean() > 0.85


def test_without_augmentation_a_crop_is_a_window_of_the_chip() -> None:
    torch.manual_seed(4)
    image, mask = chip()
    image = image + torch.rand(3, HEIGHT, WIDTH) * 0.1
    cut, labels = crop(image, mask, Geometry(WIDTH - 50, flips=False))
    assert cut.shape == (3, 90, 90)
    windows = mask.unfold(1, 90, 1).permute(1, 0, 2)
    assert any(torch.equal(window, labels) for window in windows) or (labels == IGNORE).any()


def test_beyond_the_chip_is_ignored() -> None:
    torch.manual_seed(0)
    image, mask = chip()
    _, labels = crop(image, mask, Geometry(280, flips=False))
    kept = (labels != IGNORE).float().mean()
    assert kept == pytest.approx(HEIGHT * WIDTH / 280**2, rel=0.03)


def test_views_differ() -> None:
    torch.manual_seed(0)
    views = {crop(*chip(), Geometry(48, (0.8, 1.2), True, True))[1].numpy().tobytes() for _ in range(10)}
    assert len(views) == 10


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_colour_keeps_the_range_and_changes_something(bands: int, strength: float) -> None:
    torch.manual_seed(1)
    image = torch.rand(4, bands, 40, 56)
    out = Colour(bands, strength)(image)
    assert out.shape == image.shape and out.isfinite().all()
    assert out.min() >= 0 and out.max() <= 1
    assert not torch.equal(out, image)
