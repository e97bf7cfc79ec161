"""What a model is, and what it expects."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from geoseg.errors import ModelError, UsageError
from geoseg.specs.settings import check

LARGEST = 2**16  # pixels a side of a window
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Every architecture and its default encoder; from unet on they are decoders of
# segmentation_models_pytorch
ARCHITECTURES: Mapping[str, str | None] = {
    "cnn": None,
    "fcn8s": "vgg16",
    "unet": "efficientnet_lite0",
    "unetplusplus": "efficientnet_lite0",
    "fpn": "efficientnet_lite0",
    "linknet": "efficientnet_lite0",
    "manet": "efficientnet_lite0",
    "pan": "efficientnet_lite0",
    "pspnet": "efficientnet_lite0",
    "deeplabv3": "efficientnet_lite0",
    "deeplabv3plus": "efficientnet_lite0",
    "upernet": "efficientnet_lite0",
    "segformer": "efficientnet_lite0",
}


@dataclass(frozen=True)
class Stretch:
    """Linear map of each band from ``[low, high]`` to [0, 1]; values outside are clipped."""

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and what it expects; travels inside the model file.

    Input is float32 (batch, band, row, col) in [0, 1] after the stretch; the network itself
    normalises with ``mean`` and ``std``. Without a ``stretch`` the full range of ``dtype`` is
    [0, 1]. ``gsd`` is in metres per pixel, ``None`` for images without a CRS. ``source_bands`` are
    the bands of the scenes, from 1, that were chosen for training; ``None`` where all were taken.
    ``percentiles`` (low, high) replace a fixed stretch: each scene is stretched by its own.
    ``size`` is the window it was trained at, ``margin`` the border of a window whose probabilities
    are not trusted, both in pixels; a network with ``global_context`` answers otherwise in windows
    of another size (:func:`geoseg.models.registry.has_global_context`). ``min_area`` is in square
    metres, ``min_confidence`` the mean probability that footprints at its ``threshold`` have at
    least. The ``classes`` exclude each other, the first being the background; a ``multilabel``
    model predicts each class independently and has no background class.
    """

    architecture: str
    encoder: str | None = None
    bands: int = 3
    source_bands: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ("background", "building")
    multilabel: bool = False
    gsd: float | None = 0.3
    dtype: str = "uint8"
    stretch: Stretch | None = None
    percentiles: tuple[float, float] | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    size: int = 512
    margin: int = 32
    global_context: bool = False
    threshold: float = 0.5
    min_area: float = 10.0
    min_confidence: float = 0.0
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check(self.bands >= 1, "bands", "must be at least 1")
        check(len(self.classes) >= 2, "classes", "must be at least two, the background included")
        check(
            not self.multilabel or "background" not in map(str.lower, self.classes),
            "classes",
            "a multi-label model has no background class",
            "encode exclusive classes in one band",
        )
        check(
            len(self.mean) == len(self.std) == self.bands,
            "mean",
            f"mean and std must have {self.bands} values each",
        )
        check(
            0 < self.threshold < 1, "threshold", f"must lie between 0 and 1, not {self.threshold}"
        )
        check(
            0 <= self.min_confidence <= 1,
            "min_confidence",
            f"must lie between 0 and 1, not {self.min_confidence}",
        )
        check(isinstance(self.architecture, str), "architecture", "must be a name")
        finite = all(map(math.isfinite, (*self.mean, *self.std, self.min_area, self.gsd or 1)))
        check(finite, "mean", "must be finite, as all its numbers")
        check(all(self.std), "std", "must not be 0")
        check(self.gsd is None or self.gsd > 0, "gsd", "must be above 0")
        check(1 <= self.size <= LARGEST, "size", f"must lie between 1 and {LARGEST}")
        check(self.margin >= 0, "margin", "must be at least 0")

    @property
    def channels(self) -> int:
        """Output channels of the network: one logit for two classes that exclude each other, else
        one a class.
        """
        return 1 if len(self.classes) == 2 and not self.multilabel else len(self.classes)

    @property
    def sigmoid(self) -> bool:
        """Whether each logit gives a probability by itself; else a softmax over all of them
        does.
        """
        return self.channels == 1 or self.multilabel

    def for_labels(self, classes: tuple[str, ...]) -> ModelSpec:
        """This model as far as labels with these ``classes`` show it: itself, but whole buildings
        where it knows their boundary and the labels do not.
        """
        parts = self.classes[2:] == ("boundary",) and not self.multilabel
        return replace(self, classes=self.classes[:2]) if parts and len(classes) == 2 else self

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Raises ModelError where the text is not the JSON of a ModelSpec; unknown keys are
        refused.
        """
        try:
            data = json.loads(text)
            unknown = set(data) - {f.name for f in fields(cls)}
            if unknown:
                raise ModelError(
                    f"the model file has unknown keys: {', '.join(sorted(unknown))}",
                    "it was made by a newer geoseg",
                )
            if data.get("stretch"):
                data["stretch"] = Stretch(**{k: tuple(v) for k, v in data["stretch"].items()})
            for key in ("classes", "mean", "std", "percentiles", "source_bands"):
                if data.get(key) is not None:
                    data[key] = tuple(data[key])
            data["options"] = tuple((str(k), v) for k, v in data.get("options", ()))
            return cls(**data)
        except (
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
            RecursionError,
            UsageError,
        ) as error:
            raise ModelError(f"its description is malformed: {error}") from error
