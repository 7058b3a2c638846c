"""What the marks of an owner, and of a paper, may take, and how it is counted."""

from __future__ import annotations

import random

import pytest
from marks_house import RED, Clock, clock, note, paper, shelf, store
from msgspec.structs import replace

import sidebooks_core as sb
from sidebooks_core.marks import (
    Ink,
    MarkLimits,
    MarkStore,
    Note,
    Stamp,
    ending,
    new_mark_id,
)
from sidebooks_core.marks.rows import CLAMPED_BYTES, ENDED_BYTES, ROW_BYTES
from sidebooks_core.marks.taking import MOST_CLAMPED
from sidebooks_core.shelf import Shelf

__all__ = ["clock", "paper", "shelf", "store"]


def assert_counted(shelf: Shelf, paper: str) -> None:
    """What was added up for anna at each push is what there is."""
    query = "SELECT bytes FROM mark_use WHERE owner = 'anna'"
    with shelf.database.writing() as writing:
        added_up = writing.number(query)
        ending.count_anew(writing, paper, "anna")
        assert added_up == writing.number(query) > 0


def test_wrong_stamps_of_a_mark_are_few_and_count(shelf: Shelf, store: MarkStore, clock: Clock, paper: str) -> None:
    far_ms = clock.now_ms + 10 * 365 * 86_400_000
    mark_id = new_mark_id()
    for at in range(20):
        store.push(paper, [note("x", far_ms + at, device=f"d{at}", mark_id=mark_id)], "anna")
    assert_counted(shelf, paper)
    with shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM mark_clamped") == MOST_CLAMPED
        assert reading.number("SELECT bytes FROM mark_use") > ROW_BYTES + MOST_CLAMPED * CLAMPED_BYTES


def test_what_is_left_of_marks_that_were_forgotten_counts(shelf: Shelf, clock: Clock, paper: str) -> None:
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(bytes=1000))
    for _ in range(3):
        mark = note("", clock.now_ms)
        store.push(paper, [mark], "anna")
        store.push(paper, [replace(mark, body=None)], "anna")
        clock.now_s += 401 * 86_400
        assert store.sweep() == 1
    store.push(paper, [note("", clock.now_ms)], "ben")
    assert_counted(shelf, paper)
    with shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM mark_ended") == 3
        assert reading.number("SELECT bytes FROM mark_use WHERE owner = 'anna'") == 3 * ENDED_BYTES
    big = note("x" * 600, clock.now_ms)
    assert [one.reason for one in store.push(paper, [big], "anna").refused] == ["limit"]
    assert store.push(paper, [note("y" * 300, clock.now_ms)], "anna").refused == []


def test_of_the_texts_that_lost_the_newest_are_kept(shelf: Shelf, clock: Clock, paper: str) -> None:
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(lost_texts=3))
    mark = note("9", clock.now_ms + 9)
    numbers = list(range(10))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        store.push(paper, [note(str(number), clock.now_ms + number, mark_id=mark.id)], "anna")
    assert [one.text for one in store.lost_texts(paper, mark.id, "anna")] == ["8", "7", "6"]
    assert_counted(shelf, paper)


def test_an_owner_who_has_too_much_is_told_which_limit(shelf: Shelf, clock: Clock, paper: str) -> None:
    stroke = Ink(tuple((float(x), 2.0, 0.5) for x in range(100)), 1.0, "#000000")
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(marks=3, bytes=6000, marks_in_push=5))
    marks = [replace(note("x", clock.now_ms), body=stroke) for _ in range(5)]
    answer = store.push(paper, marks, "anna")
    assert [one.reason for one in answer.refused] == ["limit", "limit"]
    assert {"MarkLimits.marks" in one.detail for one in answer.refused} == {True}
    big = replace(answer.marks[0], stamp=Stamp(clock.now_ms, 1, "d"), body=replace(stroke, samples=stroke.samples * 3))
    [refused] = store.push(paper, [big], "anna").refused
    assert "MarkLimits.bytes" in refused.detail
    with pytest.raises(sb.RequestError, match="marks_in_push"):
        store.push(paper, marks * 2, "anna")
    assert len(store.push(paper, marks[:2], "ben").marks) == 0, "the ids are taken"
    assert len(store.push(paper, [note("mine", clock.now_ms)], "ben").marks) == 1, "others have room"
    assert store.push(paper, [replace(answer.marks[0], body=None)], "anna").refused == [], "deleting makes room"
    long = replace(answer.marks[0], body=Note(1.0, 2.0, "x" * 5000, RED))
    [held] = store.push(paper, [long], "anna").marks
    assert held.body is None
    assert store.lost_texts(paper, held.id, "anna") == [], "what is too much is not kept beside a deleted mark either"
    assert_counted(shelf, paper)


def test_the_marks_that_others_see_are_bounded_for_each_paper(shelf: Shelf, clock: Clock, paper: str) -> None:
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(paper_bytes=1000))
    first = note("a", clock.now_ms, visibility="shared")
    assert store.push(paper, [first], "anna").refused == []
    assert store.push(paper, [note("b", clock.now_ms, visibility="shared")], "ben").refused == []
    many = note("c", clock.now_ms, visibility="shared")
    refused = store.push(paper, [many], "carl").refused
    assert [(one.id, one.reason) for one in refused] == [(many.id, "limit")]
    assert "paper_bytes" in refused[0].detail
    assert store.push(paper, [note("c" * 2000, clock.now_ms)], "carl").refused == [], "nobody else reads it"
    assert store.push(paper, [replace(first, stamp=Stamp(clock.now_ms, 1, "d"), body=None)], "anna").refused == []
    store.end_owner("ben")
    assert store.push(paper, [many], "carl").refused == []
