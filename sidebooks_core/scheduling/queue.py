"""The queue of jobs: order, joining, promotion and dropping, as a plain data structure.

It holds keys, not work. The owner keeps the work of each key, and guards the queue by a lock under which it does no I/O.
Each operation is O(1) in the number of jobs, though not of clients; `pop` looks at a bounded number of entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace


class Priority(IntEnum):
    """The classes of work, the most urgent first. Inside a class: first come, first served."""

    VISIBLE = 0
    """A reader looks at the place of the image."""
    PAGE = 1
    """The rest of a page that a reader looks at."""
    NEXT = 2
    """The next pages in the direction of reading."""
    PREVIEW = 3
    """Coarse images of the pages around a reader's, as far as `preview_bytes` goes."""
    BULK = 4
    """Prerendering, and other work that can wait."""
    IDLE = 5
    """Work that nobody waits for: the identification of whole documents."""


class Entry(Struct, frozen=True):
    """One job that waits."""

    key: str
    priority: Priority
    document: str
    """The document that a worker must hold to do the job. Jobs go first to workers that hold it already."""
    clients: frozenset[str] = frozenset([""])
    """The clients that wait for the job. The clients of a class take turns; the empty name stands for the application."""


class QueueIsFull(Exception):
    """No room, and nothing in the queue is less urgent."""


class JobQueue:
    """Jobs by key. Not thread-safe: the owner guards it."""

    AFFINITY_LOOKAHEAD = 16
    """How many entries of a class `pop` looks at for one whose document the worker holds. Bounded, so that the order stays
    first come, first served up to a few places, and no entry can starve."""
    CLIENT_LOOKAHEAD = 2
    """How often another client's entry may go before the one whose turn it is, for the sake of an open document."""

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._classes: dict[Priority, _Class] = {priority: _Class() for priority in Priority}
        self._priority_of: dict[str, Priority] = {}
        self._passed_over: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._priority_of)

    def __contains__(self, key: str) -> bool:
        return key in self._priority_of

    def count(self, priority: Priority) -> int:
        """The number of jobs of a class."""
        return len(self._classes[priority].entries)

    def first(self, priority: Priority) -> list[Entry]:
        """The first jobs of a class in the order of turns: as many as `pop` looks at."""
        return [entry for _, entry in islice(self._classes[priority].in_turn(), self.AFFINITY_LOOKAHEAD)]

    def push(self, entry: Entry) -> Entry | None:
        """Add a job. If its key waits already, the two become one job of the more urgent class.

        Returns the job that was displaced to make room, if any: the youngest of the least urgent class, or else of the client
        that has most in the same class. Raises QueueIsFull if there is neither a less urgent job nor a client with more jobs.
        """
        if entry.key in self._priority_of:
            self._join(entry)
            return None
        displaced = None
        if len(self._priority_of) >= self._max_jobs:
            displaced = self._youngest_less_urgent_than(entry.priority) or self._classes[entry.priority].excess(entry.clients)
            if displaced is None:
                raise QueueIsFull
            self.remove(displaced.key)
        self._classes[entry.priority].add(entry)
        self._priority_of[entry.key] = entry.priority
        return displaced

    def push_front(self, entry: Entry) -> None:
        """Put back a job that was taken and could not be started. It keeps its turn, even if the queue is full."""
        if entry.key in self._priority_of:
            self._join(entry)
            return
        self._classes[entry.priority].add(entry, first=True)
        self._priority_of[entry.key] = entry.priority

    def promote(self, key: str, priority: Priority) -> bool:
        """Move a job to the end of a more urgent class. True if it moved."""
        current = self._priority_of.get(key)
        if current is None or priority >= current:
            return False
        entry = self._classes[current].remove(key)
        self._classes[priority].add(replace(entry, priority=priority))
        self._priority_of[key] = priority
        return True

    def remove(self, key: str) -> Entry | None:
        """Take a job out. None if its key does not wait."""
        priority = self._priority_of.pop(key, None)
        if priority is None:
            return None
        self._passed_over.pop(key, None)
        return self._classes[priority].remove(key)

    def pop(
        self,
        held_documents: Collection[str] = (),
        least_urgent: Priority = Priority.IDLE,
        barred_documents: Collection[str] = (),
        reserved_documents: Collection[str] = (),
        only_document: str | None = None,
    ) -> Entry | None:
        """Take the next job for a worker that holds some documents, of classes down to `least_urgent`.

        only_document: take the next job only if it is of this document.

        Jobs of barred documents stay in the queue, unless they are VISIBLE. Jobs of reserved documents stay, unless the worker
        holds the document.

        The clients of the most urgent class that has jobs take turns. The jobs of one client go first come, first served. In
        that order the first job of a held document among the first `AFFINITY_LOOKAHEAD` goes before the others, unless the
        first job was passed over `AFFINITY_LOOKAHEAD` times already.
        """
        for priority in Priority:
            if priority > least_urgent:
                return None
            barred = () if priority is Priority.VISIBLE else barred_documents
            waiting = self._classes[priority]
            reserved = [document for document in reserved_documents if document not in held_documents]
            allowed = (one for one in waiting.in_turn() if one[1].document not in barred and one[1].document not in reserved)
            ahead = list(islice(allowed, max(1, self.AFFINITY_LOOKAHEAD)))
            if not ahead:
                continue
            client, first = chosen_by, chosen = ahead[0]
            passed = self._passed_over.get(first.key, 0)
            if passed < self.AFFINITY_LOOKAHEAD:
                chosen_by, chosen = next((one for one in ahead if one[1].document in held_documents), ahead[0])
            if client not in chosen.clients and passed >= self.CLIENT_LOOKAHEAD:
                chosen_by, chosen = client, first
            if only_document not in (None, chosen.document):
                return None
            if chosen.key != first.key:
                self._passed_over[first.key] = passed + 1
            waiting.had_turn(chosen_by)
            return self.remove(chosen.key)
        return None

    def clear(self) -> list[Entry]:
        """Take all jobs out."""
        entries = [entry for waiting in self._classes.values() for entry in waiting.entries.values()]
        self._classes = {priority: _Class() for priority in Priority}
        self._priority_of.clear()
        self._passed_over.clear()
        return entries

    def _join(self, entry: Entry) -> None:
        self._classes[self._priority_of[entry.key]].join(entry)
        self.promote(entry.key, entry.priority)

    def _youngest_less_urgent_than(self, priority: Priority) -> Entry | None:
        for candidate in reversed(Priority):
            if candidate <= priority:
                return None
            waiting = self._classes[candidate].entries
            if waiting:
                return waiting[next(reversed(waiting))]
        return None


class _Class:
    """The jobs of one class, in a lane for each client; a job of several clients stands in the lane of each."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        """First come, first served."""
        self._lanes: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        """The client whose turn it is stands first."""

    def add(self, entry: Entry, *, first: bool = False) -> None:
        self.entries[entry.key] = entry
        if first:
            self.entries.move_to_end(entry.key, last=False)
        for client in sorted(entry.clients):
            lane = self._lanes.setdefault(client, OrderedDict())
            lane[entry.key] = None
            if first:
                lane.move_to_end(entry.key, last=False)
                self._lanes.move_to_end(client, last=False)

    def join(self, entry: Entry) -> None:
        waiting = self.entries[entry.key]
        self.entries[entry.key] = replace(waiting, clients=waiting.clients | entry.clients)
        for client in sorted(entry.clients - waiting.clients):
            self._lanes.setdefault(client, OrderedDict())[entry.key] = None

    def remove(self, key: str) -> Entry:
        entry = self.entries.pop(key)
        for client in entry.clients:
            lane = self._lanes[client]
            del lane[key]
            if not lane:
                del self._lanes[client]
        return entry

    def had_turn(self, client: str) -> None:
        self._lanes.move_to_end(client)

    def in_turn(self) -> Iterator[tuple[str, Entry]]:
        """Each entry once, in the order of turns, with its client: one entry of each client, then the next of each."""
        seen: set[str] = set()
        lanes: Iterable[tuple[str, Iterator[str]]] = ((client, iter(lane)) for client, lane in self._lanes.items())
        while True:
            left = []
            for client, keys in lanes:
                key = next((key for key in keys if key not in seen), None)
                if key is not None:
                    seen.add(key)
                    yield client, self.entries[key]
                    left.append((client, keys))
            if not left:
                return
            lanes = left

    def excess(self, clients: Collection[str]) -> Entry | None:
        """The youngest job of the client with most jobs, if each of `clients` would still have fewer with one more."""
        client, lane = max(self._lanes.items(), key=lambda one: len(one[1]), default=("", OrderedDict()))
        if any(len(self._lanes.get(one, ())) + 1 >= len(lane) for one in clients):
            return None
        alone = (key for key in reversed(lane) if self.entries[key].clients == {client})
        return next((self.entries[key] for key in alone), None)
