"""Versions of a mark: which one holds, what is kept of those that lost, and stamps that cannot be right."""

from __future__ import annotations

import itertools

import pytest
from marks_house import RED, Clock, clock, note, paper, shelf, store, texts
from msgspec.structs import replace

from sidebooks_core.marks import (
    Anchor,
    DeviceClock,
    MarkReader,
    MarkStore,
    Note,
    Stamp,
    new_mark_id,
)
from sidebooks_core.marks.model import Visibility
from sidebooks_core.shelf import Shelf

__all__ = ["clock", "paper", "shelf", "store"]

ANNA = MarkReader("anna")


def test_a_later_version_holds_whenever_it_comes_and_a_deleted_mark_never_comes_back(
    store: MarkStore, clock: Clock, paper: str
) -> None:
    evening, noon = note("17:00", clock.now_ms - 1000), note("14:02", clock.now_ms - 9000)
    noon = replace(noon, id=evening.id)
    store.push(paper, [evening], "anna")
    [held] = store.push(paper, [noon], "anna").marks
    assert texts([held]) == ["17:00"]
    store.push(paper, [replace(evening, body=None, stamp=Stamp(1, 0, "d"))], "anna")
    for version in (noon, evening, replace(evening, stamp=Stamp(clock.now_ms, 0, "d"))):
        [held] = store.push(paper, [version], "anna").marks
        assert held.body is None
    assert store.read(paper, ANNA).marks == []


def test_the_words_at_a_mark_go_with_it(shelf: Shelf, store: MarkStore, clock: Clock, paper: str) -> None:
    mark = replace(note("x", clock.now_ms), anchor=Anchor(1, 0, "", "words of the page"))
    store.push(paper, [mark], "anna")
    store.push(paper, [replace(mark, body=None)], "anna")
    with shelf.database.reading() as reading:
        assert reading.all(str, "SELECT quote FROM mark") == [""]


def test_versions_in_all_orders_leave_the_same_mark_and_the_same_texts(shelf: Shelf, clock: Clock, paper: str) -> None:
    stamps = [(1, "a"), (2, "b"), (3, "a"), (4, "c")]
    results = set()
    for order in itertools.permutations(range(4)):
        mark_id = new_mark_id()
        versions = [note(f"t{at}", clock.now_ms + at, device=device, mark_id=mark_id) for at, device in stamps]
        store = MarkStore(shelf.database, clock=clock)
        for number in [*order, order[0]]:
            store.push(paper, [versions[number]], "anna")
        held = store.find(paper, mark_id, "anna")
        assert held is not None
        lost = store.lost_texts(paper, mark_id, "anna")
        results.add((*texts([held]), *(f"{one.stamp.at_ms - clock.now_ms}{one.stamp.device}{one.text}" for one in lost)))
    assert results == {("t4", "3at3", "2bt2", "1at1")}


def test_texts_that_lost_are_kept_for_a_time_and_shown_to_the_owner(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    mark = note("first", clock.now_ms, visibility="shared")
    for at, text in enumerate(["first", "second", "second", None]):
        store.push(paper, [note(text, clock.now_ms + at, mark_id=mark.id, visibility="shared")], "anna")
    lost = store.lost_texts(paper, mark.id, "anna")
    assert [one.text for one in lost] == ["second", "first"], "also what was deleted; the same text is one"
    assert {one.lost_s for one in lost} == {clock.now_s}
    assert store.lost_texts(paper, mark.id, "ben") == []
    clock.now_s += 31 * 86_400
    assert store.lost_texts(paper, mark.id, "anna") == []
    store.sweep()
    with shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM mark_lost_text") == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_no_text_is_lost_whose_stamp_was_wrong(store: MarkStore, clock: Clock, paper: str, order: tuple[int, ...]) -> None:
    far_ms = clock.now_ms + 10 * 365 * 86_400_000
    mark_id = new_mark_id()
    versions = [note(f"v{at}", far_ms + at, mark_id=mark_id) for at in range(3)]
    for number in [*order, *order]:
        store.push(paper, [versions[number]], "anna")
    held = store.find(paper, mark_id, "anna")
    assert held is not None
    kept = [*texts([held]), *(one.text for one in store.lost_texts(paper, mark_id, "anna"))]
    assert sorted(kept) == ["v0", "v1", "v2"]


def test_a_stamp_that_cannot_be_right_holds_from_when_it_came_and_comes_twice_in_vain(
    store: MarkStore, clock: Clock, paper: str
) -> None:
    year_ms = 365 * 86_400_000
    wrong = note("wrong", clock.now_ms + 10 * year_ms, device="far")
    [held] = store.push(paper, [wrong], "anna").marks
    assert held.stamp == Stamp(clock.now_ms, 0, "far")
    clock.now_s += 60
    right = note("right", clock.now_ms - 1000, mark_id=wrong.id)
    store.push(paper, [right], "anna")
    clock.now_s += 60
    [held] = store.push(paper, [wrong], "anna").marks
    assert texts([held]) == ["right"], "it came before that"
    newer = replace(wrong, stamp=Stamp(wrong.stamp.at_ms + 5, 0, "far"), body=Note(1.0, 2.0, "newer", RED))
    older = replace(wrong, stamp=Stamp(wrong.stamp.at_ms + 2, 0, "far"), body=Note(1.0, 2.0, "older", RED))
    store.push(paper, [newer], "anna")
    clock.now_s += 60
    [held] = store.push(paper, [older], "anna").marks
    assert texts([held]) == ["newer"], "versions of a device stay in their order"
    clock.now_s += 20 * year_ms / 1000
    [held] = store.push(paper, [wrong], "anna").marks
    assert texts([held]) == ["newer"], "also when its time has come"
    several = [note(str(at), clock.now_ms + year_ms + at, device="far") for at in range(3)]
    stamps = [mark.stamp for mark in store.push(paper, several[::-1], "anna").marks]
    assert [stamp.counter for stamp in stamps] == [0, 1, 2]


def test_a_server_whose_clock_was_ahead_for_a_day_takes_edits_again(store: MarkStore, clock: Clock, paper: str) -> None:
    clock.now_s += 365 * 86_400
    device = DeviceClock("pad").met(clock.now_ms, 0)
    device, stamp = device.tick(10)
    mark = replace(note("from the future", 0), stamp=stamp)
    store.push(paper, [mark], "anna")
    clock.now_s -= 365 * 86_400
    answer = store.read(paper, ANNA)
    device = device.met(answer.server_ms, 1000).saw(answer.marks[0].stamp)
    device, stamp = device.tick(2000)
    edit = replace(mark, stamp=stamp, body=Note(1.0, 2.0, "edit", RED))
    for version in (edit, mark, edit):
        [held] = store.push(paper, [version], "anna").marks
        assert texts([held]) == ["edit"]
    device, stamp = device.met(clock.now_ms, 3000).saw(held.stamp).tick(4000)
    [held] = store.push(paper, [replace(mark, stamp=stamp, body=Note(1.0, 2.0, "another", RED))], "anna").marks
    assert texts([held]) == ["another"]


@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_a_file_never_says_to_whom_a_mark_is_shown(store: MarkStore, clock: Clock, paper: str, visibility: Visibility) -> None:
    """Its owner may change that while the file is read."""
    read = note("of the file", clock.now_ms, device="file")
    [held] = store.push(paper, [read], "anna", of_file=True).marks
    shown = replace(held, stamp=Stamp(clock.now_ms, 1, "pad"), visibility=visibility, anchor=Anchor(1, 0, "", "words"))
    store.push(paper, [shown], "anna")
    late: Visibility = "shared" if visibility == "private" else "private"
    later = replace(note("later", clock.now_ms + 9, device="file", mark_id=read.id), visibility=late)
    [held] = store.push(paper, [later], "anna", of_file=True).marks
    assert (texts([held]), held.visibility, held.anchor.quote) == (["later"], visibility, "words")
