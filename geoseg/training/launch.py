"""Several processes that train together: started here, or by torchrun."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from geoseg import errors
from geoseg.parallel.processes import end_with_parent


def rank() -> int:
    """Number of this process among those that train together; 0 writes the files."""
    return int(os.environ.get("RANK", 0))


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """``work(*arguments)`` in ``count`` new processes, or here where one is enough or torchrun has
    started them.

    Processes are spawned, so that ``work`` and ``arguments`` must be picklable. Raises the
    GeosegError or the OutOfMemoryError that stopped one of them.
    """
    if count == 1 or by_torchrun():
        return work(*arguments)
    import torch
    from lightning.fabric.plugins.environments.lightning import find_free_network_port

    try:
        torch.multiprocessing.spawn(
            _child, (count, find_free_network_port(), work, arguments), nprocs=count
        )
    except torch.multiprocessing.ProcessRaisedException as error:
        raise parse_child_error(str(error)) or error from error


def _child(
    number: int, count: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    variables = {
        "RANK": number,
        "LOCAL_RANK": number,
        "NODE_RANK": 0,
        "WORLD_SIZE": count,
        "MASTER_PORT": port,
    }
    end_with_parent()
    os.environ.update(
        {name: str(value) for name, value in variables.items()} | {"MASTER_ADDR": "127.0.0.1"}
    )
    work(*arguments)


def parse_child_error(text: str) -> Exception | None:
    """The error at the end of a process's traceback, where it is one that a caller expects."""
    import torch

    # torch hands over the traceback as text; its last line names the error
    if found := re.search(
        r"^geoseg\.errors\.(\w+): (.*)\Z", text.rstrip(), re.MULTILINE | re.DOTALL
    ):
        if found[1] == "SettingError":
            return errors.SettingError(*found[2].split(": ", 1))
        kind: type[Exception] = getattr(errors, found[1])
        return kind(found[2])
    return torch.OutOfMemoryError(text) if "OutOfMemoryError: " in text else None
