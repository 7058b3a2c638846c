"""What a reader may know of the marks of a paper is about marks that they could see, and takes no look at the others."""

from __future__ import annotations

import random

import pytest
from marks_house import Clock, clock, marked_shelf, note, paper, prepared, shelf, store
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.marks import Anchor, Mark, MarkLimits, MarkReader, MarkStore, Stamp
from sidebooks_core.marks.answers import MarkNews
from sidebooks_core.marks.ending import news
from sidebooks_core.marks.model import Visibility
from sidebooks_core.marks.visibility import Audience, audiences_with, is_for
from sidebooks_core.shelf import Shelf

__all__ = ["clock", "paper", "shelf", "store"]

ANNA, BEN = MarkReader("anna"), MarkReader("ben")
AUDIENCES: list[Audience] = [
    ("shared", ""), ("collected", ""), ("shared", "m"), ("collected", "m"), ("shared", "n"), ("collected", "n"),
]  # fmt: skip
READERS = [
    MarkReader(name, tends, frozenset(meetings), frozenset(chairs), pages)
    for name in ("", "anna", "ben", "carl")
    for tends, meetings, chairs in ((False, "", ""), (True, "", ""), (False, "m", ""), (False, "mn", ""), (False, "n", "m"))
    for pages in (None, ((0, 0),), ((1, 1), (2, 2)))
]


class Standing(Struct, frozen=True, array_like=True):
    """A mark, as it stands in the table."""

    id: str
    owner: str
    seq: int
    visibility: Visibility
    meeting: str
    page: int
    is_deleted: bool

    @property
    def seen_by(self) -> tuple[Audience, int] | None:
        """By whom beside its owner, and on which page."""
        return None if self.visibility == "private" or self.is_deleted else ((self.visibility, self.meeting), self.page)


class Ledger:
    """Counts over all marks, after each step, who could see that something has changed."""

    def __init__(self, shelf: Shelf, store: MarkStore, paper: str) -> None:
        self.shelf, self.store, self.paper = shelf, store, paper
        self.rows: dict[str, Standing] = {}
        self.owners: dict[str, int] = {}
        self.audiences: dict[tuple[Audience, int], int] = {}

    def count(self) -> None:
        with self.shelf.database.reading() as reading:
            query = "SELECT id, owner, seq, visibility, meeting, page, body IS NULL FROM mark"
            rows = {one.id: one for one in reading.all(Standing, query)}
            last = reading.number("SELECT CAST(value AS INTEGER) FROM about WHERE name = 'mark_seq'")
        for before in self.rows.values():
            after = rows.get(before.id)
            if after is None and not before.is_deleted:
                self.note(before, None, last)
        for after in rows.values():
            known = self.rows.get(after.id)
            if known != after:
                self.note(known or after, after, after.seq)
        self.rows = rows

    def note(self, before: Standing, after: Standing | None, seq: int) -> None:
        self.owners[before.owner] = seq
        for seen_by in (before.seen_by, None if after is None else after.seen_by):
            if seen_by is not None:
                self.audiences[seen_by] = seq

    def last(self, reader: MarkReader) -> int:
        seen = [seq for (one, page), seq in self.audiences.items() if reader.has_page(page) and is_for(one, reader)]
        return max([0, self.owners.get(reader.id, 0), *seen])


@pytest.mark.parametrize("seed", range(4))
def test_the_number_that_is_kept_is_that_of_a_count_over_all_marks(seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    with marked_shelf() as shelf:
        paper = prepared(shelf, 1, 2, 3).id
        store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(lost_texts_s=100.0, deleted_s=3000.0))
        ledger = Ledger(shelf, store, paper)
        marks: dict[str, list[Mark]] = {"anna": [], "ben": []}

        def push() -> None:
            owner = chance.choice(list(marks))
            visibility, meeting = chance.choice([("private", ""), *AUDIENCES])
            body = None if chance.random() < 0.2 else note(str(chance.random()), 0).body
            there = marks[owner]
            mark = chance.choice(there) if there and chance.random() < 0.8 else note("", 0)
            stamp = Stamp(clock.now_ms - chance.randrange(2000), 0, "d")
            anchor = Anchor(1, chance.randrange(3), "")
            there.append(replace(mark, stamp=stamp, anchor=anchor, body=body, visibility=visibility, meeting=meeting))
            store.push(paper, [there[-1]], owner)

        def end() -> None:
            owner = chance.choice(list(marks))
            store.end_owner(owner)
            marks[owner] = []
            ledger.count()
            ledger.owners.pop(owner, None)  # where they wrote is forgotten, too

        def destroy() -> None:
            store.destroy([paper], "clerk")

        def sweep() -> None:
            clock.now_s += chance.choice([1, 200, 4000])
            store.sweep()

        def read() -> None:
            store.read(paper, chance.choice(READERS), device=chance.choice("xy"))

        for _ in range(150):
            clock.now_s += 1
            chance.choice([*[push] * 40, *[read] * 6, *[sweep] * 6, end, destroy])()
            ledger.count()
            told = {reader: store.last(paper, reader) for reader in READERS}
            assert told == {reader: ledger.last(reader) for reader in READERS}
        assert max(told.values()) > 40
        store.close()


def test_the_audiences_of_a_reader_are_those_that_include_them() -> None:
    for reader in READERS:
        assert sorted(audiences_with(reader)) == sorted(one for one in AUDIENCES if is_for(one, reader))


def test_who_saw_nothing_of_what_ends_learns_nothing_of_it(shelf: Shelf, store: MarkStore, clock: Clock, paper: str) -> None:
    member = MarkReader("member", meetings=frozenset({"m"}))
    clerk, elsewhere = MarkReader("clerk", tends=True), replace(member, pages=((1, 2),))
    readers = {"ben": BEN, "member": member, "on another page": elsewhere, "clerk": clerk}

    def ends(how: str) -> dict[str, bool]:
        store.push(paper, [note("all", clock.now_ms, visibility="shared", page=1)], "anna")
        store.push(paper, [note("m", clock.now_ms, visibility="shared", meeting="m")], "guest")
        before = {name: store.read(paper, reader, device=name) for name, reader in readers.items()}
        with shelf.database.reading() as reading:
            _, told = news(reading, 0)
        store.end_owner("guest") if how == "the guest leaves" else store.destroy([paper], "clerk")
        with shelf.database.reading() as reading:
            about, _ = news(reading, told)
        expected = [MarkNews(paper, "", (("shared", "m"),), 0)]
        if how == "destroyed":
            expected += [MarkNews(paper, "guest"), MarkNews(paper, "anna"), MarkNews(paper, "", (("shared", ""),), 1)]
        assert set(about) == set(expected)
        found = {}
        for name, reader in readers.items():
            after = store.read(paper, reader, before[name].seq, device=name)
            found[name] = after.is_whole
            assert (after.seq > before[name].seq) == after.is_whole == (store.last(paper, reader) > before[name].seq)
        return found

    assert ends("the guest leaves") == {"ben": False, "member": True, "on another page": False, "clerk": False}
    assert ends("destroyed") == dict.fromkeys(readers, True), "all of them saw one that was shared with all, on page 2"


def test_what_others_did_not_see_any_more_ends_unseen(store: MarkStore, clock: Clock, paper: str) -> None:
    mark = note("x", clock.now_ms, visibility="shared")
    store.push(paper, [mark], "anna")
    shared = store.read(paper, BEN, device="pad")
    store.push(paper, [replace(mark, stamp=Stamp(clock.now_ms, 1, "d"), visibility="private")], "anna")
    known = store.read(paper, BEN, shared.seq, device="pad")
    assert known.gone == [mark.id]
    store.end_owner("anna")
    after = store.read(paper, BEN, known.seq, device="pad")
    assert (after.is_whole, after.seq) == (False, known.seq), "they were told that they see it no more"
    assert store.read(paper, BEN, shared.seq).is_whole, "who was not told begins anew"


def test_whoever_may_read_a_page_that_a_mark_leaves_is_told_that_it_goes(store: MarkStore, clock: Clock, paper: str) -> None:
    mark = note("x", clock.now_ms, visibility="shared")
    first, second = (MarkReader(name, pages=((page, page),)) for page, name in enumerate(("first", "second")))
    store.push(paper, [mark], "anna")
    before = {reader: store.read(paper, reader, device="pad").seq for reader in (first, second)}
    store.push(paper, [replace(mark, stamp=Stamp(clock.now_ms, 1, "d"), anchor=Anchor(1, 1, ""))], "anna")
    gone, come = (store.read(paper, reader, before[reader], device="pad") for reader in (first, second))
    assert (gone.marks, gone.gone) == ([], [mark.id])
    assert ([one.id for one in come.marks], come.gone) == ([mark.id], [])
    store.push(paper, [replace(mark, stamp=Stamp(clock.now_ms, 2, "d"), anchor=Anchor(1, 1, ""))], "anna")
    after = store.read(paper, first, gone.seq, device="pad")
    assert (after.seq, after.gone) == (gone.seq, []), "what becomes of it there is not for them"


def test_a_mark_that_was_deleted_waits_for_devices_that_could_see_it(shelf: Shelf, clock: Clock, paper: str) -> None:
    store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(lost_texts_s=0.0))
    member = MarkReader("member", meetings=frozenset({"m"}))

    def deleted() -> Mark:
        mark = note("x", clock.now_ms, visibility="shared", meeting="m")
        store.push(paper, [mark], "anna")
        store.push(paper, [replace(mark, body=None)], "anna")
        clock.now_s += 1
        return mark

    others = [BEN, MarkReader("clerk", tends=True), replace(member, id="elsewhere", pages=((1, 2),))]
    for one in others:
        store.read(paper, one, device="pad")
    deleted()
    assert store.sweep() == 1, "nobody is there who could see it"
    known = store.read(paper, member, device="pad").seq
    mark = deleted()
    assert store.sweep() == 0, "the member's device does not know it"
    known = store.read(paper, member, known, device="pad")
    assert known.gone == [mark.id]
    assert store.sweep() == 1
    deleted()
    left = store.read(paper, replace(member, meetings=frozenset()), known.seq, device="pad")
    assert (left.is_whole, store.sweep()) == (True, 1), "who is not in the meeting any more knows no mark of it"
    assert not any(store.read(paper, one, left.seq, device="pad").gone for one in others)
    store.close()
