"""Numbered buildings: one outline each, exactly on their pixels, for any strips."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.geometry.footprints import FootprintLabels, instance_footprints
from geoseg.geometry.instances import trace_instances
from geoseg.geometry.morphology import MaskStrip
from geoseg.specs import Area, PolygonSpec
from tests.scenes import grid

LABELS = arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 13)), elements=st.sampled_from([0, 0, 1, 2, 7]))  # fmt: skip


def strips(labels: np.ndarray, valid: np.ndarray, height: int) -> list[MaskStrip]:
    parts = [slice(top, top + height) for top in range(0, len(labels), height)]
    return [MaskStrip((labels[p] > 0) & valid[p], valid[p], labels[p]) for p in parts]


@given(labels=LABELS, height=st.integers(1, 9))
def test_each_number_is_one_outline_of_its_pixels(labels: np.ndarray, height: int) -> None:
    valid = np.ones(labels.shape, bool)
    numbers = np.unique(labels[labels > 0]).tolist()
    batches = list(trace_instances(strips(labels, valid, height)))
    assert len(batches) == bool(numbers)
    for traced in batches:
        assert shapely.is_valid(traced.geometry).all()
        assert traced.pixels.tolist() == [(labels == number).sum() for number in numbers]
        for number, outline in zip(numbers, traced.geometry, strict=True):
            burnt = rasterio.features.rasterize([outline], labels.shape)
            np.testing.assert_array_equal(burnt, labels == number)


@given(labels=LABELS, height=st.integers(1, 9), missing=st.integers(0, 8))
def test_strips_of_any_height_give_the_same(labels: np.ndarray, height: int, missing: int) -> None:
    valid = np.ones(labels.shape, bool)
    valid[:, missing : missing + 2] = False
    on = grid(*labels.shape)

    def footprints(rows: int) -> list[object]:
        found = instance_footprints(
            strips(labels, valid, rows),
            on,
            FootprintLabels("a", unit=None),
            PolygonSpec(),
            Area(0),
        )
        return [
            (shapely.to_wkb(layer.geometry).tolist(), layer.columns["edge"].tolist())
            for layer in found
        ]

    assert footprints(height) == footprints(len(labels))


def test_parts_far_apart_are_one_footprint_and_touching_numbers_are_two() -> None:
    labels = np.zeros((40, 30), np.uint32)
    labels[2:9, 3:11], labels[2:9, 11:20], labels[30:37, 5:8] = 1, 2, 1
    (traced,) = trace_instances(strips(labels, labels < 9, 4))
    assert shapely.get_num_geometries(traced.geometry).tolist() == [2, 1]
    assert shapely.area(shapely.intersection(*traced.geometry)) == 0
    assert traced.pixels.tolist() == [7 * 8 + 7 * 3, 7 * 9]


def test_missing_data_marks_the_edge() -> None:
    labels = np.zeros((20, 30), np.uint32)
    labels[5:9, 3:11], labels[5:9, 20:25] = 4, 5
    valid = np.ones(labels.shape, bool)
    valid[:, 11:13] = False
    (layer,) = instance_footprints(
        strips(labels, valid, 3),
        grid(20, 30),
        FootprintLabels("a", unit=None),
        PolygonSpec(),
        Area(0),
    )
    assert layer.columns["edge"].tolist() == [True, False]
    assert np.isnan(layer.columns["confidence"]).all()
    assert layer.columns["area_m2"].tolist() == [2.88, 1.8]
