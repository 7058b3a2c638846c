"""Where the threads of idle workers sleep, and what else these workers may do: help others, open documents that others hold.

Plain data; the owner guards it.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.work import Flight, Work
from sidebooks_core.scheduling.flights import at_work
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.jobs import Draw, DrawBands, Hold

HELD_BY_ALL = 4
"""Documents that all workers hold: those of which somebody looked at a page last. A worker keeps 8 open."""


MOST_WARMING_S = 0.05
"""A worker that opens a document ahead draws the last page of it that was drawn for a large screen, if it cost no more. So it
has the fonts, the glyphs and the images that many pages of a document share."""
WARM_KNOWN = 256
"""Pairs of a document and a worker of which it is known how many pages the worker has drawn."""


class Looked(Struct):
    """A document that somebody looks at."""

    ref: DocumentRef
    timeout_s: float
    document: weakref.ref[Document]
    warming: Draw | None = None
    """The last page of two million pixels or more that was drawn since, for whomever, if it was cheap."""


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
    look_again_s: float | None = None
    """By the clock of `Busy`: a flight waits for another worker until then at most."""


class Seats:
    """The seats of all idle workers."""

    def __init__(self) -> None:
        self._idle: list[Seat] = []
        self._visible: set[Flight] = set()
        """Flights at work for which a reader waits."""
        self._looked_at: OrderedDict[str, Looked] = OrderedDict()
        self._drawn: OrderedDict[tuple[str, int], int] = OrderedDict()
        """How many pages of a document, by its token, a worker has begun. Its set of held documents stands for the worker."""

    def __len__(self) -> int:
        return len(self._idle)

    def add(self, seat: Seat) -> None:
        self._idle.append(seat)

    def wake(self, seat: Seat, flight: Flight) -> None:
        """Give a flight to an idle worker."""
        self.begin(flight)
        if isinstance(flight.work.job, Draw | DrawBands):
            place = flight.document, id(seat.held_documents)
            self._drawn[place] = self._drawn.pop(place, 0) + 1
            if len(self._drawn) > WARM_KNOWN:
                self._drawn.popitem(last=False)
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

    @property
    def has_visible(self) -> bool:
        """Whether a worker is at a flight for which a reader waits."""
        return bool(self._visible)

    def in_order(self, document: str | None) -> list[Seat]:
        """First workers that hold the document, by its token: the one that has drawn most of it; last the spare."""

        def rank(seat: Seat) -> tuple[bool, bool, int]:
            drawn = self._drawn.get((document or "", id(seat.held_documents)), 0)
            return seat.is_spare, document not in seat.held_documents, -drawn

        return sorted(self._idle, key=rank)

    def helper(self, document: str) -> Seat | None:
        """A worker that can help with a page of a document that it holds."""
        return next((seat for seat in self._helpers() if document in seat.held_documents), None)

    def end(self, flight: Flight) -> None:
        """A worker has ended a flight."""
        self._visible.discard(flight)

    def note_visible(self, work: Work, document: Document) -> None:
        """Somebody looks at a page of a document: all workers should hold it."""
        ref = work.job.document
        self._looked_at[ref.token] = Looked(ref, work.job.timeout_s, weakref.ref(document))
        self._looked_at.move_to_end(ref.token)
        if len(self._looked_at) > HELD_BY_ALL:
            self._looked_at.popitem(last=False)

    def note_cost(self, job: Draw, cost_s: float) -> None:
        """A page was drawn and encoded, in so many seconds of all workers together."""
        looked = self._looked_at.get(job.document.token)
        if looked is not None:
            looked.warming = replace(job, then=None, tells_drawn=False) if cost_s <= MOST_WARMING_S else None

    def forget(self, token: str) -> None:
        """A document could not be opened ahead. Nobody tries again before somebody looks at it."""
        self._looked_at.pop(token, None)

    def preparations(self, barred: set[str]) -> list[tuple[Seat, Flight]]:
        """For each idle worker the document that it should open now, if it lacks one. barred: documents that wait.

        Empty while a reader waits for a page: two processes at work would be in the way of the host and of each other.
        """
        if self._visible:
            return []
        return [(seat, flight) for seat in self._helpers() if (flight := self._lacking(seat, barred)) is not None]

    def _lacking(self, seat: Seat, barred: set[str]) -> Flight | None:
        for token, looked in reversed(self._looked_at.items()):
            document = looked.document()
            is_its_own = seat.trust_domain in (None, looked.ref.trust_domain)
            is_there = document is not None and not document.withdrawn.is_set()
            if document is None or not is_there or not is_its_own or token in barred or token in seat.held_documents:
                continue
            hold = Hold(document=looked.ref, timeout_s=looked.timeout_s, warming=looked.warming)
            return at_work(token, Work(hold, document.data), Priority.BULK)
        return None

    def _helpers(self) -> Iterator[Seat]:
        return (seat for seat in self._idle if seat.can_help and not seat.is_spare)
