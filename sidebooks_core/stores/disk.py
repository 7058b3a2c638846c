"""Records on disk, shared by any number of processes: diskcache, made to keep bytes only.

diskcache unpickles what it reads where a row says so, and whoever can write to the directory can plant such a row
(CVE-2025-69872); the `Disk` below refuses. Whatever goes wrong in here is a miss or a record not kept: counted, told once to
the log, and tried again at the next call, so that writing resumes by itself when a full disk has space again.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import shutil
import sqlite3
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import diskcache
from msgspec import Struct

from sidebooks_core.stores.envelope import Damaged, seal, unseal
from sidebooks_core.stores.folders import make_own
from sidebooks_core.stores.leases import FileLeases
from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

LAYOUT = "records-3"
"""Folder of the records; another layout takes another name, and versions of the library do not meet."""
TIMEOUT_S = 1.0
"""Longest wait for another process that writes."""
FILE_FROM_BYTES = 64 << 10
"""Shorter values lie in the database, longer ones in a file each."""
RESERVE_BYTES = 32 << 20
"""What is left of the limit, at most an eighth of it, for what diskcache does not count: SQLite's log, files without rows."""
SWEEP_S = 10.0
"""A file has its row by then, or its writer was killed before it told the database. So often is looked for such files."""
SWEEP_SHARE = 0.01
"""Of the time, at most, goes into looking for them: in a large cache they are looked for less often."""

WORTH_PER_S_A_BYTE = 1e12
"""Worth is kept as a whole number: of picoseconds a byte."""

# What goes first when the disk is full: the record that is least worth, by GreedyDual-Size as in memory (stores/memory.py).
# Only reading does not raise its worth: that would be a write. diskcache has no such policy and no hook for one; its table of
# policies takes another, and its column `access_count`, which only the policy "least-frequently-used" fills, holds the worth.
diskcache.core.EVICTION_POLICY["least-worth"] = {
    "init": "CREATE INDEX IF NOT EXISTS Cache_worth ON Cache (access_count)",
    "get": None,
    "cull": "SELECT {fields} FROM Cache ORDER BY access_count LIMIT ?",
}

_log = logging.getLogger("sidebooks_core.stores")
_RECORD_FILE = re.compile(r"[0-9a-f]/[0-9a-f]{31}\.val")
_FAULTS = (sqlite3.Error, OSError, diskcache.Timeout)


class PickleRefused(ValueError):
    """A row asks to be unpickled; none of ours does."""


class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys and bytes values, nothing else, in both directions."""

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError("keys are text")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or type(key) is not str:
            raise PickleRefused("a key that is not text")
        return key

    def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, str | None, object]:
        if type(value) is not bytes or read:
            raise TypeError("values are bytes")
        stored: tuple[int, int, str | None, object] = super().store(value, read, key=key)
        return stored

    def filename(self, key: object = None, value: object = None) -> tuple[str, str]:
        """A new file, in one of 16 folders. diskcache has 65,536 in two levels: nearly each file makes one or two."""
        name = os.urandom(16).hex()
        inside = f"{name[0]}/{name[1:]}.val"
        return inside, str(Path(self._directory) / inside)

    def _write(self, full_path: str, iterator: io.BytesIO, mode: str, encoding: str | None = None) -> int:
        """In one piece: diskcache goes line by line through the bytes, a thousand calls a page, and holds up who turns one.

        Readable by its owner only, as is its folder. The cache's own folder is not made again where somebody removed it: the
        store does that. Raises OSError.
        """
        with os.fdopen(_new_file(full_path), "wb") as file:
            return file.write(iterator.read())

    def remove(self, file_path: object) -> None:
        """Delete a record's file. A row that names another, which somebody planted, takes no file with it."""
        if _is_record_file(self._directory, file_path):
            super().remove(file_path)

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        if mode not in (diskcache.core.MODE_RAW, diskcache.core.MODE_BINARY):
            raise PickleRefused("a value that is not bytes")
        if filename is not None and not _is_record_file(self._directory, filename):
            raise PickleRefused("a file outside the cache")
        found = super().fetch(mode, filename, value, read)
        if type(found) is not bytes:
            raise PickleRefused("a value that is not bytes")
        return found


class PooledCache(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """A diskcache whose connections belong to nobody.

    diskcache opens one for each thread that comes along: the first read of each takes milliseconds, and the file of an ended
    thread stays open until Python collects its cycles. Here a thread borrows one for the time of a call.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self._idle: deque[sqlite3.Connection] = deque()
        self._shut = False
        try:
            super().__init__(str(folder), **settings)
        except BaseException:
            self._shut = True  # nobody will: what was opened so far is closed here
            raise
        finally:
            self._give_back()

    def __del__(self) -> None:
        """A store that nobody closed leaves no connection open."""
        self.shut()

    @contextmanager
    def borrowed(self) -> Iterator[PooledCache]:
        """For each use, in one thread."""
        with suppress(IndexError):  # all are lent: `_con` opens another
            self._local.con = self._idle.pop()
        try:
            yield self
        finally:
            self._give_back()

    def keep(self, key: str, value: bytes, tag: str, cost_s: float) -> None:
        """Set a value that took `cost_s` to make."""
        self._local.worth = int(max(0.0, cost_s) / max(1, len(value)) * WORTH_PER_S_A_BYTE)
        self.set(key, value, tag=tag)

    def shut(self) -> None:
        """Close all connections, those that are lent when they come back."""
        self._shut = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    @property
    def _con(self) -> sqlite3.Connection:
        lent: sqlite3.Connection | None = getattr(self._local, "con", None)
        if lent is not None:
            return lent
        new = sqlite3.connect(
            Path(self.directory) / "cache.db", timeout=self.timeout, isolation_level=None, check_same_thread=False
        )
        self._local.con = new
        with suppress(sqlite3.OperationalError):  # a new database has no settings yet; the constructor writes them
            for name, value in new.execute("SELECT key, value FROM Settings").fetchall():
                if name.startswith("sqlite_"):
                    self.reset(name, value, update=False)  # most pragmas are of one connection only
        return new

    def _row_insert(self, key: str, raw: bool, now: float, columns: object) -> None:
        super()._row_insert(key, raw, now, columns)
        self._weigh("key = ? AND raw = ?", key, raw)

    def _row_update(self, rowid: int, now: float, columns: object) -> None:
        super()._row_update(rowid, now, columns)
        self._weigh("rowid = ?", rowid)

    def _weigh(self, where: str, *row: object) -> None:
        """In the transaction that writes the row: the least worth of all others, plus its own cost by the byte."""
        least = "(SELECT COALESCE(MIN(access_count), 1) FROM Cache WHERE access_count > 0)"
        self._sql(f"UPDATE Cache SET access_count = ? + {least} WHERE {where}", (self._local.worth, *row))

    def _give_back(self) -> None:
        lent: sqlite3.Connection | None = self._local.__dict__.pop("con", None)
        if lent is None:
            return
        if lent.in_transaction:
            lent.close()  # an interrupt came between a statement and its commit
            return
        self._idle.append(lent)
        if self._shut:
            self.shut()


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
        return partial(DiskStore, self._root.absolute(), self._disk_bytes)

    def verify(self, *, fix: bool = False) -> Verification:
        """Read every record and check it; look for files that belong to none. fix: remove both."""
        records = damaged = 0
        for key, filename in self._rows():
            records += 1
            try:
                unseal(str(key), self._read(key))
            except (Damaged, ValueError, TypeError, *_FAULTS):
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

    def _guarded(self, use: Callable[[PooledCache], Any], otherwise: Any) -> Any:
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
        except _FAULTS as fault:
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
            except _FAULTS as again:
                self._note(again)
                return
        except _FAULTS as fault:
            self._note(fault)
            return
        self._cache = cache
        self._inode = self._database_inode()

    def _open(self) -> PooledCache:
        cache = PooledCache(
            self._folder,
            timeout=TIMEOUT_S,
            disk=BytesDisk,
            disk_min_file_size=FILE_FROM_BYTES,
            size_limit=self._disk_bytes - min(RESERVE_BYTES, self._disk_bytes // 8),
            cull_limit=16,
            eviction_policy="least-worth",
            tag_index=True,
            sqlite_secure_delete=1,
            sqlite_mmap_size=64 << 20,
        )
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
        except _FAULTS as fault:
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
        if _is_record_file(self._folder, filename):
            _remove(self._folder / str(filename))


def _age_s(file: Path) -> float:
    """Seconds since it was written. A clock that was set back makes a file of the future as old as it is ahead."""
    return abs(time.time() - file.stat().st_mtime)


def _remove(file: Path) -> None:
    """And the folders that are empty then, as diskcache does."""
    file.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or gone
        os.removedirs(file.parent)


def _is_record_file(folder: Path | str, filename: object) -> bool:
    """Whether a row names a file as `BytesDisk.filename` makes them, and that lies in the cache: not behind a link."""
    return (
        isinstance(filename, str) and _RECORD_FILE.fullmatch(filename) is not None and not _is_link(Path(folder, filename[0]))
    )


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:
        return False  # it is gone, and so is what was in it


def _new_file(path: str) -> int:
    """The descriptor of a file that was not there, made with its folder. Raises OSError."""
    for _ in range(10):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(path), 0o700)  # noqa: PTH102, PTH120 - once a record; who evicts may remove it meanwhile
    raise FileNotFoundError(errno.ENOENT, "the folder of a new record is removed again and again", path)
