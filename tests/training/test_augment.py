"""Random crops keep image and mask together; colour keeps the range; both cost little."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from geoseg.core.encoding import VOID  # noqa: E402
from geoseg.training.augment import PRESETS, Colour, Geometry, crop  # noqa: E402
from geoseg.training.pixels import as_unit  # noqa: E402
from tests.scenes import buildings  # noqa: E402

HEIGHT, WIDTH = 90, 140


def chip() -> tuple[np.ndarray, np.ndarray]:
    mask = buildings(HEIGHT, WIDTH, 45).astype("uint8")
    return np.repeat(mask[None] * np.uint8(255), 3, 0), mask


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    rotation=st.sampled_from([0.0, 1.0]),
    low=st.floats(0.4, 1.0),
    high=st.floats(1.0, 2.5),
    foreground=st.sampled_from([0.0, 1.0]),
)
def test_mask_and_image_are_moved_alike(
    seed: int, rotation: float, low: float, high: float, foreground: float
) -> None:
    torch.manual_seed(seed)
    image, mask = crop(*chip(), Geometry(48, (low, high), True, rotation, foreground))
    assert image.shape == (3, 48, 48) and mask.shape == (48, 48)
    assert (image.dtype, mask.dtype) == (torch.uint8, torch.uint8)
    assert set(mask.unique().tolist()) <= {0, 1, VOID}
    inside = mask != VOID
    # they differ only where bilinear meets nearest, along outlines
    assert (((image[0] > 127) == (mask == 1)) | ~inside).float().mean() > 0.85


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), rotation=st.sampled_from([0.0, 1.0]))
def test_photos_stay_upright(seed: int, rotation: float) -> None:
    torch.manual_seed(seed)
    row, col = np.mgrid[:HEIGHT, :WIDTH].astype("float32") / 200
    image, _ = crop(
        np.stack([row, col]),
        np.zeros((HEIGHT, WIDTH), "uint8"),
        Geometry(48, rotation=rotation, upright=True),
    )
    down, across = np.diff(image[0], axis=0) * 200, np.diff(image[1], axis=1) * 200
    # a tilt of 10 degrees still moves 0.985 pixels down; corners that leave the chip repeat its
    # border
    assert np.median(down) > 0.98 and np.median(abs(across)) > 0.98


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    angle_and_zoom=st.sampled_from([(0.0, 1.0), (1.0, 1.0), (1.0, 0.7), (0.0, 1.4)]),
)
def test_what_is_seen_lies_where_it_should(seed: int, angle_and_zoom: tuple[float, float]) -> None:
    """Row and column of each pixel, written into the image, rise evenly across the crop, and the
    mask is that of the place.
    """
    torch.manual_seed(seed)
    rotation, zoom = angle_and_zoom
    row, col = np.mgrid[:HEIGHT, :WIDTH].astype("float32") + 0.5
    mask = (np.floor(row / 8) + np.floor(col / 8)).astype("uint8") % 2
    image, labels = crop(
        np.stack([row, col]) / 200, mask, Geometry(32, (zoom, zoom), True, rotation)
    )
    y, x = image.numpy().astype(float) * 200
    steps = np.array(
        [[np.diff(y, axis=0), np.diff(x, axis=0)], [np.diff(y, axis=1).T, np.diff(x, axis=1).T]]
    )
    inside = (labels != VOID).numpy()
    if (
        inside.all()
        and y.min() > 1
        and x.min() > 1
        and y.max() < HEIGHT - 1
        and x.max() < WIDTH - 1
    ):
        assert (
            np.abs(np.hypot(*steps[0]) - zoom).max() < 0.05
            and np.abs(np.hypot(*steps[1]) - zoom).max() < 0.05
        )
        safe = (np.abs(y % 8 - 4) < 3.2) & (np.abs(x % 8 - 4) < 3.2)
        assert (labels.numpy() == (np.floor(y / 8) + np.floor(x / 8)) % 2)[safe].all()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    rotation=st.sampled_from([0.0, 1.0]),
    zoom=st.sampled_from([0.7, 1.0, 1.6]),
)
def test_bytes_are_cut_like_the_floats_they_stand_for(
    seed: int, rotation: float, zoom: float
) -> None:
    image, mask = chip()
    image = np.random.default_rng(seed).integers(0, 256, image.shape, "uint8")
    views = []
    for pixels in (image, image.astype("float32") / 255):
        torch.manual_seed(seed)
        views.append(crop(pixels, mask, Geometry(48, (zoom, zoom), rotation=rotation)))
    (as_bytes, labels), (as_floats, same) = views
    assert (as_bytes.dtype, as_floats.dtype) == (torch.uint8, torch.float32)
    # rounded, not cut off
    assert (as_unit(as_bytes) - as_floats).abs().max() < 0.501 / 255
    assert torch.equal(labels, same)


def test_without_augmentation_a_crop_is_a_window_of_the_chip() -> None:
    image, mask = chip()
    image = image // 2 + np.random.default_rng(0).integers(0, 99, image.shape, "uint8")
    # square: crops are
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (60, 60)).reshape(-1, 60, 60)
    for seed in range(5):
        torch.manual_seed(seed)
        cut, labels = crop(image, mask, Geometry(60, flips=False))
        here = np.flatnonzero((windows == cut[0].numpy()).all(axis=(1, 2)))
        row, col = divmod(int(here[0]), WIDTH - 59)
        assert (labels.numpy() == mask[row : row + 60, col : col + 60]).all()


def test_beyond_the_chip_is_ignored() -> None:
    torch.manual_seed(0)
    image, mask = chip()
    cut, labels = crop(image, mask, Geometry(280, flips=False))
    assert (labels != VOID).sum() == HEIGHT * WIDTH
    assert not cut[:, labels == VOID].any()


def test_views_differ() -> None:
    torch.manual_seed(0)
    views = {
        crop(*chip(), Geometry(48, (0.8, 1.2), True, 1.0))[1].numpy().tobytes() for _ in range(10)
    }
    assert len(views) == 10


def test_crops_seek_the_foreground() -> None:
    image, mask = chip()
    mask[:] = 0
    mask[70:74, 120:125] = 1
    mask[:, :3] = VOID
    for foreground, least, most in ((0.0, 0, 12), (1.0, 40, 40)):
        torch.manual_seed(1)
        seen = [
            (crop(image, mask, Geometry(32, flips=False, foreground=foreground))[1] == 1).any()
            for _ in range(40)
        ]
        assert least <= sum(seen) <= most
    assert (crop(image, np.zeros_like(mask), Geometry(32, foreground=1.0))[1] == 0).all()


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_colour_keeps_the_range_and_changes_something(bands: int, strength: float) -> None:
    torch.manual_seed(1)
    image = torch.rand(9, bands, 40, 56)
    before = image.clone()
    out = Colour(bands, strength)(image)
    assert torch.equal(image, before)
    assert out.shape == image.shape and out.isfinite().all()
    assert out.min() >= 0 and out.max() <= 1
    assert all(not torch.equal(a, b) for a, b in zip(out, image, strict=True))
    assert {change.__name__ for _, change in Colour(bands, strength).rare} >= {
        "gamma",
        "shadow",
        "blur",
        "noise",
    }
    assert ("jpeg" in {change.__name__ for _, change in Colour(bands, strength).rare}) == (
        bands == 3
    )


def test_each_change_of_colour_does_what_it_says() -> None:
    torch.manual_seed(3)
    colour = Colour(3, 1.0)
    smooth = torch.linspace(0.2, 0.8, 56).expand(3, 3, 40, 56)
    sharp = (torch.arange(56) % 8 < 4).float().expand(2, 3, 40, 56) * 0.6 + 0.2
    assert colour.blur(sharp.clone()).std() < sharp.std()
    assert (colour.shadow(smooth.clone()) <= smooth + 1e-6).all() and colour.shadow(
        smooth.clone()
    ).mean() < smooth.mean()
    assert 0 < (colour.noise(smooth.clone()) - smooth).std() < 0.06
    rising = colour.gamma(smooth.clone()).diff(dim=-1)
    assert (rising >= 0).all()
    assert (colour.jpeg(smooth.clone()) - smooth).abs().mean() < 0.03
    grey = torch.full((4, 3, 40, 56), 0.5)
    assert colour.mix_bands(grey).std(dim=(2, 3)).max() < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_colour_never_waits_for_a_gpu() -> None:
    torch.manual_seed(1)
    colour = Colour(3, 1.0)
    image = torch.randint(256, (32, 3, 72, 90), dtype=torch.uint8).cuda()
    colour(as_unit(image))
    torch.cuda.set_sync_debug_mode("error")
    try:
        out = colour(as_unit(image))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert out.min() >= 0 and out.max() <= 1


def test_presets_grow() -> None:
    assert list(PRESETS) == ["none", "light", "standard", "strong"]
    assert sorted(PRESETS.values()) == list(PRESETS.values())


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    rotation=st.sampled_from([0.0, 1.0]),
    zoom=st.sampled_from([0.7, 1.0, 1.6]),
    size=st.sampled_from([48, 110]),
    foreground=st.sampled_from([0.0, 1.0]),
)
def test_masks_of_several_bands_are_moved_as_each(
    seed: int, rotation: float, zoom: float, size: int, foreground: float
) -> None:
    image, mask = chip()
    bands = np.stack([mask, np.where(mask == 1, 0, mask), np.roll(mask, 9, 1) & mask])
    bands[:, :4] = VOID
    geometry = Geometry(size, (zoom, zoom), True, rotation, foreground)

    def moved(labels: np.ndarray) -> torch.Tensor:
        torch.manual_seed(seed)
        return crop(image, labels, geometry)[1]

    found = moved(bands)
    assert found.shape == (3, size, size)
    # a crop around the foreground goes by all bands together, which the first one's is here
    assert torch.equal(found[0], moved(bands[0]))
    if not foreground:
        assert all(torch.equal(one, moved(band)) for one, band in zip(found, bands, strict=True))
