"""From a scene to probabilities to footprints, and from footprints to masks."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.specs.quantity import Quantity, check


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
        check(self.tile_size is None or self.tile_size >= 32, "--tile-size must be at least 32")
        check(self.batch_size >= 1, "--batch-size must be at least 1")
        check(self.tta in ("none", "flips", "d4"), f"unknown test-time augmentation {self.tta!r}")
        check(
            self.precision in ("auto", "fp32", "bf16", "fp16"),
            f"unknown precision {self.precision!r}",
        )
        check(
            self.runtime in ("auto", "torch", "openvino", "onnx"),
            f"unknown runtime {self.runtime!r}",
        )


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
    outline: str = "pixel"
    regularize: str = "none"
    separate: str = "auto"

    def __post_init__(self) -> None:
        check(
            self.threshold is None or 0 < self.threshold < 1, "--threshold must lie between 0 and 1"
        )
        check(self.connectivity in (4, 8), "--connectivity is 4 or 8")
        check(
            self.regularize in ("none", "orthogonal"),
            f"--regularize is none or orthogonal, not {self.regularize!r}",
        )
        check(
            self.outline in ("pixel", "subpixel"),
            f"--outline is pixel or subpixel, not {self.outline!r}",
        )
        check(
            self.separate in ("auto", "none", "watershed"),
            f"--separate is auto, none or watershed, not {self.separate!r}",
        )


# What `rasterize` burns, and how wide where nothing is said
MASK_WIDTHS = {
    "footprint": None,
    "edges": Quantity(1, pixels=True),
    "boundary": Quantity(1, pixels=True),
    "contact": Quantity(10, pixels=True),
    "distance": Quantity(10),
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
    width: Quantity | None = None
    side: str = "inner"
    class_field: str | None = None
    all_touched: bool = False
    value: int = 1

    def __post_init__(self) -> None:
        check(bool(self.kinds), "--kind names no mask")
        check(self.side in ("inner", "outer", "both"), f"unknown side {self.side!r} of a boundary")
        check(1 <= self.value <= 254, f"--value {self.value} is not between 1 and 254")
        names = [name for name, _ in self.bands]
        check(
            self.class_field is None or "footprint" in names,
            "--class-field is for the kind footprint",
        )
        check(
            self.width is None or any(MASK_WIDTHS[name] for name in names),
            f"--width is for none of {', '.join(names)}",
        )

    @property
    def bands(self) -> list[tuple[str, Quantity | None]]:
        """Kind and width of each band; None for kinds that have no width."""
        found = []
        for text in self.kinds:
            name, _, own = text.partition(":")
            check(
                name in MASK_WIDTHS,
                f"unknown kind of mask {name!r}, there are {', '.join(MASK_WIDTHS)}",
            )
            default = MASK_WIDTHS[name]
            check(default is not None or not own, f"the kind {name} has no width")
            width = default and (Quantity.parse(own) if own else self.width or default)
            check(width is None or width.value > 0, f"the width of {name} must be positive")
            found.append((name, width))
        return found
