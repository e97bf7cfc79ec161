"""Chips of scenes and their masks, cut by groups of tiles in this process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, tee
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from rasterio.windows import union

from geoseg.core.bands import to_uint8
from geoseg.core.encoding import VOID, RasterTags
from geoseg.core.grid import Grid
from geoseg.core.tiling import Chip, Tile
from geoseg.geometry.burn import Burner
from geoseg.io.journal import Journal
from geoseg.io.raster.chip_file import write_chip
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.io.scene_names import everywhere
from geoseg.parallel.threads import outcome
from geoseg.report import Advance, Remarks
from geoseg.specs import ChipSpec, SceneSpec, Stretch
from geoseg.specs.vectors import VectorFiles

WRITERS = 2  # threads that compress chips while the next one is read
RUN = 2**22  # pixels of neighbouring tiles that are read together, of a scene in strips


@dataclass(frozen=True)
class Source:
    """A scene to be cut: its path, its name in the index, its labels, the format of its chips, and
    which ``view`` of it is cut.
    """

    path: str
    name: str
    labels: Path | VectorFiles | None
    grid: Grid
    bands: int
    dtype: str
    format: str
    view: SceneSpec = SceneSpec()


@dataclass(frozen=True)
class TileBatch:
    """Tiles of a source that are cut in one go, under the name by which the journal knows them;
    labels are known within ``area``, of the scene's CRS, alone.
    """

    key: str
    source: Source
    tiles: tuple[Tile, ...]
    area: shapely.Geometry | None = None

    def everywhere(self) -> TileBatch:
        """The same with names that processes in other folders find."""
        labels = self.source.labels
        if isinstance(labels, VectorFiles):
            labels = labels.everywhere()
        elif labels:
            labels = labels.absolute()
        return replace(
            self, source=replace(self.source, path=everywhere(self.source.path), labels=labels)
        )


@dataclass(frozen=True)
class CutChip:
    """A chip that was written: where from, and the share of its pixels that hold data."""

    source: Source
    tile: Tile
    valid: float

    @property
    def id(self) -> str:
        return f"{self.source.name}_{self.tile.id}"

    @property
    def image(self) -> str:
        """Path relative to the index, as that of ``mask``."""
        return f"images/{self.id}.{self.source.format}"

    @property
    def mask(self) -> str | None:
        return f"masks/{self.id}.{self.source.format}" if self.source.labels else None


# places in the group of the chips, with their share of data; warnings
CutResult = tuple[list[tuple[int, float]], list[str]]


class Results(Protocol):
    """Results in order, which may be left before their end."""

    def __next__(self) -> CutResult: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Cutter:
    """Cuts groups into the chips of ``folder``."""

    folder: Path
    spec: ChipSpec
    stretch: Stretch | None
    options: dict[str, str] | None

    def __call__(self, group: TileBatch) -> CutResult:
        """Write the chips of all tiles of ``group`` that hold enough data, over what a run that
        died left there.
        """
        found: list[tuple[int, float]] = []
        remarks = Remarks()
        source = group.source
        spec = self.spec
        # nobody learns from a chip without data, but without it the chips are not the scene
        keep_empty = spec.fractions(bool(source.labels)) is None
        with ExitStack() as stack:
            scene = stack.enter_context(
                open_scene(source.path, spec.gsd, spec=source.view, expand=True)
            )
            labels = None
            if source.labels:
                from geoseg.labels.scene_labels import label_tags, open_labels

                labels = stack.enter_context(
                    open_labels(
                        source.labels, scene.grid, remarks, scene=source.path, own=scene.source
                    )
                )
                write_mask = partial(write_chip, tags=label_tags(source.labels))
            # nobody drew the buildings beyond the area: what is there is unknown, no background
            area = None if group.area is None else Burner([group.area], scene.grid)
            # the writers end before scene and labels are closed: an exit stack closes the last
            # first
            write = stack.enter_context(_writers(WRITERS))
            chips = (
                self._runs(scene, group.tiles)
                if scene.in_strips
                else self._single(scene, group.tiles)
            )
            for place, (tile, chip) in enumerate(zip(group.tiles, chips, strict=True)):
                pixels = chip.valid.size
                held = np.count_nonzero(chip.valid)
                if (held == 0 and not keep_empty) or (pixels - held) / pixels > spec.max_nodata:
                    continue
                cut = CutChip(source, tile, held / pixels)
                inside = _inside(tile, scene.grid)
                write(self._write, self.folder / cut.image, chip, scene.nodata, inside)
                if labels and cut.mask:
                    known = chip.valid if area is None else chip.valid & (area.burn(chip.grid) > 0)
                    label = np.where(known, labels(tile.window), VOID).astype("uint8")
                    write(
                        write_mask,
                        self.folder / cut.mask,
                        label.reshape(-1, *chip.valid.shape),
                        chip.grid,
                    )
                found.append((place, cut.valid))
        return found, remarks

    def _single(self, scene: Scene, tiles: tuple[Tile, ...]) -> Iterator[Chip]:
        for tile in tiles:
            yield scene.read(tile.window, self.spec.bands)

    def _runs(self, scene: Scene, tiles: tuple[Tile, ...]) -> Iterator[Chip]:
        """Chips of neighbours read together, so that no strip of the scene is decoded for each of
        them.
        """
        count = max(1, RUN // self.spec.size**2)
        for _, run in groupby(tiles, lambda tile: (tile.row, tile.col // count)):
            windows = [tile.window for tile in run]
            wide = union(windows)
            chip = scene.read(wide, self.spec.bands)
            for window in windows:
                cols = slice(
                    window.col_off - wide.col_off, window.col_off - wide.col_off + window.width
                )
                yield Chip(chip.image[:, :, cols], chip.valid[:, cols], scene.grid.window(window))

    def _write(self, path: Path, chip: Chip, nodata: float | None, tags: RasterTags) -> None:
        image = chip.image
        if self.stretch:
            image = to_uint8(image, self.stretch)
            nodata = None
        elif not chip.valid.all():
            if nodata is None and image.dtype.kind == "f":
                nodata = np.nan  # as in the scene, for programs that look at no mask
            if nodata:
                image = np.where(chip.valid, image, np.asarray(nodata, image.dtype))
        write_chip(
            path,
            image,
            chip.grid,
            valid=chip.valid,
            nodata=nodata,
            options=self.options,
            tags=tags.to_dict(),
        )


def _inside(tile: Tile, grid: Grid) -> RasterTags:
    """What a chip that sticks out of its scene says of that."""
    window = tile.window
    rows = min(window.height, grid.height - window.row_off)
    cols = min(window.width, grid.width - window.col_off)
    whole = (rows, cols) == (window.height, window.width)
    return RasterTags(inside=None if whole else (rows, cols))


@contextmanager
def _writers(threads: int) -> Iterator[Callable[..., None]]:
    """Calls functions in ``threads``: few wait at a time, all have returned at the end, and errors
    are raised here.

    What is handed over belongs to the function from then on.
    """
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads) as pool:

        def write(function: Callable[..., None], *arguments: Any) -> None:
            waiting.append(pool.submit(function, *arguments))
            if len(waiting) > threads:
                outcome(waiting.popleft(), pool)

        yield write
        for each in waiting:
            outcome(each, pool)


def cut_tiles(
    groups: Iterable[TileBatch],
    cutter: Cutter,
    share_out: Callable[[Cutter, Iterable[TileBatch]], Results],
    advance: Advance,
    journal: Journal | None,
) -> tuple[list[CutChip], tuple[str, ...]]:
    """What was cut of all ``groups``, in their order, and warnings. What the ``journal`` knows of
    is not cut again; ``share_out`` has the others cut, and gives the results in order.
    """
    done = dict(journal.done) if journal else {}
    cuts: list[CutChip] = []
    warnings: dict[str, None] = {}
    # One pass for the processes, which get what is not done yet, and one for the results: each
    # group is either in the journal or the next that the processes hand back, in the same order.
    #
    #     groups     g1        g2      g3        g4
    #     journal    done              done
    #     ordered              next              next
    groups, ahead = tee(groups)
    missing = (group for group in ahead if group.key not in done)
    with closing(share_out(cutter, missing)) as results:
        for group in groups:
            found, remarks = done[group.key] if group.key in done else next(results)
            if journal and group.key not in done:
                journal.add(group.key, (found, remarks))
            cuts += [CutChip(group.source, group.tiles[place], valid) for place, valid in found]
            warnings |= dict.fromkeys(remarks)
            advance(len(group.tiles))
    return cuts, tuple(warnings)
