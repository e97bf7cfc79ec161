"""What a network learns from: an image and its mask, wherever their pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from geoseg.core.class_map import check_whole
from geoseg.core.encoding import VOID
from geoseg.errors import UnsuitableError
from geoseg.io.raster.scene import read_array


class Example(Protocol):
    """A chip to learn from: a dataclass, picklable and small, for it goes to other processes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """What an error calls it."""

    @property
    def weight(self) -> float:
        """How often it is drawn, compared with others."""

    def missing(self) -> Path | None:
        """A file that is not there, found without reading any."""

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (band, row, col) and mask uint8 (row, col), 255 where it is ignored. Raises
        InputError, UnsuitableError.

        Multi-label masks are (class, row, col), of 0 and 1.
        """

    def labels(self) -> np.ndarray:
        """The mask alone."""


@dataclass(frozen=True)
class ChipFiles:
    """An :class:`Example` of two files; ``bands`` is how many its image is to have, if that is
    known.
    """

    image: Path
    mask: Path
    weight: float = 1.0
    bands: int | None = None

    @property
    def name(self) -> str:
        return str(self.image)

    def missing(self) -> Path | None:
        return next((path for path in (self.image, self.mask) if not path.is_file()), None)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        pixels, valid, _ = read_array(self.image)
        if self.bands not in (None, len(pixels)):
            raise UnsuitableError(
                f"{self.image}: has {len(pixels)} bands, its chip index says {self.bands}"
            )
        labels = self.labels()
        if labels.shape[-2:] != valid.shape:
            raise UnsuitableError(f"{self.mask}: is not of the size of its image")
        return pixels, np.where(valid, labels, np.uint8(VOID))

    def labels(self) -> np.ndarray:
        bands = read_array(self.mask)[0]
        labels = bands if len(bands) > 1 else bands[0]
        if labels.dtype != np.uint8 and labels.size:
            if others := [end for end in (labels.min(), labels.max()) if not 0 <= end <= VOID]:
                raise UnsuitableError(
                    f"{self.mask}: holds {others[0]}, classes go from 0 to {VOID - 1}"
                )
            try:
                check_whole(labels)
            except UnsuitableError as error:
                raise UnsuitableError(f"{self.mask}: {error.message}") from error
        return labels.astype("uint8", copy=False)


@dataclass(frozen=True)
class ResampledExample:
    """An example at another resolution, with ``zoom`` times as many pixels a side: the image
    interpolated (averaged where it shrinks), the mask by nearest neighbour.
    """

    source: Example
    zoom: float
    weight: float = 1.0

    @property
    def name(self) -> str:
        return self.source.name

    def missing(self) -> Path | None:
        return self.source.missing()

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        from skimage.transform import resize

        image, mask = self.source.read()
        labels = self._nearest(mask)
        pixels = resize(
            image.astype(np.float32),
            (len(image), *labels.shape[-2:]),
            order=1,
            mode="edge",
            anti_aliasing=self.zoom < 1,
            # along rows and columns, not across bands
            anti_aliasing_sigma=(0, *[max(0.0, (1 / self.zoom - 1) / 2)] * 2),
            preserve_range=True,
        )
        if image.dtype.kind in "iu":
            pixels = np.rint(pixels)
        return pixels.astype(image.dtype), labels

    def labels(self) -> np.ndarray:
        return self._nearest(self.source.labels())

    def _nearest(self, mask: np.ndarray) -> np.ndarray:
        rows, cols = (self._indices(side) for side in mask.shape[-2:])
        return mask[..., rows[:, None], cols]

    def _indices(self, side: int) -> np.ndarray:
        """The pixel of ``side`` that each resampled one lies in."""
        count = max(1, round(side * self.zoom))
        return ((np.arange(count) + 0.5) * side / count).astype(int)
