"""Marks are kept: what is refused, found, told to other processes, and that a backup has them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from marks_house import RED, Clock, clock, marked_shelf, note, pages, paper, prepared, shelf, store, texts
from msgspec.structs import replace
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Schema
from sidebooks_core.errors import NotOnShelf
from sidebooks_core.marks import (
    Anchor,
    MarkNews,
    MarkReader,
    MarkStore,
    Note,
    Stamp,
)
from sidebooks_core.marks.schema import TABLES
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.upkeep import DATABASE_NAME
from sidebooks_core.testing import FakeEngine

__all__ = ["clock", "paper", "shelf", "store"]

ANNA, BEN = MarkReader("anna"), MarkReader("ben")


def test_a_mark_has_the_owner_and_the_content_id_that_the_server_knows(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    told = replace(note("a", clock.now_ms, page=2), owner="somebody else", anchor=Anchor(1, 2, "made up", "words"))
    answer = store.push(paper, [told], "anna")
    [kept] = answer.marks
    assert kept == replace(told, owner="anna", anchor=Anchor(1, 2, shelf.document(paper).content_id(2), "words"))
    assert (answer.server_ms, answer.refused) == (clock.now_ms, [])
    found = store.read(paper, ANNA)
    assert (found.marks, found.gone, found.is_whole, found.seq) == ([kept], [], True, answer.seq)
    assert store.find(paper, told.id, "anna") == kept
    assert store.find(paper, told.id, "ben") is None
    with pytest.raises(NotOnShelf):
        store.push("nowhere", [told], "anna")
    with pytest.raises(NotOnShelf):
        store.read("nowhere", ANNA)
    with pytest.raises(sb.RequestError, match="owner"):
        store.push(paper, [told], "")


def test_a_content_id_that_is_not_known_yet_is_filled_in_later(clock: Clock) -> None:
    settings = sb.Settings(cache_dir=None, workers=1)
    with sb.TileService(settings, pool=FakeEngine().pool) as service, Shelf(None, service, prepares=False) as shelf:
        paper = shelf.register(pages(1, 2), name="a").id
        mark = note("a", clock.now_ms, page=1)
        shelf.mark_store.push(paper, [mark], "anna")
        with shelf.database.writing() as writing:
            writing.run("INSERT INTO page VALUES (?, 1, 1, 'known by now')", paper)
        [found] = shelf.mark_store.read(paper, ANNA).marks
        assert found.anchor.content_id == "known by now"
        seq = shelf.mark_store.read(paper, ANNA).seq
        assert shelf.mark_store.push(paper, [mark], "anna").seq == seq, "the same version is no change"


def test_one_mark_that_is_refused_keeps_no_other_from_being_taken(
    store: MarkStore, clock: Clock, paper: str, shelf: Shelf
) -> None:
    other = prepared(shelf, 7).id
    of_ben, elsewhere, good = note("b", clock.now_ms), note("e", clock.now_ms), note("g", clock.now_ms)
    store.push(paper, [of_ben], "ben")
    store.push(other, [elsewhere], "anna")
    bad = [
        (replace(of_ben, stamp=Stamp(clock.now_ms + 9, 0, "d")), "taken"),
        (replace(elsewhere, stamp=Stamp(clock.now_ms + 9, 0, "d")), "paper"),
        (note("p", clock.now_ms, page=3), "page"),
        (replace(note("r", clock.now_ms), anchor=Anchor(2, 0, "")), "page"),
        (replace(note("i", clock.now_ms), id="no id"), "invalid"),
        (replace(note("n", clock.now_ms), body=Note(float("nan"), 0.0, "", RED)), "invalid"),
    ]
    answer = store.push(paper, [*(mark for mark, _ in bad), good], "anna")
    assert {one.id: one.reason for one in answer.refused} == {mark.id: reason for mark, reason in bad}
    assert all(one.detail for one in answer.refused)
    assert [mark.id for mark in answer.marks] == [good.id]
    assert texts(store.read(paper, BEN).marks) == ["b"], "nobody changes the mark of another"


def test_notes_are_searched_over_papers(shelf: Shelf, store: MarkStore, clock: Clock, paper: str) -> None:
    other = prepared(shelf, 8).id
    store.push(paper, [note("ＢＵＤＧＥＴ 予算", clock.now_ms), note("道路", clock.now_ms)], "anna")
    store.push(other, [note("budget: roads", clock.now_ms + 1)], "anna")
    store.push(paper, [note("budget of ben", clock.now_ms, visibility="shared")], "ben")
    assert [found.paper_id for found in store.search("anna", "budget")] == [other, paper]
    assert [found.paper_id for found in store.search("anna", "Budget", 1)] == [other]
    assert texts([found.mark for found in store.search("anna", "予算 budget")]) == ["ＢＵＤＧＥＴ 予算"]
    assert texts([found.mark for found in store.search("anna", "budget", paper_id=other)]) == ["budget: roads"]
    for owner, query in (("anna", " "), ("anna", "nothing"), ("", "budget"), ("carl", "budget")):
        assert store.search(owner, query) == []


def test_a_reader_waits_for_no_writer_and_pushes_of_many_are_taken(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    answers: list[object] = []

    def push(owner: str, paper_id: str) -> None:
        try:
            answers.append(store.push(paper_id, [note(owner, clock.now_ms)], owner))
        except NotOnShelf as fault:
            answers.append(fault)

    threads = [threading.Thread(target=push, args=(f"o{number}", paper)) for number in range(30)]
    threads.append(threading.Thread(target=push, args=("lost", "nowhere")))
    with shelf.database.writing():
        for thread in threads:
            thread.start()
        with ThreadPoolExecutor(1) as other:
            assert other.submit(store.read, paper, ANNA).result(60).marks == []
    for thread in threads:
        thread.join(60)
    assert sum(isinstance(answer, NotOnShelf) for answer in answers) == 1
    assert len(answers) == 31
    for number in range(30):
        assert texts(store.read(paper, MarkReader(f"o{number}")).marks) == [f"o{number}"]


def test_another_process_is_told_and_reads_the_same(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as ours, marked_shelf(tmp_path / "data") as theirs:
        paper = prepared(ours, 1).id
        told: list[MarkNews] = []
        theirs.mark_store.tell(lambda news: told.extend(news))

        def fails(news: Sequence[MarkNews]) -> None:
            raise ValueError("of a listener")

        ours.mark_store.tell(fails)
        marks = ours.marks(paper, owner="anna")
        mark = marks.add(0, Note(1.0, 2.0, "x", RED))
        wait_until(lambda: told == [MarkNews(paper, "anna")], "they are not told", 30)
        assert list(theirs.marks(paper, owner="anna")) == [mark]
        theirs.marks(paper, owner="anna").share(mark.id)
        wait_until(lambda: told[1:] == [MarkNews(paper, "anna", (("shared", ""),))], "they are not told of the second", 30)
        assert texts(ours.mark_store.read(paper, BEN).marks) == ["x"]
        assert ours.mark_store.end_owner("anna", "nobody") == 1
        ends = [MarkNews(paper, "", (("shared", ""),))]
        wait_until(lambda: told[2:] == ends, "they are not told of the end", 30)
        since = theirs.mark_store.read(paper, BEN, 2)
        assert (since.is_whole, since.marks) == (True, [])


def test_a_shelf_from_before_there_were_marks_has_them_now(tmp_path: Path) -> None:
    before = Schema(SHELF.application_id, SHELF.migrations[: SHELF.migrations.index(TABLES)])
    Database(tmp_path / DATABASE_NAME, before).close()
    with marked_shelf(tmp_path) as shelf:
        marks = shelf.marks(prepared(shelf, 1), owner="anna")
        mark = marks.add(0, Note(1.0, 2.0, "x", RED))
        assert (list(marks), marks.since(0).seq) == ([mark], 1)


def test_a_backup_has_the_marks_and_numbers_of_its_own(tmp_path: Path) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper = prepared(shelf, 1, 2).id
        marks = shelf.marks(paper, owner="anna")
        mark = marks.add(1, Note(1.0, 2.0, "before", RED))
        before = marks.since(0)
        shelf.back_up(tmp_path / "backup")
        marks.add(1, Note(1.0, 2.0, "after", RED))
        after = marks.since(before.seq)
        assert not after.is_whole
    with marked_shelf(tmp_path / "backup") as shelf:
        marks = shelf.marks(paper, owner="anna")
        assert list(marks) == [mark]
        assert marks.since(after.seq).is_whole, "that number is of what is not here"
        marks.add(0, Note(1.0, 2.0, "new", RED))
        assert marks.since(after.seq).is_whole
        known = marks.since(before.seq)
        assert (known.is_whole, texts(known.marks)) == (False, ["new"]), "that number is of both"
        assert shelf.verify().is_whole
