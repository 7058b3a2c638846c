"""Where the threads of idle workers sleep, and what else these workers may do: help others, open documents that others hold.

Plain data; the owner guards it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.work import Flight, Work
from sidebooks_core.scheduling.flights import at_work
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.jobs import Hold

HELD_BY_ALL = 4
"""Documents that all workers hold: those of which somebody looked at a page last. A worker keeps 8 open."""


class Seat(Struct, eq=False):
    """The place where the thread of an idle worker sleeps."""

    wake: threading.Condition
    held_documents: set[str]
    is_spare: bool
    trust_domain: str | None = None
    """Of all documents that the worker has seen. None: it has seen none."""
    can_help: bool = False
    """The worker can take part in the work on a page that another worker has."""
    flight: Flight | None = None
    """The flight that another thread gave to this worker."""


class Seats:
    """The seats of all idle workers."""

    def __init__(self) -> None:
        self._idle: list[Seat] = []
        self._visible: set[Flight] = set()
        """Flights at work for which a reader waits."""
        self._looked_at: OrderedDict[str, tuple[DocumentRef, bytes | None, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle)

    def add(self, seat: Seat) -> None:
        self._idle.append(seat)

    def wake(self, seat: Seat, flight: Flight) -> None:
        """Give a flight to an idle worker."""
        self.begin(flight)
        self._idle.remove(seat)
        seat.flight = flight
        seat.wake.notify()

    def begin(self, flight: Flight) -> None:
        """A worker begins a flight."""
        if flight.priority is Priority.VISIBLE:
            self._visible.add(flight)

    def wake_all(self) -> None:
        """End the sleep of all threads, without a flight."""
        for seat in self._idle:
            seat.wake.notify()
        self._idle.clear()

    def has_worker(self) -> bool:
        """Whether a worker other than the spare is idle."""
        return any(not seat.is_spare for seat in self._idle)

    def in_order(self, document: str | None) -> list[Seat]:
        """First workers that hold the document, by its token; last the spare."""
        return sorted(self._idle, key=lambda seat: (seat.is_spare, document not in seat.held_documents))

    def helper(self, document: str) -> Seat | None:
        """A worker that can help with a page of a document that it holds."""
        return next((seat for seat in self._helpers() if document in seat.held_documents), None)

    def end(self, flight: Flight) -> None:
        """A worker has ended a flight."""
        self._visible.discard(flight)

    def note_visible(self, work: Work) -> None:
        """Somebody looks at a page of a document: all workers should hold it."""
        ref = work.job.document
        self._looked_at[ref.token] = ref, work.data, work.job.timeout_s
        self._looked_at.move_to_end(ref.token)
        if len(self._looked_at) > HELD_BY_ALL:
            self._looked_at.popitem(last=False)

    def preparations(self, barred: set[str]) -> list[tuple[Seat, Flight]]:
        """For each idle worker the document that it should open now, if it lacks one. barred: documents that wait.

        None while a reader waits for a page: two processes at work would be in the way of the host and of each other.
        """
        if self._visible:
            return []
        return [(seat, flight) for seat in self._helpers() if (flight := self._lacking(seat, barred)) is not None]

    def _lacking(self, seat: Seat, barred: set[str]) -> Flight | None:
        for token, (ref, data, timeout_s) in reversed(self._looked_at.items()):
            is_its_own = seat.trust_domain in (None, ref.trust_domain)
            if token not in seat.held_documents and token not in barred and is_its_own:
                work = Work(Hold(document=ref, timeout_s=timeout_s), data)
                return at_work(token, work, Priority.BULK)
        return None

    def _helpers(self) -> Iterator[Seat]:
        return (seat for seat in self._idle if seat.can_help and not seat.is_spare)
