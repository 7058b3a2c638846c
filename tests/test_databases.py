"""A database that several threads and processes share, and what it does if the disk or a stranger gets in the way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from msgspec import Struct
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.databases import database as database_module
from sidebooks_core.databases.database import Database, Schema
from sidebooks_core.databases.files import log_bytes
from sidebooks_core.databases.lock import try_lock
from sidebooks_core.errors import StorageDamaged, StorageFailed

SCHEMA = Schema(
    application_id=7,
    migrations=(
        "CREATE TABLE pair (name TEXT PRIMARY KEY, number INTEGER NOT NULL, parent TEXT REFERENCES pair (name)) STRICT",
    ),
)


class Pair(Struct, frozen=True, array_like=True):
    name: str
    number: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "some.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path, SCHEMA)) as made:
        yield made


def put(database: Database, name: str, number: int = 1) -> None:
    with database.writing() as writing:
        writing.run("INSERT INTO pair (name, number) VALUES (?, ?)", name, number)


def pairs(database: Database) -> list[Pair]:
    with database.reading() as reading:
        return reading.all(Pair, "SELECT name, number FROM pair ORDER BY name")


def test_what_was_written_is_there_for_all(database: Database, path: Path) -> None:
    put(database, "a", 5)
    with closing(Database(path, SCHEMA)) as other:
        assert pairs(other) == [Pair("a", 5)]
        put(other, "b")
    assert pairs(database) == [Pair("a", 5), Pair("b", 1)]


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    def broken(*statements: str) -> None:
        with database.writing() as writing:
            for statement in statements:
                writing.run(statement)
            raise KeyError

    good = "INSERT INTO pair (name, number) VALUES ('a', 1)"
    with pytest.raises(KeyError):
        broken(good)
    with pytest.raises(StorageFailed, match="UNIQUE"):
        broken(good, good)
    with pytest.raises(StorageFailed, match="FOREIGN KEY"):
        broken("INSERT INTO pair (name, number, parent) VALUES ('a', 1, 'nobody')")
    assert pairs(database) == []
    put(database, "a")
    assert pairs(database) == [Pair("a", 1)]


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    put(database, "a")
    with database.reading() as reading:
        assert reading.number("SELECT count(*) FROM pair") == 1
        put(database, "b")
        assert reading.number("SELECT count(*) FROM pair") == 1
    assert len(pairs(database)) == 2


def test_many_threads_write_and_read(database: Database) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            put(database, f"{number} {turn}")
            pairs(database)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(pairs(database)) == 120


def test_the_version_changes_when_another_connection_writes(database: Database, path: Path) -> None:
    before = database.version()
    assert database.version() == before
    with closing(Database(path, SCHEMA)) as other:
        put(other, "a")
    assert database.version() != before


def test_a_row_of_another_kind_is_damage(database: Database) -> None:
    put(database, "a")
    with database.reading() as reading, pytest.raises(StorageDamaged, match="not what was written"):
        reading.all(int, "SELECT name FROM pair")


def test_a_backup_is_made_while_others_write(database: Database, path: Path, tmp_path: Path) -> None:
    for number in range(500):
        put(database, f"{number}")
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            put(database, f"later {number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    target = tmp_path / "backup.sqlite3"
    database.back_up(target)
    is_over.set()
    writer.join(30)
    with closing(Database(target, SCHEMA)) as copy:
        assert copy.faults() == []
        assert len(pairs(copy)) >= 500
    with pytest.raises(FileExistsError):
        database.back_up(target)


def test_nothing_that_was_removed_stays(database: Database, path: Path) -> None:
    put(database, "a secret that must go")
    with database.writing() as writing:
        writing.run("DELETE FROM pair")
    assert database.cut_log()
    assert b"secret" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_stranger_who_locks_the_file_is_told_of(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(database, "a")
    database.close()
    monkeypatch.setattr(database_module, "BUSY_MS", 100)
    with closing(Database(path, SCHEMA)) as ours:
        with closing(apsw.Connection(str(path))) as stranger:
            stranger.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageFailed, match="locked by another program"):
                put(ours, "b")
            assert pairs(ours) == [Pair("a", 1)], "reading goes on"
            stranger.execute("ROLLBACK")
        put(ours, "b")
        assert len(pairs(ours)) == 2


def test_a_full_disk_changes_nothing(database: Database) -> None:
    put(database, "a")
    with database.writing() as writing:
        pages = writing.number("PRAGMA page_count")
        writing.number(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="disk is full"):
        put(database, "x" * 100_000)
    assert pairs(database) == [Pair("a", 1)]
    with database.writing() as writing:
        writing.number("PRAGMA max_page_count = 1000000")
    put(database, "b")


@pytest.mark.parametrize("damage", ["other program", "no database", "newer", "another table", "a torn page"])
def test_what_is_not_ours_is_not_believed(path: Path, damage: str) -> None:
    with closing(Database(path, SCHEMA)) as database:
        for number in range(2000):
            put(database, f"{number}") if number % 500 == 0 else None
    for file in path.parent.glob("*-*"):
        file.unlink()
    if damage == "other program":
        path.unlink()
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE theirs (a)")
    elif damage == "no database":
        path.write_bytes(b"This is a letter, and long enough to be read as a page of a database. " * 100)
    elif damage == "newer":
        with closing(apsw.Connection(str(path))) as other:
            other.execute("PRAGMA user_version = 99")
    elif damage == "another table":
        with closing(apsw.Connection(str(path))) as other:
            other.execute("CREATE TABLE planted (a)")
    else:
        content = bytearray(path.read_bytes())
        content[4096:8192] = os.urandom(4096)
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises((StorageDamaged, StorageFailed)) as told, closing(Database(path, SCHEMA)) as database:
        pairs(database)
    assert str(path) in str(told.value) or "row" in str(told.value)
    assert isinstance(told.value, StorageDamaged) != (damage == "newer")
    assert path.read_bytes() == before, "nothing is repaired by guess"


def test_tables_of_a_version_that_was_never_released_are_told_with_what_to_do(path: Path) -> None:
    Database(path, Schema(7, (*SCHEMA.migrations[:-1], f"{SCHEMA.migrations[-1]}; CREATE TABLE more (a)"))).close()
    wanted = "a version that was never released.*; open it with the version that wrote it, or restore a backup"
    with pytest.raises(StorageDamaged, match=wanted):
        Database(path, SCHEMA)


def test_an_older_database_is_brought_up_to_date(path: Path) -> None:
    with closing(Database(path, SCHEMA)) as database:
        put(database, "a")
    newer = Schema(7, (*SCHEMA.migrations, "ALTER TABLE pair ADD COLUMN note TEXT"))
    with closing(Database(path, newer)) as database:
        assert pairs(database) == [Pair("a", 1)]
        with database.reading() as reading:
            assert reading.one(int, "SELECT count(note) FROM pair") == 0
    torn = Schema(7, (*newer.migrations, "CREATE TABLE more (a); CREATE TABLE more (a)"))
    with pytest.raises(StorageFailed):
        Database(path, torn)
    with closing(Database(path, newer)) as database:
        assert pairs(database) == [Pair("a", 1)], "a migration that fails changes nothing"


def test_administrators_may_analyze(database: Database, path: Path) -> None:
    put(database, "a")
    with closing(apsw.Connection(str(path))) as other:
        other.execute("ANALYZE")
    with closing(Database(path, SCHEMA)) as again:
        assert pairs(again) == [Pair("a", 1)]


def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "is_remote", lambda _folder: True)
    with pytest.raises(sb.RequestError, match="network file system"):
        Database(path, SCHEMA)


def test_one_process_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    ours = try_lock(path)
    assert ours is not None
    code = (
        "import sys; from pathlib import Path; from sidebooks_core.databases.lock import try_lock; "
        "print(try_lock(Path(sys.argv[1])) is None)"
    )

    def is_held() -> str:
        ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    assert is_held() == "True"
    ours.release()
    ours.release()
    assert is_held() == "False"


def test_a_backup_beside_a_writer_is_one_state_and_does_not_begin_again(
    database: Database, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as writing:
        writing.run_each(
            "INSERT INTO pair (name, number) VALUES (?, 1)", [(f"{number} {'x' * 1000}",) for number in range(2000)]
        )
    monkeypatch.setattr(database_module, "BACKUP_PAGES", 5)
    is_over = threading.Event()

    def write() -> None:
        with closing(Database(path, SCHEMA)) as other:
            while not is_over.wait(0.001):
                put(other, f"later {time.monotonic()}")

    writer = threading.Thread(target=write)
    copier = threading.Thread(target=database.back_up, args=(tmp_path / "backup.sqlite3",))
    writer.start()
    copier.start()
    copier.join(60)
    is_made = not copier.is_alive()
    is_over.set()
    writer.join(30)
    copier.join(30)
    assert is_made, "it begins again with each change"
    with closing(Database(tmp_path / "backup.sqlite3", SCHEMA)) as copy:
        assert copy.faults() == []


def test_who_looks_for_changes_or_cuts_the_log_waits_for_no_writer(database: Database) -> None:
    put(database, "a")
    done = threading.Event()

    def look() -> None:
        database.version()
        assert not database.cut_log(), "somebody writes"
        done.set()

    with database.writing() as writing:
        writing.run("INSERT INTO pair (name, number) VALUES ('b', 1)")
        threading.Thread(target=look, daemon=True).start()
        assert done.wait(5)


def test_a_writer_waits_shortly_for_a_log_that_cannot_be_cut(database: Database) -> None:
    put(database, "a")
    with database.reading() as reading:
        reading.number("SELECT count(*) FROM pair")
        put(database, "b")
        since_s = time.monotonic()
        assert not database.cut_log()
        assert time.monotonic() - since_s < 5
    assert database.cut_log()


WRITER = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[2])
from test_databases import SCHEMA, put
from sidebooks_core.databases.checkpointer import Checkpointer
from sidebooks_core.databases.database import Database

database = Database(pathlib.Path(sys.argv[1]), SCHEMA)
checkpointer = Checkpointer(database)
print("open", flush=True)
for line in sys.stdin:
    if line == "whose\\n":
        print(checkpointer.is_mine, flush=True)
    else:
        put(database, f"{time.monotonic()} " + "x" * 1_000_000)
        print("written", flush=True)
"""


def test_of_two_processes_one_copies_the_log_and_the_log_stays_short(path: Path) -> None:
    def begin() -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent)]
        made = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert said(made) == "open"
        return made

    def said(process: subprocess.Popen[str], line: str = "") -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        if line:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        return process.stdout.readline().strip()

    both = [begin(), begin()]
    try:
        wait_until(lambda: sum(said(one, "whose") == "True" for one in both) == 1, "nobody copies the log, or both do")
        for turn in range(120):
            assert said(both[turn % 2], "write") == "written"
            time.sleep(0.02)
            assert log_bytes(path) < 48 << 20
        [copying] = [one for one in both if said(one, "whose") == "True"]
        [other] = [one for one in both if one is not copying]
        copying.kill()
        wait_until(lambda: said(other, "whose") == "True", "nobody goes on when the process ends that copied the log")
    finally:
        for one in both:
            one.kill()
            one.communicate()
