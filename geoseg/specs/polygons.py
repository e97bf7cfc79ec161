"""From a scene to probabilities to footprints, and from footprints to masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from geoseg.specs.quantity import Area, Length, Memory
from geoseg.specs.settings import Range, check, check_settings

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class PredictSpec:
    """How a model is run over a scene, outside of the polygons in the file ``aoi`` not at all.

    Windows are smaller where all would take more than ``max_memory``. A ``batch_size`` of 0 is as
    many windows as fit on a GPU and keep it busy, one on a CPU.
    """

    tile_size: Annotated[int, Range(32, 2**14)] | None = None
    overlap: Annotated[int, Range(0, 2**14)] | None = None
    batch_size: Annotated[int, Range(0, 2**10)] = 0
    device: str = "auto"
    runtime: Literal["auto", "torch", "openvino", "onnx"] = "auto"
    precision: Precision = "auto"
    tta: Literal["none", "flips", "d4"] = "none"
    aoi: Path | None = None
    max_memory: Memory | None = None

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class PolygonSpec:
    """How probabilities or masks become footprints; ``None`` takes the model's value.

    The model's least confidence goes with its threshold: whoever sets a lower one wants what is
    unsure too, and it is 0.
    """

    threshold: Annotated[float, Range(0, 1, low_open=True, high_open=True)] | None = None
    open: Length = Length(0.0)
    close: Length = Length(0.0)
    min_area: Area | None = None
    max_area: Area | None = None
    min_confidence: Annotated[float, Range(0, 1)] | None = None
    min_hole: Area = Area(5.0)
    simplify: Length = Length(0.0)
    connectivity: Literal[4, 8] = 4
    outline: Literal["pixel", "subpixel"] = "pixel"
    regularize: Literal["none", "orthogonal"] = "none"
    separate: Literal["auto", "none", "watershed"] = "auto"

    def __post_init__(self) -> None:
        check_settings(self)

    def completed(self, threshold: float, min_area: float, min_confidence: float) -> PolygonSpec:
        """With a model's values, ``min_area`` in square metres, for those that are left open."""
        if self.min_confidence is not None:
            min_confidence = self.min_confidence
        elif self.threshold is not None and self.threshold < threshold:
            min_confidence = 0.0
        return replace(
            self,
            threshold=self.threshold or threshold,
            min_area=self.min_area or Area(min_area),
            min_confidence=min_confidence,
        )


@dataclass(frozen=True)
class ExtractSpec(PolygonSpec):
    """Footprints to hand over: touching buildings parted, by the model's boundary class or else by
    shape, right angles where they fit, and simplified outlines where they do not.

    ``raw`` gives all traced pixels as they are.
    """

    simplify: Length = Length(1.5, pixels=True)
    regularize: Literal["none", "orthogonal"] = "orthogonal"
    separate: Literal["auto", "none", "watershed"] = "watershed"
    raw: bool = False

    def shaping(self) -> PolygonSpec:
        """These settings, without any shaping of the outlines where ``raw``."""
        if not self.raw:
            return self
        return replace(
            self,
            simplify=Length(0.0),
            min_hole=Area(0.0),
            min_confidence=self.min_confidence or 0.0,
            regularize="none",
            separate="none",
        )


# What `rasterize` burns, and the default width of each
MASK_WIDTHS: dict[str, Length | None] = {
    "footprint": None,
    "edges": Length(1, pixels=True),
    "boundary": Length(1, pixels=True),
    "contact": Length(10, pixels=True),
    "distance": Length(10),
    "instance": None,
}


@dataclass(frozen=True)
class MaskSpec:
    """Masks that `rasterize` burns, a band each: ``kinds`` as in ``MASK_WIDTHS``, with a width of
    their own as ``contact:3``.

    ``width`` holds for those without one, ``side`` is that of the outline on which boundaries are
    drawn.
    """

    kinds: tuple[str, ...] = ("footprint",)
    width: Length | None = None
    side: Literal["inner", "outer", "both"] = "inner"
    class_field: str | None = None
    all_touched: bool = False
    value: Annotated[int, Range(1, 254)] = 1

    def __post_init__(self) -> None:
        check_settings(self)
        check(bool(self.kinds), "kinds", "names no mask")
        names = [name for name, _ in self.bands]
        check(
            self.class_field is None or "footprint" in names,
            "class_field",
            "applies to the kind footprint only",
        )
        check(
            self.width is None or any(MASK_WIDTHS[name] for name in names),
            "width",
            f"does not apply to {', '.join(names)}",
        )

    @property
    def bands(self) -> list[tuple[str, Length | None]]:
        """Kind and width of each band; None for kinds that have no width."""
        found = []
        for text in self.kinds:
            name, _, own = text.partition(":")
            check(
                name in MASK_WIDTHS,
                "kinds",
                f"unknown kind {name!r}",
                f"choose from {', '.join(MASK_WIDTHS)}",
            )
            default = MASK_WIDTHS[name]
            check(default is not None or not own, "kinds", f"{name} has no width")
            width = default and (Length.parse(own) if own else self.width or default)
            check(width is None or width.value > 0, "width", f"must be above 0 for {name}")
            found.append((name, width))
        return found
