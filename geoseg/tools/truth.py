"""Masks of published labels: values or colours as classes, footprints burned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pyproj import CRS
from rasterio.windows import Window

from geoseg.core.burn import Burner
from geoseg.core.grid import Grid
from geoseg.core.legend import VOID, Colour, Legend, codes
from geoseg.errors import UnsuitableError
from geoseg.io.datasets.layout import VECTORS, Pair
from geoseg.io.raster import Scene, open_scene
from geoseg.tools.rasterize import footprints_in, strips
from geoseg.tools.report import Progress

STRIP_PIXELS = 2**22
# More colours than this are no legend but a picture
MOST_COLOURS = 64
Mask = Callable[[Window, np.ndarray], np.ndarray]


class Truth:
    """Reads the labels of pairs as class ids by one legend, and counts the pixels of each class.

    Without a ``legend`` the masks of ``pairs`` tell it. Footprints of the last pair are kept: all pairs of an area share them.
    """

    def __init__(self, legend: Legend | None, pairs: Sequence[Pair], progress: Progress) -> None:
        self.legend = legend or _told(pairs, progress)
        self._pixels = np.zeros(256, np.int64)
        self._unknown: Counter[Path] = Counter()
        self._moved: list[Path] = []
        self._said: dict[str, None] = {}
        self._burner: tuple[tuple[tuple[Path, ...], CRS | None], Burner] | None = None

    @contextmanager
    def open(self, pair: Pair, grid: Grid) -> Iterator[Mask]:
        """A function from a window of ``grid`` and its validity to the mask: uint8 (row, col), 255 is ignored.

        Raises UnsuitableError where the labels do not lie on the picture.
        """
        if pair.labels[0].suffix.lower() in VECTORS:
            burner = self._footprints(pair, grid)
            yield lambda window, valid: self._masked(burner.burn(grid.window(window)), valid)
            return
        path = pair.labels[0]
        with open_scene(path, like=grid) as labels:
            palette = _palette(path, labels)
            if labels.source != labels.grid:
                self._moved.append(path)

            def read(window: Window, valid: np.ndarray) -> np.ndarray:
                chip = labels.read(window)
                classes, unknown = _named(path, lambda: self.legend.classify(chip.image, palette))
                self._unknown[path] += unknown
                return self._masked(classes, valid & chip.valid)

            yield read

    def _masked(self, classes: np.ndarray, valid: np.ndarray) -> np.ndarray:
        mask = np.where(valid, classes, np.uint8(VOID))
        self._pixels += np.bincount(mask.ravel(), minlength=256)
        return mask

    def _footprints(self, pair: Pair, grid: Grid) -> Burner:
        if grid.crs is None:
            raise UnsuitableError(f"{pair.image}: has no CRS to place the footprints of {pair.labels[0].name} in")
        key = pair.labels, grid.crs
        if self._burner is None or self._burner[0] != key:
            said: list[str] = []
            found = [footprints_in(path, grid.crs, said).geometry for path in pair.labels]
            self._said |= dict.fromkeys(said[:3] + [f"and {len(said) - 3} more such remarks on labels"] * (len(said) > 3))
            self._burner = key, Burner(np.concatenate(found))
        return self._burner[1]

    @property
    def tags(self) -> dict[str, str]:
        """What a mask says of itself: that it holds classes, and their names."""
        return {"GEOSEG_KIND": "classes", "GEOSEG_CLASSES": ",".join(self.legend.classes)}

    def warnings(self) -> list[str]:
        """What had to be done to labels, and which hold more than the legend knows."""
        told = list(self._said)
        if self._moved:
            told.append(f"{self._moved[0]}: {len(self._moved)} masks lie on another grid, read by nearest neighbour")
        unknown = {path: count for path, count in self._unknown.items() if count}
        if unknown:
            pixels = f"{sum(unknown.values())} pixels in {len(unknown)} masks"
            told.append(f"{next(iter(unknown))}: {pixels} hold labels without a class and are ignored")
        return told

    def counted(self) -> dict[str, int]:
        """Pixels of each class and of void."""
        names = {**dict(enumerate(self.legend.classes)), VOID: "void"}
        return {name: int(self._pixels[number]) for number, name in names.items()}


def _palette(path: Path, labels: Scene) -> dict[int, Colour] | None:
    if labels.bands != 1:
        return None
    with open_scene(path) as own:
        try:
            return {value: colour[:3] for value, colour in own.dataset.colormap(1).items()}
        except ValueError:
            return None


def _named(path: Path, classify: Callable[[], tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    try:
        return classify()
    except UnsuitableError as error:
        raise UnsuitableError(f"{path}: {error.message}", error.hint or "name its labels with --classes") from error


def _told(pairs: Sequence[Pair], progress: Progress) -> Legend:
    """The legend that the masks tell by what they hold."""
    paths = dict.fromkeys(pair.labels[0] for pair in pairs if pair.labels[0].suffix.lower() not in VECTORS)
    values: set[int] = set()
    colours: set[Colour] = set()
    painted: dict[int, Colour] = {}
    advance = progress("labels", len(paths))
    for path in paths:
        with open_scene(path) as labels:
            for window in strips(labels.grid, STRIP_PIXELS):
                image = labels.read(window).image
                if len(image) == 3 and not (image == image[0]).all():
                    red, green, blue = (np.unique(codes(image)) >> np.array([[16], [8], [0]])) & 255
                    colours |= set(zip(red.tolist(), green.tolist(), blue.tolist(), strict=True))
                elif palette := _palette(path, labels):
                    painted |= {value: palette[value][:3] for value in np.unique(image).tolist()}
                else:
                    values |= set(np.unique(image[0]).tolist())
        if len(colours) > MOST_COLOURS or (values and not 0 <= min(values) <= max(values) <= VOID):
            raise UnsuitableError(f"{path}: is a picture or numbers objects, masks hold classes", "is it the folder of labels?")
        advance(1)
    if colours:  # grey masks among coloured ones: those without any object
        return Legend.tell((), colours | set(painted.values()) | {(value, value, value) for value in values})
    return Legend.tell(values | painted.keys(), ())
