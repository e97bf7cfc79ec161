"""The lines between buildings that touch: a watershed on the distance to the ground or on a
boundary.

Masks are bool (row, col). A building is widest in its middle and a neck is narrow, so two maxima of
the distance belong to two buildings where the saddle between them lies low: h-maxima (Soille,
Morphological Image Analysis, 2003, 6.3.5) of the distance's logarithm, so that what counts is the
neck's width compared with that of the narrower building, of any size. At the corner of an L
the ratio is 0.85, at the middle of a T 0.8; below 0.75 neither loses a wing. Each maximum floods
its surroundings (Beucher and Lantuéjoul, 1979), and a line of single pixels stays free between two
floods.

Where a network predicts the boundaries of buildings too, what it takes for the inside of one is
flooded instead, up to the ridge of the boundary: the energy of a deep watershed (Bai and Urtasun,
CVPR 2017), learnt as a class. Scraps of it join their neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from geoseg.geometry.rectangle import rectangle_around
from geoseg.geometry.scraps import joined_scraps

# A neck is cut where it is narrower than this share of the narrower of the two buildings
NECK = 0.75
# Half the width that a building has at least: metres, and pixels, below which widths are too coarse
# to compare
_RADIUS = 1.5
_RADIUS_PIXELS = 4.0
# Share of the area of the narrowest building that its inside, the boundary left out, has at least
_INSIDE = 0.25
# What is smaller than so many of the narrowest building, 100 m2 at a GSD of 0.375 m and finer, is
# one house (docs/experiments.md, "What footprints are lost by")
_GROUP = 14.0
# So is what is smaller than so many of it, 400 m2, and nearly a rectangle that is not long: it
# fills at least this share of the smallest one around it, whose sides are nearer to each other
_RECTANGLE = 56.0
_FILLED = 0.8
_LONG = 2.0
# A scrap of a building is smaller than so many of it, 25 m2
_SCRAP = 3.5
_AROUND = np.ones((3, 3), bool)


def room_for_two(pixels: np.ndarray, pixel_size: tuple[float, float]) -> bool:
    """Whether the ``pixels``, bool, have the area of the insides of two buildings."""
    return _narrowest(pixels, pixel_size) >= 2 * _INSIDE


def neck_lines(
    component: np.ndarray, pixel_size: tuple[float, float], steps: int = 1
) -> np.ndarray:
    """Pixels bool (row, col) of the lines between the buildings of one ``component``.

    ``steps`` 1 parts 4-connected buildings, 2 those that are 8-connected. What lies beyond the
    array is unknown, no ground.
    """
    across, along = pixel_size
    least = _least(pixel_size)
    # most are a single building
    if _narrowest(component, pixel_size) < 2 or component.all():
        return np.zeros_like(component)
    distance = ndimage.distance_transform_edt(component, (along, across))
    # the line runs through the narrowest part of the neck
    return _between(component, -distance, _middles(distance, least), steps)


# Two rooms with half-widths of 4 and 6 m and a neck of 2.5 m are two, for 2.5 < 0.75 * 4:
#
#     half-width  6, 2.5, 4     at 0.75 * 4 = 3 m and more the narrower room lies alone
#
# A neck of 3.5 m is no neck: at 3 m and more the rooms hang together, and 4 m is not the widest.
def _middles(distance: np.ndarray, least: float) -> np.ndarray:
    """The middles of buildings of at least the half-width ``least``, numbered from 1, int32 (row,
    col): what hangs together around a maximum of the ``distance`` at no less than ``NECK`` of it,
    where that holds no higher one.
    """
    middles = np.zeros(distance.shape, np.int32)
    # porches and noise are narrow: the flood of a neighbour takes them
    tops = (distance >= least) & (distance == ndimage.maximum_filter(distance, 3))
    wide, _ = ndimage.label(distance >= NECK * least, _AROUND)
    count = 0
    for label, box in enumerate(ndimage.find_objects(wide), 1):
        inside = wide[box] == label
        height = np.where(inside, distance[box], 0)
        left = np.argwhere(inside & tops[box])
        while len(left):
            heights = height[tuple(left.T)]
            top = tuple(left[heights.argmax()])
            regions, _ = ndimage.label(height >= NECK * height[top], _AROUND)
            region = regions == regions[top]
            if height[region].max() <= height[top]:
                count += 1
                middles[box][region] = count
            # the others in it are lower, and it holds a higher one for them too
            left = left[~region[tuple(left.T)]]
    return middles


def boundary_lines(
    component: np.ndarray,
    boundary_margin: np.ndarray,
    pixel_size: tuple[float, float],
    steps: int = 1,
    labelled: bool = False,
) -> np.ndarray:
    """Like :func:`neck_lines`, along the crest of ``boundary_margin`` (row, col) between parts of
    the ``component`` where it is below 0.

    Boundaries that a network predicts may be ridges of roofs: what is one house by its size and
    shape stays whole, and scraps join their neighbours. ``labelled`` ones are all true.
    """
    inside = component & (boundary_margin < 0)
    around = ndimage.generate_binary_structure(2, steps)
    # most are a single building
    if not room_for_two(inside, pixel_size):
        return np.zeros_like(component)
    if not labelled and _one_house(component, pixel_size):
        return np.zeros_like(component)
    parts, _ = ndimage.label(inside, around)
    # scraps of inside are not buildings and get no flood
    least = float(np.pi * _least(pixel_size) ** 2 / np.prod(pixel_size))
    wide = np.bincount(parts.ravel())[1:] >= _INSIDE * least
    middles = np.append(0, np.cumsum(wide) * wide).astype(np.int32)[parts]
    line = _between(component, boundary_margin, middles, steps)
    if labelled:
        return line
    parts, count = ndimage.label(component & ~line, around)
    return joined_scraps(parts, line, boundary_margin, _SCRAP * least) if count > 1 else line


def _one_house(component: np.ndarray, pixel_size: tuple[float, float]) -> bool:
    """Whether the ``component`` is one house by its size and shape."""
    area = _narrowest(component, pixel_size)
    if not _GROUP <= area < _RECTANGLE:
        return area < _GROUP
    share, elongation = rectangle_around(component, pixel_size)
    return share >= _FILLED and elongation < _LONG


def _between(
    component: np.ndarray, surface: np.ndarray, middles: np.ndarray, steps: int
) -> np.ndarray:
    """Pixels bool (row, col) of the ``component`` where the floods of the ``middles``, rising over
    the ``surface``, meet.
    """
    from skimage.segmentation import watershed

    if middles.max() < 2:
        return np.zeros_like(component)
    # Pixels with nothing but their own middle around them have nothing to flood. They are most of
    # all, and without them the queue of the watershed is short.
    core = ndimage.binary_erosion(middles, ndimage.generate_binary_structure(2, steps))
    open_ground = component & ~core
    floods = watershed(surface, middles, connectivity=steps, mask=open_ground, watershed_line=True)
    return open_ground & (floods == 0)


def _narrowest(pixels: np.ndarray, pixel_size: tuple[float, float]) -> float:
    """How many buildings of the least width have the area of the ``pixels``, bool."""
    across, along = pixel_size
    return float(np.count_nonzero(pixels) * across * along / (np.pi * _least(pixel_size) ** 2))


def _least(pixel_size: tuple[float, float]) -> float:
    """Half the width in metres that a building has at least."""
    return max(_RADIUS, _RADIUS_PIXELS * max(pixel_size))
