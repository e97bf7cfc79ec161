"""Work on a Dask cluster comes back as one process would give it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from geoseg.errors import InputError, ResourceError
from geoseg.parallel.cluster import Cluster, connected
from geoseg.parallel.threads import limited, thread_limit
from tests.clusters import PROCESSES

distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster(scheduler: str) -> Iterator[Cluster]:
    with connected(scheduler) as found:
        assert found is not None
        yield found


def test_without_an_address_there_is_no_cluster() -> None:
    with connected(None) as nothing:
        assert nothing is None


def test_results_come_in_order(cluster: Cluster) -> None:
    assert cluster.workers == 2
    assert list(cluster.ordered(abs, range(-50, 0))) == list(range(50, 0, -1))


def test_no_more_is_taken_than_is_soon_worked_on(cluster: Cluster) -> None:
    endless = count(1)
    results = cluster.ordered(float, endless, ahead=3)
    assert [next(results) for _ in range(4)] == [1, 2, 3, 4]
    results.close()
    assert next(endless) <= 4 + 3 * 2


def test_small_tasks_come_before_those_that_wait(cluster: Cluster, tmp_path: Path) -> None:
    large = cluster.ordered(_slow, [tmp_path / f"{number}" for number in range(12)], ahead=6)
    done = [next(large), *cluster.mapped(_slow, [tmp_path / "a", tmp_path / "b"]), *large]
    assert [path.name for path in done] == ["0", "a", "b", *map(str, range(1, 12))]
    by_time = sorted(done, key=lambda path: path.stat().st_mtime_ns)
    assert {path.name for path in by_time[-2:]} <= {"9", "10", "11"}


def test_few_small_tasks_are_ahead_however_many_workers(cluster: Cluster) -> None:
    endless = count(1)
    results = cluster.mapped(float, endless)
    assert [next(results) for _ in range(2)] == [1, 2]
    results.close()
    assert next(endless) <= 2 + 8 * 2


def _slow(path: Path) -> Path:
    time.sleep(0.1)
    path.touch()
    return path


def _noted(item: tuple[Path, int]) -> int:
    """Notes that it was called; three cannot be done, and seven only at the second time."""
    folder, number = item
    calls = len(list(folder.glob(f"{number}-*")))
    (folder / f"{number}-{calls}").touch()
    if number == 3:
        raise InputError("three: cannot be read", "mend it")
    if number == 7 and calls == 0:
        raise OSError("the network was away")
    return number


def test_what_cannot_go_better_is_not_tried_again(cluster: Cluster, tmp_path: Path) -> None:
    results = cluster.ordered(_noted, [(tmp_path, number) for number in range(10)])
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match=r"three: cannot be read \(mend it\)"):
        next(results)
    assert list(results) == [4, 5, 6, 7, 8, 9]
    assert len(list(tmp_path.glob("3-*"))) == 1
    assert len(list(tmp_path.glob("7-*"))) == 2


def test_workers_keep_to_the_threads_of_the_run(cluster: Cluster) -> None:
    with limited(3):
        assert list(cluster.ordered(_threads, [0, 0])) == [3, 3]
    assert list(cluster.ordered(_threads, [0])) == [None]


def _threads(_: int) -> int | None:
    return thread_limit()


def test_a_worker_of_another_version_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = cluster.ordered(abs, [-1])
    monkeypatch.setattr("geoseg.parallel.cluster.__version__", "9.9")
    with pytest.raises(ResourceError, match=r"has geoseg 9.9, not .*install one version"):
        next(results)


@pytest.mark.slow
def test_a_task_that_ends_its_workers_is_an_error() -> None:
    with (
        distributed.LocalCluster(**PROCESSES) as local,
        connected(local.scheduler_address) as cluster,
    ):
        assert cluster is not None
        results = cluster.ordered(_deadly, [False, True, False])
        assert next(results) == 1
        with pytest.raises(ResourceError, match="ended every worker that took it"):
            next(results)
        assert next(results) == 1


def _deadly(deadly: bool) -> int:
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1
