"""Finished strips of probability on disk: what a run that was interrupted need not compute again.

A folder holds a file for each row of windows, what the last of them shares with the next, and a
journal. A row counts once its files are on the disk and its line is in the journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.strips import Strip, packed, unpacked
from geoseg.io.journal import Journal

JOURNAL = "journal.jsonl"


class StripStore:
    """Strips of a scene in ``folder``, which is made; ``plan`` is everything they depend on.

    Raises UsageError where the folder holds strips of another plan.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._journal = Journal(folder / JOURNAL, plan)
        self._strips: list[Strip] = []

    @property
    def rows(self) -> int:
        """Rows of windows that are done."""
        return len(self._journal.done)

    def finished(self) -> Iterator[Strip]:
        """The strips that are done, from the top."""
        for row in range(self.rows):
            yield from unpacked(self._file(row).read_bytes())

    def shared(self) -> np.ndarray | None:
        """What the last row that is done has of the rows it shares with the next."""
        if not self.rows:
            return None
        (_, shared, _), *_ = unpacked(self._file(self.rows - 1, "shared").read_bytes())
        return shared

    def put(self, strip: Strip) -> None:
        """A strip of the row that is being finished."""
        self._strips.append(strip)

    def commit(self, row: int, shared: np.ndarray) -> None:
        """The strips of ``row`` are complete; the next one gets ``shared``."""
        nothing = np.zeros(shared.shape[1:], bool)
        self._write(self._file(row), packed(self._strips))
        self._write(self._file(row, "shared"), packed([(0, shared, nothing)]))
        self._journal.add(str(row), None)
        self._strips = []
        self._file(row - 1, "shared").unlink(missing_ok=True)

    def _file(self, row: int, kind: str = "row") -> Path:
        return self.folder / f"{kind}-{row:06d}"

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """Whole and on the disk, or not under this name."""
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
