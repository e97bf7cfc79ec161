"""What numbers in our rasters stand for, and the tags that travel with them.

No other module knows these numbers or a tag's name; :mod:`geoseg.labels.interpret` decides what
the values of any raster mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from geoseg.errors import InputError

# A label that counts for no class: no data, or unknown. Also the nodata value of probabilities
VOID = 255
# uint8 probabilities are stored as steps of 1/254, 0 to 254
PROBABILITY_STEPS = 254
BACKGROUND = "background"

_KIND = "GEOSEG_KIND"
_CLASSES = "GEOSEG_CLASSES"
_THRESHOLD = "GEOSEG_THRESHOLD"
_MIN_AREA = "GEOSEG_MIN_AREA"
_MIN_CONFIDENCE = "GEOSEG_MIN_CONFIDENCE"
_VALUE = "GEOSEG_VALUE"
_WIDTH = "GEOSEG_WIDTH"
_INSIDE = "GEOSEG_INSIDE"


@dataclass(frozen=True, kw_only=True)
class RasterTags:
    """What a raster of ours says about its values; everything may be missing.

    ``kind`` is ``mask``, ``classes``, ``probability``, ``multilabel`` or kinds of masks, one for
    each band, as ``footprint,instance``. ``classes`` are the names by label, the background
    included, of multilabel masks those of the bands; in the file they are a list in which labels
    without a name are empty: ``background,,,meadow``.
    ``threshold``, ``min_area`` (square metres) and ``min_confidence`` are those of the model,
    ``value`` is the label of the footprints in a mask, ``width`` that of a band's boundaries in
    metres. ``inside`` is how many rows and columns of a padded chip lie in its scene.
    """

    kind: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    threshold: float | None = None
    min_area: float | None = None
    min_confidence: float | None = None
    value: int | None = None
    width: float | None = None
    inside: tuple[int, int] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each band."""
        return tuple(part for part in self.kind.split(",") if part)

    @classmethod
    def parse(cls, tags: Mapping[str, str], path: str) -> RasterTags:
        """The tags of the raster ``path``. Raises InputError for a number that is none."""

        def number(tag: str) -> float | None:
            text = tags.get(tag)
            try:
                return None if text is None else float(text)
            except ValueError as error:
                raise InputError(f"{path}: its tag {tag} is not a number: {text!r}") from error

        value = number(_VALUE)
        # "background,,,meadow" names the labels 0 and 3; 1 and 2 have none
        names = enumerate(tags.get(_CLASSES, "").split(","))
        rows, _, cols = tags.get(_INSIDE, "").partition(",")
        return cls(
            kind=tags.get(_KIND, ""),
            classes={label: name.strip() for label, name in names if name.strip()},
            threshold=number(_THRESHOLD),
            min_area=number(_MIN_AREA),
            min_confidence=number(_MIN_CONFIDENCE),
            value=None if value is None else int(value),
            width=number(_WIDTH),
            inside=(int(rows), int(cols)) if rows.isdecimal() and cols.isdecimal() else None,
        )

    def to_dict(self) -> dict[str, str]:
        """As they are written; commas in names become spaces."""
        names = [self.classes.get(i, "") for i in range(max(self.classes, default=-1) + 1)]
        found = {
            _KIND: self.kind or None,
            _CLASSES: ",".join(name.replace(", ", " ").replace(",", " ") for name in names) or None,
            _THRESHOLD: self.threshold,
            _MIN_AREA: self.min_area,
            _MIN_CONFIDENCE: self.min_confidence,
            _VALUE: self.value,
            _WIDTH: None if self.width is None else f"{self.width:g}",
            _INSIDE: None if self.inside is None else "{},{}".format(*self.inside),
        }
        return {tag: str(value) for tag, value in found.items() if value is not None}

    def __str__(self) -> str:
        """As a user may write them with `rio edit-info`."""
        return " ".join(f"--tag {tag}={text}" for tag, text in self.to_dict().items())


def mosaic_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of a chip's tags that hold for a mosaic too."""
    return {name: text for name, text in tags.items() if name not in ("AREA_OR_POINT", _INSIDE)}


def layered(masks: np.ndarray) -> np.ndarray:
    """Masks uint8 (class, row, col) of 0, 1 and ``VOID`` as labels (row, col), from 1: the last
    class that a pixel is of.
    """
    numbers = np.arange(1, len(masks) + 1, dtype=np.uint8)[:, None, None]
    return np.where(
        (masks == VOID).all(axis=0), np.uint8(VOID), ((masks == 1) * numbers).max(axis=0)
    )
