"""`geoseg extract --scheduler` with two workers against one: one large scene, and eight scenes.

python benchmarks/cluster.py --rounds 3 --model bundled

Both clusters stand all the time, their workers warm, one thread each and bound to a core of its own
each, as clusters give them; the rounds alternate between them. The process that writes, with the
scheduler in it, may use any core. On a machine with fewer cores than programs the clock says
little. So beside it stands for how much of the time the workers had a task in hand, which other
programs do not change: twice that of two workers by that of one is how much faster two are on cores
of their own; and CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, LocalCluster
from memory import Size, make_scene

import geoseg

WORKERS = (1, 2)
CGROUPS = Path("/sys/fs/cgroup/cpu")  # of the first version; root may make some


def bind(cluster: Any, share: float) -> list[Path]:
    """Each worker to a core of its own, or to that ``share`` of it, with all threads that it has or
    will start; the control groups made for it.
    """
    groups = []
    for core, worker in enumerate(cluster.workers.values()):
        process = psutil.Process(worker.process.pid)
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})
        if share < 1:
            group = CGROUPS / f"geoseg-{process.pid}"
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text("10000")
            (group / "cpu.cfs_quota_us").write_text(str(round(10_000 * share)))
            (group / "cgroup.procs").write_text(str(process.pid))
            groups.append(group)
    return groups


def cpu(cluster: Any) -> float:
    """CPU seconds of the workers of a cluster so far."""
    times = [psutil.Process(worker.process.pid).cpu_times() for worker in cluster.workers.values()]
    return float(sum(each.user + each.system for each in times))


def extract(
    scenes: list[Path], settings: dict[str, str], cluster: Any, folder: Path
) -> tuple[float, ...]:
    """Seconds by the clock, CPU seconds of the workers and of the process that writes, the share of
    the time that a worker had a task, and the number of footprints.
    """
    before, own, start = cpu(cluster), time.process_time(), time.perf_counter()
    began = time.time()
    report = geoseg.extract(
        [str(scene) for scene in scenes],
        folder / "buildings.gpkg",
        **settings,
        threads=1,
        overwrite=True,
        scheduler=cluster.scheduler_address,
    )
    wall = time.perf_counter() - start
    with Client(cluster, set_as_default=False) as client:
        tasks = client.get_task_stream(start=began)
    spans = [span for task in tasks for span in task["startstops"] if span["action"] == "compute"]
    share = sum(span["stop"] - span["start"] for span in spans) / wall / len(cluster.workers)
    return wall, cpu(cluster) - before, time.process_time() - own, share, report.footprints


def row_of_scenes(folder: Path, name: str, size: Size) -> list[Path]:
    """Eight scenes side by side."""
    scenes = [folder / f"{name}{number}.tif" for number in range(8)]
    for column, scene in enumerate(scenes):
        make_scene(scene, size, corner=(400_000 + 0.3 * column * size.width, 5_600_000))
    return scenes


def compare(
    title: str, scenes: list[Path], settings: dict[str, str], clusters: Any, rounds: int
) -> None:
    runs: dict[int, list[tuple[float, ...]]] = {count: [] for count in WORKERS}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            for count, cluster in zip(WORKERS, clusters, strict=True):
                runs[count].append(extract(scenes, settings, cluster, Path(name)))
    print(f"{title}, {', '.join(settings.values())}, {rounds} rounds")
    for count, own in runs.items():
        wall, workers, client, share, found = (
            statistics.median(each) for each in zip(*own, strict=True)
        )
        print(
            f"  {count} workers: {wall:.1f} s, CPU of the workers {workers:.1f} s, of the writer "
            f"{client:.1f} s, with a task {share:.2f} of the time, {found:.0f} footprints"
        )
    one, two = (runs[count] for count in WORKERS)
    walls = [a[0] / b[0] for a, b in zip(one, two, strict=True)]
    shares = [2 * b[3] / a[3] for a, b in zip(one, two, strict=True)]
    costs = [b[1] / a[1] for a, b in zip(one, two, strict=True)]
    print(
        f"  two are {statistics.median(walls):.2f} times one by the clock "
        f"({', '.join(f'{each:.2f}' for each in walls)}), {statistics.median(shares):.2f} by the time "
        f"with a task, at {statistics.median(costs):.2f} of its CPU seconds",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--tta", default="none", help="flips: a network four times as heavy")
    parser.add_argument(
        "--share",
        type=float,
        default=1,
        help="of a core that each worker is given, so that the writer has the rest (root)",
    )
    parser.add_argument("--only", choices=("eight", "one"))
    parser.add_argument("--size", default="8192x6000", help="of the large scene")
    parser.add_argument("--each", default="4096x1536", help="of each of the eight")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        large = Path(name) / "large.tif"
        make_scene(large, Size.parse(options.size))
        eight = row_of_scenes(Path(name), "each", Size.parse(options.each))
        small = row_of_scenes(Path(name), "small", Size(1024, 1024))
        settings = {"model": options.model, "tta": options.tta}
        local = {"processes": True, "threads_per_worker": 1, "dashboard_address": ":0"}
        clusters = [LocalCluster(n_workers=count, **local) for count in WORKERS]
        groups: list[Path] = []
        for cluster in clusters:
            groups += bind(cluster, options.share)
            with Client(cluster, set_as_default=False) as client:
                client.get_task_stream()  # notes tasks from here on
            for _ in range(2):  # a worker opens the model with its first task
                extract(small, settings, cluster, Path(name))
        try:
            if options.only != "one":
                compare(f"eight of {options.each}", eight, settings, clusters, options.rounds)
            if options.only != "eight":
                compare(options.size, [large], settings, clusters, options.rounds)
        finally:
            for cluster in clusters:
                cluster.close()
            for group in groups:
                group.rmdir()


if __name__ == "__main__":
    main()
