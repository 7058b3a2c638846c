"""The life of a flight: its states and transitions. A flight is work under way, for which any number of requests wait.

Only this module changes the state of a flight. Plain data: no threads, no clock, no I/O; the owner guards it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar

from msgspec import Struct, field

from sidebooks_core.scheduling.queue import Entry, JobQueue, Priority

W = TypeVar("W")
"""The work to be done."""
R = TypeVar("R")
"""A request that waits for it."""


class State(Enum):
    """The state of a flight."""

    QUEUED = auto()
    """The flight waits for a worker."""
    PARKED = auto()
    """Another process may be making the same record. The flight waits for that and takes up no worker."""
    AT_WORK = auto()
    """A worker does the work."""
    SHOWN = auto()
    """All waiting requests have the image. The worker still identifies the page."""
    LANDED = auto()
    """The flight is over. The same request now begins another flight."""


class Event(Enum):
    """An event in the life of a flight."""

    TAKE = auto()
    """A worker takes the flight."""
    PARK = auto()
    RESUME = auto()
    SHOW = auto()
    """The first part of the answer came."""
    REPEAT = auto()
    """The worker was taken away, and a request still waits: the flight keeps its turn."""
    LAND = auto()
    """The flight has its result, or no request waits any more."""


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
"""All transitions. Any other one is a fault of the library."""


class ImpossibleTransition(Exception):
    """An event that cannot happen to a flight in its state."""


class Waiting(Struct, Generic[R], frozen=True, eq=False):
    """A request that waits for a flight."""

    request: R
    client: str = ""
    """The request takes turns in the queue under this name."""


class Flight(Struct, Generic[W, R], eq=False):
    """Work under way. `Flights` changes its fields, but for `work`, which belongs to the owner."""

    names: list[str]
    """Requests join the flight under each of these names. The first one is its key in the queue."""
    document: str
    """The document that a worker must hold to do the work."""
    work: W
    priority: Priority
    waiting: list[Waiting[R]] = field(default_factory=list)
    state: State = State.QUEUED

    def to(self, event: Event) -> None:
        """Change the state by an event. Raises ImpossibleTransition."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            raise ImpossibleTransition(f"{event.name} in {self.state.name}")
        self.state = after

    def entry(self) -> Entry:
        """The flight's entry in the queue."""
        clients = frozenset(one.client for one in self.waiting) or frozenset([""])
        return Entry(self.names[0], self.priority, self.document, clients)

    def take_waiting(self) -> list[R]:
        """All waiting requests, which wait no longer: each is told once."""
        waiting, self.waiting = self.waiting, []
        return [one.request for one in waiting]


def at_work(document: str, work: W, priority: Priority) -> Flight[W, R]:
    """A flight that a worker begins at once. It has no name, so no request joins it, and it stands in no queue."""
    flight: Flight[W, R] = Flight([], document, work, priority)
    flight.to(Event.TAKE)
    return flight


class Flights(Generic[W, R]):
    """All flights under way by their names, and the queue of the flights that wait for a worker."""

    def __init__(self, max_jobs: int) -> None:
        self._queue = JobQueue(max_jobs)
        self._by_name: dict[str, Flight[W, R]] = {}

    def of(self, names: Iterable[str]) -> Flight[W, R] | None:
        """The flight that a request with these names joins."""
        return next((self._by_name[name] for name in names if name in self._by_name), None)

    def begin(self, flight: Flight[W, R]) -> Flight[W, R] | None:
        """Queue a new flight. Returns the flight that was displaced to make room and has landed, if any. Raises QueueIsFull."""
        displaced = self._queue.push(flight.entry())
        self._named(flight, list(flight.names))
        if displaced is None:
            return None
        gone = self._by_name[displaced.key]
        self._landed(gone)
        return gone

    def join(self, flight: Flight[W, R], waiting: Waiting[R], priority: Priority) -> None:
        """Add a request to a flight. The flight takes the more urgent priority of the two."""
        flight.waiting.append(waiting)
        flight.priority = min(flight.priority, priority)
        if flight.state is State.QUEUED:
            self._queue.push(Entry(flight.names[0], priority, flight.document, frozenset([waiting.client])))

    def name(self, flight: Flight[W, R], name: str) -> bool:
        """Let requests join the flight under this name too. False if the flight has landed, or another one has the name."""
        if flight.state is State.LANDED:
            return False
        self._named(flight, [name])
        if self._by_name[name] is not flight:
            return False
        if name not in flight.names:
            flight.names.append(name)
        return True

    def forget(self, flight: Flight[W, R], request: R) -> bool:
        """Remove a request. The flight lands if no request waits any more and no worker has begun it.

        False if the request did not wait for the flight.
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
        only_document: str | None = None,
    ) -> Flight[W, R] | None:
        """The next flight for a worker; see `JobQueue.pop`."""
        entry = self._queue.pop(held_documents, least_urgent, barred_documents, reserved_documents, only_document)
        if entry is None:
            return None
        flight = self._by_name[entry.key]
        flight.to(Event.TAKE)
        return flight

    def park(self, flight: Flight[W, R]) -> None:
        """Let a flight that was taken wait for another process."""
        flight.to(Event.PARK)

    def resume(self, flight: Flight[W, R]) -> None:
        """Let a parked flight wait for a worker, at the head of its class."""
        flight.to(Event.RESUME)
        self._queue.push_front(flight.entry())

    def repeat(self, flight: Flight[W, R]) -> None:
        """Queue a flight again that lost its worker. It keeps its turn."""
        flight.to(Event.REPEAT)
        self._queue.push_front(flight.entry())

    def show(self, flight: Flight[W, R]) -> list[R]:
        """The image of a flight is there. Returns the requests that waited."""
        flight.to(Event.SHOW)
        return flight.take_waiting()

    def land(self, flight: Flight[W, R]) -> list[R]:
        """End a flight. Returns the requests that still wait."""
        if flight.state is State.QUEUED:
            self._queue.remove(flight.names[0])
        self._landed(flight)
        return flight.take_waiting()

    def land_waiting(self) -> list[Flight[W, R]]:
        """End all flights that no worker has. Returns them with their waiting requests."""
        ended = [flight for flight in self if flight.state in (State.QUEUED, State.PARKED)]
        self._queue.clear()
        for flight in ended:
            self._landed(flight)
        return ended

    def count(self, *states: State) -> int:
        """The number of flights in these states."""
        return sum(flight.state in states for flight in self)

    def count_waiting(self, priority: Priority) -> int:
        """The number of flights of a class that wait for a worker."""
        return self._queue.count(priority)

    def first_waiting(self, priority: Priority) -> list[Flight[W, R]]:
        """The first flights of a class that wait for a worker, in their turn: as many as `take` looks at."""
        return [self._by_name[entry.key] for entry in self._queue.first(priority)]

    def __iter__(self) -> Iterator[Flight[W, R]]:
        return iter({id(flight): flight for flight in self._by_name.values()}.values())

    def __len__(self) -> int:
        """The number of flights that wait for a worker."""
        return len(self._queue)

    def _named(self, flight: Flight[W, R], names: list[str]) -> None:
        for name in names:
            self._by_name.setdefault(name, flight)

    def _landed(self, flight: Flight[W, R]) -> None:
        flight.to(Event.LAND)
        for name in flight.names:
            if self._by_name.get(name) is flight:
                del self._by_name[name]
