from dataclasses import replace

import numpy as np
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.evaluation.metrics import boundary_count, confusion, count
from geoseg.evaluation.pixels import compare_pixels
from geoseg.evaluation.regions import pixel_intervals, pixel_regions
from geoseg.labels.class_raster import ClassRaster
from geoseg.specs import EvaluateSpec, Length

GRID = Grid(None, Affine.identity(), 300, 170)


def classes(labels):
    return ClassRaster(
        lambda first, last: labels[first:last],
        None,
        tuple(range(int(labels[labels != VOID].max()) + 1)),
    )


@settings(max_examples=20)
@given(st.integers(2, 4), st.integers(64, 400), st.integers(0, 99), st.sampled_from([1, 2**22]))
def test_blocks_add_up_to_the_confusion_matrix(labels, side, seed, strip):
    rng = np.random.default_rng(seed)
    found, real = rng.integers(0, labels, (2, *GRID.shape), np.uint8)
    real[250:, 3:90] = VOID
    spec = EvaluateSpec(neighbourhood=Length(side))
    compared = compare_pixels(classes(found), classes(real), GRID, spec, strip_pixels=strip)
    rows, cols = compared.block
    assert (rows, cols) == (side, side)
    valid = real != VOID
    assert (compared.matrix == confusion(found, real, labels, valid=valid)).all()
    part = slice(rows, 2 * rows), slice(0, cols)
    if rows < GRID.height:
        assert (
            compared.matrices[1, 0] == confusion(found[part], real[part], labels, valid=valid[part])
        ).all()


def test_strips_give_the_same_as_the_whole():
    rng = np.random.default_rng(3)
    grid = Grid(None, Affine.identity(), 600, 31)
    predicted, real = (rng.random((600, 31)) < 0.9 for _ in range(2))
    rows: list[int] = []
    compared = compare_pixels(
        classes(predicted.astype(np.uint8)),
        classes(real.astype(np.uint8)),
        grid,
        EvaluateSpec(boundary_width=5),
        progress=lambda stage, total: rows.append,
        strip_pixels=1,
    )
    assert rows == [256, 256, 88]
    assert compared.matrix[1, 1] == count(predicted, real).tp
    assert compared.outlines[1].iou == boundary_count(predicted, real, 5).iou


def test_a_sweep_of_strips_is_that_of_the_whole():
    rng = np.random.default_rng(8)
    grid = Grid(None, Affine.identity(), 600, 31)
    real = rng.integers(0, 2, grid.shape, np.uint8)
    probability = rng.random(grid.shape, np.float32)
    known = rng.random(grid.shape) < 0.8
    prediction = replace(
        classes((probability > 0.5).astype(np.uint8)),
        scores=lambda first, last: (probability[first:last], known[first:last]),
    )
    swept = [
        compare_pixels(
            prediction, classes(real), grid, EvaluateSpec(sweep=True), strip_pixels=strip
        ).swept
        for strip in (1, 2**22)
    ]
    assert (swept[0] == swept[1]).all() and swept[0].sum() == known.sum()


def test_the_worst_block_is_where_the_prediction_is_wrong():
    real = np.zeros(GRID.shape, np.uint8)
    real[10:290:40, 5:160] = real[11:290:40, 5:160] = 1
    found = real.copy()
    found[128:192, 64:128] = 1 - found[128:192, 64:128]
    spec = EvaluateSpec(neighbourhood=Length(64))
    compared = compare_pixels(classes(found), classes(real), GRID, spec)
    worst, *others = pixel_regions(compared)
    assert worst["bounds"] == (64, 128, 128, 192) and worst["iou"] == 0 and worst["crs"] is None
    assert (
        all(place["iou"] == 1 for place in others)
        and worst["area_error_px"] == worst["fp"] - worst["fn"]
    )
    low, high = pixel_intervals(compared, 200, 1)["precision"]
    assert 0 < low < 0.5 < high <= 1
