"""A country's run without its pixels: 10,000 tasks on a local Dask cluster, some of which fail, end
their worker or take long.

python benchmarks/simulation.py --tasks 10000 --workers 8

A task sleeps as long as a scene would take, on a small scale: the workers need no cores of their
own, and what is left of the time is what sharing out costs. Work is drawn from a lognormal
distribution; one in a hundred takes twenty times as long. Tasks go through `Cluster.ordered`, as
those of `geoseg extract --scheduler` do.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from distributed import LocalCluster

from geoseg.errors import InputError
from geoseg.parallel.cluster import Cluster, connected

STRAGGLERS, LONGER = 0.01, 20
# Of all tasks: broken scenes, those that fail once as a network does, and those in which a worker
# dies
BROKEN, FAILING, DEADLY = 0.001, 0.02, 0.002


@dataclass(frozen=True)
class Scene:
    """A scene of so many ``seconds``; how it ends the first time, and where its tries are noted."""

    number: int
    seconds: float
    ends: str
    folder: Path


def work(scene: Scene) -> tuple[int, float]:
    """In a worker: the number of the scene, and the seconds that it took."""
    start = time.perf_counter()
    if scene.ends == "well":
        time.sleep(scene.seconds)
        return scene.number, time.perf_counter() - start
    tries = len(list(scene.folder.glob(f"{scene.number}-*")))
    (scene.folder / f"{scene.number}-{tries}").touch()
    time.sleep(scene.seconds)
    if scene.ends == "broken":
        raise InputError(f"{scene.number}: cannot be read")
    if tries == 0:
        if scene.ends == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError("the network is away")
    return scene.number, time.perf_counter() - start


def scenes(count: int, mean: float, folder: Path) -> list[Scene]:
    """``count`` of them, of ``mean`` seconds without the stragglers."""
    rng = np.random.default_rng(0)
    seconds = rng.lognormal(np.log(mean) - 0.125, 0.5, count)
    seconds[rng.random(count) < STRAGGLERS] *= LONGER
    rest = 1 - BROKEN - FAILING - DEADLY
    ends = rng.choice(
        ["broken", "failing", "deadly", "well"], count, p=[BROKEN, FAILING, DEADLY, rest]
    )
    return [
        Scene(*each, folder)
        for each in zip(range(count), seconds.tolist(), ends.tolist(), strict=True)
    ]


def run(cluster: Cluster, tasks: list[Scene], ahead: int) -> tuple[float, float, int]:
    """Seconds by the clock, seconds of work that counted, and how many scenes were broken; stops
    where a result is missing or out of order.
    """
    start = time.perf_counter()
    results = cluster.ordered(work, tasks, ahead)
    busy, broken = 0.0, 0
    for task in tasks:
        try:
            number, seconds = next(results)
        except InputError:
            number, seconds = task.number, task.seconds
            broken += 1
        assert number == task.number, (number, task)
        busy += seconds
    return time.perf_counter() - start, busy, broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--mean", type=float, default=0.05, help="seconds of a task")
    parser.add_argument("--ahead", type=int, nargs="+", default=[2, 8], help="tasks a worker")
    options = parser.parse_args()
    settings: dict[str, Any] = {
        "processes": True,
        "threads_per_worker": 1,
        "dashboard_address": ":0",
    }
    settings["silence_logs"] = logging.CRITICAL  # what fails, fails on purpose
    with (
        LocalCluster(n_workers=options.workers, **settings) as local,
        connected(local.scheduler_address) as cluster,
    ):
        assert cluster is not None
        start, own = time.perf_counter(), time.process_time()
        assert sum(1 for _ in cluster.ordered(abs, range(options.tasks), 8)) == options.tasks
        each = (time.perf_counter() - start) / options.tasks
        own = (time.process_time() - own) / options.tasks
        print(
            f"{options.tasks} tasks of nothing: {1000 * each:.2f} ms each, {1000 * own:.2f} of CPU in "
            "the process of client and scheduler",
            flush=True,
        )
        for ahead in options.ahead:
            with tempfile.TemporaryDirectory() as name:
                tasks = scenes(options.tasks, options.mean, Path(name))
                wall, busy, broken = run(cluster, tasks, ahead)
                tries = len(list(Path(name).iterdir()))
            ends = {end: sum(task.ends == end for task in tasks) for end in ("failing", "deadly")}
            again = tries - sum(task.ends != "well" for task in tasks)
            print(
                f"{ahead} tasks a worker ahead: {wall:.1f} s, busy {busy / wall / options.workers:.2f}; "
                f"{ends['failing']} failed, {ends['deadly']} ended their worker, {again} done again; "
                f"{broken} broken; overhead {1000 * (wall * options.workers - busy) / len(tasks):.1f} "
                f"ms of a worker a task, {1000 * busy / len(tasks):.0f} ms of work",
                flush=True,
            )


if __name__ == "__main__":
    main()
