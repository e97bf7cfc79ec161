"""How much memory a scene takes on its way through a model, and how it takes less.

The peak of a process is that of its libraries, the network at work on a batch of windows, windows
and strips that wait, and a row of windows, as far as it is not in a file. What each takes was
measured on whole processes (``benchmarks/memory.py``) and rounded up: it is a promise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.core.tiling import gpu_batch
from geoseg.errors import ResourceError
from geoseg.inference.runtimes import default_overlap
from geoseg.inference.stream import strip_rows
from geoseg.specs import ModelSpec

# Python, its packages, and GDAL's cache of blocks
_LIBRARIES = 400e6
_TORCH = 600e6
# CUDA's libraries and context, and buffers that stay where they are
_CUDA = 2e9
# Bytes that a network holds a pixel of its windows: 130 and 100 are those of U-Nets on
# EfficientNet-Lite0 and ResNet-18
_NETWORK = 135
_TORCH_NETWORK = 400
# Weights as they are read, as they are compiled, and in between
_COPIES = 3
# Strips in the making, in the queue, and in each stage behind it: bytes a pixel
_STRIP = 60
# Windows that wait: two read ahead, one being read, one on its way
_WAITING = 4
WINDOWS = (1024, 768, 512, 384, 256, 128)
# Of a row of windows: all of it up to some 10,000 columns, so that wide scenes take no more
HELD = (32 * 2**20, 16 * 2**20, 0)
# Of what lies in a file, what was touched last
_TOUCHED = 20e6
# What parts, traces and straightens: its packages, and a batch of footprints at work
_TRACING = 40e6
# What waits for buildings that go on below, a column: 400 rows of mask and scores at 1.5 bytes, as
# measured in a dense town, and the outlines in them
_OPEN = 3000


@dataclass(frozen=True)
class Demand:
    """What decides how much memory is taken: the ``model`` and the bytes of its file, whether
    ``torch`` runs it, the batch (0 is chosen by the device), the scene's bytes a sample and its
    ``width`` at the model's GSD, whether the network is on a ``gpu``, whose own memory is not
    counted, and whether footprints are ``traced``.
    """

    model: ModelSpec
    weights: int
    torch: bool
    batch: int
    itemsize: int
    width: int
    gpu: bool = False
    traced: bool = False

    def row(self, size: int) -> int:
        """Bytes of a row of windows of ``size`` pixels, with what it shares with the next."""
        overlap = default_overlap(size)
        return self.width * ((size + 2 * overlap) * 4 * self.model.channels + size)

    def peak(self, size: int, held: int) -> float:
        """Expected peak in bytes for windows of ``size`` pixels, ``held`` bytes of a row of them in
        memory.
        """
        pixels = size * size
        bands = self.model.bands
        batch = self.batch or (gpu_batch(size) if self.gpu else 1)
        a_pixel = 0 if self.gpu else _TORCH_NETWORK if self.torch else _NETWORK
        network = a_pixel * pixels * batch
        windows = bands * pixels * (_WAITING * self.itemsize + 3 * 4 * batch)
        results = 4 * 4 * self.model.channels * pixels * batch
        strips = _STRIP * strip_rows(self.width) * self.width
        row = min(held, self.row(size)) + min(_TOUCHED, self.row(size))
        footprints = _TRACING + _OPEN * self.width if self.traced else 0
        libraries = _LIBRARIES + (_TORCH if self.torch else 0) + (_CUDA if self.gpu else 0)
        waiting = windows + results + strips + row + footprints
        return libraries + _COPIES * self.weights + network + waiting


@dataclass(frozen=True)
class Budget:
    """Side of the windows at most, bytes of a row of them that are held in memory, and the peak in
    bytes that is expected.
    """

    window: int
    held: int
    peak: float


def budget(demand: Demand, window: int | None, most: float | None, name: str) -> Budget:
    """The largest windows, of ``window`` pixels where the user chose, that stay below ``most``
    bytes.

    A row of windows goes to a file before windows shrink, for that changes no result. Raises
    ResourceError, which names the least that would do.
    """
    plans = [
        Budget(size, held, demand.peak(size, held))
        for size in ((window,) if window else WINDOWS)
        for held in HELD
    ]
    for plan in plans:
        if most is None or plan.peak <= most:
            return plan
    least = int(np.ceil(min(plan.peak for plan in plans) / 1e6))
    raise ResourceError(
        f"{name}: does not fit into {most / 1e6:.0f} MB" if most else name,
        f"`max_memory` {least}MB is the least" + (" for windows of this size" if window else ""),
    )
