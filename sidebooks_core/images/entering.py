"""How requests come to flights: they join one with the same name, or begin one. The owner guards it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sidebooks_core.errors import QueueFull, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.images.seats import Seats
from sidebooks_core.images.work import Flight, Found, Wanted, Work, fail, flight_of, resolve
from sidebooks_core.scheduling.flights import Flights, State, Waiting
from sidebooks_core.scheduling.queue import Priority, QueueIsFull
from sidebooks_core.stores.record import Record


class Entered(Struct, frozen=True):
    """The result of entering a request."""

    wanted: Wanted
    shown: Record | None = None
    """The image, if its flight has shown it."""
    displaced: Sequence[Wanted] = ()
    """The requests of a flight that left the full queue to make room for this request."""
    error: SidebooksError | None = None


class Entering:
    """Enters flights, and counts."""

    def __init__(self, flights: Flights[Work, Wanted], seats: Seats) -> None:
        self._flights = flights
        self._seats = seats
        self.joins = 0
        self.displaced = 0
        """Flights that left the full queue."""

    def _enter(self, flight: Flight, wanted: Wanted) -> Entered:
        """Join a flight, or begin this one. Raises QueueFull."""
        joined = self._flights.of(flight.names)
        if joined is None:
            begun = flight_of(flight.names, flight.work, wanted)
            displaced = self._begin(begun)
            wanted.flight = begun
            return Entered(wanted, displaced=displaced)
        wanted.flight = joined
        self.joins += 1
        if joined.state is State.SHOWN:
            return Entered(wanted, shown=joined.work.shown)
        self._join(joined, flight, wanted)
        return Entered(wanted)

    def _join(self, flight: Flight, other: Flight, wanted: Wanted) -> None:
        self._flights.join(flight, Waiting(wanted, wanted.client), wanted.priority)
        for name in other.names:
            self._flights.name(flight, name)
        flight.work.learn(other.work, is_begun=flight.state is State.AT_WORK)

    def _begin(self, flight: Flight) -> list[Wanted]:
        """Queue a new flight. Returns the requests of the flight that made room for it. Raises QueueFull."""
        try:
            displaced = self._flights.begin(flight)
        except QueueIsFull:
            raise QueueFull(
                f"{len(self._flights)} jobs wait already (the settings allow no more: queue_jobs), none less urgent"
            ) from None
        if flight.priority is Priority.VISIBLE and flight.work.request is not None:
            self._seats.note_visible(flight.work, flight.work.request.document)
        self.displaced += displaced is not None
        return displaced.take_waiting() if displaced is not None else []

    def enter_all(self, follow_ups: Sequence[Flight], *, is_closed: bool) -> list[Entered]:
        """Enter flights, for the requests that were not cancelled meanwhile."""
        entered = []
        for flight in follow_ups:
            for wanted in flight.take_waiting():
                if is_closed:
                    entered.append(Entered(wanted, error=ServiceClosed("the service was closed before this was done")))
                elif not wanted.future.cancelled():
                    try:
                        entered.append(self._enter(flight, wanted))
                    except QueueFull as error:
                        entered.append(Entered(wanted, error=wanted.failure or error))
        return entered


def tell(entered: Sequence[Entered]) -> None:
    """Resolve the requests that have a result already, or an error."""
    for one in entered:
        if one.error is not None:
            fail(one.wanted.future, one.error)
        if one.shown is not None:
            resolve(one.wanted.future, Found(one.shown, "render"))
        for wanted in one.displaced:
            fail(wanted.future, RequestDropped("dropped from a full queue for something more urgent"))
