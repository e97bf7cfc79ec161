"""Names of files that libraries take for something else, or not at all, in other words.

pyogrio reads a path as an address: it takes ``roofs;1.gpkg`` for ``roofs``, and ``a!b.gpkg`` for an
archive; bytes that are no UTF-8 it refuses, as GDAL's bindings do. Such a file is given to them
under another name, by a link in a folder of its own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLAIN = re.compile(r"[^;!\x00-\x1f\x7f\ud800-\udfff]*")
_STAND_IN = "file"


def is_plain(name: str) -> bool:
    """Whether libraries take ``name`` as it is."""
    return bool(_PLAIN.fullmatch(name))


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """``path``, or a name for it that libraries take, for as long as the block lasts.

    Files of the same stem beside it, as those of a Shapefile, are beside the other name too. The
    file need not exist: what is written under the name lies at ``path``, if its own name is plain.
    """
    if is_plain(str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        if is_plain(path.name):
            link = Path(folder, "folder")
            link.symlink_to(path.parent.absolute(), target_is_directory=True)
            yield link / path.name
            return
        for entry in path.parent.iterdir():
            end = entry.name.removeprefix(path.stem)
            if end.startswith(".") and len(end) < len(entry.name) and is_plain(end):
                Path(folder, f"{_STAND_IN}{end}").symlink_to(entry.absolute())
        yield Path(folder, f"{_STAND_IN}{path.suffix if is_plain(path.suffix) else ''}")
