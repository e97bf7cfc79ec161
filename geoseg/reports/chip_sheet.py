"""Contact sheets of a chip index: chips with their masks, as they are or as training sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.core.bands import to_unit
from geoseg.core.encoding import layered
from geoseg.drawing.pictures import class_colours, drawn_names, opacity_of, picture, tint
from geoseg.drawing.sheet import Panel, Sheet, panel_pixels
from geoseg.errors import UnsuitableError
from geoseg.io.chip_index import ChipIndex, read_index
from geoseg.io.raster.scene import Scene, open_scene
from geoseg.report import Progress
from geoseg.reports.scene_view import view_of
from geoseg.specs import PreviewSpec, TrainSpec

CHIPS = 24
ROWS = 6
# A chip as it is, and so often as training may see it
VARIANTS = 5
SIZE = 256  # default of crops in training


def sheet_of_chips(folder: str, spec: PreviewSpec, progress: Progress) -> tuple[Sheet, int]:
    """The sheet, and how many chips are on it.

    These are some of the index in ``folder``, chosen by the seed, in the order of the index; with
    ``spec.augment`` a row each. Masks are drawn where there are masks. Raises UnsuitableError where
    the split is empty, or without masks to train on.
    """
    index = read_index(folder)
    table = index.split(spec.split) if spec.split else index.table
    if not len(table):
        there = ", ".join(sorted(set(index.table["split"])))
        raise UnsuitableError(
            f"{folder}: has no chips in the split {spec.split}", f"there are {there}"
        )
    count = min(spec.count or (ROWS if spec.augment else CHIPS), len(table))
    chosen = np.sort(np.random.default_rng(spec.seed).choice(len(table), count, replace=False))
    columns = {name: table[name].to_numpy()[chosen] for name in ("id", "image", "mask")}
    masks = [
        None if mask is None or mask != mask else index.folder / mask for mask in columns["mask"]
    ]
    pairs = list(
        zip(columns["id"], [index.folder / image for image in columns["image"]], masks, strict=True)
    )
    names = drawn_names(index.info.classes, index.info.multilabel)
    colours = class_colours(names, tuple(names))
    # augmentation is there to be seen, so the masks lie over it faintly
    opacity = opacity_of(1 if spec.augment else len(colours), spec.opacity)
    cells = (
        _augmented(index, pairs, spec, progress) if spec.augment else _cells(pairs, spec, progress)
    )
    panels = [Panel(title, tint(under, labels, colours, opacity)) for title, under, labels in cells]
    of = f"{spec.split} chips" if spec.split else "chips"
    what = f"{Path(folder).name}: {count:,} of {len(table):,} {of}" + (
        f", {spec.augment} augmentation" if spec.augment else ""
    )
    keys = (
        {names[label]: colour for label, colour in colours.items()}
        if any(mask is not None for mask in masks)
        else {}
    )
    return Sheet(
        panels, spec.title or what, columns=VARIANTS + 1 if spec.augment else None, keys=keys
    ), count


def _cells(
    pairs: Sequence[tuple[str, Path, Path | None]], spec: PreviewSpec, progress: Progress
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Title, picture uint8 (row, col, 3) and labels uint8 (row, col) of each chip, no larger than
    they are drawn.
    """
    advance = progress("chips", len(pairs))
    for name, image, mask in pairs:
        with open_scene(image) as scene:
            shape = scene.grid.shape
        view = view_of(str(image), panel_pixels(len(pairs), shape, spec.size), spec)
        under = picture(*view.read(str(image), spec))
        labels = np.zeros(view.shape, np.uint8)
        if mask is not None:
            with open_scene(mask, like=view.source) as scene:
                labels = view.drawn(_rows(scene))
        yield name, under, labels
        advance(1)


def _rows(scene: Scene) -> Callable[[int, int], np.ndarray]:
    def read(first: int, last: int) -> np.ndarray:
        return _labels(
            scene.read(Window(0, first, scene.grid.width, last - first)).image.astype(np.uint8)
        )

    return read


def _augmented(
    index: ChipIndex,
    pairs: Sequence[tuple[str, Path, Path | None]],
    spec: PreviewSpec,
    progress: Progress,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each chip, then ``VARIANTS`` random crops of it as a batch of training holds them."""
    import torch

    from geoseg.chips.examples import ChipFiles
    from geoseg.training.augment import PRESETS, Colour, Geometry, crop
    from geoseg.training.pixels import as_unit

    flips, rotation, strength = PRESETS[str(spec.augment)]
    geometry = Geometry(
        TrainSpec.crop or SIZE, flips=flips, rotation=rotation, upright=index.info.gsd is None
    )
    colour = Colour(index.info.bands, strength) if strength else torch.nn.Identity()
    advance = progress("chips", len(pairs))
    # the same crops each time, without changing the random state of a caller
    with torch.random.fork_rng([]):
        torch.manual_seed(spec.seed)
        for name, image, mask in pairs:
            if mask is None:
                raise UnsuitableError(
                    f"{index.folder}: some chips have no mask",
                    "cut them by `geoseg tile` with labels",
                )
            pixels, labels = ChipFiles(image, mask).read()
            yield name, *_shown(to_unit(pixels), labels)
            images, masks = zip(
                *(crop(pixels, labels, geometry) for _ in range(VARIANTS)), strict=True
            )
            for seen, cut in zip(colour(as_unit(torch.stack(images))), masks, strict=True):
                yield "", *_shown(seen.numpy(), cut.numpy())
            advance(1)


def _shown(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture and labels of an example."""
    labels = _labels(mask.reshape(-1, *mask.shape[-2:]))
    return picture(np.rint(image * 255).astype(np.uint8), np.ones(labels.shape, bool)), labels


def _labels(mask: np.ndarray) -> np.ndarray:
    """Labels (row, col) of a mask (band, row, col) of one band, or of one a class."""
    return mask[0] if len(mask) == 1 else layered(mask)
