"""Weights to start from: those an encoder's library has, or a file of torchvision, timm,
segmentation_models_pytorch or geoseg.

A file's tensors are found by their names, without the prefixes of wrappers, and by their shapes.
"""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file as load_safetensors
from torch import nn

from geoseg.errors import InputError, ModelError, ResourceError
from geoseg.io.formats import model_format
from geoseg.io.safety import first_bytes
from geoseg.models.lite import brought, imagenet
from geoseg.models.registry import Segmenter, build
from geoseg.specs import ARCHITECTURES, ModelSpec

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
# What programs wrap a network in, or call its encoder
WRAPPERS = ("module.", "model.", "network.", "encoder.", "backbone.")
Tensors = Mapping[str, torch.Tensor]


def create_network(spec: ModelSpec, weights: str = "none") -> tuple[Segmenter, str | None]:
    """The network of ``spec`` with ``weights``: ``none``, a name such as ``imagenet``, or a file;
    and what matched of a file.

    ``auto`` is ``imagenet`` for encoders whose weights are installed with geoseg, else ``none``.

    Raises UsageError (no such weights), ResourceError (they cannot be fetched), InputError (no such
    file) and ModelError (a file that is damaged, or of another network).
    """
    lite = lite_of(spec)
    if weights == "none" or (weights == "auto" and not lite):
        return build(spec), None
    if weights != "auto" and Path(weights).is_file():
        network = build(spec)
        return network, load_file(network, Path(weights))
    if weights.endswith(SUFFIXES):
        raise InputError(f"{weights}: does not exist")
    if lite and weights in ("auto", "imagenet"):
        network = build(spec)
        return network, load_matching(network, imagenet(lite), lite)
    _spare_retries()
    try:
        if (spec.architecture, weights) == ("fcn8s", "imagenet"):
            network = build(spec)
            return network, load_matching(network, _vgg16(str(spec.encoder)), str(spec.encoder))
        return build(spec, weights), None
    except OSError as error:
        raise ResourceError(
            f"the weights {weights!r} of {spec.encoder} could not be fetched",
            "connect once, or give a file as `weights`",
        ) from error


def lite_of(spec: ModelSpec) -> str | None:
    """The EfficientNet-Lite that is the encoder of ``spec``, None if another is."""
    return brought(spec.encoder or ARCHITECTURES.get(spec.architecture))


def _spare_retries() -> None:
    """Where the hub's name is not known, look into its cache alone: the library would try again for
    a minute.
    """
    from huggingface_hub import constants

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        if not getproxies():
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True


def _vgg16(encoder: str) -> dict[str, torch.Tensor]:
    from torchvision.models import get_model_weights

    return dict(get_model_weights(encoder)["IMAGENET1K_V1"].get_state_dict(progress=False))


def load_file(model: Segmenter, path: Path) -> str:
    """Put what fits of the file ``path`` into ``model``; says how much did, and what was left.

    Raises ModelError where the file cannot be read, or fits less than half of the network's
    encoder.
    """
    return load_matching(model, _read(path), str(path))


def load_matching(model: Segmenter, state: Tensors, name: str) -> str:
    """:func:`load_file` of tensors that errors call ``name``.

    The first layer is adapted to other bands than the file's three: they repeat, scaled so that the
    sum stays.
    """
    held = _counted(state)
    wanted = _counted(model.network.state_dict())
    # A checkpoint of Lightning has model.encoder.layer1.0.weight where the encoder calls it
    # layer1.0.weight. So all prefixes are tried on the whole network and on its encoder alone, and
    # the pair that fits the most tensors is taken.
    matches = [
        (part, keys, _pairs(held, prefix, wanted, keys))
        for part, keys in _views(model.network, wanted)
        for prefix in _prefixes(held)
    ]
    part, keys, pairs = max(matches, key=lambda match: len(match[2]))
    if not pairs:
        raise ModelError(
            f"{name}: none of its {len(held)} tensors fits the network", "is it of another encoder?"
        )
    # some layers fit any network; a start that is mostly random has to be an error
    if 2 * len(pairs) < len(keys):
        raise ModelError(
            f"{name}: fits {len(pairs)} of the {len(keys)} tensors of the {part}",
            "is it of another encoder?",
        )
    model.network.load_state_dict(
        {target: tensor for target, (_, tensor) in pairs.items()}, strict=False
    )
    taken = {source for source, _ in pairs.values()}
    text = f"{part}: {len(taken)} of {len(held)} tensors matched"
    left = _groups(name for name in held if name not in taken)
    lacking = _groups(target for target in keys.values() if target not in pairs)
    return (
        text
        + (f"; left: {left}" if left else "")
        + (f"; not in the file: {lacking}" if lacking else "")
    )


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if model_format(first_bytes(path, 9)) == "safetensors":
            return load_safetensors(path)
        # tensors alone: a pickle may run code
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        UnpicklingError,
        RuntimeError,
        ValueError,
        KeyError,
        EOFError,
        OSError,
    ) as error:
        raise ModelError(
            f"{path}: cannot be read as weights",
            "tensors alone are read: a state_dict, .safetensors",
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = (
        {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}
        if isinstance(found, dict)
        else {}
    )
    if not tensors:
        raise ModelError(f"{path}: holds no weights")
    return tensors


def _counted(state: Tensors) -> dict[str, torch.Tensor]:
    """Without the counters of batches that some versions of batch normalisation keep and others do
    not.
    """
    return {
        name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")
    }


def _views(network: nn.Module, wanted: Tensors) -> Iterator[tuple[str, dict[str, str]]]:
    """Parts of the network: its tensors by the names that their authors give them."""
    yield "network", {name: name for name in wanted}
    if source := getattr(network, "source", None):
        yield (
            "encoder",
            {source(name): name for name in wanted if name.startswith(("pool", "classifier."))},
        )
    for prefix in ("encoder.", "encoder.model."):
        if inside := {
            name.removeprefix(prefix): name for name in wanted if name.startswith(prefix)
        }:
            yield "encoder", inside


def _prefixes(held: Tensors) -> Iterator[str]:
    """What all or many names of the file may begin with."""
    for depth in range(4):
        for words in product(WRAPPERS, repeat=depth):
            prefix = "".join(words)
            if any(name.startswith(prefix) for name in held):
                yield prefix


def _pairs(
    held: Tensors, prefix: str, wanted: Tensors, keys: dict[str, str]
) -> dict[str, tuple[str, torch.Tensor]]:
    """The name and the tensor in the file for each of the network's that have one."""
    # timm joins names by underscores where a network hands out its features
    sources = {
        name.removeprefix(prefix).replace(".", "_"): name
        for name in held
        if name.startswith(prefix)
    }
    pairs = {}
    for key, target in keys.items():
        source = sources.get(key.replace(".", "_"))
        tensor = None if source is None else _shaped(held[source], wanted[target].shape)
        if source is not None and tensor is not None:
            pairs[target] = source, tensor
    return pairs


def _shaped(tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    """``tensor`` in ``shape``: a first layer for other bands, a fully connected one as a
    convolution; None if neither fits.
    """
    if tensor.shape == shape:
        return tensor
    if tensor.ndim == 2 and tensor.shape[0] == shape[0] and tensor.numel() == shape.numel():
        return tensor.reshape(shape)
    if (
        tensor.ndim == len(shape) == 4
        and tensor.shape[1] == 3
        and (tensor[:, 0].shape == (shape[0], *shape[2:]))
    ):
        # Four bands are red, green, blue and red again, times 3/4, so that a grey pixel gives the
        # sum that it gave before; one band is that sum.
        bands = shape[1]
        return (
            tensor.sum(1, keepdim=True)
            if bands == 1
            else tensor[:, [i % 3 for i in range(bands)]] * (3 / bands)
        )
    return None


def _groups(names: Iterable[str]) -> str:
    """``fc.*, head.*``: the first parts of names, the largest groups first."""
    counts = Counter(name.partition(".")[0] for name in names)
    shown = [f"{name}.*" for name, _ in counts.most_common(4)]
    return ", ".join(shown + ["..."] * (len(counts) > 4))
