"""Readings that come in parts: what is told in which of them, and when one begins anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from marks_house import Clock, clock, marked_shelf, note, prepared, shelf, store, texts
from msgspec.structs import replace

from sidebooks_core.marks import Mark, MarkReader, MarkStore, Stamp
from sidebooks_core.marks.reading import Place, SeenRows
from sidebooks_core.shelf import Shelf

__all__ = ["clock", "shelf", "store"]

BEN, CARL = MarkReader("ben"), MarkReader("carl")


@pytest.fixture
def paper(shelf: Shelf) -> str:
    return prepared(shelf, 1).id


def part(store: MarkStore, paper: str, reader: MarkReader, place: Place) -> SeenRows:
    """An answer of one mark."""
    return store.read_rows(paper, reader, place, most_bytes=1)


def told(answer: SeenRows) -> list[str]:
    return texts([row.mark() for row in answer.rows])


def later(mark: Mark, at: int, **changes: object) -> Mark:
    return replace(mark, stamp=Stamp(mark.stamp.at_ms + at, 0, "d"), **changes)


def test_a_reading_in_parts_begins_anew_if_a_backup_lacks_what_it_had(tmp_path: Path, clock: Clock) -> None:
    with marked_shelf(tmp_path / "data") as shelf:
        paper, store = prepared(shelf, 1).id, shelf.mark_store
        first, second = (note(text, clock.now_ms, visibility="shared") for text in ("first", "second"))
        store.push(paper, [first, second], "anna")
        since = store.read(paper, BEN).seq
        shelf.back_up(tmp_path / "backup")
        store.push(paper, [note("lost", clock.now_ms, visibility="shared"), later(first, 1)], "anna")
        begun = part(store, paper, BEN, Place(since))
        assert begun.rest is not None
        lost = replace(begun.rest, since=since)
    with marked_shelf(tmp_path / "backup") as shelf:
        for place in (begun.rest, lost):
            answer = part(shelf.mark_store, paper, BEN, place)
            assert (answer.is_whole, told(answer)) == (True, ["first"])
            assert answer.rest is not None
            assert not part(shelf.mark_store, paper, BEN, answer.rest).is_whole, "it goes on"


def test_a_newcomer_hears_nothing_of_marks_that_were_hidden_before_they_came(
    store: MarkStore, clock: Clock, paper: str
) -> None:
    hidden = [note(str(number), clock.now_ms, visibility="shared") for number in range(3)]
    shown = [note(text, clock.now_ms, visibility="shared") for text in ("a", "b", "c")]
    own = note("own", clock.now_ms)
    store.push(paper, [shown[0], *hidden], "anna")
    store.push(paper, [own], "carl")
    store.push(paper, [later(own, 1, body=None)], "carl")
    store.push(paper, [later(one, 1, visibility="private") for one in hidden], "anna")
    store.push(paper, shown[1:], "anna")
    begun = part(store, paper, CARL, Place())
    assert begun.rest is not None
    second = part(store, paper, CARL, begun.rest)
    assert (told(begun), told(second), second.gone) == (["a"], ["b"], [])
    store.push(paper, [later(shown[0], 1, body=None)], "anna")
    assert second.rest is not None
    third = part(store, paper, CARL, second.rest)
    assert (told(third), third.gone, third.rest) == (["c"], [shown[0].id], None), "they had this one"


def test_what_is_gone_is_told_once_and_counts_in_the_answer(store: MarkStore, clock: Clock, paper: str) -> None:
    marks = [note(str(number), clock.now_ms, visibility="shared") for number in range(40)]
    store.push(paper, marks, "anna")
    since = store.read(paper, BEN).seq
    store.push(paper, [later(one, 1, body=None) for one in marks[:30]], "anna")
    store.push(paper, [later(one, 1) for one in marks[30:33]], "anna")
    begun = store.read_rows(paper, BEN, Place(since), most_bytes=1200)
    assert (len(begun.gone), len(begun.rows)) == (30, 1), "the ids take all that is left"
    assert begun.rest is not None
    store.push(paper, [later(marks[39], 1, body=None)], "anna")
    second = store.read_rows(paper, BEN, begun.rest, most_bytes=1200)
    assert (second.gone, told(second), second.rest) == ([marks[39].id], ["31", "32"], None)
    assert not store.read(paper, BEN, second.seq).gone
