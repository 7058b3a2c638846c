"""APSW's errors, in the words of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from sidebooks_core.errors import StorageDamaged, StorageFailed

BUSY_MS = 10_000
"""Longest wait for another thread or process that writes."""


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """No other module knows APSW's errors."""
    name = path or "the database"
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as damage:
        raise StorageDamaged(f"{name} is damaged ({damage}): restore a backup") from damage
    except apsw.FullError as fault:
        raise StorageFailed(f"{name}: the disk is full; nothing was changed") from fault
    except (apsw.ReadOnlyError, apsw.CantOpenError) as fault:
        raise StorageFailed(f"{name} cannot be opened or written to ({fault}); nothing was changed") from fault
    except (apsw.BusyError, apsw.LockedError) as fault:
        raise StorageFailed(f"{name} is locked by another program for longer than {BUSY_MS // 1000} s; try again") from fault
    except apsw.Error as fault:
        raise StorageFailed(f"{name}: {type(fault).__name__}: {fault}") from fault
