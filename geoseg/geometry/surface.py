"""From the probabilities of several classes to the surface of one: buildings with their boundary,
parted along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoseg.core.encoding import PROBABILITY_STEPS

# Classes that lie between buildings; a boundary is part of its building, a contact is ground
BOUNDARY = "boundary"
CONTACT = "contact"
NO_FOOTPRINTS = ("background", BOUNDARY, CONTACT, "distance", "instance")


# Which channels make up the buildings, by the classes of a model:
#
#     background,building             building
#     background,building,boundary    building + boundary, parted where boundary > building
#     background,building,contact     building, parted where contact > building
#     building,boundary (multilabel)  building, parted where boundary > 1/2
@dataclass(frozen=True)
class ClassSurface:
    """Channels that make up the footprints of class ``name``: its own, and that of what lies
    ``boundary_channel``, None without.

    ``boundary_is_building`` says that what lies between belongs to the footprints too,
    ``multilabel`` that the two are predicted independently, so that both may be likely.
    """

    name: str
    channel: int
    boundary_channel: int | None = None
    boundary_is_building: bool = False
    multilabel: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        return (
            (self.channel,)
            if self.boundary_channel is None
            else (self.channel, self.boundary_channel)
        )

    def score(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Scores and ridge (row, col), as :class:`geoseg.geometry.morphology.MaskStrip` has them,
        of the :attr:`channels` (band, row, col).

        Scores are of the dtype of ``probability``, float32 or uint8. The ridge is int16 in steps of
        1/254, so that the last bit of a float, which depends on the windows, moves no line.
        """
        if self.boundary_channel is None:
            return probability[0], None
        floating = probability.dtype.kind == "f"
        steps = probability
        if floating:
            steps = probability * np.float32(PROBABILITY_STEPS)
            np.rint(steps, out=steps)
        own, boundary_channel = steps.astype(np.int16)
        boundary_margin = (
            2 * boundary_channel - PROBABILITY_STEPS if self.multilabel else boundary_channel - own
        )
        if not self.boundary_is_building:
            return probability[0], boundary_margin
        total = probability[0] + probability[1] if floating else own + boundary_channel
        np.minimum(total, 1 if floating else PROBABILITY_STEPS, out=total)
        return total.astype(probability.dtype, copy=False), boundary_margin


def surfaces(classes: Sequence[str]) -> list[ClassSurface]:
    """A surface of each class that has footprints; channels are one a class, or of two classes the
    second's alone.
    """
    if len(classes) == 2:
        return [ClassSurface(classes[1], 0)]
    return surfaces_of_channels(classes, False)


def surfaces_of_bands(names: Sequence[str]) -> list[ClassSurface]:
    """A surface of each band that has footprints; without a background they are multilabel."""
    return surfaces_of_channels(names, names[0].lower() != "background")


def surfaces_of_channels(classes: Sequence[str], multilabel: bool) -> list[ClassSurface]:
    """A surface of each class that has footprints; channels are one a class, of exclusive classes
    or of ``multilabel`` ones.
    """
    # classes are named by people: Building and building are one
    names = [name.lower() for name in classes]
    boundary_channel = next(
        (names.index(name) for name in (BOUNDARY, CONTACT) if name in names), None
    )
    footprints = [
        i for i, name in enumerate(names) if (i or multilabel) and name not in NO_FOOTPRINTS
    ]
    # a boundary is that of buildings, beside any other classes
    parted = (
        names.index("building")
        if "building" in names
        else footprints[0]
        if len(footprints) == 1
        else None
    )
    boundary_is_building = (
        boundary_channel is not None and names[boundary_channel] == BOUNDARY and not multilabel
    )
    own = (boundary_channel, boundary_is_building, multilabel and boundary_channel is not None)
    return [ClassSurface(classes[i], i, *(own if i == parted else ())) for i in footprints]
