"""Validation chips that a trained network gets right and wrong, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from geoseg.core.metrics import confusion, count, mean_iou
from geoseg.core.pictures import layered
from geoseg.io.chips import IGNORE
from geoseg.models import registry
from geoseg.specs import ModelSpec
from geoseg.training.data import ChipDataset
from geoseg.training.examples import Example

LOOKED_AT = 200
LEAST_KNOWN = 0.1  # part of a chip


@dataclass(frozen=True)
class Seen:
    """A chip with what was found: ``image`` uint8 (band, row, col), ``truth`` and ``found`` uint8 (row, col) of classes.

    Classes that are told each by itself lie one over the other, from 1, as :func:`geoseg.core.pictures.layered` has them.
    ``iou`` is the mean over the classes that occur; where nothing is known ``truth`` is 255.
    """

    name: str
    iou: float
    image: np.ndarray
    truth: np.ndarray
    found: np.ndarray


def best_and_worst(
    model: ModelSpec, state: dict[str, torch.Tensor], chips: Sequence[Example], zoom: float, count: int
) -> tuple[list[Seen], list[Seen]]:
    """Of ``chips``, or 200 spread over them, up to ``count`` of the highest and of the lowest IoU that have more to show than
    background; none is in both.
    """
    network = registry.build(model)
    registry.load_weights(network, state, "the best epoch")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    chosen = np.unique(np.linspace(0, len(chips) - 1, min(LOOKED_AT, len(chips))).round().astype(int))
    data = ChipDataset([chips[i] for i in chosen], zoom)
    best: list[Seen] = []
    worst: list[Seen] = []
    shown = 0
    for i in range(len(data)):
        seen = _look(network, device, data, i)
        known = seen.truth != IGNORE
        if known.mean() < LEAST_KNOWN or not (seen.found[known].any() or seen.truth[known].any()):
            continue
        shown += 1
        best = sorted([*best, seen], key=lambda one: -one.iou)[:count]
        worst = sorted([*worst, seen], key=lambda one: one.iou)[:count]
    best = best[: (shown + 1) // 2]
    return best, [one for one in worst if one.name not in {other.name for other in best}]


@torch.no_grad()
def _look(network: torch.nn.Module, device: torch.device, data: ChipDataset, i: int) -> Seen:
    image, mask, _ = data[i]
    logits = network(image[None].to(device)).float().cpu()[0]
    truth = mask.numpy()
    pixels = np.rint(image.numpy() * 255).astype(np.uint8)
    if truth.ndim == 3:
        each = (logits > 0).to(torch.uint8).numpy()
        counts = [count(one == 1, real == 1, real != IGNORE) for one, real in zip(each, truth, strict=True)]
        iou = float(np.mean([c.iou for c in counts if c.tp + c.fp + c.fn] or [1.0]))
        return Seen(data.chips[i].name, iou, pixels, layered(truth), layered(each))
    found = ((logits[0] > 0) if len(logits) == 1 else logits.argmax(0)).to(torch.uint8).numpy()
    matrix = confusion(found, truth, max(2, len(logits)), ignore=[IGNORE])
    return Seen(data.chips[i].name, mean_iou(matrix), pixels, truth, found)
