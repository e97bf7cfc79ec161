"""Every parameter a user can set: name, default, range, unit.

Frozen dataclasses of the standard library alone. A spec travels with what it made: the model file carries its
:class:`ModelSpec`, a probability raster and a chip index carry theirs in their tags.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from geoseg.errors import ModelError, UsageError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_QUANTITY = re.compile(r"^\s*([0-9]*\.?[0-9]+)\s*(px|m2|m)?\s*$")


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)


@dataclass(frozen=True)
class Quantity:
    """A length or an area: ``value`` in metres (or square metres), or in pixels when ``pixels``."""

    value: float
    pixels: bool = False

    @classmethod
    def parse(cls, text: str | float) -> Quantity:
        """``"10"``, ``"10m2"``, ``"2.5m"`` or ``"40px"``; bare numbers are metres or square metres."""
        match = _QUANTITY.match(str(text))
        if not match:
            raise UsageError(f"{text!r} is not a length or an area", "write 10, 10m2, 2.5m or 40px")
        return cls(float(match[1]), match[2] == "px")

    def in_metres(self, gsd: float, power: int) -> float:
        """Value in metres (``power`` 1) or square metres (``power`` 2) at ``gsd`` metres per pixel."""
        return self.value * gsd**power if self.pixels else self.value


@dataclass(frozen=True)
class TilingSpec:
    """Square windows of ``size`` pixels that share ``overlap`` pixels with their neighbours."""

    size: int = 512
    overlap: int = 0

    def __post_init__(self) -> None:
        _check(self.size >= 1, f"tile size {self.size} is not positive")
        _check(0 <= self.overlap < self.size, f"overlap {self.overlap} must be at least 0 and below the tile size {self.size}")

    @property
    def stride(self) -> int:
        return self.size - self.overlap


@dataclass(frozen=True)
class Stretch:
    """Linear map of each band from ``[low, high]`` to [0, 1]; values outside are clipped."""

    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and what it expects; travels inside the model file.

    Input is float32 (batch, band, row, col) in [0, 1] after the stretch; the network itself normalises with ``mean`` and
    ``std``, so that no one else has to. Without a ``stretch`` the full range of ``dtype`` is [0, 1]. ``gsd`` is in metres
    per pixel, ``None`` for pictures without a CRS. ``size`` is the window it was trained at, ``margin`` the border of a
    window whose probabilities are not trusted, both in pixels. ``min_area`` is in square metres.
    """

    architecture: str
    encoder: str | None = None
    bands: int = 3
    classes: tuple[str, ...] = ("background", "building")
    gsd: float | None = 0.3
    dtype: str = "uint8"
    stretch: Stretch | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    size: int = 512
    margin: int = 32
    threshold: float = 0.5
    min_area: float = 10.0
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check(self.bands >= 1, "a model needs at least one band")
        _check(len(self.classes) >= 2, "a model needs at least two classes, the background included")
        _check(len(self.mean) == len(self.std) == self.bands, f"mean and std need {self.bands} values each")
        _check(0 < self.threshold < 1, f"threshold {self.threshold} must lie between 0 and 1")

    @property
    def channels(self) -> int:
        """Output channels of the network: one logit for two classes, else one a class."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Raises ModelError where the text is not the JSON of a ModelSpec; unknown keys are refused."""
        try:
            data = json.loads(text)
            unknown = set(data) - {f.name for f in fields(cls)}
            if unknown:
                raise ModelError(
                    f"the model file has unknown keys: {', '.join(sorted(unknown))}", "it was made by a newer geoseg"
                )
            if data.get("stretch"):
                data["stretch"] = Stretch(**{k: tuple(v) for k, v in data["stretch"].items()})
            for key in ("classes", "mean", "std"):
                if key in data:
                    data[key] = tuple(data[key])
            data["options"] = tuple((str(k), v) for k, v in data.get("options", ()))
            return cls(**data)
        except (ValueError, TypeError, AttributeError, KeyError, UsageError) as error:
            raise ModelError(f"the model's description is malformed: {error}") from error


@dataclass(frozen=True)
class ChipSpec:
    """How `tile` cuts a scene into chips."""

    size: int = 512
    overlap: int = 0
    edge: str = "shift"
    max_nodata: float = 1.0
    bands: tuple[int, ...] | None = None
    rescale: str = "none"
    gsd: float | None = None
    split: tuple[float, ...] = (0.8, 0.1, 0.1)
    split_by: str = "block"
    block_size: int = 4
    seed: int = 0
    format: str = "tif"

    def __post_init__(self) -> None:
        TilingSpec(self.size, self.overlap)
        _check(self.edge in ("shift", "pad", "partial", "drop"), f"unknown edge policy {self.edge!r}")
        _check(0 <= self.max_nodata <= 1, "--max-nodata is a fraction between 0 and 1")
        _check(self.split_by in ("block", "scene", "random"), f"unknown split {self.split_by!r}")
        _check_split(self.split)
        _check(self.format in ("tif", "png"), f"chips are tif or png, not {self.format!r}")
        _check(self.block_size >= 1, "--block-size must be at least 1 (tiles a side)")
        parse_rescale(self.rescale)

    @property
    def tiling(self) -> TilingSpec:
        return TilingSpec(self.size, self.overlap)


def _check_split(split: tuple[float, ...]) -> None:
    fine = len(split) == 3 and abs(sum(split) - 1) < 1e-6 and min(split) >= 0
    _check(fine, "--split takes three fractions that sum to 1")


def parse_rescale(text: str) -> tuple[str, float, float]:
    """``none``, ``minmax`` or ``percentile:LO,HI`` -> (kind, low, high) with percentiles in percent."""
    if text == "none":
        return "none", 0.0, 100.0
    if text == "minmax":
        return "percentile", 0.0, 100.0
    match = re.fullmatch(r"percentile:([0-9.]+),([0-9.]+)", text)
    if match and 0 <= float(match[1]) < float(match[2]) <= 100:
        return "percentile", float(match[1]), float(match[2])
    raise UsageError(f"--rescale {text!r} is none, minmax or percentile:LO,HI", "for example percentile:2,98")


@dataclass(frozen=True)
class PrepareSpec:
    """How `prepare` converts a published data set; ``size`` is the greatest chip, in pixels a side."""

    size: int = 2048
    bands: tuple[int, ...] | None = None
    rescale: str = "auto"
    classes: str | None = None
    labels: str | None = None
    pattern: str | None = None
    imagery: str | None = None
    target: str | None = None
    split: tuple[float, ...] = (0.8, 0.1, 0.1)
    seed: int = 0
    csv: bool = False

    def __post_init__(self) -> None:
        _check(self.size >= 32, "--size must be at least 32")
        _check_split(self.split)
        if self.rescale != "auto":
            parse_rescale(self.rescale)


@dataclass(frozen=True)
class PredictSpec:
    """How a model is run over a scene."""

    tile_size: int | None = None
    overlap: int | None = None
    batch_size: int = 1
    device: str = "auto"
    runtime: str = "auto"
    precision: str = "auto"
    tta: str = "none"

    def __post_init__(self) -> None:
        _check(self.tile_size is None or self.tile_size >= 32, "--tile-size must be at least 32")
        _check(self.batch_size >= 1, "--batch-size must be at least 1")
        _check(self.tta in ("none", "flips", "d4"), f"unknown test-time augmentation {self.tta!r}")
        _check(self.precision in ("auto", "fp32", "bf16", "fp16"), f"unknown precision {self.precision!r}")
        _check(self.runtime in ("auto", "torch", "openvino", "onnx"), f"unknown runtime {self.runtime!r}")


@dataclass(frozen=True)
class PolygonSpec:
    """How probabilities or masks become footprints; ``None`` takes the model's value."""

    threshold: float | None = None
    open: Quantity = Quantity(0.0)
    close: Quantity = Quantity(0.0)
    min_area: Quantity | None = None
    min_hole: Quantity = Quantity(5.0)
    simplify: Quantity = Quantity(0.0)
    connectivity: int = 4
    regularize: str = "none"
    separate: str = "none"

    def __post_init__(self) -> None:
        _check(self.threshold is None or 0 < self.threshold < 1, "--threshold must lie between 0 and 1")
        _check(self.connectivity in (4, 8), "--connectivity is 4 or 8")
        _check(self.regularize in ("none", "orthogonal"), f"--regularize is none or orthogonal, not {self.regularize!r}")
        _check(self.separate in ("none", "watershed"), f"--separate is none or watershed, not {self.separate!r}")


# What `rasterize` burns, and how wide where nothing is said
MASK_WIDTHS = {
    "footprint": None,
    "boundary": Quantity(1, pixels=True),
    "contact": Quantity(10, pixels=True),
    "distance": Quantity(10),
    "instance": None,
}


@dataclass(frozen=True)
class MaskSpec:
    """Masks that `rasterize` burns, a band each: ``kinds`` as in ``MASK_WIDTHS``, with a width of their own as ``contact:3``.

    ``width`` holds for those without one, ``side`` is that of the outline on which boundaries are drawn.
    """

    kinds: tuple[str, ...] = ("footprint",)
    width: Quantity | None = None
    side: str = "inner"
    class_field: str | None = None
    all_touched: bool = False
    value: int = 1

    def __post_init__(self) -> None:
        _check(bool(self.kinds), "--kind names no mask")
        _check(self.side in ("inner", "outer", "both"), f"unknown side {self.side!r} of a boundary")
        _check(1 <= self.value <= 254, f"--value {self.value} is not between 1 and 254")
        names = [name for name, _ in self.bands]
        _check(self.class_field is None or "footprint" in names, "--class-field is for the kind footprint")
        _check(self.width is None or any(MASK_WIDTHS[name] for name in names), f"--width is for none of {', '.join(names)}")

    @property
    def bands(self) -> list[tuple[str, Quantity | None]]:
        """Kind and width of each band; None for kinds that have no width."""
        found = []
        for text in self.kinds:
            name, _, own = text.partition(":")
            _check(name in MASK_WIDTHS, f"unknown kind of mask {name!r}, there are {', '.join(MASK_WIDTHS)}")
            default = MASK_WIDTHS[name]
            _check(default is not None or not own, f"the kind {name} has no width")
            width = default and (Quantity.parse(own) if own else self.width or default)
            _check(width is None or width.value > 0, f"the width of {name} must be positive")
            found.append((name, width))
        return found


@dataclass(frozen=True)
class TrainSpec:
    """A training run."""

    arch: str = "unet"
    encoder: str | None = None
    weights: str = "none"
    epochs: int = 20
    batch_size: int = 8
    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "onecycle"
    loss: str = "auto"
    augment: str = "standard"
    crop: int | None = None
    gsd: float | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    samples: int | None = None
    precision: str = "auto"
    devices: int = 1
    workers: int = 0
    seed: int = 0
    early_stop: int | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, "--epochs must be at least 1")
        _check(self.batch_size >= 1, "--batch-size must be at least 1")
        _check(self.lr > 0, "--lr must be positive")
        _check(self.schedule in ("onecycle", "cosine", "constant"), f"unknown schedule {self.schedule!r}")
        _check(self.augment in ("none", "light", "standard", "strong"), f"unknown augmentation {self.augment!r}")
        _check(0 < self.scale[0] <= self.scale[1], "--scale takes two rising positive factors")
