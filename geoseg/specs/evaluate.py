"""How a prediction is compared with the truth: by which rules, which footprints, where, and what is
written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from geoseg.specs.chips import SPLIT, ChipSpec, Split
from geoseg.specs.quantity import Length
from geoseg.specs.settings import Range, check, check_settings
from geoseg.specs.vectors import VectorFiles


@dataclass(frozen=True)
class EvaluateSpec:
    """``threshold`` None is the raster's own; ``bootstrap`` 0 gives no intervals.

    ``neighbourhood`` is the size of the ground blocks by which errors are reported and which the
    bootstrap samples.
    """

    iou: Annotated[float, Range(0, 1, low_open=True)] = 0.5
    threshold: Annotated[float, Range(0, 1, low_open=True, high_open=True)] | None = None
    boundary_width: Annotated[int, Range(1)] = 3
    neighbourhood: Length = Length(100)
    bootstrap: Annotated[int, Range(0)] = 0
    seed: int = 0
    sweep: bool = False
    profile: Literal["none", "spacenet2"] = "none"

    def __post_init__(self) -> None:
        check_settings(self)
        check(self.neighbourhood.value > 0, "neighbourhood", "must be above 0")
        check(not self.neighbourhood.pixels, "neighbourhood", "must be in metres, not in pixels")
        check(
            self.profile == "none" or self.iou == 0.5,
            "iou",
            f"the profile {self.profile} matches at 0.5",
        )


@dataclass(frozen=True)
class FootprintChoice:
    """Of vector files that are compared: the ``layer``, and the features for which the SQL
    condition ``where`` holds; ``truth_layer`` and ``truth_where`` are those of the truth where they
    differ.
    """

    layer: str | None = None
    where: str | None = None
    truth_layer: str | None = None
    truth_where: str | None = None

    def of_prediction(self, path: str) -> VectorFiles:
        return VectorFiles.of(path, self.layer, self.where)

    def of_truth(self, path: str) -> VectorFiles:
        layer = self.truth_layer or self.layer
        return VectorFiles.of(path, layer, self.truth_where or self.where, "truth_layer")


@dataclass(frozen=True)
class ComparedGround:
    """Where a prediction is compared with the truth.

    Pixels are compared on the grid of the raster ``like``, by default of the first raster of the
    two. Footprints and pixels count where the scene ``image`` has data (by default the scene that
    the prediction was made from, as its provenance names it), and inside the polygons of ``aoi``.
    """

    like: str | None = None
    image: str | None = None
    aoi: str | None = None


@dataclass(frozen=True)
class EvaluationOutput:
    """Files to write: ``layers`` is a GeoPackage of outcomes, ``page`` an HTML page."""

    layers: Path | None = None
    page: Path | None = None
    overwrite: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.layers, self.page) if path is not None)


@dataclass(frozen=True)
class LabelledData:
    """What a model is scored on: the chips of index folders, or scenes with their ``labels``.

    ``split`` is train, val, test or all. Windows of scenes are split as `geoseg train` does, by the
    ``fractions`` of train, val and test and the random ``seed``; ``bands`` are read of them.
    """

    data: tuple[str, ...]
    split: Literal["train", "val", "test", "all"] = "test"
    labels: VectorFiles | None = None
    fractions: Split = SPLIT
    seed: int = 0
    bands: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        # the fractions are checked by what splits by them
        ChipSpec(split=self.fractions)

    @classmethod
    def of(cls, data: Path | str | LabelledData, split: str = "test") -> LabelledData:
        """``data`` itself, or a split of the chips of a folder."""
        if isinstance(data, LabelledData):
            return data
        return cls((str(data),), split)  # type: ignore[arg-type]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Folders of chips, scenes and files of labels."""
        return (*map(Path, self.data), *(self.labels.paths if self.labels else ()))

    def __str__(self) -> str:
        return ", ".join(self.data)
