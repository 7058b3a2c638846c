"""The queue of jobs: order, joining, promotion and dropping, as a plain data structure.

It holds keys, not work: the service keeps what a key means, guards the queue with its lock and never calls it while doing
I/O. Every operation is O(1) but `pop`, which looks at a bounded number of entries, and `drop_generations`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from enum import IntEnum
from itertools import islice

from msgspec import Struct, field
from msgspec.structs import replace


class Priority(IntEnum):
    """The classes of work, the most urgent first. Inside a class: first come, first served."""

    VISIBLE = 0
    """Somebody looks at the place where it belongs."""
    PAGE = 1
    """The rest of a page that somebody looks at."""
    NEXT = 2
    """What the reading direction will want next."""
    PREVIEW = 3
    """Coarse images of all pages."""
    BULK = 4
    """Prerendering, and whatever can wait."""


class Generation(Struct, frozen=True):
    """A wish list of one owner; a newer list of the same owner makes the older ones stale."""

    owner: str
    number: int


class Entry(Struct, frozen=True):
    """One job that waits."""

    key: str
    priority: Priority
    document: str
    """The document that a worker must hold to do it: work goes to workers that hold it already."""
    wanted_by: frozenset[Generation | None] = field(default_factory=lambda: frozenset([None]))
    """Who waits for it. None: somebody who never loses interest."""


class QueueIsFull(Exception):
    """No room, and nothing in the queue is less urgent."""


class JobQueue:
    """Jobs by key. Not thread-safe: its owner guards it."""

    AFFINITY_LOOKAHEAD = 16
    """How many entries of a class `pop` looks at for one whose document the worker holds. Bounded, so that the order stays
    first come, first served up to a few places, and no entry can starve."""

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._classes: dict[Priority, OrderedDict[str, Entry]] = {p: OrderedDict() for p in Priority}
        self._priority_of: dict[str, Priority] = {}
        self._passed_over: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._priority_of)

    def __contains__(self, key: str) -> bool:
        return key in self._priority_of

    def count(self, priority: Priority) -> int:
        """Jobs of a class that wait."""
        return len(self._classes[priority])

    def push(self, entry: Entry) -> Entry | None:
        """Add a job; one that waits already is joined and takes the more urgent class of the two.

        Returns the job that was displaced to make room, the youngest of the least urgent class, if any.
        Raises QueueIsFull when there is no room and nothing less urgent waits.
        """
        if entry.key in self._priority_of:
            self._join(entry)
            return None
        displaced = None
        if len(self._priority_of) >= self._max_jobs:
            displaced = self._youngest_less_urgent_than(entry.priority)
            if displaced is None:
                raise QueueIsFull
            self.remove(displaced.key)
        self._classes[entry.priority][entry.key] = entry
        self._priority_of[entry.key] = entry.priority
        return displaced

    def push_front(self, entry: Entry) -> None:
        """Put back a job that was taken and could not be started: it keeps its turn, and the bound does not apply."""
        if entry.key in self._priority_of:
            self._join(entry)
            return
        self._classes[entry.priority][entry.key] = entry
        self._classes[entry.priority].move_to_end(entry.key, last=False)
        self._priority_of[entry.key] = entry.priority

    def promote(self, key: str, priority: Priority) -> bool:
        """Raise a waiting job to a more urgent class, at its end. True when it moved."""
        current = self._priority_of.get(key)
        if current is None or priority >= current:
            return False
        entry = self._classes[current].pop(key)
        self._classes[priority][key] = replace(entry, priority=priority)
        self._priority_of[key] = priority
        return True

    def remove(self, key: str) -> Entry | None:
        """Take a job out, wherever it is."""
        priority = self._priority_of.pop(key, None)
        if priority is None:
            return None
        self._passed_over.pop(key, None)
        return self._classes[priority].pop(key)

    def pop(
        self,
        held_documents: Collection[str] = (),
        least_urgent: Priority = Priority.BULK,
        barred_documents: Collection[str] = (),
    ) -> Entry | None:
        """Take the next job for a worker that holds some documents, of classes down to `least_urgent`.

        Jobs of barred documents that nobody looks at stay where they are.

        Within the most urgent class that has work, the first job of a held document among the first
        `AFFINITY_LOOKAHEAD` goes before the others, unless the first one was passed over that often already.
        """
        for priority in Priority:
            if priority > least_urgent:
                return None
            barred = () if priority is Priority.VISIBLE else barred_documents
            allowed = ((key, entry) for key, entry in self._classes[priority].items() if entry.document not in barred)
            ahead = list(islice(allowed, max(1, self.AFFINITY_LOOKAHEAD)))
            if not ahead:
                continue
            first_key = chosen = ahead[0][0]
            if self._passed_over.get(first_key, 0) < self.AFFINITY_LOOKAHEAD:
                chosen = next((key for key, entry in ahead if entry.document in held_documents), first_key)
            if chosen != first_key:
                self._passed_over[first_key] = self._passed_over.get(first_key, 0) + 1
            return self.remove(chosen)
        return None

    def drop_generations(self, owner: str, older_than: int) -> list[Entry]:
        """Forget what only stale lists of one owner want. Returns the jobs taken out."""
        dropped = []
        for priority in Priority:
            for key, entry in list(self._classes[priority].items()):
                kept = frozenset(w for w in entry.wanted_by if w is None or w.owner != owner or w.number >= older_than)
                if not kept:
                    self.remove(key)
                    dropped.append(entry)
                elif kept != entry.wanted_by:
                    self._classes[priority][key] = replace(entry, wanted_by=kept)
        return dropped

    def clear(self) -> list[Entry]:
        """Take everything out."""
        entries = [entry for waiting in self._classes.values() for entry in waiting.values()]
        for waiting in self._classes.values():
            waiting.clear()
        self._priority_of.clear()
        self._passed_over.clear()
        return entries

    def _join(self, entry: Entry) -> None:
        current = self._priority_of[entry.key]
        waiting = self._classes[current][entry.key]
        self._classes[current][entry.key] = replace(waiting, wanted_by=waiting.wanted_by | entry.wanted_by)
        self.promote(entry.key, entry.priority)

    def _youngest_less_urgent_than(self, priority: Priority) -> Entry | None:
        for candidate in reversed(Priority):
            if candidate <= priority:
                return None
            waiting = self._classes[candidate]
            if waiting:
                return waiting[next(reversed(waiting))]
        return None
