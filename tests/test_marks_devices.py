"""A day of edits on 100 devices that are offline, some of whose clocks are wrong: all have the same marks in the end."""

from __future__ import annotations

import random

from marks_house import RED, Clock, marked_shelf, prepared, texts
from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.marks import Anchor, DeviceClock, Mark, MarkReader, MarkStore, Note, Stamp, new_mark_id
from sidebooks_core.marks.merge import merged

DEVICES, OWNERS, EDITS = 100, 4, 1200
HOUR_MS = 3_600_000
WRONG = {3: -2 * HOUR_MS, 40: 5 * 60_000, 77: 10 * 365 * 24 * HOUR_MS}
"""What clocks of devices are off, by their number."""


class Device(Struct):
    """A device as the viewer is one: what it has, and what it has not delivered yet."""

    number: int
    clock: DeviceClock
    has: dict[str, Mark] = field(default_factory=dict)
    waiting: list[Mark] = field(default_factory=list)
    since: int = 0

    @property
    def owner(self) -> str:
        return f"o{self.number % OWNERS}"

    def own_ms(self, true_ms: int) -> int:
        return true_ms + WRONG.get(self.number, 0)

    def edit(self, mark_id: str, text: str | None, true_ms: int) -> Mark:
        self.clock, stamp = self.clock.tick(self.own_ms(true_ms))
        body = None if text is None else Note(1.0, 2.0, text, RED)
        mark = Mark(mark_id, stamp, Anchor(1, 0, ""), body, owner=self.owner)
        self.has[mark_id] = merged(self.has[mark_id], mark) if mark_id in self.has else mark
        self.waiting.append(mark)
        return mark

    def synchronise(self, store: MarkStore, paper: str, true_ms: int) -> None:
        """Read everything that is new. What the server says replaces what is here."""
        changed = store.read(paper, MarkReader(self.owner), self.since, device=self.clock.device)
        self.clock = self.clock.met(changed.server_ms, self.own_ms(true_ms))
        if changed.is_whole:
            self.has = {}
        for mark in changed.marks:
            self.clock = self.clock.saw(mark.stamp)
            self.has[mark.id] = mark
        for mark_id in changed.gone:
            self.has.pop(mark_id, None)
        self.since = changed.seq


class Edit(Struct, frozen=True):
    device: int
    mark: int
    text: str | None
    true_ms: int


def the_day(chance: random.Random, begin_ms: int) -> list[Edit]:
    """Edits at times of their own, in the order of these. Each mark is changed by devices of its owner."""
    times = sorted(chance.sample(range(60_000, 24 * HOUR_MS), EDITS))
    found = []
    for number, at_ms in enumerate(times):
        device = chance.randrange(DEVICES)
        mark = chance.randrange(40) * OWNERS + device % OWNERS
        found.append(Edit(device, mark, None if chance.random() < 0.03 else f"edit {number}", begin_ms + at_ms))
    return found


def expected(edits: list[Edit]) -> list[str]:
    """The last text of each mark by the true time; nothing of one that was deleted."""
    last: dict[int, str | None] = {}
    for edit in edits:
        if last.get(edit.mark, "") is not None:
            last[edit.mark] = edit.text
    return sorted(text for text in last.values() if text is not None)


def test_all_devices_have_the_same_marks_whatever_comes_when() -> None:
    chance = random.Random(25)
    clock = Clock()
    begin_ms = clock.now_ms
    edits = the_day(chance, begin_ms)
    ids = [new_mark_id() for _ in range(40 * OWNERS)]
    results = []
    with marked_shelf() as shelf:
        for _ in range(3):
            clock.now_s = begin_ms / 1000
            paper = prepared(shelf, 1).id
            store = MarkStore(shelf.database, clock=clock)
            at_hand = {mark: f"{mark_id[:-3]}{len(results):03x}" for mark, mark_id in enumerate(ids)}
            devices = [Device(number, DeviceClock(f"d{number}")) for number in range(DEVICES)]
            for device in devices:
                device.synchronise(store, paper, clock.now_ms)
            for edit in edits:
                devices[edit.device].edit(at_hand[edit.mark], edit.text, edit.true_ms)
            clock.now_s += 25 * 3600
            deliver(store, paper, devices, chance)
            held = [store.read(paper, MarkReader(f"o{owner}")).marks for owner in range(OWNERS)]
            assert all(mark.stamp.at_ms <= begin_ms + 24 * HOUR_MS for marks in held for mark in marks), "all were believed"
            results.append([texts(marks) for marks in held])
            for device in devices:
                device.synchronise(store, paper, clock.now_ms)
                assert sorted(device.has.values(), key=_id) == sorted(held[device.number % OWNERS], key=_id)
            store.close()
    assert results == [results[0]] * 3
    assert sorted(text for marks in results[0] for text in marks) == expected(edits)


def deliver(store: MarkStore, paper: str, devices: list[Device], chance: random.Random) -> None:
    """All that waits, in any order, in pushes of any size, some of it twice. The server's clock goes on."""
    waiting = [(device.owner, mark) for device in devices for mark in device.waiting]
    waiting += chance.sample(waiting, len(waiting) // 4)
    chance.shuffle(waiting)
    while waiting:
        owner, _ = waiting[-1]
        taken = [mark for one, mark in waiting[-chance.randint(1, 40) :] if one == owner]
        answer = store.push(paper, taken, owner)
        assert answer.refused == []
        gone = {id(mark) for mark in taken}
        waiting = [one for one in waiting if id(one[1]) not in gone or chance.random() < 0.05]


def _id(mark: Mark) -> str:
    return mark.id


def test_a_device_that_never_met_the_server_before_orders_its_edits_right() -> None:
    """Its clock is ten years ahead, and it finds out when it delivers what it has."""
    clock = Clock()
    with marked_shelf() as shelf:
        paper = prepared(shelf, 1).id
        store = MarkStore(shelf.database, clock=clock)
        device, mark_id = Device(77, DeviceClock("far")), new_mark_id()
        device.edit(mark_id, "first", clock.now_ms - 5 * HOUR_MS)
        device.edit(mark_id, "second", clock.now_ms - 4 * HOUR_MS)
        before = device.clock
        device.synchronise(store, paper, clock.now_ms)
        waiting = [replace(mark, stamp=device.clock.corrected(mark.stamp, before)) for mark in device.waiting]
        evening = Note(1.0, 2.0, "evening", RED)
        store.push(paper, [Mark(mark_id, Stamp(clock.now_ms - HOUR_MS, 0, "right"), Anchor(1, 0, ""), evening)], device.owner)
        store.push(paper, waiting[::-1], device.owner)
        assert texts(store.read(paper, MarkReader(device.owner)).marks) == ["evening"]
        assert [one.text for one in store.lost_texts(paper, mark_id, device.owner)] == ["second", "first"]
        store.close()
