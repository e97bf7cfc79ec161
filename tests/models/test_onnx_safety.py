"""What an ONNX file must not hold (geoseg.models.onnx_safety)."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.models.onnx_safety import check_graph

INF = float("inf")


def held(values: NDArray[np.floating]) -> bytes:
    """A graph of one weight."""
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(values, "w")
    return helper.make_model(helper.make_graph([], "g", [], [], [weight])).SerializeToString()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("odd", [float("nan"), INF, -INF])
def test_a_weight_that_is_not_finite_is_refused(dtype: str, odd: float) -> None:
    values = np.array([[0.5, -1.0, 2.0], [0.0, odd, 1.0]], dtype)

    with pytest.raises(ModelError, match=r"a\.onnx: its weights are not all finite"):
        check_graph(held(values), Path("a.onnx"))


@pytest.mark.parametrize("mask", [[[0.0, -INF, -INF], [0.0, 0.0, -INF]], [INF], [[-INF, INF]]])
def test_infinity_alone_or_with_zeros_is_a_mask_or_a_bound(mask: list[object]) -> None:
    check_graph(held(np.array(mask, "float32")), Path("a.onnx"))
