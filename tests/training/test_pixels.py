"""Bytes and floats mean the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from geoseg.core.bands import to_unit  # noqa: E402
from geoseg.training.pixels import as_unit, compact  # noqa: E402


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_what_travels_is_what_the_network_would_read(dtype: str) -> None:
    highest = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = (np.random.default_rng(0).random((4, 5, 7)) * highest).astype(dtype)
    carried = compact(image[:, ::-1])
    assert carried.dtype == (torch.uint8 if dtype == "uint8" else torch.float32)
    assert torch.equal(as_unit(carried), torch.from_numpy(to_unit(image[:, ::-1].copy())))
