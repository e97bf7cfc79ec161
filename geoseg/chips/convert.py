"""The pictures of a data set, looked at, stretched and written as chips and masks: one by one, in
several processes or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.core.bands import BandHistogram, to_uint8
from geoseg.core.class_map import ClassMap
from geoseg.core.grid import Grid
from geoseg.core.tiling import Chip, Tile, even_tiles
from geoseg.io.datasets.layout import Pair, copy
from geoseg.io.raster.chip_file import write_chip
from geoseg.io.raster.scene import open_scene
from geoseg.labels.published_labels import LabelReader, LabelStatistics
from geoseg.specs import Stretch

PHOTOS = {"PNG": ".png", "JPEG": ".jpg"}


@dataclass(frozen=True)
class SourceImage:
    """A pair that was looked at: its name in the index, its grid, whether its file is a photo that
    can be taken as it is.
    """

    pair: Pair
    name: str
    grid: Grid
    bands: int
    dtype: str
    photo: str | None

    @property
    def placed(self) -> bool:
        """Whether it has a place beside the others, on the ground or on a plane."""
        return self.grid.crs is not None or not self.grid.transform.is_identity


@dataclass(frozen=True)
class WrittenChip:
    """A chip: its name and files relative to the index, its tile of the picture, its grid, the
    share of its data.
    """

    name: str
    image: str
    mask: str
    tile: Tile
    grid: Grid
    valid: float


@dataclass(frozen=True)
class ConversionSettings:
    """How pictures are converted: ``bands`` (None: all), chips of ``size`` at most, where ``black``
    pixels hold no data.
    """

    bands: tuple[int, ...] | None
    size: int
    black: bool


def inspect(pair: Pair, name: str) -> SourceImage:
    """Raises InputError and UnsuitableError where the picture of ``pair`` cannot be opened."""
    with open_scene(pair.image) as scene:
        plain = scene.grid.transform.is_identity and scene.grid.crs is None and not scene.has_mask
        photo = PHOTOS.get(scene.driver) if plain and not scene.has_alpha else None
        return SourceImage(pair, name, scene.grid, scene.bands, scene.dtype, photo)


def count(pictures: Sequence[SourceImage], way: ConversionSettings) -> BandHistogram:
    """Values of all pictures together."""
    histogram = BandHistogram(len(way.bands or ()) or pictures[0].bands, pictures[0].dtype)
    for picture in pictures:
        for _, chip in _chips(picture, way):
            histogram.add(chip.image, chip.valid)
    return histogram


def convert(
    pictures: Sequence[SourceImage],
    *,
    way: ConversionSettings,
    legend: ClassMap,
    stretches: dict[str, Stretch],
    folder: Path,
) -> tuple[list[list[WrittenChip]], LabelStatistics]:
    """Write the chips and masks of ``pictures`` to ``folder``; returns those of each picture, and
    what the masks held.

    Chips without any data (``valid`` is 0) are not written. ``stretches`` are those of the groups
    of pictures. Raises UnsuitableError where labels do not fit.
    """
    truth = LabelReader(legend)
    return [
        list(_convert(each, way, truth, stretches.get(each.pair.group), folder))
        for each in pictures
    ], truth.statistics


def _convert(
    picture: SourceImage,
    way: ConversionSettings,
    truth: LabelReader,
    stretch: Stretch | None,
    folder: Path,
) -> Iterator[WrittenChip]:
    whole = max(picture.grid.shape) <= way.size
    # byte by byte: a JPEG that is written again is another picture
    photo = picture.photo if whole and not stretch and not way.bands else None
    with truth.open(picture.pair, picture.grid) as labels:
        for tile, chip in _chips(picture, way):
            name = picture.name if whole else f"{picture.name}_{tile.id}"
            image = f"images/{name}{photo or '.tif'}"
            mask = f"masks/{name}{'.png' if photo else '.tif'}"
            valid = float(chip.valid.mean())
            if valid:
                if photo:
                    copy(picture.pair.image, folder / image)
                else:
                    pixels = to_uint8(chip.image, stretch) if stretch else chip.image
                    write_chip(folder / image, pixels, chip.grid, valid=chip.valid)
                write_chip(
                    folder / mask, labels(tile.window, chip.valid)[None], chip.grid, tags=truth.tags
                )
            yield WrittenChip(name, image, mask, tile, chip.grid, valid)


def _chips(picture: SourceImage, way: ConversionSettings) -> Iterator[tuple[Tile, Chip]]:
    with open_scene(picture.pair.image) as scene:
        for tile in even_tiles(picture.grid.shape, way.size):
            chip = scene.read(tile.window, way.bands)
            yield (
                tile,
                replace(chip, valid=chip.valid & chip.image.any(axis=0)) if way.black else chip,
            )
