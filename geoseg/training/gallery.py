"""A trained network on whole chips: the best and the worst of the validation, scores of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from geoseg.chips.examples import Example
from geoseg.evaluation.gallery import Gallery, ScoredChip, score_chip
from geoseg.models import registry
from geoseg.specs import ModelSpec
from geoseg.training.data import ChipDataset
from geoseg.training.module import confusions, to_prediction
from geoseg.training.scores import multilabel_scores, scores

LOOKED_AT = 200


def best_and_worst(
    model: ModelSpec,
    state: dict[str, torch.Tensor],
    chips: Sequence[Example],
    zoom: float,
    size: int,
) -> Gallery:
    """Of ``chips``, or 200 spread over them, up to ``size`` of the best and of the worst."""
    network, device = _ready(model, state)
    chosen = np.unique(
        np.linspace(0, len(chips) - 1, min(LOOKED_AT, len(chips))).round().astype(int)
    )
    data = ChipDataset([chips[i] for i in chosen], zoom)
    gallery = Gallery(size)
    for i in range(len(data)):
        gallery.add(_look(network, device, data, i, len(model.classes)))
    return gallery


@torch.no_grad()
def split_scores(
    model: ModelSpec, state: dict[str, torch.Tensor], chips: Sequence[Example], zoom: float
) -> dict[str, Any]:
    """Scores of the weights ``state`` on whole ``chips``, as those of a validation."""
    network, device = _ready(model, state)
    counts = confusions(model).to(device)
    data = ChipDataset(chips, zoom, room=0)
    for i in range(len(data)):
        image, mask, _ = data[i]
        logits, truth = network(image[None].to(device)).float(), mask[None].to(device)
        counts.update(to_prediction(logits, truth, model), truth.long())
    score = multilabel_scores if model.multilabel else scores
    return score(counts.compute().cpu().numpy(), model.classes)


def _ready(
    model: ModelSpec, state: dict[str, torch.Tensor]
) -> tuple[torch.nn.Module, torch.device]:
    """The network with its weights on the device that trains, ready to predict."""
    network = registry.build(model)
    registry.load_weights(network, state, "the best epoch")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.to(device).to(memory_format=torch.channels_last).eval(), device


@torch.no_grad()
def _look(
    network: torch.nn.Module, device: torch.device, data: ChipDataset, i: int, classes: int
) -> ScoredChip:
    image, mask, _ = data[i]
    logits = network(image[None].to(device)).float().cpu()[0]
    truth = mask.numpy()
    pixels = np.rint(image.numpy() * 255).astype(np.uint8)
    positive = logits if truth.ndim == 3 else logits[0]
    prediction = positive > 0 if truth.ndim == 3 or len(logits) == 1 else logits.argmax(0)
    return score_chip(
        data.chips[i].name, pixels, truth, prediction.to(torch.uint8).numpy(), classes
    )
