import numpy as np

from geoseg.core.strips import packed, unpacked


def test_strips_come_back_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    strips = [
        (row, rng.random((2, height, 37), np.float32), rng.random((height, 37)) < 0.5)
        for row, height in ((0, 5), (5, 1), (6, 11))
    ]
    for (row, floats, valid), back in zip(strips, unpacked(packed(strips)), strict=True):
        assert back[0] == row
        np.testing.assert_array_equal(back[1], floats)
        np.testing.assert_array_equal(back[2], valid)
    assert list(unpacked(packed([]))) == []
