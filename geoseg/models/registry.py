"""Architectures by name, and the network of a ModelSpec.

Every network takes float32 (batch, band, row, col) in [0, 1] of any size from 32 pixels up and returns logits
(batch, channel, row, col) of the same size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from geoseg.errors import ModelError, UsageError
from geoseg.models.cnn import CNN
from geoseg.specs import ModelSpec

# The decoders of segmentation_models_pytorch that need no more than an encoder
DECODERS = (
    "unet",
    "unetplusplus",
    "fpn",
    "linknet",
    "manet",
    "pan",
    "pspnet",
    "deeplabv3",
    "deeplabv3plus",
    "upernet",
    "segformer",
)


def _cnn(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    return CNN(spec.bands, spec.channels, **options)


def _fcn8s(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    from geoseg.models.fcn8s import FCN8s  # torchvision is half of what torch takes to import

    return FCN8s(spec.bands, spec.channels, **options)


def _smp(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    import segmentation_models_pytorch as smp

    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return smp.create_model(
        spec.architecture,
        encoder_name=spec.encoder or "resnet34",
        encoder_weights=weights,
        in_channels=spec.bands,
        classes=spec.channels,
        **lists,
    )


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"cnn": _cnn, "fcn8s": _fcn8s} | dict.fromkeys(DECODERS, _smp)
STRIDES = {"cnn": 1}  # a network not named here wants sides that are multiples of 32


class Segmenter(nn.Module):
    """A network with what its ModelSpec asks for around it: normalisation, padding to its stride, cropping back."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.stride = STRIDES.get(spec.architecture, 32)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        image = (image - self.mean) / self.std
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            image = F.pad(image, (0, right, 0, below), mode="replicate")
        return self.network(image)[..., :height, :width]


def build(spec: ModelSpec, weights: str | None = None) -> Segmenter:
    """The network of ``spec``, randomly initialised or with ``weights`` ("imagenet") in its encoder.

    Raises UsageError for names the registry or the encoder library does not know.
    """
    if spec.architecture not in ARCHITECTURES:
        raise UsageError(f"unknown architecture {spec.architecture!r}", f"one of {', '.join(ARCHITECTURES)}")
    try:
        network = ARCHITECTURES[spec.architecture](spec, weights, **dict(spec.options))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{spec.architecture} with encoder {spec.encoder} cannot be built: {error}") from error
    return Segmenter(network, spec)


def load_weights(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Put ``state`` into ``model``; raises ModelError naming ``name`` where they do not fit."""
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{name}: its weights do not fit its description") from error


def describe() -> list[dict[str, Any]]:
    """Name, default encoder and parameters of each architecture, three bands and two classes."""
    rows = []
    for name in ARCHITECTURES:
        encoder = "resnet34" if name in DECODERS else "vgg16" if name == "fcn8s" else None
        with torch.device("meta"):
            model = build(ModelSpec(name, encoder))
        rows.append({"name": name, "encoder": encoder, "parameters": sum(p.numel() for p in model.parameters())})
    return rows
