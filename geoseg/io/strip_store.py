"""Finished strips of probability on disk: what a run that was interrupted need not compute again.

A folder holds a file for each row of windows, what the last of them shares with the next, and a
journal. A row counts once its files are on the disk and its line is in the journal.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.core.strips import Strip, packed, unpacked
from geoseg.errors import InputError
from geoseg.io.journal import Journal

JOURNAL = "journal.jsonl"
_CHECKSUM = 4  # bytes, at the end of each file


class StripStore:
    """Strips of a scene in ``folder``, which is made; ``plan`` is everything they depend on.

    Raises UsageError where the folder holds strips of another plan; what is read raises InputError
    where a file is damaged.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._journal = Journal(folder / JOURNAL, plan)
        self._strips: list[Strip] = []
        if not self._is_whole():
            self._journal.forget()

    @property
    def rows(self) -> int:
        """Rows of windows that are done."""
        return len(self._journal.done)

    def _is_whole(self) -> bool:
        """Whether the files of all rows that are done are there. A journal that lost its last lines
        ends before the only row whose shared rows are kept.
        """
        files = [self._file(row) for row in range(self.rows)]
        return all(file.is_file() for file in [*files, *self._last_shared()])

    def _last_shared(self) -> list[Path]:
        return [self._file(self.rows - 1, "shared")] if self.rows else []

    def finished(self) -> Iterator[Strip]:
        """The strips that are done, from the top."""
        for row in range(self.rows):
            yield from self._read(self._file(row))

    def shared(self) -> np.ndarray | None:
        """What the last row that is done has of the rows it shares with the next."""
        for file in self._last_shared():
            (_, shared, _), *_ = self._read(file)
            return shared
        return None

    def _read(self, file: Path) -> Iterator[Strip]:
        try:
            content = file.read_bytes()
        except OSError:
            content = b""
        content, checksum = content[:-_CHECKSUM], content[-_CHECKSUM:]
        if _checksum(content) != checksum:
            raise InputError(
                f"{file}: cannot be read: it is damaged", f"delete {self.folder} to start over"
            )
        return unpacked(content)

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
            file.write(content + _checksum(content))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _checksum(content: bytes) -> bytes:
    # from 1 on, so that bytes of 0 alone, which a disk leaves that lost its power, are never right
    return zlib.crc32(content, 1).to_bytes(_CHECKSUM, "little")
