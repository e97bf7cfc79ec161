"""Any file as a raster of classes on a given grid, read strip by strip: masks, class rasters,
probabilities, footprints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
from rasterio.windows import Window

from geoseg.core.encoding import VOID, layered
from geoseg.core.grid import Grid
from geoseg.core.layer import Layer
from geoseg.core.tiling import Chip, row_windows
from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.geometry.morphology import MaskStrip
from geoseg.geometry.surface import ClassSurface
from geoseg.io.formats import kind_of
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.labels.footprints import footprints_on
from geoseg.labels.interpret import interpret
from geoseg.labels.interpretation import BUILDING, Interpretation
from geoseg.report import Remarks
from geoseg.specs import Area, PolygonSpec
from geoseg.specs.vectors import VectorFiles

_MASK = PolygonSpec(threshold=0.5, min_area=Area(0))


@dataclass(frozen=True)
class ClassRaster:
    """Classes on a grid: which may be ``present``, with the ``names`` of those that have one.

    ``read(first, last)`` gives the rows from ``first`` to before ``last``: uint8 (row, col),
    ``VOID`` where there is no data. ``footprints()`` gives the buildings as a layer in the grid's
    CRS, those of a vector file whole; it is None where there are more classes than background and
    building. ``scores``, like ``read``, gives the probabilities that were thresholded and their
    validity, float32 and bool (row, col); it is None where there are none.
    """

    read: Callable[[int, int], np.ndarray]
    footprints: Callable[[], Layer] | None
    present: tuple[int, ...] = (0, 1)
    names: Mapping[int, str] = field(default_factory=dict)
    scores: Callable[[int, int], tuple[np.ndarray, np.ndarray]] | None = None

    @property
    def _labels(self) -> dict[int, str]:
        """Names by number without the background, in small letters: one class that nothing names
        is that of buildings.
        """
        one = {1: BUILDING} if max(self.present) <= 1 else {}
        return {number: name.lower() for number, name in (self.names or one).items() if number}

    def doubt(self, other: ClassRaster) -> str | None:
        """Why classes of this raster may not be those that ``other`` has by the same numbers."""
        several = [max(self.present) > 1, max(other.present) > 1]
        if not any(several) or set(self._labels.values()) & set(other._labels.values()):
            return None
        unnamed = not (self._labels and other._labels)
        if unnamed and self.present == other.present:
            return None
        return "no name of a class in both: classes are compared by number"

    def numbered_like(self, other: ClassRaster) -> ClassRaster:
        """This raster with the numbers that ``other`` has for classes of the same names.

        Classes whose name the other does not know get numbers of their own; of classes that differ
        in capitals alone all get the least number. Without a common name besides the background
        numbers are taken to mean the same.
        """
        # the least number last, which stays
        theirs = {name: number for number, name in sorted(other._labels.items(), reverse=True)}
        ours = self._labels
        # The prediction has 1 road, 2 house and the truth 1 house, 2 pool: house becomes 1; road,
        # whose 1 is taken now, gets 3, a number that neither has.
        unused = count(max((*self.present, *other.present, *ours, *theirs.values())) + 1)
        if not theirs.keys() & set(ours.values()):
            return self
        # a table of all 256 values, so that VOID and numbers without a name stay what they are
        meaning = np.arange(256, dtype=np.uint8)
        for number, name in ours.items():
            if name in theirs:
                meaning[number] = theirs[name]
            elif number in theirs.values():
                meaning[number] = next(unused)
        return replace(
            self,
            read=lambda first, last: meaning[self.read(first, last)],
            present=tuple(sorted(meaning[list(self.present)].tolist())),
            names={
                int(meaning[number]): name
                for number, name in sorted(self.names.items(), reverse=True)
            },
        )

    def numbered_with(self, other: ClassRaster) -> tuple[ClassRaster, ClassRaster]:
        """This raster and ``other`` with the same numbers for classes of the same names, those of
        ``other`` as far as it has one for each name.
        """
        ours, theirs = self._labels.values(), other._labels.values()
        # House and house are one class here, so they have to be one in both
        twice = len(set(theirs)) < len(theirs) and set(ours) & set(theirs)
        return self.numbered_like(other), other.numbered_like(other) if twice else other


def is_vector(path: str) -> bool:
    """Whether a file holds footprints."""
    return kind_of(path) == "vector"


@contextmanager
def open_class_raster(
    path: str | VectorFiles,
    grid: Grid,
    threshold: float | None,
    remarks: Remarks,
    band: int | None = None,
    *,
    stacked: bool = False,
    present: tuple[int, ...] | None = None,
) -> Iterator[ClassRaster]:
    """Open a raster or a vector file on ``grid``.

    Footprints are class 1; on a ``grid`` without a CRS they are in pixels as it is. What the values
    of a raster mean is decided by :func:`geoseg.labels.interpret.interpret`. Probabilities are
    cut at ``threshold``, by default at that of their file or 0.5; several bands give the most
    probable class, multilabel ones as classes from 1, where it reaches the threshold. Where all
    other classes than buildings only lie between them, boundaries count as building and part
    the footprints. Of multilabel bands only the ``band`` of that number, from 0, is taken where
    one is given; masks of them lie one over the other where they may be ``stacked``. ``present``
    are the classes of labels where they are known: to find them, all is read. Raises
    UnsuitableError for other multilabel masks and for what is refused there.
    """
    if isinstance(path, VectorFiles) or is_vector(path):
        layer = footprints_on(
            path, grid, remarks, pixel_coords=grid.crs is None, columns=("confidence",)
        )
        burner = Burner(layer.geometry, grid)
        yield ClassRaster(
            lambda first, last: burner.burn(grid.window(_rows(grid, first, last))),
            lambda: replace(layer, crs=grid.crs),
        )
        return
    with open_scene(path) as own:
        meaning = interpret(own, threshold)
    with open_scene(path, like=grid) as scene:
        if scene.grid != scene.source:
            remarks.append(f"{path}: lies on another grid, read by nearest neighbour")
        if meaning.left_out and band is None:
            remarks.append(f"{path}: only {meaning.taken} is compared")
        raster = _Raster(scene, meaning)
        if meaning.unit is not None:
            level = meaning.threshold if threshold is None else threshold
            yield raster.probabilities(level, band)
            return
        if threshold is not None:
            remarks.append(f"{path}: holds classes, not probabilities; the threshold is not used")
        if meaning.kind == "multilabel":
            yield raster.multilabel(band, stacked)
        else:
            yield raster.labels(present)


def _rows(grid: Grid, first: int, last: int) -> Window:
    return Window(0, first, grid.width, last - first)


@dataclass(frozen=True)
class _Raster:
    """A raster on the grid that is asked for, with the meaning of its values."""

    scene: Scene
    meaning: Interpretation

    def probabilities(self, threshold: float, band: int | None) -> ClassRaster:
        """Classes where probabilities reach ``threshold``: of one band, of buildings with what lies
        between them, or the most probable of several.
        """
        if band is not None or len(self.meaning.bands) == 1:
            return self._building(ClassSurface("building", band or 0), threshold)
        surface = self._parted()
        return self._building(surface, threshold) if surface else self._most_probable(threshold)

    def multilabel(self, band: int | None, stacked: bool) -> ClassRaster:
        """One mask of several, or all of them, the last above: classes from 1."""
        if band is None and not stacked:
            raise UnsuitableError(
                f"{self.scene.path}: has {self.scene.bands} bands, so it is neither a mask nor a "
                "class raster"
            )
        bands = self.meaning.bands if band is None else (self.meaning.bands[band],)

        def read(first: int, last: int) -> np.ndarray:
            chip = self._read(first, last, bands)
            masks = self.meaning.masks(chip.image)
            labels = layered(masks) if band is None else masks[0]
            return np.where(chip.valid, labels, np.uint8(VOID))

        if band is not None:
            return ClassRaster(read, lambda: self._traced(_building_of(read)))
        names = self.meaning.class_names
        return ClassRaster(read, None, tuple(names), names)

    def labels(self, present: tuple[int, ...] | None = None) -> ClassRaster:
        """A mask, numbered buildings, or several classes; those ``present`` are looked for where
        they are not known.
        """
        surface = self._parted()
        shown = np.arange(256, dtype=np.uint8)
        if surface:  # what lies between buildings is building or ground
            shown[list(surface.channels)] = 1, surface.boundary_is_building
        elif self.meaning.kind == "classes":
            shown[list(self.meaning.ids.values())] = list(self.meaning.ids)

        def read_ids(first: int, last: int) -> np.ndarray:
            chip = self._read(first, last, self.meaning.bands)
            return np.where(chip.valid, self.meaning.class_ids(chip.image[0]), np.uint8(VOID))

        def read(first: int, last: int) -> np.ndarray:
            return shown[read_ids(first, last)]

        def strip(first: int, last: int) -> MaskStrip:
            if surface is None:
                return _building_of(read)(first, last)
            ids = read_ids(first, last)
            shares = np.stack([ids == channel for channel in surface.channels])
            scores, boundary_margin = surface.score(shares.astype(np.float32))
            return MaskStrip(scores > 0, ids != VOID, scores, boundary_margin)

        present = present or self._present(read)
        footprints: Callable[[], Layer] | None = lambda: self._traced(strip)  # noqa: E731
        if self.meaning.kind == "instance":
            footprints = self._numbered
        elif max(present) > 1 or not self.meaning.has_footprints:
            footprints = None
        return ClassRaster(read, footprints, present, {} if surface else self._names)

    @property
    def _names(self) -> Mapping[int, str]:
        """Names of the classes by number: of several classes their labels."""
        return self.meaning.names if self.meaning.kind == "classes" else self.meaning.class_names

    def _read(self, first: int, last: int, bands: tuple[int, ...]) -> Chip:
        return self.scene.read(_rows(self.scene.grid, first, last), bands)

    def _parted(self) -> ClassSurface | None:
        """The buildings, where all other classes lie between them."""
        if len(self.meaning.class_names) < 3:
            return None
        found = self.meaning.surfaces()
        return found[0] if len(found) == 1 and found[0].boundary_channel is not None else None

    def _present(self, read: Callable[[int, int], np.ndarray]) -> tuple[int, ...]:
        """Class ids that occur, background always."""
        # the background always, so that a raster without buildings still has two classes
        present = {0, VOID}
        for window in row_windows(self.scene.grid):
            ids = read(window.row_off, window.row_off + window.height)
            present |= set(np.flatnonzero(np.bincount(ids.ravel(), minlength=256)).tolist())
        return tuple(sorted(present - {VOID}))

    def _building(self, surface: ClassSurface, threshold: float) -> ClassRaster:
        level = np.float32(threshold)
        bands = tuple(self.meaning.bands[channel] for channel in surface.channels)

        def strip(first: int, last: int) -> MaskStrip:
            chip = self._read(first, last, bands)
            valid = self.meaning.known(chip.image, chip.valid)
            scores, boundary_margin = surface.score(self.meaning.probabilities(chip.image))
            return MaskStrip((scores >= level) & valid, valid, scores, boundary_margin)

        def read(first: int, last: int) -> np.ndarray:
            cut = strip(first, last)
            return np.where(cut.valid, cut.mask, VOID).astype(np.uint8)

        def scores(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
            cut = strip(first, last)
            assert cut.scores is not None
            return cut.scores, cut.valid

        meaning = self.meaning
        spec = PolygonSpec(threshold=threshold).completed(
            meaning.threshold, meaning.min_area, meaning.min_confidence
        )
        return ClassRaster(read, lambda: self._traced(strip, spec), scores=scores)

    def _most_probable(self, threshold: float) -> ClassRaster:
        """Classes by the greatest probability; multilabel ones where that reaches ``threshold``."""
        multilabel = self.meaning.kind == "multilabel"

        def read(first: int, last: int) -> np.ndarray:
            chip = self._read(first, last, self.meaning.bands)
            valid = self.meaning.known(chip.image, chip.valid)
            probability = self.meaning.probabilities(chip.image)
            best = probability.argmax(axis=0)
            if multilabel:
                reached = probability.max(axis=0) >= np.float32(threshold)
                # bands are classes from 1; where none is likely enough there is background
                best = np.where(reached, best + 1, 0)
            return np.where(valid, best, VOID).astype(np.uint8)

        count = len(self.meaning.bands) + multilabel
        return ClassRaster(read, None, tuple(range(count)), self.meaning.class_names)

    def _traced(
        self, strip: Callable[[int, int], MaskStrip], spec: PolygonSpec | None = None
    ) -> Layer:
        """Footprints of the masks that ``strip`` gives of the rows from one to before another, cut
        from scores at the threshold of ``spec``.
        """
        from geoseg.geometry.footprints import FootprintLabels, trace_footprints

        grid = self.scene.grid
        rows = (strip(w.row_off, w.row_off + w.height) for w in row_windows(grid))
        labels = FootprintLabels(self.scene.path, labelled=spec is None)
        spec = spec or _MASK
        assert spec.min_area is not None
        return _joined(
            trace_footprints(rows, grid, labels, spec, spec.min_area, spec.threshold), grid
        )

    def _numbered(self) -> Layer:
        """The footprint of each number."""
        from geoseg.geometry.footprints import FootprintLabels, instance_footprints

        grid = self.scene.grid
        chips = (self.scene.read(window, self.meaning.bands) for window in row_windows(grid))
        rows = (self.meaning.numbered(chip.image[0], chip.valid) for chip in chips)
        labels = FootprintLabels(self.scene.path, unit=None)
        return _joined(instance_footprints(rows, grid, labels, PolygonSpec(), Area(0)), grid)


def _building_of(read: Callable[[int, int], np.ndarray]) -> Callable[[int, int], MaskStrip]:
    """Strips of class 1 of the classes that ``read`` gives."""

    def strip(first: int, last: int) -> MaskStrip:
        ids = read(first, last)
        return MaskStrip(ids == 1, ids != VOID, (ids == 1).astype(np.float32))

    return strip


def _joined(batches: Iterable[Layer], grid: Grid) -> Layer:
    found = list(batches)
    confidence = np.concatenate([np.empty(0), *(batch.columns["confidence"] for batch in found)])
    geometry = np.concatenate([np.empty(0, object), *(batch.geometry for batch in found)])
    return Layer(geometry, grid.crs, {"confidence": confidence})
