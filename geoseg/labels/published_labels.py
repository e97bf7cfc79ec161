"""Masks of published labels: values or colours as classes, footprints burned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.class_map import ClassMap, Colour, check_whole, colour_codes
from geoseg.core.encoding import VOID, RasterTags
from geoseg.core.grid import Grid
from geoseg.core.tiling import row_windows
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.io.datasets.layout import VECTORS, Pair
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.labels.footprints import footprints_in
from geoseg.report import Progress, Remarks, Stage

# An image has more colours than this, a mask fewer
MOST_COLOURS = 64
Mask = Callable[[Window, np.ndarray], np.ndarray]
Result = TypeVar("Result")


@dataclass
class LabelStatistics:
    """What masks held: ``pixels`` of each class, int64 (256); pixels of ``unknown`` labels by file;
    files that were ``moved`` to another grid; ``remarks`` on what was done to footprints.
    """

    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    unknown: Counter[Path] = field(default_factory=Counter)
    moved: list[Path] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)

    def add(self, other: LabelStatistics) -> None:
        self.pixels += other.pixels
        self.unknown += other.unknown
        self.moved += other.moved
        self.remarks |= other.remarks

    def warnings(self) -> list[str]:
        """What had to be done to labels, and which hold labels without a class."""
        found = list(self.remarks)
        if self.moved:
            found.append(
                f"{self.moved[0]}: {len(self.moved)} masks lie on another grid, read by "
                "nearest neighbour"
            )
        if self.unknown:
            pixels = f"{self.unknown.total()} pixels in {len(self.unknown)} masks"
            found.append(
                f"{next(iter(self.unknown))}: {pixels} hold labels without a class and are ignored"
            )
        return found

    def counted(self, class_map: ClassMap) -> dict[str, int]:
        """Pixels of each class and of void."""
        names = {**dict(enumerate(class_map.classes)), VOID: "void"}
        return {name: int(self.pixels[number]) for number, name in names.items()}


class LabelReader:
    """Reads the labels of pairs as class ids by one ``class_map``, and counts what they held."""

    def __init__(self, class_map: ClassMap) -> None:
        self.class_map = class_map
        self.statistics = LabelStatistics()

    @contextmanager
    def open(self, pair: Pair, grid: Grid) -> Iterator[Mask]:
        """A function from a window of ``grid`` and its validity to the mask: uint8 (row, col), 255
        is ignored.

        Raises UnsuitableError where the labels do not lie on the image.
        """
        if pair.labels[0].suffix.lower() in VECTORS:
            burner = self._footprints(pair, grid)
            yield lambda window, valid: self._masked(burner.burn(grid.window(window)), valid)
            return
        path = pair.labels[0]
        with open_scene(path, like=grid) as labels:
            palette = _palette(labels)
            if labels.source != labels.grid:
                self.statistics.moved.append(path)

            def read(window: Window, valid: np.ndarray) -> np.ndarray:
                chip = labels.read(window)
                classes, unknown = _named(
                    path, lambda: self.class_map.classify(chip.image, palette)
                )
                self.statistics.unknown += Counter({path: unknown})
                return self._masked(classes, valid & chip.valid)

            yield read

    def _masked(self, classes: np.ndarray, valid: np.ndarray) -> np.ndarray:
        mask = np.where(valid, classes, np.uint8(VOID))
        self.statistics.pixels += np.bincount(mask.ravel(), minlength=256)
        return mask

    def _footprints(self, pair: Pair, grid: Grid) -> Burner:
        if grid.crs is None:
            raise UnsuitableError(
                f"{pair.image}: has no CRS to place the footprints of {pair.labels[0].name} in"
            )
        burner, remarks = _burner(pair.labels, grid.crs)
        self.statistics.remarks |= dict.fromkeys(remarks)
        return burner

    @property
    def tags(self) -> dict[str, str]:
        """What a mask says of itself: that it holds classes, and their names."""
        return RasterTags(kind="classes", classes=dict(enumerate(self.class_map.classes))).to_dict()


# All images of an area share its footprints, which may come in thousands of files.
@lru_cache(maxsize=1)
def _burner(labels: tuple[Path, ...], crs: CRS) -> tuple[Burner, list[str]]:
    remarks = Remarks()
    found = [np.asarray(footprints_in(path, crs, remarks).geometry) for path in labels]
    # thousands of files would fill the report with the same line
    more = [f"and {len(remarks) - 3} more such remarks on labels"] if len(remarks) > 3 else []
    return Burner(np.concatenate(found)), remarks[:3] + more


forget = _burner.cache_clear


def _palette(labels: Scene) -> dict[int, Colour] | None:
    if labels.bands != 1 or labels.colormap is None:
        return None
    return {value: colour[:3] for value, colour in labels.colormap.items()}


def _named(path: Path, classify: Callable[[], Result]) -> Result:
    try:
        return classify()
    except UnsuitableError as error:
        raise UnsuitableError(
            f"{path}: {error.message}", error.hint or "name its labels with `classes`"
        ) from error


def infer_class_map(pairs: Sequence[Pair], progress: Progress) -> ClassMap:
    """The class map of the labels that occur in the masks of ``pairs``. Raises UnsuitableError for
    colours without names, and for images.
    """
    paths = dict.fromkeys(
        pair.labels[0] for pair in pairs if pair.labels[0].suffix.lower() not in VECTORS
    )
    values: set[int] = set()
    colours: set[Colour] = set()
    painted: dict[int, Colour] = {}
    advance = progress(Stage("labels", "masks"), len(paths))
    for path in paths:
        with open_scene(path) as labels:
            for window in row_windows(labels.grid):
                image = labels.read(window).image
                if len(image) == 3 and not (image == image[0]).all():
                    red, green, blue = (
                        np.unique(colour_codes(image)) >> np.array([[16], [8], [0]])
                    ) & 255
                    colours |= set(zip(red.tolist(), green.tolist(), blue.tolist(), strict=True))
                elif palette := _palette(labels):
                    painted |= {value: palette[value][:3] for value in np.unique(image).tolist()}
                else:
                    _named(path, partial(check_whole, image[0]))
                    values |= set(np.unique(image[0]).tolist())
        if len(colours) > MOST_COLOURS or (values and not 0 <= min(values) <= max(values) <= VOID):
            raise UnsuitableError(
                f"{path}: contains more values than a class mask: is it an image or an instance "
                "mask?",
                "give the folder of the labels",
            )
        advance(1)
    if colours:  # grey masks among coloured ones: those without any object
        colours |= set(painted.values()) | {(value, value, value) for value in values}
        values = set()
        painted = {}
    return _named(
        next(iter(paths)).parent, lambda: ClassMap.infer(values | painted.keys(), colours)
    )
