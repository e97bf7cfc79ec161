"""A trained network as other programs run it: RGB in [0, 1] in, probabilities out, normalisation
inside.

Output is (batch, classes, size, size), for two classes that exclude each other [1 - p, p].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from geoseg.errors import SettingError
from geoseg.geometry.surface import BOUNDARY
from geoseg.models import store
from geoseg.models.registry import Segmenter, build, load_weights
from geoseg.specs import ModelSpec

HALF = 0.5


class Probabilities(nn.Module):
    """Probabilities of ``model`` as ``spec`` describes them.

    With ``merged`` the model has a boundary besides, which counts as building, and where it had the
    probability ``merged`` this gives 0.5.
    """

    def __init__(self, model: Segmenter, spec: ModelSpec, merged: float | None) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.merged = merged

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.model(image)
        if self.merged is not None:
            # by products, for OpenVINO (2026.4) computes ReduceLogSumExp of classes wrongly
            each = logits.softmax(1)
            for_it = each[:, 1:].sum(1, keepdim=True) * (1 - self.merged)
            against = each[:, :1] * self.merged
            probability = for_it / (for_it + against)
        elif self.spec.sigmoid:
            probability = logits.sigmoid()
        else:
            return logits.softmax(1)
        return probability if self.spec.multilabel else torch.cat([1 - probability, probability], 1)


@dataclass(frozen=True)
class Exportable:
    """The network of the model file ``source`` for windows of ``size`` pixels, and what it is;
    ``warnings`` are of what other programs make of it.
    """

    module: Probabilities
    spec: ModelSpec
    size: int
    source: Path
    warnings: tuple[str, ...] = ()

    @property
    def image(self) -> torch.Tensor:
        """An input (1, band, size, size)."""
        return torch.zeros(1, self.spec.bands, self.size, self.size)


def exportable(
    source: Path, tile_size: int | None = None, *, merge_boundary: bool = False
) -> Exportable:
    """The network of the model file ``source``, of any kind, for windows of ``tile_size`` pixels,
    by default 512, or its own for a network that looks at the whole window; rounded up to a
    multiple of 32.

    A threshold below 0.5 becomes 0.5, by logits that are as much higher: of two classes
    other programs take the likelier, so that no threshold below 0.5 does anything there. Raises
    ModelError where ``source`` is no model, SettingError where there is no boundary to merge.
    """
    spec, state = store.load(source)
    model = build(spec)
    load_weights(model, state, str(source))
    model.eval()
    size = -(-(tile_size or (spec.size if spec.global_context else 512)) // 32) * 32
    warnings: tuple[str, ...] = ()
    low = min(spec.threshold, HALF)
    merged = low if merge_boundary else None
    if merge_boundary:
        if spec.classes[2:] != (BOUNDARY,) or spec.multilabel:
            raise SettingError(
                "merge_boundary", f"is for models of a boundary, not of {', '.join(spec.classes)}"
            )
        spec = replace(spec, classes=spec.classes[:2], threshold=max(spec.threshold, HALF))
    elif low < HALF and spec.sigmoid and not spec.multilabel:
        if _shifted(model, spec, math.log(low / (1 - low))):
            spec = replace(spec, threshold=HALF)
        else:
            warnings = (
                f"{source}: QGIS Deepness and GeoDeep find pixels from a probability of 0.5 on, "
                f"not from {spec.threshold:g}",
            )
    return Exportable(Probabilities(model, spec, merged).eval(), spec, size, source, warnings)


@torch.no_grad()
def _shifted(model: Segmenter, spec: ModelSpec, shift: float) -> bool:
    """Whether all logits of ``model`` are less by ``shift`` now: by the bias of its last layer,
    where it has one that does so.
    """
    image = torch.rand(1, spec.bands, 64, 96)
    before = model(image)
    for name, bias in reversed(list(model.named_parameters())):
        if name.endswith("bias") and bias.shape == (1,):
            bias.sub_(shift)
            if torch.allclose(model(image), before - shift, atol=1e-4):
                return True
            bias.add_(shift)
    return False
