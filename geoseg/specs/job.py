"""How a job over scenes is done: how far it goes, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geoseg.specs.settings import check, check_settings


@dataclass(frozen=True)
class JobSpec:
    """``on_error`` says whether a scene that fails ends the job or is left out; with ``dry_run``
    nothing is written. With ``resume`` what is done is kept beside the output until all is, and a
    run that was interrupted goes on from there. ``scheduler`` is the address of a Dask cluster that
    computes.
    """

    on_error: Literal["stop", "skip"] = "stop"
    dry_run: bool = False
    resume: bool = False
    scheduler: str | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        check(not (self.resume and self.scheduler), "resume", "does not go with `scheduler`")
