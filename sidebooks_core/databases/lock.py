"""A lock on a file: of all processes that share a folder, one holds it. It ends with its process at the latest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class ProcessLock:
    """A lock that was taken. `release()` it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go of it. Safe to call again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def share_lock(path: Path) -> ProcessLock:
    """Take the lock of a file together with others that share it. While one does, `try_lock` gives None. Waits for who has it
    alone. Raises OSError. On Windows it keeps nobody out.
    """
    descriptor = _open(path)
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return ProcessLock(descriptor)


def try_lock(path: Path) -> ProcessLock | None:
    """Take the lock of a file, which is made if it is not there; None if another process has it. Raises OSError.

    Windows has no such locks here: each process has the lock.
    """
    descriptor = _open(path)
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
    return ProcessLock(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
