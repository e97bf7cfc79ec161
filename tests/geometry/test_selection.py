"""Footprints that stay, by their size and confidence, and the holes that are filled in them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geoseg.geometry.footprints import footprints
from geoseg.specs import Area, PolygonSpec
from tests.probabilities import NONE, UTM, cut, found


@pytest.mark.parametrize("height", [1, 7, 50])
def test_a_hole_is_not_filled_over_a_footprint_in_it(height):
    mask = np.ones((50, 31), bool)
    mask[3:12, 5:14] = False
    mask[6:9, 8:11] = True
    mask[20:29, 5:14] = False
    frame = found(
        cut(height, mask.astype(np.float32), np.ones_like(mask)),
        spec=PolygonSpec(min_hole=Area(90, True)),
    )
    assert len(frame) == 2
    assert frame.geometry.iloc[0].disjoint(frame.geometry.iloc[1])
    assert [len(g.interiors) for g in frame.geometry] == [0, 1]
    swallowed = found(
        cut(height, mask.astype(np.float32), np.ones_like(mask)),
        spec=PolygonSpec(min_hole=Area(90, True)),
        min_area=Area(10, True),
    )
    assert [len(g.interiors) for g in swallowed.geometry] == [0]


@given(
    seed=st.integers(0, 2**32 - 1),
    least=st.integers(1, 30),
    most=st.integers(1, 60),
    confidence=st.floats(0.5, 1),
    height=st.integers(1, 41),
)
def test_what_stays_is_what_a_filter_of_all_would_leave(
    seed: int, least: int, most: int, confidence: float, height: int
) -> None:
    probability = np.random.default_rng(seed).random((41, 29), np.float32)
    strips = cut(height, probability, np.ones(probability.shape, bool))
    everything = found(strips, spec=PolygonSpec(min_hole=NONE))
    spec = PolygonSpec(min_hole=NONE, max_area=Area(most, True), min_confidence=confidence)
    batches = footprints(
        strips, UTM, scene="town", spec=spec, threshold=0.5, min_area=Area(least, True)
    )
    left = [geometry for batch in batches for geometry in shapely.to_wkb(batch.geometry)]
    pixels = np.rint(everything["area_m2"] / everything["area_m2"].min())
    wanted = (pixels >= least) & (pixels <= most) & (everything["confidence"] >= confidence)
    assert left == everything.geometry[wanted].to_wkb().tolist()
