"""The files of a SQLite database."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def files_of(path: Path) -> list[Path]:
    """The files that belong to a database, as far as they are there: its log and the log's index first."""
    found = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal", "")]
    return [file for file in found if os.path.lexists(file)]


def flush_to_disk(path: Path) -> None:
    """A file, or the names in a folder, are on the disk after this. Windows flushes no folder, and needs it for none."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def log_bytes(path: Path) -> int:
    """The size of a database's log; 0 if there is none."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0


def set_aside(path: Path) -> None:
    """Remove a database that cannot be read, together with its log.

    The log first: a process that makes a new database meanwhile must not find the old one's log beside it.
    """
    aside = path.parent / f"damaged-{os.urandom(16).hex()}"
    aside.mkdir(mode=0o700)
    for file in files_of(path):
        with suppress(OSError):  # another process was here
            file.rename(aside / file.name)
    shutil.rmtree(aside, ignore_errors=True)
