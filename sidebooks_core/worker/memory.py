"""The memory that this process takes, and its limit."""

from __future__ import annotations

import os
import sys
from functools import lru_cache

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


@lru_cache(maxsize=1)
def _statm() -> int:
    """Stays open: a confined worker opens nothing below /proc."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
