"""Architectures by name, and the network of a ModelSpec.

Every network takes float32 (batch, band, row, col) in [0, 1] of any size from 32 pixels up and
returns logits (batch, channel, row, col) of the same size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from geoseg.errors import ModelError, SettingError, UsageError
from geoseg.models import lite
from geoseg.models.networks.cnn import CNN
from geoseg.specs import ARCHITECTURES, ModelSpec

MEASURED_AT = 512  # pixels a side of the image whose operations are counted
ARGUMENT_ERRORS = (KeyError, TypeError, ValueError, AttributeError, RuntimeError)


def _cnn(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    _refuse(weights, spec)
    return CNN(spec.bands, spec.channels, **options)


def _fcn8s(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    # torchvision is half of what torch takes to import
    from geoseg.models.networks.fcn8s import FCN8s

    _refuse(weights, spec)
    return FCN8s(spec.bands, spec.channels, spec.encoder or str(ARCHITECTURES["fcn8s"]), **options)


def _refuse(weights: str | None, spec: ModelSpec) -> None:
    if weights:
        raise UsageError(
            f"there are no weights {weights!r} for {spec.architecture}",
            "use `weights` none, or a file",
        )


def _smp(spec: ModelSpec, weights: str | None, **options: Any) -> nn.Module:
    import segmentation_models_pytorch as smp

    name = lite.timm_name(str(spec.encoder or ARCHITECTURES[spec.architecture]))
    lists = {
        key: tuple(value) if isinstance(value, list) else value for key, value in options.items()
    }
    network: nn.Module = smp.create_model(
        spec.architecture,
        encoder_name=name,
        encoder_weights=True if weights and name.startswith("tu-") else weights,
        in_channels=spec.bands,
        classes=spec.channels,
        **lists,
    )
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _BatchNorm
    encoder: Any = network.encoder
    # smp keeps the layers of the full depth: files would hold them, and processes wait for them
    if encoder._depth < 5:
        _drop_idle(encoder, torch.zeros(1, spec.bands, 64, 64))
    return network


def _drop_idle(encoder: Any, image: torch.Tensor) -> None:
    """Take the layers out of ``encoder`` that ``image`` does not go through, and freeze those that
    no feature comes of.

    No file holds the first then, and no process waits for gradients of either.
    """
    used: set[nn.Module] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: used.add(module))
        for module in encoder.modules()
    ]
    # batch norms of a single image would raise, and change their statistics
    encoder.eval()
    sum(feature.sum() for feature in encoder(image)).backward()
    for hook in hooks:
        hook.remove()
    waiting = [encoder]
    while waiting:
        parent = waiting.pop()
        for name, child in parent.named_children():
            if used.isdisjoint(child.modules()):
                setattr(parent, name, nn.Identity())
            elif child not in used:  # a list, of which some are used
                waiting.append(child)
    for parameter in encoder.parameters():
        parameter.requires_grad_(parameter.grad is not None)
    encoder.zero_grad()
    encoder.train()


class _BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that takes a single value a channel, as pooling leaves of a batch of one:
    by the running ones.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                False,
                0.0,
                self.eps,
            )
        return super().forward(input)


BUILDERS: dict[str, Callable[..., nn.Module]] = {"cnn": _cnn, "fcn8s": _fcn8s}
# what the sides of an image have to be multiples of, where it is not 32
MULTIPLES = {"cnn": 1, "pan": 128}


class Segmenter(nn.Module):
    """A network with what its ModelSpec asks for around it: normalisation, padding to a size it
    takes, cropping back.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.multiple = MULTIPLES.get(spec.architecture, 32)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        image = (image - self.mean) / self.std
        # of 500 rows and multiples of 32: 12 rows are repeated below, and cut off again
        below = -height % self.multiple
        right = -width % self.multiple
        if below or right:
            image = F.pad(image, (0, right, 0, below), mode="replicate")
        return self.network(image)[..., :height, :width]


def rebuild(spec: ModelSpec, name: str) -> Segmenter:
    """The network of the model file ``name``. Raises ModelError where it is none that we know."""
    try:
        return build(spec)
    except UsageError as error:
        raise ModelError(f"{name}: {error.message}", error.hint) from error


def build(spec: ModelSpec, weights: str | None = None) -> Segmenter:
    """The network of ``spec``, randomly initialised or with the ``weights`` that the encoder's
    library has under that name.

    Raises UsageError for names the registry or the encoder library does not know, OSError where
    weights cannot be fetched. See :func:`geoseg.models.pretrained.create_network` for weights of
    any kind.
    """
    if spec.architecture not in ARCHITECTURES:
        raise UsageError(
            f"unknown architecture {spec.architecture!r}", f"one of {', '.join(ARCHITECTURES)}"
        )
    try:
        network = BUILDERS.get(spec.architecture, _smp)(spec, weights, **dict(spec.options))
    except ARGUMENT_ERRORS as error:
        why = (
            str(error.args[0] if error.args else error)
            .partition(", supported")[0]
            .partition("\n")[0]
        )
        if "Wrong encoder name" in why:
            raise SettingError(
                "encoder", f"unknown encoder {spec.encoder!r}", "`geoseg models` lists them"
            ) from error
        raise UsageError(
            f"{spec.architecture} with encoder {spec.encoder} cannot be built: {why}",
            "see `geoseg models`",
        ) from error
    return Segmenter(network, spec)


def load_weights(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Put ``state`` into ``model``; raises ModelError naming ``name`` where they do not fit."""
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelError(f"{name}: its weights do not fit its description") from error


def is_too_large(error: RuntimeError) -> bool:
    """Whether a network failed for the size of its batch: the device's memory ran out, or a kernel
    cannot count so many elements (some stop at 2**31).
    """
    return isinstance(error, torch.OutOfMemoryError) or "INT_MAX" in str(error)


def describe(name: str, encoder: str | None) -> dict[str, Any]:
    """Parameters, stride and operations of an architecture with three bands and two classes; its
    weights take no memory.

    ``stride`` is the number of pixels between neighbouring features where they are coarsest,
    ``gflop_per_megapixel`` that of a forward pass, a multiplication and an addition counted as two.
    """
    spec = ModelSpec(name, encoder)
    try:
        # tensors without memory: only shapes are needed to count
        with torch.device("meta"):
            model = build(spec).eval()
    except UsageError:  # some encoders look at values while they are built
        model = build(spec).eval().to("meta")
    image = torch.empty(1, 3, MEASURED_AT, MEASURED_AT, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    network: Any = model.network
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "stride": network.STRIDE if name in BUILDERS else int(network.encoder.output_stride),
        "gflop_per_megapixel": round(counter.get_total_flops() / image[0, 0].numel() / 1e3, 1),
    }


def has_global_context(network: Segmenter, spec: ModelSpec) -> bool:
    """Whether the network of ``spec`` weighs what it sees by the whole image: by pooling all of it
    (squeeze-and-excitation, Hu et al., CVPR 2018; pyramid pooling), attention, or a norm of each
    image. Such a network is best used on images as large as those that it learned from.
    """
    network.eval()
    with _GlobalOperations() as seen, torch.no_grad():
        network(torch.zeros(1, spec.bands, spec.size, spec.size))
    network.train()
    return seen.found


class _GlobalOperations(TorchDispatchMode):
    """Looks whether any operation makes one value of many places of a feature map."""

    NAMES = re.compile(r"adaptive_(avg|max)_pool|softmax|attention|group_norm|vector_norm")

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name()
        # the mean over rows and columns, which pooling to a single value is too
        pooled = "::mean" in name and args[0].ndim == 4 and len(args) > 1 and len(args[1]) == 2
        self.found = self.found or pooled or self.NAMES.search(name) is not None
        return func(*args, **(kwargs or {}))


def encoders() -> list[str]:
    """EfficientNet-Lite's names and those of segmentation_models_pytorch's encoders; ``tu-NAME`` is
    timm's NAME besides.
    """
    import segmentation_models_pytorch as smp

    return [
        *lite.NAMES,
        *(name for name in smp.encoders.get_encoder_names() if not name.startswith("timm-")),
    ]
