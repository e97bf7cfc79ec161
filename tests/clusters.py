"""Dask clusters of processes, and progress that kills one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from geoseg.report import Label, Progress

PROCESSES = {
    "processes": True,
    "n_workers": 2,
    "threads_per_worker": 1,
    "dashboard_address": ":0",
}


def killer(cluster: Any) -> Progress:
    """Progress whose first step kills a worker of ``cluster``."""
    victim = cluster.workers[0].process.pid

    def killing(stage: Label, total: int) -> Callable[[int], None]:
        def step(count: int) -> None:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

        return step

    return killing
