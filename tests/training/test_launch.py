"""Errors of other processes come back as what they were."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from geoseg.errors import GeosegError, InputError, SettingError, UnsuitableError  # noqa: E402
from geoseg.training.launch import launch, parse_child_error, processes, rank  # noqa: E402

TRACE = (
    "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call "
    "last):\n  File ...\n"
)


@pytest.mark.parametrize(
    "error",
    [
        InputError("a.tif: does not exist", "look again"),
        UnsuitableError("the loss became nan"),
        SettingError("loss", "'x': is unknown", "use bce"),
    ],
)
def test_the_error_at_the_end_of_a_traceback(error: GeosegError) -> None:
    kind = type(error)
    found = parse_child_error(f"{TRACE}{kind.__module__}.{kind.__name__}: {error}\n")
    assert type(found) is kind and str(found) == str(error)


def test_memory_that_ran_out_and_what_nobody_expects() -> None:
    memory = parse_child_error(
        TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB\n"
    )
    assert isinstance(memory, torch.OutOfMemoryError)
    assert parse_child_error(TRACE + "ZeroDivisionError: division by zero\n") is None
    assert parse_child_error("the loss became nan") is None


def test_torchs_own_word_for_it_is_known() -> None:
    assert f"{torch.OutOfMemoryError.__name__}: " == "OutOfMemoryError: "


def test_one_process_is_this_one() -> None:
    seen: list[int] = []
    launch(1, seen.append, 7)
    assert seen == [7] and (rank(), processes()) == (0, 1)
