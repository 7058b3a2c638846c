"""Marks are kept: who sees what, what is refused, what lost, what is forgotten, and that it is on the disk."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from marks_house import RED, Clock, marked_shelf, note, pages, prepared, texts
from msgspec.structs import replace
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Schema
from sidebooks_core.errors import NotOnShelf, StorageFailed
from sidebooks_core.marks import (
    Anchor,
    DeviceClock,
    Ink,
    MarkLimits,
    MarkNews,
    MarkReader,
    MarkStore,
    Note,
    Stamp,
    ending,
    new_mark_id,
)
from sidebooks_core.marks.model import Visibility
from sidebooks_core.marks.rows import CLAMPED_BYTES, ENDED_BYTES, ROW_BYTES
from sidebooks_core.marks.schema import TABLES
from sidebooks_core.marks.taking import MOST_CLAMPED
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.upkeep import DATABASE_NAME
from sidebooks_core.testing import FakeEngine

ANNA, BEN = MarkReader("anna"), MarkReader("ben")


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with marked_shelf() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(shelf: Shelf, clock: Clock) -> Iterator[MarkStore]:
    made = MarkStore(shelf.database, clock=clock)
    yield made
    made.close()


@pytest.fixture
def paper(shelf: Shelf) -> str:
    return prepared(shelf, 1, 2, 3).id


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


def test_who_sees_a_mark_is_told_when_it_goes_and_nobody_else_is(store: MarkStore, clock: Clock, paper: str) -> None:
    chair = MarkReader("chair", chairs=frozenset({"m"}))
    member = MarkReader("member", meetings=frozenset({"m"}))
    clerk = MarkReader("clerk", tends=True)
    readers = {"anna": ANNA, "ben": BEN, "chair": chair, "member": member, "clerk": clerk}
    mark = note("x", clock.now_ms)

    def seen(at: int, since: int, **changes: Any) -> tuple[dict[str, str], int]:
        before = store.read(paper, ANNA).seq
        answer = store.push(paper, [replace(mark, stamp=Stamp(clock.now_ms + at, 0, "d"), **changes)], "anna")
        assert answer.seq == before + 1
        found = {}
        for name, reader in readers.items():
            changed = store.read(paper, reader, since)
            assert len(changed.marks) + len(changed.gone) <= 1
            found[name] = "sees" if changed.marks else "gone" if changed.gone else ""
        return found, answer.seq

    nobody = {"ben": "", "chair": "", "member": "", "clerk": ""}
    store.push(paper, [note("before", clock.now_ms)], "anna")
    found, since = seen(0, 1)
    assert found == {"anna": "sees", **nobody}
    found, since = seen(1, since, visibility="shared", meeting="m")
    assert found == {"anna": "sees", **nobody, "chair": "sees", "member": "sees"}
    found, since = seen(2, since, visibility="collected", meeting="m")
    assert found == {"anna": "sees", **nobody, "chair": "sees", "member": "gone"}
    found, since = seen(3, since, visibility="collected")
    assert found == {"anna": "sees", **nobody, "chair": "gone", "clerk": "sees"}, "the member was told before"
    found, since = seen(4, since)
    assert found == {"anna": "sees", **nobody, "clerk": "gone"}
    found, since = seen(5, since, body=None)
    assert found == {"anna": "gone", **nobody}
    for reader in readers.values():
        whole = store.read(paper, reader)
        assert (whole.is_whole, len(whole.marks), whole.gone) == (True, int(reader is ANNA), [])
    assert store.read(paper, MarkReader("")).marks == []


def test_edits_of_a_mark_that_is_private_again_are_told_to_nobody(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    told = 0

    def push(at: int, text: str | None, visibility: Visibility) -> tuple[int, list[MarkNews]]:
        nonlocal told
        mark = note(text, clock.now_ms + at, mark_id=mark_id, visibility=visibility)
        seq = store.push(paper, [mark], "anna").seq
        with shelf.database.reading() as reading:
            news, told = ending.news(reading, told)
        return seq, news

    mark_id = new_mark_id()
    public, private = [MarkNews(paper, "anna", (("shared", ""),))], [MarkNews(paper, "anna")]
    assert push(0, "x", "private") == (1, private)
    before = store.last(paper, BEN)
    shared, news = push(1, "x", "shared")
    assert news == public
    assert store.last(paper, BEN) == shared > before
    hidden, news = push(2, "x", "private")
    assert news == public, "it goes"
    assert store.read(paper, BEN, shared).gone == [mark_id]
    for at in range(3, 6):
        seq, news = push(at, str(at), "private")
        assert news == private
        assert store.read(paper, BEN, hidden).gone == []
        assert store.read(paper, BEN, shared).gone == [mark_id], "who has it still is told"
        assert (store.last(paper, BEN), store.last(paper, ANNA)) == (hidden, seq)
    again, news = push(6, "again", "shared")
    assert (news, texts(store.read(paper, BEN, hidden).marks), store.last(paper, BEN)) == (public, ["again"], again)
    gone, news = push(7, None, "shared")
    assert (news, store.read(paper, BEN, again).gone, store.last(paper, BEN)) == (public, [mark_id], gone)
    _, news = push(8, None, "shared")
    assert (news, store.read(paper, BEN, gone).gone, store.last(paper, BEN)) == (private, [], gone)


def test_what_was_never_shown_is_told_to_nobody_when_it_is_deleted(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    store.push(paper, [note("x", clock.now_ms)], "anna")
    before = store.last(paper, BEN)
    store.push(paper, [note(None, clock.now_ms, visibility="shared")], "anna")
    assert (store.read(paper, BEN, 1).gone, store.last(paper, BEN)) == ([], before)
    with shelf.database.reading() as reading:
        assert ending.news(reading, 0)[0] == [MarkNews(paper, "anna")]


def test_a_device_whose_reader_has_other_rights_begins_anew(store: MarkStore, clock: Clock, paper: str) -> None:
    store.push(paper, [note("x", clock.now_ms, visibility="shared", meeting="m")], "anna")
    first = store.read(paper, BEN, device="pad")
    assert (first.is_whole, first.marks) == (True, [])
    assert not store.read(paper, BEN, first.seq, device="pad").is_whole
    joined = store.read(paper, MarkReader("ben", meetings=frozenset({"m"})), first.seq, device="pad")
    assert (joined.is_whole, texts(joined.marks)) == (True, ["x"])
    left = store.read(paper, BEN, joined.seq, device="pad")
    assert (left.is_whole, left.marks) == (True, []), "they see it no more"
    assert store.read(paper, BEN, left.seq, device="another pad").is_whole
    store.push(paper, [note("y", clock.now_ms)], "anna")
    for _ in range(2):
        assert store.read(paper, BEN, left.seq, device="pad").is_whole is False, "two pages of a device may read"
    for since in (-1, 0, left.seq + 9):
        assert store.read(paper, BEN, since).is_whole, "no such number"


def test_how_far_devices_have_read_is_on_the_disk_with_a_push_now_and_then(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    def written() -> list[int]:
        with shelf.database.reading() as reading:
            return reading.all(int, "SELECT since FROM mark_device ORDER BY device")

    first = store.read(paper, ANNA, device="pad").seq
    assert written() == [first], "at once: another process must know it"
    clock.now_s += 61
    store.push(paper, [note("x", clock.now_ms)], "anna")
    second = store.read(paper, ANNA, first, device="pad").seq
    assert written() == [first] != [second]
    clock.now_s += 61
    store.push(paper, [note("y", clock.now_ms)], "anna")
    assert written() == [second]
    third = store.read(paper, ANNA, second, device="pad").seq
    store.push(paper, [note("z", clock.now_ms)], "anna")
    assert written() == [second], "not with each push"
    again = MarkStore(shelf.database, clock=clock)
    assert not again.read(paper, ANNA, third, device="pad").is_whole, "another process knows it"
    store.close()
    assert written() == [third]


def test_made_up_devices_of_one_reader_leave_those_of_others_known(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str
) -> None:
    seq = store.read(paper, BEN, device="pad").seq
    for number in range(60):
        clock.now_s += 1
        store.read(paper, ANNA, 1, device=f"d{number}")
    assert not store.read(paper, BEN, seq, device="pad").is_whole
    assert not store.read(paper, ANNA, store.read(paper, ANNA, device="d59").seq, device="d59").is_whole
    with shelf.database.reading() as reading:
        query = "SELECT count(*) FROM mark_device WHERE reader = ?"
        assert [reading.number(query, one) for one in ("anna", "ben")] == [store.limits.devices, 1]


def test_a_device_that_asks_two_processes_misses_nothing(shelf: Shelf, clock: Clock, paper: str) -> None:
    one, other = MarkStore(shelf.database, clock=clock), MarkStore(shelf.database, clock=clock)
    one.push(paper, [note("x", clock.now_ms, visibility="shared", meeting="m")], "anna")
    member = MarkReader("ben", meetings=frozenset({"m"}))
    first = one.read(paper, member, device="pad")
    assert texts(first.marks) == ["x"]
    first = one.read(paper, member, first.seq, device="pad")
    without = other.read(paper, BEN, first.seq, device="pad")
    assert (without.is_whole, without.marks) == (True, []), "the device drops it"
    again = one.read(paper, member, without.seq, device="pad")
    assert (again.is_whole, texts(again.marks)) == (True, ["x"])
    assert not other.read(paper, member, again.seq, device="pad").is_whole


def test_two_pages_of_a_device_do_not_make_each_other_begin_anew(store: MarkStore, clock: Clock, paper: str) -> None:
    store.push(paper, [note("x", clock.now_ms)], "anna")
    first = store.read(paper, BEN, device="pad").seq
    member = MarkReader("ben", meetings=frozenset({"m"}))
    tab, other = (store.read(paper, member, first, device="pad") for _ in range(2))
    assert (tab.is_whole, other.is_whole) == (True, True)
    for answer in (tab, other, tab, other):
        assert not store.read(paper, member, answer.seq, device="pad").is_whole


def test_a_reader_is_answered_when_nothing_can_be_written(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.push(paper, [note("x", clock.now_ms, visibility="shared")], "anna")

    def full() -> None:
        raise StorageFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(shelf.database, "writing", full)
        answer = store.read(paper, BEN, 1, device="pad")
        assert (answer.seq, answer.is_whole, texts(answer.marks)) == (0, True, ["x"])
    assert store.read(paper, BEN, answer.seq, device="pad").seq > 0


def test_an_answer_that_is_lost_is_given_again(store: MarkStore, clock: Clock, paper: str) -> None:
    store.push(paper, [note("x", clock.now_ms, visibility="shared", meeting="m")], "anna")
    first = store.read(paper, BEN, device="pad")
    member = MarkReader("ben", meetings=frozenset({"m"}))
    lost = store.read(paper, member, first.seq, device="pad")
    again = store.read(paper, member, first.seq, device="pad")
    assert (lost.is_whole, again.is_whole, texts(again.marks)) == (True, True, ["x"])
    assert again.seq > first.seq, "else nobody could tell whether the device has it"
    after = store.read(paper, member, again.seq, device="pad")
    assert (after.is_whole, after.marks) == (False, [])


def test_what_is_deleted_is_forgotten_when_all_devices_know_it(shelf: Shelf, clock: Clock, paper: str) -> None:
    limits = MarkLimits(lost_texts_s=0.0)
    store = MarkStore(shelf.database, clock=clock, limits=limits)
    mark = note("x", clock.now_ms)
    store.push(paper, [mark], "anna")
    old = store.read(paper, ANNA, device="old pad")
    new = store.read(paper, ANNA, device="new pad")
    clock.now_s += 1
    store.push(paper, [replace(mark, body=None)], "anna")
    new = store.read(paper, ANNA, new.seq, device="new pad")
    assert new.gone == [mark.id]
    assert store.sweep() == 0, "the old one does not know it"
    old = store.read(paper, ANNA, old.seq, device="old pad")
    assert old.gone == [mark.id]
    clock.now_s += 1
    assert store.sweep() == 1
    assert not store.read(paper, ANNA, old.seq, device="old pad").is_whole
    assert store.read(paper, ANNA, old.seq - 1).is_whole, "who does not know of it begins anew"
    [held] = store.push(paper, [mark], "anna").marks
    assert (held.id, held.body) == (mark.id, None)
    assert store.read(paper, ANNA).marks == []
    again = note("y", clock.now_ms)
    store.push(paper, [again], "anna")
    store.push(paper, [replace(again, body=None)], "anna")
    clock.now_s += 401 * 86_400
    assert store.sweep() == 1, "a device that does not come is not waited for for ever"
    kept = MarkStore(shelf.database, clock=clock)
    with_text = note("text", clock.now_ms)
    kept.push(paper, [with_text], "ben")
    kept.push(paper, [replace(with_text, body=None)], "ben")
    kept.read(paper, BEN, device="pad")
    assert kept.sweep() == 0, "its text is kept, and so is the mark"
    assert [one.text for one in kept.lost_texts(paper, with_text.id, "ben")] == ["text"]
    clock.now_s += 31 * 86_400
    assert kept.sweep() == 1
    assert store.read(paper, ANNA, old.seq, device="old pad").is_whole
    with shelf.database.reading() as reading:
        assert set(
            reading.all(int, "SELECT marks FROM mark_use UNION ALL SELECT bytes - ended * ? FROM mark_use", ENDED_BYTES)
        ) == {0}


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
        wait_until(lambda: told[2:] == [MarkNews(paper, "")], "they are not told of the end", 30)
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
