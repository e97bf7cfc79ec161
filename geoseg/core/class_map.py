"""Which class a label stands for: values or colours of a mask -> class ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError, UsageError

Colour = tuple[int, int, int]
BINARY = ("background", "building")
_NAMED = re.compile(r"\s*([^=]+?)\s*(?:=\s*(?:#([0-9a-fA-F]{6})|(\d{1,3})))?\s*")
_IGNORED = ("void", "ignore")


@dataclass(frozen=True)
class ClassMap:
    """Class names, and the class of each label: of ``values`` 0 to 255 in one band, of ``colours``
    (red, green, blue) in three.

    Class 255 is ignored in loss and metrics; so is every label without a class.
    """

    classes: tuple[str, ...]
    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ClassMap:
        """``"background,building"`` (values 0, 1) or ``"land=2,roof=#3c1098"`` (value, colour).

        A name given again adds labels to its class; what is called ``void`` is ignored. Raises
        UsageError.
        """
        classes: dict[str, int] = {}
        values: dict[int, int] = {}
        colours: dict[Colour, int] = {}
        for place, part in enumerate(text.split(",")):
            match = _NAMED.fullmatch(part)
            if not match or int(match[3] or 0) > VOID:
                raise UsageError(
                    f"{part.strip()!r} is not a class",
                    "write NAME, NAME=3 or NAME=#3c1098, separated by commas",
                )
            name = match[1]
            number = VOID if name.lower() in _IGNORED else classes.setdefault(name, len(classes))
            if match[2]:
                red, green, blue = bytes.fromhex(match[2])
                colours[red, green, blue] = number
            else:
                values[int(match[3] or place)] = number
        if len(classes) < 2:
            raise UsageError("a data set needs at least two classes, the background included")
        return cls(tuple(classes), values, colours)

    @classmethod
    def infer(cls, values: Collection[int], colours: Collection[Colour]) -> ClassMap:
        """The class map of masks in which these labels occur, and no others.

        Values up to 1 are background and building, 255 is building where it stands alone beside 0
        and else ignored; higher ones are classes of their own. Raises UnsuitableError for colours,
        unless black and one other.
        """
        if colours:
            coloured = sorted(set(colours) - {(0, 0, 0)})
            if len(coloured) > 1 or values:
                listed = ",".join(f"NAME=#{bytes(c).hex()}" for c in coloured[:12])
                raise UnsuitableError(
                    f"masks hold {len(coloured)} colours that have no names",
                    f"name them: `classes` {listed}",
                )
            return cls(BINARY, colours={(0, 0, 0): 0, **dict.fromkeys(coloured, 1)})
        known = {int(value) for value in values}
        if known <= {0, VOID}:
            return cls(BINARY, {0: 0, VOID: 1})
        known -= {VOID}
        if max(known) <= 1:
            return cls(BINARY, {0: 0, 1: 1})
        return cls(
            tuple(f"class_{i}" for i in range(max(known) + 1)),
            {i: i for i in range(max(known) + 1)},
        )

    def classify(
        self, labels: np.ndarray, palette: Mapping[int, Colour] | None = None
    ) -> tuple[np.ndarray, int]:
        """Class ids uint8 (row, col) of ``labels`` (band, row, col), and how many pixels hold a
        label without a class.

        One band holds values, or numbers of colours in ``palette``; three hold colours, or three
        times the same values. Raises UnsuitableError where no class has a label of that kind.
        """
        if len(labels) == 1:
            return self._by_value(labels[0], palette)
        if len(labels) != 3:
            raise UnsuitableError(f"has {len(labels)} bands, a mask has one or three")
        if not self.colours and (labels == labels[0]).all():
            return self._by_value(labels[0], None)
        if not self.colours:
            raise UnsuitableError("holds colours, but no class has one")
        return self._by_colour(labels)

    def _by_value(
        self, labels: np.ndarray, palette: Mapping[int, Colour] | None
    ) -> tuple[np.ndarray, int]:
        if labels.size and not 0 <= labels.min() <= labels.max() <= VOID:
            raise UnsuitableError(
                f"holds labels from {labels.min()} to {labels.max()}, classes go from 0 to 254"
            )
        check_whole(labels)
        meaning = self.values
        if palette and self.colours:
            meaning = {
                value: self.colours[colour]
                for value, colour in palette.items()
                if colour in self.colours
            }
        if not meaning:
            raise UnsuitableError("holds values, but no class has one")
        table = np.full(256, VOID, np.uint8)
        table[list(meaning)] = list(meaning.values())
        # VOID is known too, though no class: it says that a pixel does not count
        known = np.zeros(256, bool)
        known[[*meaning, VOID]] = True
        labels = labels.astype(np.uint8)
        return table[labels], int(labels.size - known[labels].sum())

    def _by_colour(self, labels: np.ndarray) -> tuple[np.ndarray, int]:
        keys = np.array(sorted(colour_codes(np.array(list(self.colours)).T)), np.int64)
        classes = {
            int(colour_codes(np.array(colour)[:, None])[0]): number
            for colour, number in self.colours.items()
        }
        wanted = colour_codes(labels)
        # a colour beyond the last is compared with the last, and differs
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        known = keys[place] == wanted
        table = np.array([classes[int(key)] for key in keys], np.uint8)
        return np.where(known, table[place], VOID).astype(np.uint8), int((~known).sum())


def check_whole(labels: np.ndarray) -> None:
    """Raise UnsuitableError for labels between two classes, as probabilities are."""
    if labels.dtype.kind == "f":
        others = labels[labels != np.rint(labels)]
        if others.size:
            raise UnsuitableError(f"holds {others[0]:g}, classes are whole numbers")


def colour_codes(colours: np.ndarray) -> np.ndarray:
    """Each colour of ``colours`` (3, ...) as one number 0xRRGGBB, int64 (...)."""
    red, green, blue = colours.astype(np.int64)
    return (red << 16) | (green << 8) | blue
