"""What memory is promised: more where there is more to do, less where less is allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ResourceError, UsageError
from geoseg.inference.memory import HELD, WINDOWS, Demand, budget
from geoseg.specs import Memory, ModelSpec

DEMAND = Demand(ModelSpec("unet"), 8_000_000, False, 1, 1, 8192)


def test_amounts_as_people_write_them() -> None:
    for text, size in (("2GB", 2e9), ("1.5GiB", 1.5 * 2**30), ("800 MB", 8e8), ("4096", 4096)):
        assert Memory.parse(text).value == size
        assert Memory.parse(str(Memory.parse(text))) == Memory.parse(text)
    for text in ("much", "2XB", "-1GB", ""):
        with pytest.raises(UsageError, match="no amount of memory"):
            Memory.parse(text)


def test_rows_go_to_a_file_before_windows_shrink() -> None:
    whole = budget(DEMAND, None, None, "a.tif")
    assert (whole.window, whole.held) == (1024, HELD[0])
    less = budget(DEMAND, None, whole.peak - 1, "a.tif")
    assert less.window == 1024 and less.held < whole.held and less.peak < whole.peak


@given(st.floats(3e8, 2e9), st.integers(100, 100_000))
def test_no_plan_takes_more_than_is_allowed(most: float, width: int) -> None:
    demand = replace(DEMAND, width=width)
    try:
        found = budget(demand, None, most, "a.tif")
    except ResourceError as error:
        assert error.hint is not None and "is the least" in error.hint
        assert most < demand.peak(min(WINDOWS), 0)
    else:
        assert found.peak <= most and found.peak == demand.peak(found.window, found.held)


def test_windows_that_were_chosen_do_not_shrink() -> None:
    with pytest.raises(ResourceError, match="does not fit into 450 MB") as caught:
        budget(DEMAND, 1024, 4.5e8, "a.tif")
    assert "for windows of this size" in str(caught.value.hint)


def test_a_wide_scene_takes_little_more_than_a_narrow_one() -> None:
    wide = replace(DEMAND, width=40_000)
    assert wide.peak(1024, HELD[0]) < 1.02 * DEMAND.peak(1024, HELD[0])


def test_tracing_takes_its_share() -> None:
    """Of a wide scene more, for more of its buildings are unfinished at a time."""
    shares = [
        replace(DEMAND, width=width, traced=True).peak(1024, 0)
        - replace(DEMAND, width=width).peak(1024, 0)
        for width in (8192, 40_000)
    ]
    assert 0 < shares[0] < shares[1]
