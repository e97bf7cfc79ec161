"""Splits and merges: one building found as several, several buildings found as one.

A footprint is split where at least two of the other layer lie mainly in it, more than half of each,
and cover more than half of it together: over-segmentation as Hoover et al. define it, "An
experimental comparison of range image segmentation algorithms", IEEE TPAMI 18 (1996), with a
tolerance of a half. Crumbs, of less than a tenth of the largest part, do not count. A merge is a
split seen from the other layer.

Neither takes part in matching: of a building found in two parts the larger may well match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.evaluation.matching import CandidatePairs

_MAINLY = 0.5
_CRUMB = 0.1


@dataclass(frozen=True)
class Fragments:
    """Footprints of one layer that are several in the other, all (n,), by ascending index.

    ``whole`` int is their index, ``parts`` int how many they are, ``covered`` float64 the share of
    them that the parts cover.
    """

    whole: np.ndarray
    parts: np.ndarray
    covered: np.ndarray

    def __len__(self) -> int:
        return len(self.whole)


def splits(found: CandidatePairs) -> Fragments:
    """Truths that were found as several; ``found`` must reach down to a half of the smaller
    footprint.
    """
    # A house that was found as x and y. Each lies mainly in it; the crumb z, less than a tenth of
    # x, is no part:
    #
    #     +-------------------+      split: 2 parts
    #     |  x x x x  |y y| z |      covered: area of x and y in the house over the house's
    #     +-------------------+
    part = found.common > _MAINLY * found.prediction_areas[found.prediction]
    whole = found.truth[part]
    common = found.common[part]
    largest = np.zeros(found.truths)
    np.maximum.at(largest, whole, common)
    whole, common = (values[common >= _CRUMB * largest[whole]] for values in (whole, common))
    parts = np.bincount(whole, minlength=found.truths)
    covered = np.bincount(whole, common / found.truth_areas[whole], found.truths)
    split = np.flatnonzero((parts > 1) & (covered > _MAINLY))
    return Fragments(split, parts[split], np.minimum(covered[split], 1))


def merges(found: CandidatePairs) -> Fragments:
    """Predictions that are several truths; see :func:`splits`."""
    return splits(found.swapped())
