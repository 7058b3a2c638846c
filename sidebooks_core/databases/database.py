"""One SQLite database: opening, migrating, reading, writing, copying, checking. All use of APSW for lasting data is here.

APSW brings its own SQLite. That of Python is the system's, and versions before 3.51.3 can lose committed writes in WAL mode
when several processes write (SQLite's release notes of 3.51.3: the WAL-reset bug).

- What `writing()` has committed is on the disk when it ends (`synchronous=FULL`), and is seen by every process.
- A writer begins with `BEGIN IMMEDIATE`: a transaction that reads first and writes later fails at once if another one wrote
  meanwhile, whatever the busy timeout says.
- WAL needs memory that the processes share, so a folder on a network file system is refused.
- A file that somebody else wrote is not believed: its schema must be ours, no trigger or view of theirs runs, links are
  not followed.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec
from msgspec import Struct

from sidebooks_core.databases.faults import BUSY_MS, translated
from sidebooks_core.databases.files import flush_to_disk
from sidebooks_core.databases.options import OPTIONS
from sidebooks_core.databases.versions import require_version
from sidebooks_core.errors import RequestError, StorageDamaged, StorageFailed
from sidebooks_core.stores.folders import is_remote, make_own

T = TypeVar("T")
Value = str | int | float | bytes | None
"""What a column holds."""

IDLE_READERS = 4
"""Connections for reading that are kept open."""
CUT_MS = 250
"""Longest time for which who cuts the log keeps others from writing."""
WAL_BYTES = 8 << 20
"""A log that grew longer is cut to this when it has been copied into the database."""
WAL_PAGES = 16_384
"""A writer copies the log itself when it has so many pages, 64 MB: then no `Checkpointer` has done it."""
BACKUP_PAGES = 1024
"""Pages copied at once by a backup. Others may write in between."""


class Schema(Struct, frozen=True):
    """The tables of a kind of database, as the steps that make them."""

    application_id: int
    """Stands in the file's head, so that a database of another kind is not taken for this one. See `PRAGMA application_id`."""
    migrations: tuple[str, ...]
    """Each brings the file from the version of its index to the next. Never change one: add another."""
    has_triggers: bool = False
    """Its triggers run. They are ours: the tables of a file are compared before any of them can."""


class Reading:
    """Queries within one transaction: all of them see the same state."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def source(self) -> apsw.Connection:
        """For a copy of this state: the connection, which now sees that. For this module alone."""
        self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        return self._connection

    def all(self, kind: type[T], query: str, *values: Value) -> list[T]:
        """The rows of a query. kind: a Struct with `array_like=True` for several columns, the column's type for one.

        Raises StorageDamaged if a row is not of that kind.
        """
        rows = self._connection.execute(query, values).fetchall()
        return [_converted(row, kind) for row in rows]

    def each(self, kind: type[T], query: str, *values: Value) -> Iterator[T]:
        """The rows of a query one by one, for those that memory need not hold together."""
        for row in self._connection.execute(query, values):
            yield _converted(row, kind)

    def one(self, kind: type[T], query: str, *values: Value) -> T | None:
        """The first row of a query; None if there is none."""
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else _converted(row, kind)

    def number(self, query: str, *values: Value) -> int:
        """The one number that a query gives."""
        found = self.one(int, query, *values)
        if found is None:
            raise StorageDamaged(f"{query} gave no row")
        return found


class Writing(Reading):
    """Queries and changes within one transaction, which is kept as a whole or not at all."""

    def run(self, statement: str, *values: Value) -> int:
        """Change something. Returns how many rows were changed. Raises StorageConflict for a broken constraint."""
        before = self._connection.total_changes()
        self._connection.execute(statement, values)
        return self._connection.total_changes() - before

    def run_each(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """The same statement for each of some rows."""
        self._connection.executemany(statement, rows)


class Database:
    """An open database. Thread-safe, safe among processes. All methods raise StorageFailed and StorageDamaged. `close()` it."""

    def __init__(self, path: Path | None, schema: Schema) -> None:
        """Opens the file, makes it if there is none, and brings an older one up to date. None: in memory, for tests.

        Raises RequestError for a network file system, or if the SQLite of APSW is too old.
        """
        require_version()
        self.path = path
        self._schema = schema
        self._writing = threading.Lock()
        self._looking = threading.Lock()
        self._looker: apsw.Connection | None = None
        self._pool = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False
        if path is not None:
            if is_remote(path.parent):
                raise RequestError(f"{path.parent} is on a network file system, where SQLite can lose data: use a local disk")
            make_own(path.parent)
        with translated(path):
            self._writer = self._connect()
            try:
                self._require_ours()
                if path is not None:
                    self._set_journal()
                self._migrate()
                if schema.has_triggers:
                    self._writer.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1)
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A transaction that reads. It waits for no writer. Keep it short: while it lasts, the log cannot be cut."""
        if self.path is None:
            with self._writing, translated(self.path):
                yield Reading(self._writer)
            return
        with translated(self.path):
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield Reading(connection)
            finally:
                self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction that writes. It is on the disk when this ends without an error; else nothing of it is kept."""
        with self._writing, translated(self.path):
            self._require_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield Writing(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """A number that changes when somebody has written; 0 in memory. Cheap: it reads no page, and waits for no writer."""
        if self.path is None:
            return 0
        with self._looking, translated(self.path):
            self._require_open()
            if self._looker is None:
                self._looker = self._connect()
            return _number(self._looker, "PRAGMA data_version")

    def back_up(self, target: Path) -> None:
        """Write a copy of the present state into a new file. Others may read and write meanwhile: what they write is not in it,
        and the log grows until the copy is made. Raises FileExistsError.
        """
        with target.open("xb"):
            pass
        try:
            with translated(target):
                copy = apsw.Connection(os.fspath(target))
                try:
                    self._copy_into(copy)
                finally:
                    copy.close()
            flush_to_disk(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def faults(self) -> list[str]:
        """What is wrong with the file, in SQLite's words; empty if nothing is."""
        with self.reading() as reading:
            told = reading.all(str, "PRAGMA integrity_check(100)")
            broken = reading.number("SELECT count(*) FROM pragma_foreign_key_check")
        found = [] if told == ["ok"] else told
        return found + ([f"{broken} rows refer to rows that are not there"] if broken else [])

    def cut_log(self) -> bool:
        """Copy the log into the database and cut it, so that nothing that was removed stays in it.

        False if somebody reads or writes, and the log cannot be cut yet. Others wait for `CUT_MS` at most.
        """
        self.copy_log()
        return self.path is None or self._checkpointed(apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def copy_log(self) -> bool:
        """Copy of the log into the database what no reader needs any more. Nobody waits. False if another one does it."""
        return self.path is None or self._checkpointed(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        with self._writing, self._looking, self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._looker is not None:
                idle.append(self._looker)
            for connection in [*idle, self._writer]:
                connection.close()

    def _copy_into(self, copy: apsw.Connection) -> None:
        """The copy is of one state. Without a transaction it would begin again after each change of another connection."""
        with self.reading() as reading, copy.backup("main", reading.source(), "main") as backup:
            while not backup.done:
                backup.step(BACKUP_PAGES)

    def _checkpointed(self, mode: int) -> bool:
        with translated(self.path):
            self._require_open()
            connection = self._connect()
            try:
                connection.set_busy_timeout(CUT_MS)
                connection.wal_checkpoint(mode=mode)
            except apsw.BusyError:
                return False
            finally:
                connection.close()
        return True

    def _borrow(self) -> apsw.Connection:
        with self._pool:
            self._require_open()
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: apsw.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._pool:
            if not self._closed and len(self._idle) < IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StorageFailed(f"{self.path or 'the database'} was closed")

    def _connect(self) -> apsw.Connection:
        if self.path is None:
            connection = apsw.Connection(":memory:")
        else:
            if os.path.lexists(self.path) and not stat.S_ISREG(self.path.lstat().st_mode):
                raise StorageDamaged(f"{self.path} is not a file")
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOFOLLOW
            real = Path(os.path.realpath(self.path.parent), self.path.name)
            connection = apsw.Connection(os.fspath(real), flags=flags)
        try:
            if self.path is not None:
                _make_private(self.path)
            connection.set_busy_timeout(BUSY_MS)
            for option, value in OPTIONS:
                connection.config(option, value)
            connection.execute(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_ours(self) -> None:
        """Raises StorageDamaged for a database of another program, before anything is written to it."""
        application_id = _number(self._writer, "PRAGMA application_id")
        if application_id != self._schema.application_id and _number(self._writer, "SELECT count(*) FROM sqlite_schema"):
            raise StorageDamaged(f"{self.path} is a database of something else")

    def _set_journal(self) -> None:
        give_up_s = time.monotonic() + BUSY_MS / 1000
        while True:
            try:
                [(got,)] = self._writer.execute("PRAGMA journal_mode = wal").fetchall()
                break
            except apsw.BusyError:  # another process makes the file just now: for this, SQLite does not wait by itself
                if time.monotonic() >= give_up_s:
                    raise
                time.sleep(0.005)
        if got != "wal":
            raise StorageFailed(f"{self.path}: the journal is {got!r}, and must be 'wal'")
        self._writer.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}; PRAGMA wal_autocheckpoint = {WAL_PAGES}")

    def _migrate(self) -> None:
        wanted = len(self._schema.migrations)
        if _number(self._writer, "PRAGMA user_version") != wanted:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                self._migrate_from(_number(self._writer, "PRAGMA user_version"))  # another process may have been first
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        if _tables(self._writer) != own_tables(self._schema):
            raise StorageDamaged(
                f"{self.path} has other tables than this version of the library makes: it was written by a version that was "
                "never released, or another program has changed it; open it with the version that wrote it, or restore a backup"
            )

    def _migrate_from(self, version: int) -> None:
        wanted = len(self._schema.migrations)
        if version > wanted:
            raise StorageFailed(
                f"{self.path} was written by a newer version of this library: install that, or restore a backup"
            )
        if version == 0:
            self._writer.execute(f"PRAGMA application_id = {self._schema.application_id}")
        for migration in self._schema.migrations[version:]:
            self._writer.execute(migration)
        self._writer.execute(f"PRAGMA user_version = {wanted}")


def _make_private(path: Path) -> None:
    """Only its owner can read a file. SQLite gives its log the same mode. Raises StorageFailed."""
    try:
        if stat.S_IMODE(path.stat().st_mode) != 0o600:
            path.chmod(0o600)
    except OSError as fault:
        raise StorageFailed(f"{path} cannot be written to ({fault.strerror or fault}); nothing was changed") from fault


def own_tables(schema: Schema) -> list[tuple[object, ...]]:
    """The tables and indexes as SQLite has them of a new file."""
    connection = apsw.Connection(":memory:")
    try:
        for migration in schema.migrations:
            connection.execute(migration)
        return _tables(connection)
    finally:
        connection.close()


def _tables(connection: apsw.Connection) -> list[tuple[object, ...]]:
    """All tables and indexes, but for those that SQLite makes of its own accord, which another version may make otherwise.

    These are the statistics of `ANALYZE`, and the tables behind a virtual table.
    """
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat[1-4]' "
        "AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type, name"
    ).fetchall()


def _number(connection: apsw.Connection, query: str) -> int:
    [(value,)] = connection.execute(query).fetchall()
    if not isinstance(value, int):
        raise StorageDamaged(f"{query} gave {value!r}")
    return value


def _converted(row: tuple[object, ...], kind: type[T]) -> T:
    value = row if issubclass(kind, Struct) else row[0]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise StorageDamaged(f"a row is not what was written: {fault}") from fault
