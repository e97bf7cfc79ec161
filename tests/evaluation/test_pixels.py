import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.core.encoding import VOID
from geoseg.core.grid import Grid
from geoseg.evaluation import pixels
from geoseg.evaluation.metrics import confusion
from geoseg.evaluation.regions import pixel_intervals, pixel_regions
from geoseg.labels.class_raster import ClassRaster
from geoseg.specs import EvaluateSpec, Quantity

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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "STRIP_PIXELS", strip)
        spec = EvaluateSpec(neighbourhood=Quantity(side))
        compared = pixels.compare_pixels(classes(found), classes(real), GRID, spec)
    rows, cols = compared.block
    assert (rows, cols) == (side, side)
    valid = real != VOID
    assert (compared.matrix == confusion(found, real, labels, valid=valid)).all()
    part = slice(rows, 2 * rows), slice(0, cols)
    if rows < GRID.height:
        assert (
            compared.matrices[1, 0] == confusion(found[part], real[part], labels, valid=valid[part])
        ).all()


def test_the_worst_block_is_where_the_prediction_is_wrong():
    real = np.zeros(GRID.shape, np.uint8)
    real[10:290:40, 5:160] = real[11:290:40, 5:160] = 1
    found = real.copy()
    found[128:192, 64:128] = 1 - found[128:192, 64:128]
    spec = EvaluateSpec(neighbourhood=Quantity(64))
    compared = pixels.compare_pixels(classes(found), classes(real), GRID, spec)
    worst, *others = pixel_regions(compared)
    assert worst["bounds"] == (64, 128, 128, 192) and worst["iou"] == 0 and worst["crs"] is None
    assert (
        all(place["iou"] == 1 for place in others)
        and worst["area_error_m2"] == worst["fp"] - worst["fn"]
    )
    low, high = pixel_intervals(compared, 200, 1)["precision"]
    assert 0 < low < 0.5 < high <= 1
