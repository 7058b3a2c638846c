"""diskcache, made to keep bytes only, to lend its connections, and to evict what is worth least.

diskcache unpickles what it reads if a row says so, and whoever can write to the directory can plant such a row
(CVE-2025-69872); the `Disk` below refuses.

Two things are done that diskcache has no public way for:

- `_con`, the connection of the calling thread, is overridden. diskcache opens one for each thread that comes along: the first
  read of each takes milliseconds, and the file of an ended thread stays open until Python collects its cycles.
- The worth of a record lies in the column `access_count` of its table, which no policy but "least-frequently-used" fills, and
  rows are evicted by it with SQL of our own. diskcache's policies know no cost, and all but one write on every read.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import diskcache
from diskcache.core import DBNAME, MODE_BINARY, MODE_RAW
from msgspec import Struct

FILE_FROM_BYTES = 64 << 10
"""Shorter values lie in the database, longer ones in a file each."""
EVICTED_AT_ONCE = 16
WORTH_PER_S_A_BYTE = 1e12
"""Worth is kept as a whole number: of picoseconds a byte."""

FAULTS = (sqlite3.Error, OSError, diskcache.Timeout)
"""What a use of the cache may raise: a full or failing disk, a database that is locked or damaged."""

_NEW_FILE_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Windows alone has the first, and all others the second."""
_RECORD_FILE = re.compile(r"[0-9a-f]/[0-9a-f]{31}\.val")


class PickleRefused(ValueError):
    """A row asks to be unpickled; none of ours does."""


class _Stored(Struct, frozen=True):
    """A value that lies in its file already, or needs none: the columns of its row."""

    size: int
    mode: int
    filename: str | None
    value: memoryview | None


class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys and bytes values, nothing else, in both directions."""

    def __init__(self, directory: str, **settings: object) -> None:
        super().__init__(directory, **settings)
        self.folder = Path(directory)

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError("keys are text")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or type(key) is not str:
            raise PickleRefused("a key that is not text")
        return key

    def prepare(self, value: Sequence[bytes]) -> _Stored:
        """Write the file of a value in parts, so that the database need not be locked meanwhile. Raises OSError."""
        size_bytes = sum(map(len, value))
        if size_bytes < FILE_FROM_BYTES:
            return _Stored(0, MODE_RAW, None, memoryview(b"".join(value)))
        inside, full_path = self.filename()
        # In few pieces: diskcache goes line by line through the bytes, a thousand calls a page, and holds up who turns one.
        with os.fdopen(_new_file(full_path), "wb") as file:
            file.writelines(value)
        return _Stored(size_bytes, MODE_BINARY, inside, None)

    def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, str | None, object]:
        stored = self.prepare([value]) if type(value) is bytes else value
        if not isinstance(stored, _Stored) or read:
            raise TypeError("values are bytes")
        return stored.size, stored.mode, stored.filename, stored.value

    def filename(self, key: object = None, value: object = None) -> tuple[str, str]:
        """A new file, in one of 16 folders. diskcache has 65,536 in two levels: nearly each file makes one or two."""
        name = os.urandom(16).hex()
        inside = f"{name[0]}/{name[1:]}.val"
        return inside, str(self.folder / inside)

    def remove(self, file_path: object) -> None:
        """Delete a record's file. A row that names another, which somebody planted, takes no file with it."""
        if is_record_file(self.folder, file_path):
            super().remove(file_path)

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> bytes:
        if mode not in (MODE_RAW, MODE_BINARY):
            raise PickleRefused("a value that is not bytes")
        if filename is not None and not is_record_file(self.folder, filename):
            raise PickleRefused("a file outside the cache")
        found = super().fetch(mode, filename, value, read)
        if type(found) is not bytes:
            raise PickleRefused("a value that is not bytes")
        return found


class PooledCache(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """A diskcache whose connections belong to nobody: a thread borrows one for the time of a call."""

    def __init__(self, folder: Path, most_bytes: int, timeout_s: float) -> None:
        """most_bytes: bound of the records. timeout_s: longest wait for another process that writes.

        Raises sqlite3.Error, OSError.
        """
        self._file = folder / DBNAME
        self._timeout_s = timeout_s
        self._lent = threading.local()
        self._idle: deque[sqlite3.Connection] = deque()
        self._shut = False
        try:
            super().__init__(
                str(folder),
                timeout=timeout_s,
                disk=BytesDisk,
                size_limit=most_bytes,
                cull_limit=0,
                eviction_policy="none",
                tag_index=True,
                sqlite_secure_delete=1,
                sqlite_mmap_size=64 << 20,
            )
            self.connection().execute("CREATE INDEX IF NOT EXISTS Cache_worth ON Cache (access_count)")
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
        with suppress(IndexError):  # all are lent: `connection` opens another
            self._lent.connection = self._idle.pop()
        try:
            yield self
        finally:
            self._give_back()

    def connection(self) -> sqlite3.Connection:
        """What this thread has borrowed."""
        lent: sqlite3.Connection | None = getattr(self._lent, "connection", None)
        if lent is not None:
            return lent
        new = sqlite3.connect(self._file, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        self._lent.connection = new
        with suppress(sqlite3.OperationalError):  # a new database has no settings yet; the constructor writes them
            for name, value in new.execute("SELECT key, value FROM Settings").fetchall():
                if name.startswith("sqlite_"):
                    self.reset(name, value, update=False)  # most pragmas are of one connection only
        return new

    def keep(self, key: str, value: Sequence[bytes], tag: str, cost_s: float) -> None:
        """Set a value, given in parts, that took `cost_s` seconds to make. If that is too much, remove what is worth least.

        Worth is that of GreedyDual-Size, as in memory (stores/memory.py): the least worth of all others, plus the cost by the
        byte. Only reading does not raise it: that would be a write.
        """
        stored = self.disk.prepare(value)
        worth = int(max(0.0, cost_s) / max(1, sum(map(len, value))) * WORTH_PER_S_A_BYTE)
        least = "(SELECT COALESCE(MIN(access_count), 1) FROM Cache WHERE access_count > 0)"
        try:
            with self.transact():
                self.set(key, stored, tag=tag)
                sql = self.connection().execute
                sql(f"UPDATE Cache SET access_count = ? + {least} WHERE key = ?", (worth, key))
                evicted = self._evict() if self.volume() >= self.size_limit else []
        except BaseException:
            self.disk.remove(stored.filename)
            raise
        for filename in evicted:
            self.disk.remove(filename)

    def cut_log(self) -> None:
        """Copy SQLite's log into the database and cut it, so that nothing that was removed stays in it."""
        self.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Keep the connection: diskcache's constructor closes its own, which cost a flush to the disk, 5 ms of each start."""

    def shut(self) -> None:
        """Close all connections, those that are lent when they come back."""
        self._shut = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    @property
    def _con(self) -> sqlite3.Connection:
        return self.connection()

    def _evict(self) -> list[object]:
        """Within a transaction. The files that belong to nothing when it is committed."""
        sql = self.connection().execute
        rows = sql("SELECT rowid, filename FROM Cache ORDER BY access_count LIMIT ?", (EVICTED_AT_ONCE,)).fetchall()
        for number, _ in rows:
            sql("DELETE FROM Cache WHERE rowid = ?", (number,))
        return [filename for _, filename in rows]

    def _give_back(self) -> None:
        lent: sqlite3.Connection | None = self._lent.__dict__.pop("connection", None)
        if lent is None:
            return
        if lent.in_transaction:
            lent.close()  # an interrupt came between a statement and its commit
            return
        self._idle.append(lent)
        if self._shut:
            self.shut()


def is_record_file(folder: Path, filename: object) -> bool:
    """Whether a row names a file as `BytesDisk.filename` makes them, and that lies in the cache: not behind a link."""
    return isinstance(filename, str) and _RECORD_FILE.fullmatch(filename) is not None and not _is_link(folder / filename[0])


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:
        return False  # it is gone, and so is what was in it


def _new_file(path: str) -> int:
    """The descriptor of a file that was not there, made with its folder. Raises OSError.

    Readable by its owner only, as is its folder. If somebody removed the cache's own folder, the store makes that again.
    """
    for _ in range(10):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NEW_FILE_FLAGS, 0o600)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(path), 0o700)  # noqa: PTH102, PTH120 - once a record; who evicts may remove it meanwhile
    raise FileNotFoundError(errno.ENOENT, "the folder of a new record is removed again and again", path)
