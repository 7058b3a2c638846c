"""Facts in one SQLite file, shared by any number of processes. All SQL of the facts is here.

APSW brings its own SQLite. That of Python is the system's, and versions before 3.51.3 can lose committed writes in WAL mode
when several processes write (SQLite's release notes of 3.51.3: the WAL-reset bug).

- Journal: WAL on a local disk, so that reading waits for no writer. On a network file system WAL does not work, since its
  index is memory that the processes share: there it is a rollback journal, and reading waits while another writes.
- Flushing: a commit of facts that last (positions) is flushed to the disk (`synchronous=FULL`), since nobody can find them out
  again. Others are flushed later (`NORMAL`): a power cut may cost the newest, and never damages the file. With a rollback
  journal every commit is flushed: there, NORMAL may damage the file.
- A file that somebody else wrote is not believed: the schema must be ours, no trigger or view runs, links are not followed,
  and each value has a checksum over its key and its bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import apsw
from msgspec import Struct

from sidebooks_core.databases.files import files_of, log_bytes
from sidebooks_core.databases.options import OPTIONS
from sidebooks_core.stores.folders import is_remote

BUSY_MS = 1000
"""Longest wait of a reader for another process that writes."""
WRITER_BUSY_MS = 5000
"""Longest wait of a writer for others, since SQLite does not queue those that wait. Opening writes only into a new file."""
CUT_BUSY_MS = 200
"""The longest wait for readers when facts are removed."""
VALUE_BYTES = 64 << 20
"""Largest value that is read or written: the description of a document with some 100,000 pages has 10 MB."""
WAL_BYTES = 4 << 20
"""A longer log is copied into the database and cut; if the facts may take little, one longer than a quarter of that."""
PAGE_BYTES = 4096
"""SQLite's own choice for new files."""
EVICTED_AT_ONCE = 16
LASTING_BYTES = "SELECT coalesce(sum(length(key) + length(value)), 0) FROM fact WHERE lasts = 1"
CHECKSUM_BYTES = 16

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE fact (
        key BLOB PRIMARY KEY,
        document BLOB NOT NULL,
        lasts INTEGER NOT NULL, -- 1: nobody can find it out again
        used_s INTEGER NOT NULL, -- of the wall clock, to about a day
        value BLOB NOT NULL -- checksum, then content
    ) STRICT;
    CREATE INDEX fact_by_document ON fact (document);
    CREATE INDEX fact_by_worth ON fact (lasts, used_s);
    """,
)
"""Each brings the file from the version of its index to the next. Never change one: add another."""


class FactsFailed(Exception):
    """The file cannot be read or written just now: it is locked, the disk is full, or the folder is gone."""


class FactsDamaged(Exception):
    """The file is not one of ours, or its content is broken: nothing of it can be used."""


class Row(Struct, frozen=True):
    """One fact as it is stored."""

    key: bytes
    document: bytes
    lasts: bool
    value: bytes


class Found(Struct, frozen=True):
    """One fact as it was stored."""

    value: bytes
    document: bytes
    lasts: bool
    used_s: int
    """When it was used last: seconds of the wall clock, to about a day."""


class FactsCount(Struct, frozen=True):
    """How much a file holds."""

    facts: int
    bytes: int
    """Of the file and its log."""


class FactsFile:
    """An open file. Thread-safe: one thread reads and one writes at a time. All methods raise FactsFailed and FactsDamaged."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        """Opens the file, makes it if there is none, and brings an older one up to date. path: in a folder that is there."""
        self.path = path
        self._wal_bytes = min(WAL_BYTES, most_bytes // 4)
        self._most_bytes = most_bytes - self._wal_bytes
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._has_wal = not is_remote(path.parent)
        self.damaged = 0
        """The number of values whose bytes were not the written ones."""
        with _translated():
            self._writer = self._connect()
            self._reader = self._writer
            try:
                self._writer.set_busy_timeout(WRITER_BUSY_MS)
                self._set_journal()
                self._migrate()
                self._reader = self._connect()
                self._inode = path.stat().st_ino
                self.read(b"")  # the first look-up of a connection reads the schema: now, not when a document is opened
            except BaseException:
                self._reader.close()
                self._writer.close()
                raise

    def is_in_place(self) -> bool:
        """Whether the file is still at its path: somebody may have removed the folder, or set the file aside."""
        try:
            return self.path.lstat().st_ino == self._inode
        except OSError:
            return False

    def read(self, key: bytes) -> Found | None:
        """The fact under a key. None if there is none, or if its bytes are not the written ones."""
        with self._reading, _translated():
            row = self._reader.execute("SELECT value, document, lasts, used_s FROM fact WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        value, (document, lasts, used_s) = _checked(key, row[0]), row[1:]
        if value is None or not isinstance(document, bytes) or not isinstance(used_s, int):
            self.damaged += 1
            return None
        return Found(value, document, bool(lasts), used_s)

    def write(self, rows: Sequence[Row], used: Sequence[bytes] = ()) -> None:
        """Note that some facts were used, and keep rows, a part of the file's size in each transaction.

        If the rows make the file too large, others go. The fact that was not used for the longest time goes first. A lasting
        fact goes only for another lasting one. A row that would take more than half of the file is not kept.
        """
        now_s = int(time.time())
        if used:
            with self._transaction(lasts=False):
                self._writer.executemany("UPDATE fact SET used_s = ? WHERE key = ?", [(now_s, key) for key in used])
        for batch in _batches([row for row in rows if len(row.value) <= self._most_bytes // 2], self._most_bytes // 4):
            self._write_batch(batch, now_s)
        if log_bytes(self.path) > self._wal_bytes:
            self._cut_log()

    def forget(self, document: bytes | None, *, lasting: bool, until_s: float) -> list[bytes]:
        """Remove the facts of a document, or all; those that last only if told. Their keys.

        until_s: facts that were written later stay, by the wall clock in seconds.
        """
        with self._transaction(lasts=True):
            rows = self._writer.execute(
                "DELETE FROM fact WHERE (?1 IS NULL OR document = ?1) AND lasts <= ?2 AND used_s <= ?3 RETURNING key",
                (document, int(lasting), until_s),
            ).fetchall()
        if document is None:
            with self._writing, suppress(FactsFailed), _translated():
                self._writer.execute("VACUUM")  # the space, if there is room for it
        with suppress(FactsFailed):
            self._cut_log()
        return [key for (key,) in rows if isinstance(key, bytes)]

    def count(self) -> FactsCount:
        with self._reading, _translated():
            facts = _number(self._reader, "SELECT count(*) FROM fact")
            size_bytes = sum(file.stat().st_size for file in files_of(self.path) if not file.name.endswith("-shm"))
        return FactsCount(facts, size_bytes)

    def verify(self, *, fix: bool) -> tuple[int, int]:
        """Read and check everything: how many facts there are, and how many of them are damaged. fix: remove those.

        Raises FactsDamaged if the file as a whole is.
        """
        with self._reading, _translated():
            told = _value(self._reader, "PRAGMA quick_check(1)")
            if told != "ok":
                raise FactsDamaged(str(told))
            numbers = [number for (number,) in self._reader.execute("SELECT rowid FROM fact").fetchall()]
        bad = [number for number in numbers if self._is_damaged(number)]
        if fix and bad:
            with self._transaction(lasts=True):
                self._writer.executemany("DELETE FROM fact WHERE rowid = ?", [(number,) for number in bad])
        return len(numbers), len(bad)

    def close(self) -> None:
        with self._reading, self._writing, suppress(FactsFailed, FactsDamaged), _translated():
            self._reader.close()
            self._writer.close()

    def _connect(self) -> apsw.Connection:
        if os.path.lexists(self.path) and not stat.S_ISREG(self.path.lstat().st_mode):
            raise FactsDamaged(f"{self.path} is not a file")
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOFOLLOW
        real = Path(os.path.realpath(self.path.parent), self.path.name)
        connection = apsw.Connection(os.fspath(real), flags=flags)
        try:
            self.path.chmod(0o600)  # SQLite gives its log the same mode
            connection.set_busy_timeout(BUSY_MS)
            connection.limit(apsw.SQLITE_LIMIT_LENGTH, VALUE_BYTES + (1 << 16))
            for option, value in OPTIONS:
                connection.config(option, value)
            connection.execute("PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_journal(self) -> None:
        wanted = "wal" if self._has_wal else "delete"
        give_up_s = time.monotonic() + WRITER_BUSY_MS / 1000
        while True:
            try:
                got = _value(self._writer, f"PRAGMA journal_mode = {wanted}")
                break
            except apsw.BusyError:  # another process makes the file just now: for this, SQLite does not wait by itself
                if time.monotonic() >= give_up_s:
                    raise
                time.sleep(0.005)
        if got != wanted:
            raise FactsFailed(f"{self.path}: the journal is {got!r}, and must be {wanted!r} on this file system")
        self._writer.execute(f"PRAGMA journal_size_limit = {self._wal_bytes}")
        self._writer.wal_autocheckpoint(max(1, self._wal_bytes // PAGE_BYTES))

    def _migrate(self) -> None:
        version = _number(self._writer, "PRAGMA user_version")
        if version != len(MIGRATIONS):
            with self._transaction(lasts=True):
                version = _number(self._writer, "PRAGMA user_version")  # another process may have been first
                if version > len(MIGRATIONS):
                    raise FactsFailed(f"{self.path} was written by a newer version of this library")
                for number in range(version, len(MIGRATIONS)):
                    self._writer.execute(MIGRATIONS[number])
                self._writer.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        if _schema(self._writer) != _own_schema():
            raise FactsDamaged(f"{self.path}: its tables are not those of this library")

    @contextmanager
    def _transaction(self, *, lasts: bool) -> Iterator[None]:
        """lasts: the change is on the disk when the block ends."""
        with self._writing, _translated():
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if lasts or not self._has_wal else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _write_batch(self, batch: Sequence[Row], now_s: int) -> None:
        """Keep rows of one kind, all lasting or none. Those that do not last are dropped if there is no room for them."""
        lasts = batch[0].lasts
        with self._transaction(lasts=lasts):
            size_bytes = sum(len(row.value) for row in batch)
            if not lasts and size_bytes > self._most_bytes - _number(self._writer, LASTING_BYTES):
                return
            self._evict(size_bytes, lasting=lasts)
            self._writer.executemany(
                "INSERT INTO fact (key, document, lasts, used_s, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET document = excluded.document, lasts = excluded.lasts, used_s = excluded.used_s, value = excluded.value",
                [(row.key, row.document, int(row.lasts), now_s, _checksum(row.key, row.value) + row.value) for row in batch],
            )
            self._evict(0, lasting=lasts)

    def _evict(self, room_bytes: int, *, lasting: bool) -> None:
        """Within the transaction that makes the file larger, make room in it, as far as it can be made.

        lasting: facts that last may go, too, after all others.
        """
        size = (
            "SELECT (pages.page_count - free.freelist_count) * page.page_size "
            "FROM pragma_page_count AS pages, pragma_freelist_count AS free, pragma_page_size AS page"
        )
        while (over_bytes := _number(self._writer, size) + room_bytes - self._most_bytes) > 0:
            oldest = self._writer.execute(
                "SELECT rowid, length(value) FROM fact WHERE lasts <= ? ORDER BY lasts, used_s LIMIT ?",
                (int(lasting), EVICTED_AT_ONCE),
            ).fetchall()
            if not oldest:
                return
            for number, value_bytes in oldest:
                self._writer.execute("DELETE FROM fact WHERE rowid = ?", (number,))
                over_bytes -= value_bytes if isinstance(value_bytes, int) else 0
                if over_bytes <= 0:
                    break

    def _cut_log(self) -> None:
        """Cut the log, so that removed facts do not stay in it. If another process reads now, they stay until the next cut."""
        if self._has_wal:
            with self._writing, _translated(), suppress(apsw.BusyError):
                self._writer.set_busy_timeout(CUT_BUSY_MS)
                try:
                    self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                finally:
                    self._writer.set_busy_timeout(WRITER_BUSY_MS)

    def _is_damaged(self, number: object) -> bool:
        with self._reading, _translated():
            found = self._reader.execute("SELECT key, value FROM fact WHERE rowid = ?", (number,)).fetchone()
        return found is not None and _checked(found[0], found[1]) is None


def _batches(rows: Sequence[Row], most_bytes: int) -> Iterator[list[Row]]:
    """The rows in batches of one kind, the lasting ones first. A batch is larger than `most_bytes` only if it is one row."""
    for lasts in (True, False):
        batch: list[Row] = []
        size_bytes = 0
        for row in rows:
            if row.lasts is not lasts:
                continue
            if batch and size_bytes + len(row.value) > most_bytes:
                yield batch
                batch, size_bytes = [], 0
            batch.append(row)
            size_bytes += len(row.value)
        if batch:
            yield batch


@contextmanager
def _translated() -> Iterator[None]:
    """Translate APSW's errors, so that no other module needs to know them."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as damage:
        raise FactsDamaged(str(damage)) from damage
    except (apsw.Error, OSError) as fault:
        raise FactsFailed(f"{type(fault).__name__}: {fault}") from fault


def _value(connection: apsw.Connection, query: str) -> object:
    """The value of a query that has one row of one column."""
    [(value,)] = connection.execute(query).fetchall()
    return value


def _number(connection: apsw.Connection, query: str) -> int:
    value = _value(connection, query)
    if not isinstance(value, int):
        raise FactsDamaged(f"{query} gave {value!r}")
    return value


def _schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    """All tables and indexes, but for the statistics that `ANALYZE` leaves in any file."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat[1-4]' ORDER BY type, name"
    return connection.execute(query).fetchall()


@lru_cache(maxsize=1)
def _own_schema() -> list[tuple[object, ...]]:
    """The schema of a new file, as SQLite tells it."""
    connection = apsw.Connection(":memory:")
    try:
        for migration in MIGRATIONS:
            connection.execute(migration)
        return _schema(connection)
    finally:
        connection.close()


def _checksum(key: bytes, value: bytes) -> bytes:
    digest = hashlib.sha256(b"sidebooks-fact" + len(key).to_bytes(4, "little") + key)
    digest.update(value)
    return digest.digest()[:CHECKSUM_BYTES]


def _checked(key: object, stored: object) -> bytes | None:
    """The value without its checksum; None if that does not fit."""
    if not isinstance(key, bytes) or not isinstance(stored, bytes):
        return None
    value = stored[CHECKSUM_BYTES:]
    return value if stored[:CHECKSUM_BYTES] == _checksum(key, value) else None
