"""Records on disk, shared by any number of processes.

Whatever goes wrong in here is a miss or a record not kept: counted, told once to the log, and tried again at the next call, so
that writing resumes by itself when a full disk has space again.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from sidebooks_core.stores.envelope import Damaged, seal, unseal
from sidebooks_core.stores.folders import is_remote, make_own
from sidebooks_core.stores.leases import FileLeases
from sidebooks_core.stores.pooled_cache import FAULTS, PickleRefused, PooledCache, is_record_file
from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

LAYOUT = "records-3"
"""Folder of the records; another layout takes another name, and versions of the library do not meet."""
TIMEOUT_S = 1.0
"""Longest wait for another process that writes."""
RESERVE_BYTES = 32 << 20
"""What is left of the limit, at most an eighth of it, for what diskcache does not count: SQLite's log, files without rows."""
SWEEP_S = 10.0
"""A file has its row by then, or its writer was killed before it told the database. So often is looked for such files."""
SWEEP_SHARE = 0.01
"""Of the time, at most, goes into looking for them: in a large cache they are looked for less often."""

_log = logging.getLogger("sidebooks_core.stores")
_T = TypeVar("_T")


class Verification(Struct, frozen=True):
    """What reading everything found."""

    records: int
    damaged: int
    orphan_files: int


class DiskStore:
    """A `TileStore` in a folder. Thread-safe, safe among processes. `close()` it."""

    def __init__(self, cache_dir: Path | str, disk_bytes: int) -> None:
        """Makes the folder, readable by its owner only. Where that fails, it goes on without: everything misses.

        So it does, with a warning, where another user owns the folder or everybody may write to it.
        """
        self._root = Path(cache_dir)
        self._folder = self._root / LAYOUT
        self._disk_bytes = disk_bytes
        self._leases = FileLeases(self._root)
        self._lock = threading.Lock()
        self._cache: PooledCache | None = None
        self._inode = 0
        self._failures = 0
        self._damaged = 0
        self._warned = False
        self._closed = False
        self._next_sweep_s = 0.0
        self._reopen()

    def get(self, key: str) -> Record | None:
        stored = self._guarded(lambda cache: cache.get(key, default=None), None)
        if stored is None:
            return None
        try:
            return unseal(key, stored)
        except (Damaged, ValueError, TypeError) as damage:
            self._damaged += 1
            self._warn(damage)
            self.delete(key)
            return None

    def put(self, key: str, record: Record) -> None:
        if len(record.data) > self._disk_bytes // 2:
            return
        sealed = seal(key, record)
        self._reopen_if_replaced()
        self._guarded(lambda cache: cache.keep(key, sealed, record.tag, record.cost_s), None)
        if time.monotonic() >= self._next_sweep_s:
            self._sweep()

    def contains(self, key: str) -> bool:
        return bool(self._guarded(lambda cache: key in cache, False))

    def delete(self, key: str) -> None:
        self._guarded(lambda cache: cache.delete(key), None)

    def purge(self, tag: str) -> int:
        return int(self._guarded(lambda cache: cache.evict(tag), 0))

    def scrub(self) -> None:
        """Cut SQLite's log, which keeps what it was told. Who reads for longer than the timeout keeps it from being cut."""
        self._guarded(lambda cache: cache.cut_log(), None)

    def clear(self) -> None:
        """Forget everything."""
        self._guarded(lambda cache: cache.clear(), None)

    def statistics(self) -> StoreStatistics:
        records = int(self._guarded(len, 0))
        return StoreStatistics(records, int(self._guarded(lambda cache: cache.volume(), 0)), self._damaged, self._failures)

    def leases(self) -> Leases | None:
        """The locks in this folder."""
        return self._leases

    def reopener(self) -> Callable[[], TileStore] | None:
        """Opens the folder with the same bound. None on a network file system: SQLite's log is of one machine only."""
        if is_remote(self._root):
            return None
        return partial(DiskStore, self._root.absolute(), self._disk_bytes)

    def verify(self, *, fix: bool = False) -> Verification:
        """Read every record and check it; look for files that belong to none. fix: remove both."""
        records = damaged = 0
        for key, filename in self._rows():
            records += 1
            try:
                unseal(str(key), self._read(key))
            except (Damaged, ValueError, TypeError, *FAULTS):
                damaged += 1
                if fix:
                    self._drop_row(key, filename)
        orphans = self._files_without_row(0.0)
        if fix:
            for file in orphans:
                _remove(file)
        return Verification(records, damaged, len(orphans))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            cache, self._cache = self._cache, None
        self._leases.close()
        if cache is not None:
            cache.shut()

    def _read(self, key: object) -> object:
        cache = self._cache
        if cache is None or not isinstance(key, str):
            return None
        with cache.borrowed():
            return cache.get(key, default=None)

    def _guarded(self, use: Callable[[PooledCache], _T], otherwise: _T) -> _T:
        cache = self._cache
        if cache is None:
            return otherwise
        try:
            with cache.borrowed():
                return use(cache)
        except PickleRefused as refusal:
            self._damaged += 1
            self._warn(refusal)
            return otherwise
        except sqlite3.ProgrammingError:
            return otherwise  # closed by another thread meanwhile
        except sqlite3.OperationalError as fault:  # full, locked, or its folder is gone: the database itself is sound
            self._note(fault)
            return otherwise
        except sqlite3.DatabaseError as fault:
            self._note(fault)
            self._start_anew(cache)
            return otherwise
        except FAULTS as fault:
            self._note(fault)
            return otherwise

    def _note(self, fault: Exception) -> None:
        self._failures += 1
        self._warn(fault)

    def _warn(self, fault: Exception) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("%s: the cache has a fault; reading goes on without it (%s)", self._root, fault)

    def _reopen(self) -> None:
        try:
            for folder in (self._root, self._folder):
                make_own(folder)
            cache = self._open()
        except sqlite3.OperationalError as fault:
            self._note(fault)
            return
        except sqlite3.DatabaseError as fault:
            self._note(fault)
            self._set_aside()
            try:
                cache = self._open()
            except FAULTS as again:
                self._note(again)
                return
        except FAULTS as fault:
            self._note(fault)
            return
        self._cache = cache
        self._inode = self._database_inode()

    def _open(self) -> PooledCache:
        most_bytes = self._disk_bytes - min(RESERVE_BYTES, self._disk_bytes // 8)
        cache = PooledCache(self._folder, most_bytes, TIMEOUT_S)
        for file in self._folder.glob("cache.db*"):
            with suppress(OSError):
                file.chmod(0o600)
        return cache

    def _database_inode(self) -> int:
        try:
            return (self._folder / "cache.db").stat().st_ino
        except OSError:
            return 0

    def _reopen_if_replaced(self) -> None:
        """Somebody removed the folder, or another process set a damaged one aside."""
        if self._cache is not None and self._database_inode() == self._inode:
            return
        with self._lock:
            if self._closed or (self._cache is not None and self._database_inode() == self._inode):
                return
            old, self._cache = self._cache, None
            if old is not None:
                old.shut()
            self._reopen()

    def _start_anew(self, damaged: PooledCache) -> None:
        with self._lock:
            if self._closed or self._cache is not damaged:
                return
            self._cache = None
            damaged.shut()
            # Another process may have been here first; then the database at the path is a new one, and stays.
            if self._database_inode() == self._inode:
                self._set_aside()
            self._reopen()

    def _set_aside(self) -> None:
        """A database that SQLite cannot read holds nothing that can be saved."""
        aside = self._root / f"damaged-{os.urandom(16).hex()}"
        with suppress(OSError):
            self._folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)

    def _sweep(self) -> None:
        """Remove files that no row names: a writer was killed between the two, and diskcache would never find out."""
        started_s = time.monotonic()
        self._next_sweep_s = started_s + SWEEP_S
        marker = self._root / "swept"
        try:
            if marker.exists() and _age_s(marker) < SWEEP_S:
                return  # another process did
            marker.touch(mode=0o600)
            for file in self._files_without_row(SWEEP_S):
                _remove(file)
        except FAULTS as fault:
            self._note(fault)
        spent_s = time.monotonic() - started_s
        self._next_sweep_s = started_s + max(SWEEP_S, spent_s / SWEEP_SHARE)

    def _files_without_row(self, least_age_s: float) -> list[Path]:
        files = []
        for file in self._files():
            with suppress(FileNotFoundError):  # evicted meanwhile
                if _age_s(file) >= least_age_s:
                    files.append(file)
        known = {filename for _, filename in self._rows()}  # after the files: one that got its row meanwhile is known
        return [file for file in files if str(file.relative_to(self._folder)) not in known]

    def _files(self) -> Iterator[Path]:
        """Files of records. Folders that other processes remove meanwhile are passed over, which `Path.rglob` does not do."""
        for where, _, names in os.walk(self._folder):
            yield from (Path(where, name) for name in names if name.endswith(".val"))

    def _rows(self) -> list[tuple[object, str | None]]:
        database = self._folder / "cache.db"
        if self._cache is None or not database.exists():
            return []
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_S)
        try:
            return connection.execute("SELECT key, filename FROM Cache").fetchall()
        finally:
            connection.close()

    def _drop_row(self, key: object, filename: str | None) -> None:
        if isinstance(key, str):
            self.delete(key)
        connection = sqlite3.connect(self._folder / "cache.db", timeout=TIMEOUT_S)
        try:
            with connection:
                connection.execute("DELETE FROM Cache WHERE key = ?", (key,))
        finally:
            connection.close()
        if is_record_file(self._folder, filename):
            _remove(self._folder / str(filename))


def _age_s(file: Path) -> float:
    """Seconds since it was written. A clock that was set back makes a file of the future as old as it is ahead."""
    return abs(time.time() - file.stat().st_mtime)


def _remove(file: Path) -> None:
    """And the folders that are empty then, as diskcache does."""
    file.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or gone
        os.removedirs(file.parent)
