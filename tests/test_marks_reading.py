"""What a device is told of marks: what is new, what is gone, and when it begins anew."""

from __future__ import annotations

from typing import Any

import pytest
from marks_house import Clock, clock, note, paper, shelf, store, texts
from msgspec.structs import replace

from sidebooks_core.errors import StorageFailed
from sidebooks_core.marks import (
    MarkLimits,
    MarkNews,
    MarkReader,
    MarkStore,
    Stamp,
    ending,
    new_mark_id,
)
from sidebooks_core.marks.model import Visibility
from sidebooks_core.marks.reading import Place
from sidebooks_core.marks.rows import ENDED_BYTES
from sidebooks_core.shelf import Shelf

__all__ = ["clock", "paper", "shelf", "store"]

ANNA, BEN = MarkReader("anna"), MarkReader("ben")


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


def test_the_number_of_a_reader_tells_nothing_of_what_is_shown_to_others(store: MarkStore, clock: Clock, paper: str) -> None:
    member, chair = MarkReader("member", meetings=frozenset({"m"})), MarkReader("chair", chairs=frozenset({"m"}))
    store.push(paper, [note("all", clock.now_ms, visibility="shared")], "anna")
    mark, other = (note(text, clock.now_ms, visibility="shared", meeting="m") for text in "ab")

    def last(reader: MarkReader) -> int:
        number = store.last(paper, reader)
        assert store.read(paper, reader, 1).seq == number
        assert store.last(paper, replace(reader, pages=((0, 0),))) == number
        assert store.last(paper, replace(reader, pages=((1, 2),))) == 0
        return number

    def push(at: int, **changes: Any) -> int:
        return store.push(paper, [replace(mark, stamp=Stamp(clock.now_ms + at, 0, "d"), **changes)], "anna").seq

    store.push(paper, [mark, other], "anna")
    assert (last(BEN), last(member), last(chair), store.last(paper, ANNA)) == (1, 3, 3, 3)
    collected = push(1, visibility="collected")
    assert (last(BEN), last(member), last(chair)) == (1, collected, collected), "it goes for the member"
    edited = push(2, visibility="collected")
    assert (last(BEN), last(member), last(chair)) == (1, collected, edited)
    hidden = push(3, visibility="private", meeting="")
    push(4, visibility="private", meeting="")
    assert (last(BEN), last(member), last(chair)) == (1, collected, hidden)
    assert store.read(paper, member, edited).gone == []
    again = push(5)
    assert (last(BEN), last(member), last(chair)) == (1, again, again)


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


def test_a_long_reading_is_complete_in_the_end_when_nothing_can_be_written(
    shelf: Shelf, store: MarkStore, clock: Clock, paper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.push(paper, [note(str(number), clock.now_ms, visibility="shared") for number in range(3)], "anna")

    def full() -> None:
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(shelf.database, "writing", full)
    place, found = Place(), list[str]()
    for number in range(3):
        answer = store.read_rows(paper, BEN, place, device="pad", most_bytes=1)
        assert (answer.seq, answer.is_whole) == (0, number == 0)
        found += texts([row.mark() for row in answer.rows])
        assert (answer.rest is None) == (number == 2)
        place = answer.rest or Place()
    assert found == ["0", "1", "2"]


def test_what_others_deleted_unseen_makes_nobody_begin_anew(shelf: Shelf, clock: Clock, paper: str) -> None:
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(lost_texts_s=0.0))
    mark = note("x", clock.now_ms)
    store.push(paper, [mark, note("of all", clock.now_ms, visibility="shared")], "anna")
    first, own = (store.read(paper, reader, device="pad") for reader in (BEN, ANNA))
    clock.now_s += 1
    store.push(paper, [replace(mark, body=None)], "anna")
    clock.now_s += 1
    assert store.sweep() == 0, "her device does not know it"
    assert store.read(paper, ANNA, own.seq, device="pad").gone == [mark.id]
    assert store.sweep() == 1
    after = store.read(paper, BEN, first.seq, device="pad")
    assert (after.is_whole, after.seq) == (False, first.seq)
    assert store.read(paper, ANNA, own.seq, device="pad").is_whole
    store.push(paper, [note("y", clock.now_ms)], "guest")
    store.end_owner("guest")
    assert not store.read(paper, BEN, first.seq, device="pad").is_whole
    assert store.read(paper, MarkReader("guest"), first.seq).marks == []


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
