"""Scraps join the neighbour behind the weakest boundary, and nothing else changes."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from geoseg.geometry.scraps import SCRAP, joined_scraps


def block(*widths: int) -> tuple[np.ndarray, np.ndarray]:
    """Houses of 20 rows side by side, a line of a pixel between them: parts, line."""
    columns = [np.full((20, width), number) for number, width in enumerate(widths, 1)]
    gap = np.zeros((20, 1), int)
    parts = np.hstack([part for column in columns for part in (column, gap)][:-1])
    return np.pad(parts, ((3, 3), (2, 4))).astype(np.int32), np.pad(parts == 0, ((3, 3), (2, 4)))


def joined(parts: np.ndarray, line: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, int]:
    kept = joined_scraps(parts, line, strength, np.inf)
    assert not (kept & ~line).any()
    return ndimage.label((parts > 0) | (line & ~kept))


def test_a_scrap_joins_the_neighbour_behind_the_weaker_boundary() -> None:
    parts, line = block(15, 3, 18, 14)
    strength = np.zeros(parts.shape, np.float32)
    for number, value in enumerate((0.9, 0.2, 0.1)):
        strength[:, [2 + 15, 2 + 15 + 4, 2 + 15 + 4 + 19][number]] = value
    labels, count = joined(parts, line, strength)
    assert count == 3
    assert labels[10, 18] == labels[10, 30] != labels[10, 5]
    assert np.bincount(labels.ravel())[1:].tolist() == [15 * 20, 22 * 20, 14 * 20]


def test_scraps_in_a_row_become_one_house_of_their_own_size() -> None:
    """Each is a scrap beside large houses, three of them no more."""
    parts, line = block(20, 5, 5, 5, 20, 20, 20, 20)
    strength = np.where(parts.shape[1] // 2 > np.arange(parts.shape[1]), 0.5, 0.9)
    strength = np.broadcast_to(strength, parts.shape).copy()
    strength[:, 2 + 20] = strength[:, 2 + 20 + 18] = 0.8
    labels, count = joined(parts, line, strength)
    assert count == 6
    assert labels[10, 24] == labels[10, 36] and (labels == labels[10, 24]).sum() == 17 * 20


def test_houses_of_like_sizes_stay() -> None:
    parts, line = block(9, 15, 12, 17)
    np.testing.assert_array_equal(joined_scraps(parts, line, np.zeros(parts.shape), np.inf), line)


def test_what_could_be_a_house_of_its_own_stays() -> None:
    """A shed beside halls has less than half of their area, but that of a house."""
    parts, line = block(40, 8, 45, 40)
    for largest, count in ((8 * 20 + 1, 3), (8 * 20, 4)):
        kept = joined_scraps(parts, line, np.zeros(parts.shape), largest)
        assert ndimage.label((parts > 0) | (line & ~kept))[1] == count


@example(462248, 28)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_no_scrap_is_left_and_the_rest_is_parted_as_before(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    surface = ndimage.gaussian_filter(random.random((47, 83)), 2)
    middles = np.zeros(surface.shape, np.int32)
    middles[random.integers(0, 47, count), random.integers(0, 83, count)] = np.arange(1, count + 1)
    line = watershed(surface, middles, watershed_line=True) == 0
    parts, before = ndimage.label(~line)
    kept = joined_scraps(parts, line, surface, np.inf)
    labels, after = ndimage.label(~kept)
    assert 1 <= after <= before
    limit = SCRAP * np.median(np.bincount(parts.ravel())[1:])
    areas = np.array([(parts[labels == label] > 0).sum() for label in range(1, after + 1)])
    around = np.ones((3, 3), bool)
    for label in 1 + np.flatnonzero(areas < limit):
        # all of the line to the house that it would join touches a third one too, or another line
        rim = ndimage.binary_dilation(labels == label, around) & kept
        beside = set(np.unique(labels[ndimage.binary_dilation(rim, around)])) - {0, label}
        assert len(beside) != 1
    # every part lies in one house, and houses that were apart are joined along scraps alone
    for label in range(1, after + 1):
        inside = np.unique(parts[(labels == label) & (parts > 0)])
        sizes = np.sort(np.bincount(parts.ravel())[inside])
        assert len(inside) == 1 or sizes[0] < limit
