"""A trained network on whole chips: the best and the worst of the validation, scores of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from geoseg.chips.examples import Example
from geoseg.evaluation.gallery import Gallery, ScoredChip, score_chip
from geoseg.models import registry
from geoseg.specs import ModelSpec
from geoseg.training.data import ChipDataset
from geoseg.training.module import building_logit, confusions, to_prediction
from geoseg.training.pixels import as_unit
from geoseg.training.scores import multilabel_scores, scores

LOOKED_AT = 200
Network = Callable[[torch.Tensor], torch.Tensor]


def best_and_worst(
    model: ModelSpec,
    state: dict[str, torch.Tensor],
    chips: Sequence[Example],
    zoom: float,
    size: int,
    labelled: ModelSpec,
) -> Gallery:
    """Of ``chips``, or 200 spread over them, up to ``size`` of the best and of the worst, by the
    classes of ``labelled`` (:attr:`geoseg.training.fit.TrainingRun.labelled`).
    """
    network, device = _ready(model, state, labelled)
    chosen = np.unique(
        np.linspace(0, len(chips) - 1, min(LOOKED_AT, len(chips))).round().astype(int)
    )
    data = ChipDataset([chips[i] for i in chosen], zoom)
    gallery = Gallery(size)
    for i in range(len(data)):
        gallery.add(_look(network, device, data, i, len(labelled.classes)))
    return gallery


@torch.no_grad()
def split_scores(
    model: ModelSpec,
    state: dict[str, torch.Tensor],
    chips: Sequence[Example],
    zoom: float,
    labelled: ModelSpec,
) -> dict[str, Any]:
    """Scores of the weights ``state`` on whole ``chips``, as those of a validation."""
    network, device = _ready(model, state, labelled)
    counts = confusions(labelled).to(device)
    data = ChipDataset(chips, zoom, room=0)
    for i in range(len(data)):
        image, mask, _ = data[i]
        truth = mask[None].to(device)
        logits = network(as_unit(image[None].to(device)))
        counts.update(to_prediction(logits, truth, labelled), truth.long())
    score = multilabel_scores if model.multilabel else scores
    return score(counts.compute().cpu().numpy(), labelled.classes)


def _ready(
    model: ModelSpec, state: dict[str, torch.Tensor], labelled: ModelSpec
) -> tuple[Network, torch.device]:
    """The network with its weights, ready to predict the logits of the classes of ``labelled``, and
    the device it is on.
    """
    network = registry.build(model)
    registry.load_weights(network, state, "the best epoch")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).to(memory_format=torch.channels_last).eval()

    def logits(image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = network(image).float()
        return found if labelled == model else building_logit(found)

    return logits, device


@torch.no_grad()
def _look(
    network: Network, device: torch.device, data: ChipDataset, i: int, classes: int
) -> ScoredChip:
    image, mask, _ = data[i]
    image = as_unit(image)
    logits = network(image[None].to(device)).cpu()[0]
    truth = mask.numpy()
    pixels = np.rint(image.numpy() * 255).astype(np.uint8)
    positive = logits if truth.ndim == 3 else logits[0]
    prediction = positive > 0 if truth.ndim == 3 or len(logits) == 1 else logits.argmax(0)
    return score_chip(
        data.chips[i].name, pixels, truth, prediction.to(torch.uint8).numpy(), classes
    )
