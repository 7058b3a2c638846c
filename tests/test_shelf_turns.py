"""The time of a paper begins and ends: the feed says so once, whatever becomes of processes and clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Schema
from sidebooks_core.shelf import Shelf, changes
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.turns import first_turn, tell_turns
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

DATA = FakeDocument(pages=(FakePage(),)).to_bytes()


@pytest.fixture
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as made:
        yield made


@contextmanager
def quiet(folder: Path, service: sb.TileService) -> Iterator[Shelf]:
    """A shelf whose turns are told by the test alone."""
    with Shelf(folder, service, prepares=False) as made:
        yield made


def turns(shelf: Shelf) -> list[tuple[str, str]]:
    """With "seen" if readers could see it until then."""
    kinds = {"paper opened", "paper closed"}
    return [(one.kind, "seen" if one.was_published else "") for one in shelf.changes() if one.kind in kinds]


def tell(shelf: Shelf, now_s: float) -> None:
    with shelf.database.writing() as writing:
        tell_turns(writing, now_s)


def until(holds: object, timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_each_turn_is_told_once(service: sb.TileService, tmp_path: Path) -> None:
    now_s = time.time()
    with quiet(tmp_path, service) as shelf:
        folder = shelf.make_folder("A")
        shelf.register(DATA, folder, name="a", from_s=now_s + 100, until_s=now_s + 200)
        tell(shelf, now_s + 99)
        assert turns(shelf) == []
        tell(shelf, now_s + 101)
        tell(shelf, now_s + 102)
        assert turns(shelf) == [("paper opened", "")]
    with quiet(tmp_path, service) as shelf:
        tell(shelf, now_s + 150)
        assert turns(shelf) == [("paper opened", "")], "neither after a restart"
        for at_s in (201, 202, 300):
            tell(shelf, now_s + at_s)
        assert turns(shelf) == [("paper opened", ""), ("paper closed", "seen")]
        with shelf.database.reading() as reading:
            assert first_turn(reading) is None


def test_a_clock_that_is_set_back_has_papers_told_as_they_are_by_then(service: sb.TileService, tmp_path: Path) -> None:
    now_s = time.time()
    opened, closed = ("paper opened", ""), ("paper closed", "seen")
    with quiet(tmp_path, service) as shelf:
        shelf.register(DATA, name="a", from_s=now_s + 100, until_s=now_s + 200)
        told: list[tuple[str, str]] = []
        for at_s, more in (
            (150, [opened]),
            (50, [closed]),
            (50, []),
            (99, []),
            (101, [opened]),
            (250, [closed]),
            (150, [opened]),
            (150, []),
            (201, [closed]),
            (99, [("paper closed", "")]),
            (100, [opened]),
        ):
            tell(shelf, now_s + at_s)
            told += more
            assert turns(shelf) == told, at_s


def test_one_that_begins_with_a_clock_that_is_ahead_is_told_when_its_time_comes(
    service: sb.TileService, tmp_path: Path
) -> None:
    now_s = time.time()
    with quiet(tmp_path, service) as shelf:
        shelf.register(DATA, name="past", from_s=now_s - 200, until_s=now_s - 100)
        withdrawn = shelf.register(DATA, name="withdrawn", until_s=now_s - 100)
        shelf.withdraw(withdrawn.id)
        tell(shelf, now_s)
        assert turns(shelf) == []
        tell(shelf, now_s - 150)
        tell(shelf, now_s - 50)
        assert turns(shelf) == [("paper opened", ""), ("paper closed", "seen")]


def test_a_clock_that_is_set_back_is_noticed_without_a_change(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead_s = time.time, 0.0
    monkeypatch.setattr("sidebooks_core.shelf.turns.time.time", lambda: real() + ahead_s)
    with Shelf(tmp_path, service) as one, Shelf(tmp_path, service):
        one.register(DATA, name="a", until_s=real() + 600)
        one.register(DATA, name="b", from_s=real() + 600)
        ahead_s = 3600.0
        until(lambda: len(turns(one)) == 2)
        ahead_s = 0.0
        until(lambda: len(turns(one)) == 4)
        time.sleep(1.2)
        assert sorted(turns(one)) == sorted([("paper closed", "seen"), ("paper opened", "")] * 2), "once among processes"


def test_what_came_while_nobody_looked_is_told_as_it_is_now(service: sb.TileService, tmp_path: Path) -> None:
    now_s = time.time()
    with quiet(tmp_path, service) as shelf:
        shelf.register(DATA, name="a", from_s=now_s + 100, until_s=now_s + 200)
        withdrawn = shelf.register(DATA, name="b", from_s=now_s + 100, until_s=now_s + 900)
        shelf.withdraw(withdrawn.id)
        shelf.register(DATA, name="past", from_s=now_s - 20, until_s=now_s - 10)
        shelf.register(DATA, name="always")
        tell(shelf, now_s + 300)
        assert turns(shelf) == [("paper closed", "")], "nobody has seen it"


def test_a_new_time_has_turns_of_its_own(service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = time.time()
    with quiet(tmp_path, service) as shelf:
        paper = shelf.register(DATA, name="a", until_s=now_s + 100)
        monkeypatch.setattr(time, "time", lambda: now_s + 101)
        tell(shelf, now_s + 101)
        shelf.change(paper.id, until_s=now_s + 300)
        tell(shelf, now_s + 101)
        assert turns(shelf) == [("paper closed", "seen")]
        shelf.change(paper.id, name="b")
        monkeypatch.setattr(time, "time", lambda: now_s + 301)
        tell(shelf, now_s + 301)
        assert turns(shelf) == [("paper closed", "seen")] * 2
        shelf.change(paper.id, until_s=None)
        tell(shelf, now_s + 900)
        assert turns(shelf) == [("paper closed", "seen")] * 2


@pytest.mark.parametrize("how", ["change", "withdraw", "purge"])
def test_a_turn_that_is_due_is_told_before_another_change(service: sb.TileService, tmp_path: Path, how: str) -> None:
    """Else whoever has the paper open would never hear that its time is over."""
    with quiet(tmp_path, service) as shelf:
        paper = shelf.register(DATA, name="a", until_s=time.time() + 0.3)
        time.sleep(0.4)
        if how == "change":
            shelf.change(paper.id, name="b")
        else:
            getattr(shelf, how)(paper.id)
        assert turns(shelf) == [("paper closed", "seen")]
        assert [one.kind for one in shelf.changes()][1] == "paper closed"
        tell(shelf, time.time() + 10)
        assert len(turns(shelf)) == 1


def test_the_feed_tells_turns_within_a_second_once_for_all_processes(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path, service) as one, Shelf(tmp_path, service) as other:
        told: list[tuple[str, float]] = []
        other.tell(lambda found: told.extend((change.kind, time.time()) for change in found))
        from_s = time.time() + 1.0
        one.register(DATA, name="a", from_s=from_s, until_s=from_s + 1.0)
        until(lambda: "paper closed" in dict(told))
        at_s = dict(told)
        assert 0 <= at_s["paper opened"] - from_s < 1.0
        assert 0 <= at_s["paper closed"] - from_s - 1.0 < 1.0
        time.sleep(0.6)
        assert [kind for kind, _ in turns(one)] == ["paper opened", "paper closed"]


def test_a_shelf_of_before_tells_the_turns_that_are_still_to_come(tmp_path: Path) -> None:
    now_s, path = time.time(), tmp_path / "shelf.sqlite"
    before = Schema(SHELF.application_id, SHELF.migrations[:3])
    old = Database(path, before)
    with old.writing() as writing:
        epoch = changes.epoch(writing)
        for name, from_s, until_s in (("future", now_s + 50, None), ("now", now_s - 50, now_s + 60), ("past", None, now_s - 1)):
            writing.run(
                "INSERT INTO paper (id, name, note, level, place, from_s, until_s, revision) "
                "VALUES (?, '', '', 'open', 0, ?, ?, 1)",
                name, from_s, until_s,
            )  # fmt: skip
    old.close()
    new = Database(path, SHELF)
    with new.writing() as writing:
        tell_turns(writing, now_s)
        assert changes.changes(writing, 0, 9) == []
        tell_turns(writing, now_s + 100)
        assert [(one.kind, one.paper) for one in changes.changes(writing, 0, 9)] == [
            ("paper opened", "future"),
            ("paper closed", "now"),
        ]
        assert changes.epoch(writing) != epoch, "older changes do not say who could see what they were about"
    new.close()
