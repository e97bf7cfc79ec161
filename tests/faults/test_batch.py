"""A batch in which one scene in ten is broken."""

from __future__ import annotations

import pytest

from tests.faults.batch import measured


def test_twenty_scenes_of_which_two_are_broken() -> None:
    found = measured(20)
    assert (found.code, found.layers, found.stray) == (9, 18, 0)
    assert found.named == found.reported == 2


@pytest.mark.slow
def test_two_hundred_of_which_twenty_are_broken_take_no_more_memory() -> None:
    few, many = measured(20), measured(200)
    assert (many.code, many.layers, many.stray) == (9, 180, 0)
    assert many.named == many.reported == 20
    # what ten times as many scenes may add: their names, and the allocator's moods
    assert many.megabytes < few.megabytes + 30
