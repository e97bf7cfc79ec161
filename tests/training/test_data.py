"""Batches from chips: decoded once, drawn by weight, named when they cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from geoseg.chips.examples import ChipFiles, Example  # noqa: E402
from geoseg.core.encoding import VOID  # noqa: E402
from geoseg.errors import InputError, UnsuitableError  # noqa: E402
from geoseg.io.raster.write import write_array  # noqa: E402
from geoseg.specs import ModelSpec, TrainSpec  # noqa: E402
from geoseg.training.augment import Geometry  # noqa: E402
from geoseg.training.data import (  # noqa: E402
    Batch,
    ChipDataset,
    Item,
    base_sampler,
    collate,
    loaders,
    pad_collate,
    readable,
    workers_of,
)
from tests.scenes import buildings, grid, picture  # noqa: E402

MODEL = ModelSpec("cnn", size=32)


def chip(
    folder: Path, name: str, height: int = 40, width: int = 56, weight: float = 1.0
) -> ChipFiles:
    mask = buildings(height, width, 29)
    write_array(folder / f"{name}.tif", picture(mask), grid(height, width))
    write_array(folder / f"{name}_mask.tif", mask.astype("uint8"), grid(height, width))
    return ChipFiles(folder / f"{name}.tif", folder / f"{name}_mask.tif", weight)


@dataclass
class CountedReads:
    """A chip that counts how often it is read."""

    chip: ChipFiles
    reads: int = 0

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        self.reads += 1
        return self.chip.read()


@pytest.fixture
def chips(tmp_path: Path) -> list[Example]:
    return [chip(tmp_path, "a"), chip(tmp_path, "b", 34, 61)]


def test_a_chip_is_decoded_once(chips: list[Example]) -> None:
    data = ChipDataset(chips)
    first, mask, number = data[1]
    assert first.shape == (3, 34, 61) and first.dtype == torch.uint8 and number == 1
    assert (mask.numpy() == buildings(34, 61, 29)).all()
    for path in (chips[1].image, chips[1].mask):
        path.unlink()
    assert torch.equal(data[1][0], first)


def test_chips_of_other_sizes_are_padded_where_nothing_counts(chips: list[Example]) -> None:
    image, mask, numbers = pad_collate([ChipDataset(chips)[i] for i in (0, 1)])
    assert image.shape == (2, 3, 40, 61) and numbers.tolist() == [0, 1]
    assert (
        (mask[0, :, 56:] == VOID).all()
        and (mask[1, 34:] == VOID).all()
        and not image[1, :, 34:].any()
    )
    assert (mask[0, :, :56].numpy() == buildings(40, 56, 29)).all()


def test_chips_are_resized_to_the_models_gsd(chips: list[Example]) -> None:
    image, mask, _ = ChipDataset(chips, zoom=1.5)[0]
    assert image.shape == (3, 60, 84) and mask.shape == (60, 84)
    assert set(mask.unique().tolist()) == {0, 1}
    assert (((image[0] > image[1]) == (mask == 1)).float().mean()) > 0.95


@pytest.mark.parametrize("gather", [collate, pad_collate])
def test_bytes_beside_floats_do_not_pass_for_large_numbers(
    chips: list[Example], tmp_path: Path, gather: Callable[[Sequence[Item]], Batch]
) -> None:
    pixels = chips[0].read()[0]
    write_array(tmp_path / "wide.tif", pixels.astype("uint16") * 257, grid(40, 56))
    wide = ChipFiles(tmp_path / "wide.tif", chips[0].mask)  # type: ignore[attr-defined]
    image, *_ = gather([ChipDataset([chips[0], wide])[i] for i in (0, 1)])
    assert image.dtype == torch.float32 and image.max() <= 1
    assert (image[0] - image[1]).abs().max() < 1e-6
    alone, *_ = gather([ChipDataset(chips)[0]])
    assert alone.dtype == torch.uint8 and (alone[0].numpy() == pixels).all()


def test_weights_decide_how_often_a_chip_is_drawn(chips: list[Example]) -> None:
    heavy = ChipFiles(chips[1].image, chips[1].mask, 3.0)  # type: ignore[attr-defined]
    train, _ = loaders(
        [chips[0], heavy],
        [],
        TrainSpec(samples=400, batch_size=40, augment="none", seed=3),
        MODEL,
        1.0,
    )
    train.dataset.dataset.geometry = Geometry(8)
    drawn = torch.cat([numbers for _, _, numbers in train])
    assert len(drawn) == 400 and 0.7 < drawn.float().mean() < 0.8
    assert sorted(base_sampler(chips, TrainSpec())) == [0, 1]  # alike: each once


def test_the_same_seed_gives_the_same_batches(chips: list[Example]) -> None:
    spec = TrainSpec(samples=6, batch_size=2, augment="strong", seed=3, foreground=0.5)
    first, again = (list(loaders(chips, chips, spec, MODEL, 1.0)[0]) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for one, other in zip(first, again, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_what_cannot_be_read_is_named_and_left_out(chips: list[Example], tmp_path: Path) -> None:
    bad = chip(tmp_path, "bad")
    bad.image.write_bytes(bad.image.read_bytes()[:400])
    odd = ChipFiles(chips[0].image, chips[1].mask)  # type: ignore[attr-defined]
    gone = ChipFiles(tmp_path / "gone.tif", chips[0].mask)  # type: ignore[attr-defined]
    looked: list[int] = []
    good, problems = readable([bad, *chips, gone, odd], looked.append)
    assert good == chips and sum(looked) == 5
    assert [problem.partition(":")[0] for problem in problems] == [
        str(bad.image),
        str(gone.image),
        str(odd.mask),
    ]
    assert gone.missing() == gone.image and odd.missing() is None
    with pytest.raises(InputError, match=r"bad\.tif"):
        ChipDataset([bad])[0]
    with pytest.raises(UnsuitableError, match="not of the size"):
        ChipDataset([odd])[0]


def test_masks_of_more_than_eight_bits_are_no_surprise(tmp_path: Path) -> None:
    whole = chip(tmp_path, "a")
    write_array(tmp_path / "wide.tif", buildings(40, 56, 29).astype("uint16"), grid(40, 56))
    assert ChipFiles(whole.image, tmp_path / "wide.tif").labels().dtype == np.uint8
    write_array(tmp_path / "far.tif", np.full((40, 56), 700, "uint16"), grid(40, 56))
    with pytest.raises(UnsuitableError, match="holds 700"):
        ChipFiles(whole.image, tmp_path / "far.tif").labels()


@pytest.mark.slow
def test_workers_read_the_same(chips: list[Example]) -> None:
    spec = TrainSpec(samples=6, batch_size=2, augment="standard", seed=3)
    alone, spread = (
        list(loaders(chips, chips, TrainSpec(**vars(spec) | {"workers": n}), MODEL, 1.0)[0])
        for n in (0, 2)
    )
    assert all(torch.equal(a[0], b[0]) for a, b in zip(alone, spread, strict=True))


def test_a_gpu_is_kept_busy_by_the_processors_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    for gpu, expected in ((False, (0, 0, 3)), (True, (11, 3, 3))):
        monkeypatch.setattr("torch.cuda.is_available", lambda gpu=gpu: gpu)
        specs = (TrainSpec(), TrainSpec(devices=3), TrainSpec(workers=3))
        assert tuple(map(workers_of, specs)) == expected


def test_what_does_not_fit_is_read_again(chips: list[Example]) -> None:
    size = sum(part.nbytes for part in chips[0].read())
    counted = [CountedReads(chip) for chip in chips]
    data = ChipDataset(counted, room=size * 3 // 2)
    first = [data[i] for i in range(len(chips))]
    assert all(
        torch.equal(a, b)
        for i in range(len(chips))
        for a, b in zip(first[i][:2], data[i][:2], strict=True)
    )
    assert [chip.reads for chip in counted] == [1, 2]


def test_masks_of_several_bands_keep_them(tmp_path: Path) -> None:
    masks = np.stack([buildings(40, 56, period) for period in (29, 23, 31)]).astype("uint8")
    write_array(tmp_path / "a.tif", picture(masks[0]), grid(40, 56))
    write_array(tmp_path / "a_mask.tif", masks, grid(40, 56))
    many = ChipFiles(tmp_path / "a.tif", tmp_path / "a_mask.tif")
    write_array(tmp_path / "b.tif", picture(masks[0, :34]), grid(34, 56))
    write_array(tmp_path / "b_mask.tif", masks[:, :34], grid(34, 56))
    few = ChipFiles(tmp_path / "b.tif", tmp_path / "b_mask.tif")
    data = ChipDataset([many, few])
    assert (data[0][1].numpy() == masks).all()
    _, batch, _ = pad_collate([data[0], data[1]])
    assert batch.shape == (2, 3, 40, 56) and batch[1, :, 34:].eq(VOID).all()
    assert (batch[1, :, :34].numpy() == masks[:, :34]).all()
    smaller = ChipDataset([many], zoom=0.8)[0][1]
    alone = ChipDataset([ChipFiles(tmp_path / "a.tif", _band(tmp_path, masks[1]))], zoom=0.8)[0][1]
    assert smaller.shape == (3, 32, 45) and torch.equal(smaller[1], alone)


def _band(folder: Path, mask: np.ndarray) -> Path:
    write_array(folder / "band.tif", mask, grid(*mask.shape))
    return folder / "band.tif"
