"""The audit: nothing that was promised is lost, nothing can be changed unseen, several processes make one chain."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from access_times import SetClock
from msgspec.structs import replace

from sidebooks_core.access import CITIZEN, OPENED, Access, AccessLimits, Principal, What, audit
from sidebooks_core.access.schema import ACCESS
from sidebooks_core.databases.database import Database
from sidebooks_core.errors import RequestError, StorageFailed

SATO = Principal("p1", "佐藤", "member")
SUZUKI = Principal("p2", "鈴木", "member")
CLERK = Path(__file__).with_name("access_clerk.py")


@pytest.fixture
def times() -> SetClock:
    return SetClock()


@pytest.fixture
def access(tmp_path: Path, times: SetClock) -> Iterator[Access]:
    with Access(tmp_path, clock=times.clock()) as made:
        yield made


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.01)
    return True


def change_file(data_dir: Path, *statements: str) -> None:
    """As somebody who can write the file and stops at nothing."""
    with closing(apsw.Connection(str(data_dir / "access.sqlite3"))) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()]
        texts = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()]
        for name in names:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in (*statements, *texts):
            connection.execute(statement)


def test_a_row_says_who_did_what(access: Access, times: SetClock) -> None:
    access.audit_now("withdraw", who=SATO, what=What("paper", 3, "document"), address="192.0.2.7", detail="a\nreason")
    times.go_on(1)
    access.audit_now("start", who="a command", what="other")
    one, two = access.audit_rows()
    assert (one.seq, one.at_s, one.person, one.name, one.operation) == (1, 1_800_000_000.0, "p1", "佐藤", "withdraw")
    assert (one.paper, one.revision, one.document, one.address, one.detail) == ("paper", 3, "document", "192.0.2.7", "a reason")
    assert (two.seq, two.person, two.name, two.paper, two.revision) == (2, "", "a command", "other", None)
    assert two.hash == audit.row_hash(one.hash, two)
    assert access.audit_head() == f"2:{two.hash}"
    assert access.verify_audit() == []


def test_what_is_queued_is_written_soon_and_at_the_end(tmp_path: Path) -> None:
    with Access(tmp_path) as access:
        access.audit("looked", who=SATO)
        assert within(5, lambda: len(access.audit_rows()) == 1)
        for number in range(1200):
            access.audit("looked", who=SATO, detail=str(number))
    with Access(tmp_path) as again:
        assert [row.detail for row in again.audit_rows(limit=2000)][1:] == [str(number) for number in range(1200)]
        assert again.verify_audit() == []
    with pytest.raises(StorageFailed):
        again.audit("looked", who=SATO)


def test_a_change_and_its_row_are_kept_together(access: Access) -> None:
    person = access.add_person("sato", "admin", who=SATO)
    with pytest.raises(RuntimeError):
        access.change_person(person.id, is_disabled=True, who=SATO)
    access.change_person(person.id, groups=["office"], who=SATO)
    assert [(row.person, row.detail) for row in access.audit_rows()] == [
        ("p1", f"added sato as admin, id {person.id}"),
        ("p1", "changed sato: groups none to office"),
    ]


def test_refused_logins_are_written_down_without_what_was_typed(access: Access) -> None:
    access.add_person("sato", "member", password="three green tablets")
    for name in ("sato", "my secret pass phrase"):
        with pytest.raises(PermissionError):
            access.check_password(name, "wrong wrong wrong", "192.0.2.7")
    access.flush()
    assert [(row.name, row.operation, row.address, row.detail) for row in access.audit_rows()][1:] == [
        ("sato", "log_in", "192.0.2.7", "refused: wrong name or password"),
        ("unknown name", "log_in", "192.0.2.7", "refused: wrong name or password"),
    ]


@pytest.mark.parametrize("text", ["\ud800", "\x00", "x" * 5000, "\u202e"])
def test_any_text_can_be_told(access: Access, text: str) -> None:
    access.audit_now("looked", who=replace(SATO, name=text), detail=text, address=text)
    assert access.verify_audit() == []


def test_rows_are_found(access: Access, times: SetClock) -> None:
    for number in range(10):
        access.audit_now("looked", who=(SATO, SUZUKI)[number % 2], what=f"paper {number % 3}", detail=str(number))
        times.go_on(10)
    start_s = 1_800_000_000.0

    def found(**wanted: object) -> str:
        return "".join(row.detail for row in access.audit_rows(**wanted))  # type: ignore[arg-type]

    assert found() == "0123456789"
    assert found(limit=3) == "789"
    assert found(after=3, limit=3) == "345"
    assert found(since_s=start_s + 30, until_s=start_s + 60) == "345"
    assert found(paper="paper 1") == "147"
    assert found(person="p2") == found(person="鈴木") == "13579"
    assert found(person="p1", paper="paper 0") == "06"
    assert found(person="nobody") == ""


# Who opened a paper


def test_an_opening_is_kept_once_in_an_hour(access: Access, times: SetClock, tmp_path: Path) -> None:
    with Access(tmp_path, clock=times.clock()) as other:
        for _ in range(3):
            for by in (access, other):
                for _ in range(50):
                    by.audit(OPENED, who=SATO, what=What("paper", 1))
                by.flush()
            times.go_on(3599)
            access.audit(OPENED, who=SATO, what=What("paper", 1))
            access.flush()
            times.go_on(1)
        access.audit(OPENED, who=SATO, what=What("paper", 2))
        access.audit(OPENED, who=SUZUKI, what=What("paper", 1))
        access.audit(OPENED, who=SUZUKI, what=What("other", 1))
        access.flush()
    [sato, suzuki] = access.readers("paper")
    assert (sato.person, sato.name, sato.count) == ("p1", "佐藤", 4)
    assert (sato.first_s, sato.last_s) == (1_800_000_000.0, 1_800_010_800.0)
    assert (suzuki.person, suzuki.count) == ("p2", 1)
    assert access.readers("nothing") == []


def test_citizens_are_told_apart_by_their_address(access: Access) -> None:
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        access.audit(OPENED, who=CITIZEN, what=What("paper", 1), address=address)
    access.flush()
    [reader] = access.readers("paper")
    assert (reader.person, reader.count) == ("", 2)


def test_a_clock_that_is_set_back_hides_no_opening(access: Access, times: SetClock) -> None:
    access.audit(OPENED, who=SATO, what=What("paper", 1))
    access.flush()
    times.wall_s -= 86_400
    access.audit(OPENED, who=SATO, what=What("paper", 1))
    access.audit_now("later", who=SATO)
    access.flush()
    assert [row.operation for row in access.audit_rows()] == [OPENED, "later", OPENED]
    assert access.audit_rows()[0].at_s > access.audit_rows()[-1].at_s
    assert access.verify_audit() == []


# Nothing can be changed unseen


def test_rows_cannot_be_changed_or_taken_away_by_us(access: Access, tmp_path: Path) -> None:
    access.audit_now("looked", who=SATO)
    with closing(Database(tmp_path / "access.sqlite3", ACCESS)) as database:
        for statement in (
            "UPDATE audit SET name = 'x'",
            "DELETE FROM audit",
            "REPLACE INTO audit SELECT 1, at_s, person, 'x', operation, '', NULL, '', '', detail, hash FROM audit",
        ):
            with pytest.raises(StorageFailed, match="the audit is not"), database.writing() as writing:
                writing.run(statement)
    assert access.audit_rows()[0].name == "佐藤"


def kept_head(data_dir: Path) -> str:
    with Access(data_dir) as access:
        for number in range(6):
            access.audit_now("looked", who=SATO, detail=str(number))
        return access.audit_head()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET name = 'x' WHERE seq = 3", "row 3 was changed"),
        ("UPDATE audit SET at_s = at_s + 1e-6 WHERE seq = 3", "row 3 was changed"),
        ("UPDATE audit SET revision = 0 WHERE seq = 3", "row 3 was changed"),
        ("UPDATE audit SET operation = operation || paper, paper = 'x' WHERE seq = 1", "row 1 was changed"),
        ("DELETE FROM audit WHERE seq = 3", "row 3 is missing"),
        ("DELETE FROM audit WHERE seq IN (3, 4)", "rows 3 to 4 are missing"),
        ("DELETE FROM audit WHERE seq = 1", "row 1 is missing"),
    ],
)
def test_a_change_breaks_the_chain(tmp_path: Path, statement: str, fault: str) -> None:
    kept_head(tmp_path)
    change_file(tmp_path, statement)
    with Access(tmp_path) as access:
        assert any(fault in told for told in access.verify_audit()), access.verify_audit()
        access.audit_now("looked", who=SATO)
        assert any(fault in told for told in access.verify_audit()), "it is not mended by what comes later"


def test_a_head_that_was_kept_shows_what_the_chain_does_not(tmp_path: Path) -> None:
    head = kept_head(tmp_path)
    change_file(tmp_path, "DELETE FROM audit WHERE seq > 4")
    with Access(tmp_path) as access:
        assert access.verify_audit() == []
        assert "was shortened to 4 rows" in access.verify_audit(head)[0]
        access.audit_now("looked", who=SATO)
        access.audit_now("looked", who=SATO)
        assert access.verify_audit() == []
        assert "was written anew" in access.verify_audit(head)[0]
        for text in ("", "x", "6", ":", "-1:x", "六:x"):
            with pytest.raises(RequestError):
                access.verify_audit(text)


def test_a_head_from_before_stays_true(tmp_path: Path) -> None:
    with Access(tmp_path) as access:
        heads = [access.audit_head()]
        for _ in range(5):
            access.audit_now("looked", who=SATO)
            heads.append(access.audit_head())
        assert [access.verify_audit(head) for head in heads] == [[]] * 6


def test_the_head_goes_to_the_log_from_time_to_time_and_at_the_end(
    tmp_path: Path, times: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sidebooks_core.audit")
    with Access(tmp_path, clock=times.clock()) as access:
        for _ in range(5):
            access.audit_now("looked", who=SATO)
        assert len(caplog.messages) == 1
        times.go_on(60)
        access.audit_now("looked", who=SATO)
        assert len(caplog.messages) == 2
        access.audit("looked", who=SATO)
    with Access(tmp_path) as again:
        assert caplog.messages[-1] == f"audit head {again.audit_head()}"
        assert again.verify_audit(caplog.messages[0].rpartition(" ")[2]) == []


# Several processes, and what gets in the way


def test_several_processes_make_one_chain_even_if_they_are_killed(tmp_path: Path) -> None:
    chance = random.Random(5)
    promised: dict[str, int] = {}
    Access(tmp_path).close()
    for turn in range(4):
        running: dict[str, subprocess.Popen[bytes]] = {}
        for name in (f"clerk {turn} one", f"clerk {turn} two"):
            with (tmp_path / name).open("wb") as told:
                running[name] = subprocess.Popen([sys.executable, CLERK, tmp_path, "audit", name], stdout=told)
        logs = [tmp_path / name for name in running]
        assert within(60, lambda logs=logs: all(log.stat().st_size for log in logs))  # type: ignore[misc]
        time.sleep(chance.uniform(0.05, 0.6))
        for name, process in running.items():
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)
            promised[name] = (tmp_path / name).read_bytes().count(b"\n")
    with Access(tmp_path) as access:
        assert access.verify_audit() == []
        rows = access.audit_rows(limit=10**6)
        for name, count in promised.items():
            wrote = [row.detail for row in rows if row.name == name and row.operation == "wrote"]
            assert wrote[:count] == [str(number) for number in range(1, count + 1)]
            assert len(wrote) - count in (0, 1)
    assert sum(promised.values()) > 50


def test_many_threads_make_one_chain(access: Access) -> None:
    def work(number: int) -> None:
        for turn in range(20):
            access.audit("looked", who=SATO, detail=f"{number} {turn}")
            access.audit_now("wrote", who=SATO, detail=f"{number} {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    access.flush()
    assert access.verify_audit() == []
    assert len(access.audit_rows()) == 240


def make_fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have nothing be written. Returns what ends that."""

    def fail(*_: object) -> str:
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as patch:
        real = audit.append
        patch.setattr(audit, "append", fail)
    monkeypatch.setattr(audit, "append", fail)
    return lambda: monkeypatch.setattr(audit, "append", real)


def test_what_cannot_be_written_is_told_loudly_and_tried_again(
    access: Access, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mend = make_fail(monkeypatch)
    for number in range(3):
        access.audit("looked", who=SATO, detail=str(number))
    assert within(10, lambda: "the audit cannot be written; 3 entries wait" in caplog.text)
    with pytest.raises(StorageFailed):
        access.audit_now("wrote", who=SATO)
    with pytest.raises(StorageFailed):
        access.add_person("sato", "member", who=SATO)
    assert access.people() == [], "what cannot be audited is not done"
    with pytest.raises(StorageFailed):
        access.flush()
    mend()
    assert within(10, lambda: len(access.audit_rows()) == 3)
    assert [row.detail for row in access.audit_rows()] == ["0", "1", "2"]


def test_no_more_wait_than_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Access(tmp_path, AccessLimits(audit_queue=5)) as access:
        mend = make_fail(monkeypatch)
        for number in range(5):
            access.audit("looked", who=SATO, detail=str(number))
        with pytest.raises(StorageFailed, match="no more entries can wait"):
            access.audit("looked", who=SATO)
        mend()
        access.flush()
        access.audit("looked", who=SATO)
    with Access(tmp_path) as again:
        assert len(again.audit_rows()) == 6


def test_what_could_not_be_written_until_the_end_goes_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Access(tmp_path) as access:
        make_fail(monkeypatch)
        access.audit("looked", who=SATO, detail="the last words")
    assert "what was not written follows" in caplog.text
    assert "the last words" in caplog.text


def test_nobody_waits_for_a_stranger_who_locks_the_file(tmp_path: Path) -> None:
    with Access(tmp_path) as access:
        with closing(apsw.Connection(str(tmp_path / "access.sqlite3"))) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            began_s = time.monotonic()
            access.audit("looked", who=SATO)
            assert time.monotonic() - began_s < 0.5, "queueing waits for nobody"
            assert access.policy() is not None
            stranger.execute("ROLLBACK")
        assert within(10, lambda: len(access.audit_rows()) == 1)
