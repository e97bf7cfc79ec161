"""Memory that was freed goes back to the system; and what says that there is no more of it."""

from __future__ import annotations

import ctypes
import errno
import sys

from geoseg.errors import GeosegError, OutOfMemoryError

_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's mallopt
# Smaller ones are used again and again, by GDAL's overviews above all: mapped each time they cost a
# predict of 50 megapixels 1.5 s in page faults
_LARGE = 2**23
# How C++ (bad_alloc), Python's and the system's threads, GDAL, libtiff and zstd call it: their
# errors share no class with MemoryError
_WORDS = (
    "bad_alloc",
    "bad allocation",
    "alloc_error",
    "allocation error",
    "cannot allocate",
    "failed to allocate",
    "not enough memory",
    "out of memory",
    "can't start new thread",
    "resource temporarily unavailable",
)

# A tag of a TIFF that claims more values than there could be: libtiff asks for no memory then
_ABSURD = "tiffreaddirectory:out of memory reading of"


def ran_out(error: BaseException) -> bool:
    """Whether ``error``, or one that it comes from, says that there is no more memory: a reader may
    have taken its library's for damage of the file.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return any(map(_says_so, chain))


def check_memory(error: BaseException) -> None:
    """Raise OutOfMemoryError where a library's ``error`` says that there is no more memory; for
    readers and writers, which take the others for damage.
    """
    if ran_out(error):
        raise OutOfMemoryError("out of memory") from error


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # ours speak of files, which may be called out of memory.tif
    if isinstance(error, GeosegError):
        return False
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        any(word in text for word in _WORDS) and _ABSURD not in text
    )


def return_freed() -> None:
    """Let large arrays be mapped by themselves from now on, so that freeing one returns it.

    glibc raises its threshold to the largest array that was freed, up to 32 MB; windows and strips
    of that size then come from heaps, one a thread, which keep what lies between two that live on:
    56 MB of 760 in extracting a scene of 4096 pixels a side. Elsewhere nothing is done.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(_THRESHOLD, _LARGE)
