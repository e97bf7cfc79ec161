import numpy as np

from geoseg.core.band import Band, MemoryBuffer


def band(height: int = 5, width: int = 12) -> Band:
    made = Band((2, height, width), np.float32, MemoryBuffer)
    made.put(slice(0, height), slice(0, width), np.full((2, height, width), np.nan, np.float32))
    made.clear()
    return made


def test_columns_that_nobody_wrote_are_zeros() -> None:
    filled = band()
    assert filled.empty and not filled.rows(1, 4).any() and filled.rows(1, 4).shape == (2, 3, 12)
    filled.put(slice(0, 5), slice(3, 6), np.ones((2, 5, 3), np.float32))
    filled.add(slice(0, 4), slice(5, 9), np.full((2, 4, 4), 2, np.float32))
    rows = filled.rows(2, 5)
    assert rows[1, 0].tolist() == [0, 0, 0, 1, 1, 3, 2, 2, 2, 0, 0, 0]
    assert rows[1, 2].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_rows_are_copies() -> None:
    filled = band()
    filled.put(slice(0, 5), slice(0, 12), np.ones((2, 5, 12), np.float32))
    filled.rows(0, 2)[:] = 7
    assert (filled.rows(0, 2) == 1).all()
