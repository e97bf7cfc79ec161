"""What the values of a raster mean, once that is decided: stored values into classes, masks and
probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from geoseg.core.encoding import BACKGROUND, VOID
from geoseg.errors import UnsuitableError
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import NO_FOOTPRINTS, ClassSurface, surfaces_of_channels
from geoseg.specs import ModelSpec

Kind = Literal["mask", "classes", "probability", "multilabel", "instance"]

BUILDING = "building"


@dataclass(frozen=True)
class Interpretation:
    """What the values of ``bands`` (from 1) of the raster ``path`` mean.

    ``names`` are by label, of several bands by their place in ``bands``; labels that nothing names
    are missing. ``unit`` is the stored value of probability 1, None where values are labels.
    ``threshold``, ``min_area`` (square metres) and ``min_confidence`` are what the file says of its
    probabilities, else a model's defaults. ``ids`` is the class of each label: of named labels
    their place among the names, of others the label itself. ``void`` is the value that means
    unknown, ``labels`` those that occur where the values had to be looked at. ``left_out`` names
    bands that are not taken.
    """

    path: str
    kind: Kind
    bands: tuple[int, ...] = (1,)
    names: Mapping[int, str] = field(default_factory=dict)
    unit: float | None = None
    threshold: float = ModelSpec.threshold
    min_area: float = ModelSpec.min_area
    min_confidence: float = ModelSpec.min_confidence
    ids: Mapping[int, int] = field(default_factory=dict)
    void: int | None = None
    labels: tuple[int, ...] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def building(self) -> int:
        """The label of the one class of a mask."""
        return next(label for label, number in self.ids.items() if number == 1)

    @property
    def has_footprints(self) -> bool:
        """Whether the class of a mask has footprints, or lies between them."""
        return self.kind != "mask" or self.names.get(self.building) not in NO_FOOTPRINTS

    @property
    def taken(self) -> str:
        """Name of the bands that are taken where others are left out."""
        chosen = self.names.values() if self.kind == "multilabel" else [self.kind]
        return f"{', '.join(chosen)} (band {', '.join(map(str, self.bands))})"

    @property
    def class_names(self) -> dict[int, str]:
        """Names by class id; of multilabel bands from 1, after the background."""
        if self.kind == "multilabel":
            return {0: BACKGROUND} | {place + 1: name for place, name in self.names.items()}
        if not self.ids:
            return dict(self.names)
        return {self.ids[label]: name for label, name in self.names.items()}

    def surfaces(self) -> list[ClassSurface]:
        """The classes that have footprints. Channels are class ids of labels, places of ``bands``
        of probabilities and multilabel masks, which need names for all.
        """
        if self.kind == "mask":
            name = self.names.get(self.building, BUILDING)
            return [ClassSurface(name, 1)] if self.has_footprints else []
        if self.kind == "instance":
            return [ClassSurface(BUILDING, 1)]
        if self.kind == "classes" and not self.names:
            return [ClassSurface(str(label), label) for label in self.ids if label]
        names = [name for _, name in sorted(self.names.items())]
        if self.unit is not None and len(self.bands) == 1:
            return [ClassSurface(names[-1] if names else BUILDING, 0)]
        return surfaces_of_channels(names, self.kind == "multilabel")

    def class_ids(self, labels: np.ndarray) -> np.ndarray:
        """Class ids, uint8 of the shape of ``labels``; ``VOID`` where the label means unknown.

        Raises UnsuitableError for labels that have no meaning.
        """
        if self.kind == "instance":
            return (labels > 0).astype(np.uint8)
        meaning = dict(self.ids) | ({} if self.void is None else {self.void: VOID})
        # a table of labels, so that millions of pixels are looked up at once
        keys = np.array(sorted(meaning))
        numbers = np.array([meaning[key] for key in keys.tolist()], np.uint8)
        # labels that were looked at before are known
        if self.labels is None and not (known := np.isin(labels, keys)).all():
            label = labels[~known].flat[0]
            listed = ", ".join(f"{label}: {name}" for label, name in self.names.items())
            raise UnsuitableError(
                f"{self.path}: holds the label {label}, which has no name", f"it names {listed}"
            )
        if labels.dtype == np.uint8:
            table = np.zeros(256, np.uint8)
            table[keys] = numbers
            return table[labels]
        found: np.ndarray = numbers[np.minimum(np.searchsorted(keys, labels), len(keys) - 1)]
        return found

    def masks(self, image: np.ndarray) -> np.ndarray:
        """Multilabel masks uint8 (band, row, col) of 0, 1 and ``VOID``.

        Raises UnsuitableError where the bands hold imagery, which may have named bands too.
        """
        # masks of ours may have any value for building
        if self.void is None and ((image > 1) & (image != VOID)).any():
            raise UnsuitableError(
                f"{self.path}: is no mask: its bands hold more than 0, 1 and {VOID}"
            )
        return np.where(image == VOID, np.uint8(VOID), image > 0).astype(np.uint8)

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """Probabilities float32 of stored values; raises UnsuitableError beyond 0 to 1."""
        assert self.unit is not None
        # unknown pixels become 0 here and not valid in `known`
        values = image if self.void is None else np.where(image == self.void, 0, image)
        values = values.astype(np.float32, copy=False)
        scaled = values if self.unit == 1 else values / np.float32(self.unit)
        if scaled.size and not 0 <= scaled.min() <= scaled.max() <= 1:
            raise UnsuitableError(
                f"{self.path}: holds values from {image.min():g} to {image.max():g}, not "
                "probabilities",
                "declare the value below 0 as nodata" if image.min() < 0 else None,
            )
        return scaled

    def check(self, image: np.ndarray) -> None:
        """Raise UnsuitableError where stored values (band, row, col) of the bands mean nothing."""
        if self.unit is not None:
            self.probabilities(image)
        elif self.kind == "multilabel":
            self.masks(image)
        else:
            self.class_ids(image[0])

    def numbered(self, labels: np.ndarray, valid: np.ndarray) -> MaskStrip:
        """Rows of numbered buildings, to be traced by their numbers."""
        return MaskStrip((labels > 0) & valid, valid, labels)

    def known(self, image: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """``valid`` (row, col) without pixels whose probabilities (band, row, col) are unknown."""
        if self.unit is None or self.void is None:
            return valid
        return valid & (image != self.void).all(axis=0)
