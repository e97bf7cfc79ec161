"""Work on a Dask cluster, with results as one process would give them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from geoseg import __version__
from geoseg.errors import GeosegError, ResourceError
from geoseg.parallel.threads import limited, thread_limit

Item = TypeVar("Item")
Result = TypeVar("Result")

_RETRIES = 3
# Small tasks that are with the cluster for each worker, so that one which ends a large task finds
# several, and of all workers, for who waits for their results holds something for each
_SMALL_AHEAD = 8
_SMALL_MOST = 32
_PATIENCE = 20.0  # seconds for the scheduler to answer
log = logging.getLogger(__name__)


class Cluster:
    """The workers behind a connected ``client`` of dask.distributed."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def workers(self) -> int:
        """How many there are now, 1 at least: others may come, or the first is still to start."""
        return max(1, len(self._client.nthreads()))

    def ordered(
        self, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 2
    ) -> Results[Result]:
        """Results of ``function`` over ``items``, in their order; no more than ``ahead`` items a
        worker are with the cluster at a time.

        What was given to a worker that died is done again by another, and so is what ends in
        anything but a GeosegError, three times. Functions, items and results are pickled.
        """
        return Results(self._submitted(function, items), lambda: ahead * self.workers)

    def asked(self, function: Callable[[Item], Result], item: Item) -> Result:
        """What ``function`` gives for one ``item``, before what waits for a worker."""
        with closing(self.mapped(function, [item])) as results:
            return next(results)

    def mapped(
        self, function: Callable[[Item], Result], items: Iterable[Item], /
    ) -> Results[Result]:
        """As :meth:`ordered`, and as :func:`geoseg.parallel.threads.mapped` with workers in place
        of threads: small tasks, whose results others wait for. They come before those that wait for
        a worker.
        """
        submitted = self._submitted(function, items, priority=1)
        return Results(submitted, lambda: min(_SMALL_AHEAD * self.workers, _SMALL_MOST))

    def _submitted(
        self, function: Callable[[Item], Result], items: Iterable[Item], priority: int = 0
    ) -> Iterator[Any]:
        """Futures of ``items``, each handed to the cluster when it is asked for."""
        if not self._client.nthreads():
            log.warning("the Dask cluster has no workers yet; waiting for the first")
        task = partial(_attempt, __version__, thread_limit(), function)
        # pure=False: what is called twice is done twice, for files may have changed
        options = {"pure": False, "retries": _RETRIES, "priority": priority}
        return map(partial(self._client.submit, task, **options), items)


class Results(Iterator[Result]):
    """Results of the tasks that are ``submitted``, of which as many as ``most`` gives are with the
    cluster at a time.

    Raises what a task raises when its turn comes, and ResourceError where the cluster is lost or
    the task ends every worker that takes it; those after it can be taken all the same. Close it to
    stop early: what has not begun is given up.
    """

    def __init__(self, submitted: Iterator[Any], most: Callable[[], int]) -> None:
        self._submitted = submitted
        self._most = most
        self._waiting: deque[Any] = deque()

    def __next__(self) -> Result:
        missing = max(1, self._most() - len(self._waiting))
        self._waiting.extend(islice(self._submitted, missing))
        if not self._waiting:
            raise StopIteration
        result: Result = _result(self._waiting.popleft())
        return result

    def close(self) -> None:
        for future in self._waiting:
            future.release()


@contextmanager
def connected(address: str | None) -> Iterator[Cluster | None]:
    """The cluster whose scheduler is at ``address``; None where there is no address.

    Raises ResourceError where nobody answers or there is no package for it.
    """
    with nullcontext() if address is None else _client(address) as client:
        yield None if client is None else Cluster(client)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ResourceError(
            "`scheduler` needs dask.distributed", "pip install 'geoseg[dask]'"
        ) from error
    try:
        return Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ResourceError(
            f"{address}: no Dask scheduler answers", "start one by `dask scheduler`"
        ) from error


def _attempt(
    version: str, threads: int | None, function: Callable[[Item], Result], item: Item
) -> Result | GeosegError:
    """In a worker: what ``function`` gives. A GeosegError is handed back rather than raised, for
    Dask would try again what cannot go better.
    """
    if version != __version__:
        return ResourceError(
            f"a worker has geoseg {__version__}, not {version}", "install one version everywhere"
        )
    try:
        with limited(threads):
            return function(item)
    except GeosegError as error:
        return error


def _result(future: Any) -> Any:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        result = future.result()
    except KilledWorker as error:
        raise ResourceError(
            "a task ended every worker that took it", "give the workers more memory"
        ) from error
    except CancelledError as error:
        raise ResourceError(
            "the Dask scheduler is gone", "start it, and the command again"
        ) from error
    if isinstance(result, GeosegError):
        raise result
    return result
