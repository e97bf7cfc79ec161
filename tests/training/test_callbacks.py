"""What happens beside the steps of a run."""

from __future__ import annotations

import multiprocessing
import signal
import time

import pytest

pytest.importorskip("lightning")

from geoseg.training.callbacks import EndReaders


@pytest.mark.parametrize(
    ("error", "ended"), [(KeyboardInterrupt(), True), (ValueError("damaged"), False)]
)
def test_ctrl_c_ends_the_readers_of_the_run_alone(error: BaseException, ended: bool) -> None:
    spawn = multiprocessing.get_context("spawn")
    before, reader = (spawn.Process(target=time.sleep, args=(600,)) for _ in range(2))
    handler = signal.getsignal(signal.SIGCHLD)
    before.start()
    try:
        callback = EndReaders()
        reader.start()
        callback.on_exception(None, None, error)  # type: ignore[arg-type]
        reader.join(30 if ended else 0)
        assert reader.is_alive() != ended
        assert before.is_alive()
    finally:
        signal.signal(signal.SIGCHLD, handler)
        for process in (before, reader):
            process.kill()
            process.join()
