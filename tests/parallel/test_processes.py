import os
import signal
import time
from contextlib import closing
from functools import partial

import pytest

from geoseg.errors import InputError, ResourceError
from geoseg.parallel.processes import ordered


def doubled(number):
    if number < 0:
        raise InputError(f"{number}: below zero")
    if number == 99:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_items(jobs):
    found = list(ordered(doubled, [5, 3, 8, 1], jobs))
    assert [number for number, _ in found] == [10, 6, 16, 2]
    assert (os.getpid() in {process for _, process in found}) == (jobs == 1)
    assert list(ordered(doubled, [], jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_are_raised_here(jobs):
    results = ordered(doubled, [5, -1, 8], jobs)
    with closing(results), pytest.raises(InputError, match="-1: below zero"):
        list(results)


def test_a_killed_process_is_told_of():
    with pytest.raises(ResourceError, match="killed"):
        list(ordered(doubled, [5, 99], 2))


def test_what_has_not_begun_is_given_up(tmp_path):
    results = ordered(partial(_touch, tmp_path), range(200), 2)
    assert next(results) == 0
    results.close()
    assert len(list(tmp_path.iterdir())) < 200


def test_what_has_begun_is_not_waited_for(tmp_path):
    results = ordered(partial(_touch_late, tmp_path), range(9), 2)
    assert next(results) == 0
    results.close()
    # one that is killed as it begins leaves an empty file
    begun = filter(None, (path.read_text() for path in tmp_path.glob("begun*")))
    for process in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
    assert not list(tmp_path.glob("ended*"))


def _touch_late(folder, number):
    if number:
        (folder / f"begun{number}").write_text(str(os.getpid()))
        time.sleep(20)
        (folder / f"ended{number}").touch()
    return number


def _touch(folder, number):
    (folder / str(number)).touch()
    return number
