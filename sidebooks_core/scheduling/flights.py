"""The life of a flight, which is work under way that any number of requests wait for: its states, and what leads to which.

All that changes a flight's state is in this module. Plain data: no threads, no clock, no I/O; its owner guards it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar

from msgspec import Struct, field

from sidebooks_core.scheduling.queue import Entry, JobQueue, Priority

W = TypeVar("W")
"""What is to be done."""
R = TypeVar("R")
"""A request that waits for it."""


class State(Enum):
    """Where a flight is."""

    QUEUED = auto()
    """It waits for a worker."""
    PARKED = auto()
    """Another process may be making the same: it waits for that, and takes up no worker."""
    AT_WORK = auto()
    """A worker does it."""
    SHOWN = auto()
    """The image was told to all who wait; the worker still finds out where it belongs."""
    LANDED = auto()
    """Over. Who asks for the same now begins anew."""


class Event(Enum):
    """What happens to a flight."""

    TAKE = auto()
    """A worker takes it."""
    PARK = auto()
    RESUME = auto()
    SHOW = auto()
    """The first part of its answer came."""
    REPEAT = auto()
    """Its worker was taken away, and somebody wants it: it keeps its turn."""
    LAND = auto()
    """It has its result, or nobody wants it any more."""


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.QUEUED, Event.TAKE): State.AT_WORK,
    (State.QUEUED, Event.LAND): State.LANDED,
    (State.AT_WORK, Event.PARK): State.PARKED,
    (State.AT_WORK, Event.SHOW): State.SHOWN,
    (State.AT_WORK, Event.REPEAT): State.QUEUED,
    (State.AT_WORK, Event.LAND): State.LANDED,
    (State.PARKED, Event.RESUME): State.QUEUED,
    (State.PARKED, Event.LAND): State.LANDED,
    (State.SHOWN, Event.LAND): State.LANDED,
}
"""All there is; anything else is a fault of the library."""


class ImpossibleTransition(Exception):
    """An event that cannot happen to a flight in its state."""


class Waiting(Struct, Generic[R], frozen=True, eq=False):
    """Who waits."""

    request: R
    client: str = ""
    """Whose turn in the queue it takes."""


class Flight(Struct, Generic[W, R], eq=False):
    """Work under way. Its fields are for `Flights` to change, `work` is its owner's."""

    names: list[str]
    """It is joined under each of them; the first is that of the queue."""
    document: str
    """The document that a worker must hold to do it."""
    work: W
    priority: Priority
    waiting: list[Waiting[R]] = field(default_factory=list)
    state: State = State.QUEUED

    def to(self, event: Event) -> None:
        """Raises ImpossibleTransition."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            raise ImpossibleTransition(f"{event.name} in {self.state.name}")
        self.state = after

    def entry(self) -> Entry:
        """What stands for it in the queue."""
        clients = frozenset(one.client for one in self.waiting) or frozenset([""])
        return Entry(self.names[0], self.priority, self.document, clients)

    def take_waiting(self) -> list[R]:
        """All who wait, who are told now and only once."""
        waiting, self.waiting = self.waiting, []
        return [one.request for one in waiting]


class Flights(Generic[W, R]):
    """All flights under way, by their names, and the queue of those that wait for a worker."""

    def __init__(self, max_jobs: int) -> None:
        self._queue = JobQueue(max_jobs)
        self._by_name: dict[str, Flight[W, R]] = {}

    def of(self, names: Iterable[str]) -> Flight[W, R] | None:
        """The flight that a request with these names joins."""
        return next((self._by_name[name] for name in names if name in self._by_name), None)

    def begin(self, flight: Flight[W, R]) -> Flight[W, R] | None:
        """Queue a new one. Returns one that was displaced to make room, which has landed. Raises QueueIsFull."""
        displaced = self._queue.push(flight.entry())
        self._named(flight, list(flight.names))
        if displaced is None:
            return None
        gone = self._by_name[displaced.key]
        self._landed(gone)
        return gone

    def join(self, flight: Flight[W, R], waiting: Waiting[R], priority: Priority) -> None:
        """Wait for a flight too. It takes the more urgent class of the two."""
        flight.waiting.append(waiting)
        flight.priority = min(flight.priority, priority)
        if flight.state is State.QUEUED:
            self._queue.push(Entry(flight.names[0], priority, flight.document, frozenset([waiting.client])))

    def name(self, flight: Flight[W, R], name: str) -> bool:
        """From now on it is joined under this name too. False: another flight is, or it has landed."""
        if flight.state is State.LANDED:
            return False
        self._named(flight, [name])
        if self._by_name[name] is not flight:
            return False
        if name not in flight.names:
            flight.names.append(name)
        return True

    def forget(self, flight: Flight[W, R], request: R) -> bool:
        """A request is no longer interested. The flight lands if nobody else is and no worker has begun it.

        False: the request did not wait for it.
        """
        before = len(flight.waiting)
        flight.waiting = [one for one in flight.waiting if one.request is not request]
        if len(flight.waiting) == before:
            return False
        if not flight.waiting and flight.state in (State.QUEUED, State.PARKED):
            self._queue.remove(flight.names[0])
            self._landed(flight)
        return True

    def take(
        self,
        held_documents: Collection[str],
        least_urgent: Priority,
        barred_documents: Collection[str] = (),
        reserved_documents: Collection[str] = (),
    ) -> Flight[W, R] | None:
        """The next for a worker; see `JobQueue.pop`."""
        entry = self._queue.pop(held_documents, least_urgent, barred_documents, reserved_documents)
        if entry is None:
            return None
        flight = self._by_name[entry.key]
        flight.to(Event.TAKE)
        return flight

    def park(self, flight: Flight[W, R]) -> None:
        """A flight that was taken, and waits for another process."""
        flight.to(Event.PARK)

    def resume(self, flight: Flight[W, R]) -> None:
        """It waits for a worker again, at the head of its class."""
        flight.to(Event.RESUME)
        self._queue.push_front(flight.entry())

    def repeat(self, flight: Flight[W, R]) -> None:
        """It lost its worker and keeps its turn."""
        flight.to(Event.REPEAT)
        self._queue.push_front(flight.entry())

    def show(self, flight: Flight[W, R]) -> list[R]:
        """Its image is there; returns who waited for it."""
        flight.to(Event.SHOW)
        return flight.take_waiting()

    def land(self, flight: Flight[W, R]) -> list[R]:
        """It is over; returns who still waits for it."""
        if flight.state is State.QUEUED:
            self._queue.remove(flight.names[0])
        self._landed(flight)
        return flight.take_waiting()

    def land_waiting(self) -> list[Flight[W, R]]:
        """End all that no worker does. Returns them, with those who wait."""
        ended = [flight for flight in self if flight.state in (State.QUEUED, State.PARKED)]
        self._queue.clear()
        for flight in ended:
            self._landed(flight)
        return ended

    def count(self, *states: State) -> int:
        """Flights in one of these states."""
        return sum(flight.state in states for flight in self)

    def count_waiting(self, priority: Priority) -> int:
        """Flights of a class that wait for a worker."""
        return self._queue.count(priority)

    def __iter__(self) -> Iterator[Flight[W, R]]:
        return iter({id(flight): flight for flight in self._by_name.values()}.values())

    def __len__(self) -> int:
        """Those that wait for a worker."""
        return len(self._queue)

    def _named(self, flight: Flight[W, R], names: list[str]) -> None:
        for name in names:
            self._by_name.setdefault(name, flight)

    def _landed(self, flight: Flight[W, R]) -> None:
        flight.to(Event.LAND)
        for name in flight.names:
            if self._by_name.get(name) is flight:
                del self._by_name[name]
