"""Whatever happens, who reads what changed has the same marks as who reads everything."""

from __future__ import annotations

import random

import pytest
from marks_house import RED, Clock, marked_shelf, note, prepared
from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.marks import Anchor, Mark, MarkLimits, MarkReader, MarkStore, Note, Stamp
from sidebooks_core.marks.model import Visibility
from sidebooks_core.marks.reading import Place

VISIBLE: list[tuple[Visibility, str]] = [
    ("private", ""), ("shared", ""), ("shared", "m"), ("shared", "n"), ("collected", ""), ("collected", "m"),
]  # fmt: skip
PAGES = [None, None, ((0, 0),), ((1, 2),)]
MEETINGS = [frozenset[str](), frozenset({"m"}), frozenset({"n"}), frozenset({"m", "n"})]


class Pad(Struct):
    """A device that reads what changed. Some of its answers are lost on the way."""

    name: str
    reader: MarkReader
    since: int = 0
    rest: Place | None = None
    """Of a reading that is not complete."""
    most_bytes: int | None = None
    has: dict[str, Mark] = field(default_factory=dict)

    def read(self, store: MarkStore, paper: str, is_lost: bool) -> None:
        answer = store.read_rows(
            paper, self.reader, self.rest or Place(self.since), device=self.name, most_bytes=self.most_bytes
        )
        if is_lost:
            return
        if answer.is_whole:
            self.has = {}
        for mark_id in answer.gone:
            self.has.pop(mark_id, None)
        self.has |= {row.id: row.mark() for row in answer.rows}
        self.rest = answer.rest
        if self.rest is None:
            self.since = answer.seq

    def read_all(self, store: MarkStore, paper: str) -> None:
        self.read(store, paper, is_lost=False)
        while self.rest is not None:
            self.read(store, paper, is_lost=False)


class Town:
    """Owners who write, pads that read, and what else may happen."""

    def __init__(self, store: MarkStore, paper: str, clock: Clock, chance: random.Random) -> None:
        self.store, self.paper, self.clock, self.chance = store, paper, clock, chance
        self.known: dict[str, list[Mark]] = {"anna": [], "ben": [], "guest": []}
        self.gone = set[str]()
        """Ids of marks that were deleted or destroyed."""
        names = [*self.known, "carl", "clerk"]
        self.pads = [
            Pad(f"{name}-{number}", self.reader(name), most_bytes=most_bytes)
            for name in names
            for number, most_bytes in enumerate((None, 1, 1500))
        ]

    def reader(self, name: str) -> MarkReader:
        chosen = self.chance.choice
        chairs = frozenset({"m"}) if name == "clerk" else frozenset[str]()
        return MarkReader(name, tends=name == "clerk", meetings=chosen(MEETINGS), chairs=chairs, pages=chosen(PAGES))

    def push(self) -> None:
        owner = self.chance.choice(list(self.known))
        visibility, meeting = self.chance.choice(VISIBLE)
        stamp = Stamp(self.clock.now_ms - self.chance.randrange(9000), self.chance.randrange(3), "d")
        body = None if self.chance.random() < 0.15 else Note(1.0, 2.0, str(self.chance.random()), RED)
        known = self.known[owner]
        mark = self.chance.choice(known) if known and self.chance.random() < 0.6 else note("", 0)
        if self.chance.random() < 0.3:  # as the annotation of another revision is
            mark = replace(mark, anchor=Anchor(1, self.chance.randrange(3), ""))
        known.append(replace(mark, stamp=stamp, body=body, visibility=visibility, meeting=meeting))
        given = [known[-1], *self.chance.choices(known, k=self.chance.randrange(3))]
        answer = self.store.push(self.paper, given, owner)
        self.gone |= {mark.id for mark in answer.marks if mark.body is None}

    def read(self) -> None:
        self.chance.choice(self.pads).read(self.store, self.paper, self.chance.random() < 0.3)

    def change_rights(self) -> None:
        pad = self.chance.choice(self.pads)
        reader = self.reader(pad.reader.id)
        for one in self.pads:
            if one.reader.id == reader.id:
                one.reader = reader

    def sweep(self) -> None:
        self.clock.now_s += self.chance.choice([1, 86_400, 40 * 86_400])
        self.store.sweep()

    def end_guest(self) -> None:
        self.store.end_owner("guest")
        self.known["guest"] = []
        for pad in self.pads:
            if pad.reader.id == "guest":  # it has no login any more, and another guest takes it
                pad.has, pad.since, pad.rest = {}, 0, None

    def destroy(self) -> None:
        self.store.destroy([self.paper], "clerk")
        self.gone |= {mark.id for marks in self.known.values() for mark in marks}


@pytest.mark.parametrize("seed", range(6))
def test_who_reads_what_changed_has_what_there_is(seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    with marked_shelf() as shelf:
        paper = prepared(shelf, 1, 2, 3).id
        store = MarkStore(shelf.database, clock=clock, limits=MarkLimits(lost_texts_s=86_400.0))
        town = Town(store, paper, clock, chance)
        seldom = [town.end_guest, town.destroy]
        steps = [*[town.push] * 40, *[town.read] * 40, *[town.change_rights] * 5, *[town.sweep] * 8, *seldom]
        seen = 0
        for _ in range(400):
            clock.now_s += 1
            chance.choice(steps)()
            if chance.random() < 0.05:
                for pad in town.pads:
                    pad.read_all(store, paper)
                    assert pad.has == {mark.id: mark for mark in store.read(paper, pad.reader).marks}
                    assert not town.gone & set(pad.has)
                    seen += len(pad.has)
        assert seen
        store.close()
