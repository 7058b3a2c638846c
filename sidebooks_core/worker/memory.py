"""The memory that this process takes, its limit, and how it is given back."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache

TOP_KEPT_BYTES = 16 << 20
"""Free memory at the end of the heap that `give_back` keeps: a raster of a screen fits in."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def limit_memory(worker_bytes: int) -> None:
    """Limit the memory of this process. If the machine runs out of memory, the kernel ends this process before its host."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA counts private memory; RLIMIT_AS would count mapped fonts and libraries too.
    resource.setrlimit(resource.RLIMIT_DATA, (worker_bytes, worker_bytes))
    if sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w") as adjust:  # noqa: PTH123
            adjust.write("500")


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 if the platform does not tell cheaply."""
    if sys.platform != "linux":
        return 0
    return int(os.pread(_statm(), 128, 0).split()[1]) * _PAGE_BYTES


class _MallInfo(ctypes.Structure):
    """What glibc's `mallinfo2` returns, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]
    ]


class Growth:
    """Tells when this process uses so many bytes more than when it was last settled."""

    def __init__(self, step_bytes: int) -> None:
        self._step_bytes = step_bytes
        self._resident_bytes = resident_bytes()
        self._used_bytes = used_bytes()

    def look(self) -> bool:
        """Whether it uses more by the step. If only free memory has grown, that is given back.

        Where the C library does not tell what is free, all resident memory counts as used. False if the platform does not tell
        that either.
        """
        if not self.has_grown():
            return False
        now_bytes = resident_bytes()
        # Counted from here even if memory is given back now: a raster may need as much again for each page.
        self._resident_bytes = now_bytes
        if _heap is None or used_bytes() >= self._used_bytes + self._step_bytes:
            return True
        give_back()
        return False

    def has_grown(self) -> bool:
        """Whether resident memory, used or free, has grown by the step."""
        return resident_bytes() >= self._resident_bytes + self._step_bytes

    def lower(self) -> None:
        """Count from what there is now, if that is less."""
        self._resident_bytes = min(self._resident_bytes, resident_bytes())
        self._used_bytes = min(self._used_bytes, used_bytes())

    def settle(self) -> None:
        """Give free memory back, and count from what is left."""
        give_back()
        self._resident_bytes, self._used_bytes = resident_bytes(), used_bytes()


def give_back() -> None:
    """Give free memory back to the kernel. It takes 1 to 2 ms. glibc does so unasked only at the end of the heap.

    Does nothing where the C library has no such function, or does not tell what is free.
    """
    if _heap is not None:
        _heap.malloc_trim(TOP_KEPT_BYTES)


def used_bytes() -> int:
    """Bytes of the heap that are in use; 0 if the C library does not tell."""
    if _heap is None:
        return 0
    told = _heap.mallinfo2()
    return int(told.uordblks + told.hblkhd)


def _heap_functions() -> ctypes.CDLL | None:
    """The functions of glibc 2.33 and later; None for any other C library."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _MallInfo
    library.malloc_trim.argtypes = (ctypes.c_size_t,)
    return library


_heap = _heap_functions()


@lru_cache(maxsize=1)
def _statm() -> int:
    """Stays open: a confined worker opens nothing below /proc."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
