"""Marks that were destroyed, or whose paper was purged, or whose owner has ended, are gone: no byte of them is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from marks_house import Clock, marked_shelf, note, prepared
from msgspec.structs import replace
from quiet import wait_until

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import StorageFailed
from sidebooks_core.marks import Anchor, Ink, Mark, MarkReader, MarkStore, Note, Stamp
from sidebooks_core.shelf import Paper, Shelf
from sidebooks_core.shelf.standing import papers_within

SECRET, LOST, QUOTE = "himitsu-no-memo-4711", "ushinawareta-bunshou", "inyou-sareta-kotoba"
STROKE = tuple((12.34567 + x, 76.54321 + x, 0.54321) for x in range(300))
NEEDLES = [one.encode() for one in (SECRET, LOST, QUOTE, "12.34567,76.54321")]


def found(folder: Path) -> list[bytes]:
    """Which of the secrets lie in the files of a folder."""
    content = b"\0".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [needle for needle in NEEDLES if needle in content]


def written(shelf: Shelf, paper: str) -> list[Mark]:
    """Marks of two owners with all that can be secret."""
    now_ms = int(Clock(1_700_000_000.0).now_ms)
    first = replace(note(LOST, now_ms, visibility="shared"), anchor=Anchor(1, 0, "", QUOTE))
    second = replace(first, stamp=Stamp(now_ms + 1, 0, "d"), body=Note(1.0, 2.0, SECRET, "#c00000"))
    stroke = replace(note("", now_ms), body=Ink(STROKE, 1.0, "#000000"))
    shelf.mark_store.push(paper, [first], "anna")
    shelf.mark_store.push(paper, [second, stroke], "anna")
    shelf.mark_store.push(paper, [replace(note(SECRET, now_ms), body=Ink(STROKE, 2.0, "#000000"))], "ben")
    return [second, stroke]


def destroy(shelf: Shelf, paper: str) -> None:
    done = shelf.mark_store.destroy([paper, "nowhere"], "clerk")
    assert (done.marks, done.texts) == (3, 1)
    [proof] = shelf.mark_store.destructions(paper)
    assert (proof.who, proof.marks, proof.texts) == ("clerk", 3, 1)


def end_owners(shelf: Shelf, paper: str) -> None:
    assert shelf.mark_store.end_owner("anna", "ben") == 3


def purge(shelf: Shelf, paper: str) -> None:
    shelf.purge(paper)


@pytest.mark.parametrize("remove", [destroy, end_owners, purge])
def test_no_byte_is_left(tmp_path: Path, remove: Callable[[Shelf, str], None]) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper, other = prepared(shelf, 1, 2).id, prepared(shelf, 3).id
        kept = shelf.marks(other, owner="carl").add(0, Note(1.0, 2.0, "stays", "#c00000"))
        written(shelf, paper)
        shelf.mark_store.read(paper, MarkReader("anna"), device="pad")
        shelf.mark_store.sweep()  # writes that
        assert found(tmp_path / "data") == NEEDLES
        remove(shelf, paper)
        wait_until(lambda: not found(tmp_path / "data"), "something is left", 60)
        assert list(shelf.marks(other, owner="carl")) == [kept]
        assert shelf.verify().is_whole
        with shelf.database.reading() as reading:
            for table in ("mark_lost_text", "mark_clamped"):
                assert reading.number(f"SELECT count(*) FROM {table}") == 0, table
            assert reading.number("SELECT count(*) FROM mark_device") == (remove is destroy), (
                "readers stay, and what they read goes"
            )
            assert reading.number("SELECT count(*) FROM mark") == 1
    assert found(tmp_path / "data") == []


@pytest.mark.parametrize("is_destroyed", [False, True])
def test_where_somebody_wrote_is_not_kept(is_destroyed: bool) -> None:
    with marked_shelf() as shelf:
        paper = prepared(shelf, 1, 2).id
        written(shelf, paper)
        if is_destroyed:
            shelf.mark_store.destroy([paper], "clerk")
        assert shelf.mark_store.people("anna") == ["anna"], "else nobody ends them"
        shelf.mark_store.read(paper, MarkReader("anna"), device="pad")
        shelf.mark_store.sweep()  # writes that
        shelf.mark_store.end_owner("anna")
        assert shelf.mark_store.people("anna") == []
        with shelf.database.reading() as reading:
            tables = reading.all(str, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'mark%'")
            assert "mark_horizon" in tables
            for table in tables:
                columns = reading.all(str, "SELECT name FROM pragma_table_info(?)", table)
                for column in {"owner", "reader"}.intersection(columns):
                    told = reading.number(f"SELECT count(*) FROM {table} WHERE {column} = 'anna'")
                    assert told == 0, (table, column)
            others = reading.number("SELECT count(*) FROM mark_use WHERE owner = 'ben'")
            assert others == (0 if is_destroyed else 1), "what is known of others stays"


def test_the_log_that_somebody_reads_is_cut_when_they_have_read(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper = prepared(shelf, 1, 2).id
        written(shelf, paper)
        with shelf.database.reading() as reading:
            reading.number("SELECT count(*) FROM paper")
            assert shelf.mark_store.destroy([paper], "clerk").is_in_log
            assert found(tmp_path / "data")
        wait_until(lambda: not found(tmp_path / "data"), "something is left", 60)


def test_no_device_brings_back_what_was_destroyed(tmp_path: Path) -> None:
    with marked_shelf() as shelf:
        paper = prepared(shelf, 1, 2).id
        marks = written(shelf, paper)
        store = shelf.mark_store
        anna, ben = store.read(paper, MarkReader("anna")), store.read(paper, MarkReader("ben"))
        assert len(ben.marks) == 2
        store.destroy([paper], "clerk")
        edited = [replace(mark, stamp=Stamp(mark.stamp.at_ms + 9, 0, "pad")) for mark in marks]
        answer = store.push(paper, edited, "anna")
        assert [(mark.body, mark.anchor.quote) for mark in answer.marks] == [(None, "")] * 2, "so the device forgets them"
        for reader, since in (("anna", anna.seq), ("ben", ben.seq)):
            after = store.read(paper, MarkReader(reader), since)
            assert (after.is_whole, after.marks) == (True, []), "the device forgets what it has"
        other = store.push(paper, edited, "ben")
        assert ([one.reason for one in other.refused], other.marks) == (["taken"] * 2, []), "as before the end"
        new = shelf.marks(paper, owner="anna").add(0, Note(1.0, 2.0, "after the minutes", "#c00000"))
        assert store.read(paper, MarkReader("anna"), after.seq).marks == [new]


def test_a_log_that_cannot_be_cut_does_not_hide_what_was_destroyed(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper = prepared(shelf, 1, 2).id
        written(shelf, paper)

        def fails() -> bool:
            raise StorageFailed("a file of something else is in use")

        store = MarkStore(shelf.database, cut_log=fails)
        done = store.destroy([paper], "clerk")
        assert (done.marks, done.texts, done.is_in_log, done.papers) == (3, 1, True, 1)
        store.push(paper, [note("x", 1)], "carl")
        assert store.end_owner("carl") == 1


def test_the_log_is_not_cut_for_somebody_who_has_only_read(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper = prepared(shelf, 1).id
        cuts: list[str] = []

        def cut_log() -> bool:
            cuts.append("cut")
            return True

        store = MarkStore(shelf.database, cut_log=cut_log)
        store.read(paper, MarkReader("guest"), device="pad")
        assert (store.end_owner("guest"), store.people("guest"), cuts) == (0, [], [])
        mark = note("x", 1)
        store.push(paper, [mark, replace(mark, body=None)], "guest")
        assert (store.end_owner("guest"), cuts) == (0, ["cut"]), "something is left of a deleted one"


def test_papers_are_found_in_the_step_that_destroys_their_marks(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf, ThreadPoolExecutor(1) as other:
        folder = shelf.make_folder("a")
        paper, late = prepared(shelf, 1, 2).id, prepared(shelf, 3).id
        written(shelf, paper)
        shelf.change(paper, folder=folder)
        moving: list[Future[Paper]] = []

        def find(reading: Reading) -> list[str]:
            moving.append(other.submit(shelf.change, late, folder=folder))
            assert isinstance(reading, Writing), "no paper comes in before the marks are gone"
            return papers_within(reading, folder.id)

        done = shelf.mark_store.destroy(find, "clerk")
        assert (done.papers, done.marks) == (1, 3)
        assert moving[0].result(60).folder == folder.id
        assert shelf.mark_store.read(paper, MarkReader("anna")).marks == []
