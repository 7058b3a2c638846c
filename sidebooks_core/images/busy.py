"""The workers at work: with which flight, since when, and which visible flights wait for one of them.

A worker that holds a document draws its page at once. Another one must open the document first. Plain data; the owner guards
it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from sidebooks_core.images.work import Flight
from sidebooks_core.scheduling.routing import LONGEST_WAIT_S, AtJob, Costs, JobKind, patience_s
from sidebooks_core.workers.jobs import AnyJob, Draw, DrawBands, Identify, ReadAnnotations, Search

LAST_PAGE_S = 0.01
"""A job with a budget ends with the page at which its budget is spent. This is how long that page takes if none is known."""


RETURNS_S = 0.001
"""A worker's thread needs so long between a job and the next: it keeps the record, and tells those who wait."""
_RETURNING = JobKind("returning")


class _Worker(Struct):
    """A worker at work."""

    held_documents: Collection[str]
    """Of the worker, by their tokens. It changes when the worker opens or forgets one."""
    document: str
    kind: JobKind
    bound_s: float | None
    """How long the job may take, of which nothing is known by its document. None: that is not known either."""
    began_s: float
    held_it: bool
    """The worker held the document when it began."""

    def has(self, document: str) -> bool:
        """Whether the worker holds a document when its job is done."""
        return document == self.document or document in self.held_documents


class Kept(Struct, frozen=True):
    """Documents whose visible flights wait for a worker that holds them."""

    documents: frozenset[str] = frozenset()
    until_s: float = 0.0
    """By the clock of `Busy`: look again then."""


NOTHING = Kept()


class Busy:
    """Workers by their flights."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: in seconds, such as `time.monotonic`."""
        self._clock = clock
        self._at: dict[Flight, _Worker] = {}
        self._returning: dict[int, _Worker] = {}
        """Workers whose threads come for the next job in a moment, by the identity of their held documents."""
        self._costs = Costs()
        self._finishing: dict[Flight, str] = {}
        """Flights that were shown, with their documents. The worker of such a flight identifies the page, and is free in a
        moment. Another worker would need longer to open the document. So requests for the document wait for this worker."""

    @property
    def finishing(self) -> frozenset[str]:
        """The documents of flights that were shown, and whose workers are free in a moment."""
        return frozenset(self._finishing.values())

    def begin(self, flight: Flight, held_documents: Collection[str]) -> None:
        """A worker begins a flight. held_documents: of the worker, by their tokens; they may change."""
        self.came(held_documents)
        kind, bound_s = _kind(flight.work.job)
        holds_it = flight.document in held_documents
        self._at[flight] = _Worker(held_documents, flight.document, kind, bound_s, self._clock(), holds_it)

    def show(self, flight: Flight) -> None:
        """The first part of a flight's answer is there. Its worker does the second part."""
        self._finishing[flight] = flight.document
        worker, job = self._at.get(flight), flight.work.job
        if worker is not None and isinstance(job, Draw) and job.then is not None:
            self._learn(worker)
            worker.kind, worker.bound_s = _kind(job.then)
            worker.began_s, worker.held_it = self._clock(), True

    def lingers(self, flight: Flight) -> bool:
        """The second part of the answer takes long. Returns whether requests waited for it."""
        return self._finishing.pop(flight, None) is not None

    def end(self, flight: Flight, *, is_answered: bool) -> None:
        """A worker is done with a flight. is_answered: it did the work to the end.

        If it has a flight that was taken ahead, it is at that one from now on. If it was ended, it holds no documents any more.
        """
        self._finishing.pop(flight, None)
        worker = self._at.pop(flight, None)
        if worker is None:
            return
        if is_answered:
            self._learn(worker)
        ahead = next((one for one in self._at.values() if one.held_documents is worker.held_documents), None)
        if ahead is not None:
            ahead.began_s = self._clock()
        elif is_answered and worker.held_documents:
            worker.kind, worker.bound_s, worker.began_s = _RETURNING, RETURNS_S, self._clock()
            self._returning[id(worker.held_documents)] = worker

    def put_back(self, flight: Flight) -> None:
        """A flight that was taken ahead was not begun. Its worker is still at the one before, or was lost."""
        self._at.pop(flight, None)

    def came(self, held_documents: Collection[str]) -> None:
        """A worker's thread came for its next job. held_documents: the same collection as before."""
        self._returning.pop(id(held_documents), None)

    def opened(self, flight: Flight, took_s: float) -> None:
        """The worker of a flight has opened its document, in so many seconds. No longer than it is at the flight counts."""
        worker = self._at.get(flight)
        if worker is not None:
            self._costs.note_opening(flight.document, min(took_s, self._clock() - worker.began_s))

    def kept_from(self, held_documents: Collection[str], waiting: Sequence[Flight], barred: Collection[str]) -> Kept:
        """Documents whose visible flights an idle worker leaves to busy ones that hold them.

        held_documents: of the idle worker. waiting: the visible flights that wait, in their order. barred: documents whose
        flights wait for nobody, since their jobs may take for ever.
        """
        if not waiting or not (self._at or self._returning):
            return NOTHING
        now_s = self._clock()
        late = [key for key, worker in self._returning.items() if now_s - worker.began_s > LONGEST_WAIT_S]
        for key in late:  # their workers were replaced
            del self._returning[key]
        workers = [*self._at.values(), *self._returning.values()]
        until_s = {}
        for document in {flight.document for flight in waiting}.difference(held_documents, barred):
            opening_s = self._costs.opening_s(document)
            others = [flight for flight in waiting if flight.document == document][1:]
            before_s = sum(self._flight_s(flight, opening_s) for flight in others)
            holders = [AtJob(now_s - worker.began_s, self._worker_s(worker)) for worker in workers if worker.has(document)]
            patience = patience_s(holders, opening_s, before_s)
            if patience > 0:
                until_s[document] = now_s + patience
        return Kept(frozenset(until_s), min(until_s.values())) if until_s else NOTHING

    def seconds_until(self, time_s: float | None) -> float | None:
        """Seconds until a time by the clock, at least 0. None stays None."""
        return None if time_s is None else max(0.0, time_s - self._clock())

    def _flight_s(self, flight: Flight, otherwise_s: float) -> float:
        expected_s = self._costs.expected_s(flight.document, _kind(flight.work.job)[0])
        return otherwise_s if expected_s is None else expected_s

    def _worker_s(self, worker: _Worker) -> float | None:
        expected_s = self._costs.expected_s(worker.document, worker.kind)
        return worker.bound_s if expected_s is None else expected_s

    def _learn(self, worker: _Worker) -> None:
        if worker.held_it:
            self._costs.note(worker.document, worker.kind, self._clock() - worker.began_s)


def _kind(job: AnyJob) -> tuple[JobKind, float | None]:
    """The kind of a job, and how long it may take if no other of its kind was done."""
    name = type(job).__name__
    match job:
        case Draw(spec=spec) | DrawBands(spec=spec):
            pixels = (spec.x1_px - spec.x0_px) * (spec.y1_px - spec.y0_px)
            return JobKind(name, pixels.bit_length()), None
        case Identify(budget_s=budget_s) | Search(budget_s=budget_s) | ReadAnnotations(budget_s=budget_s):
            return JobKind(name), budget_s + LAST_PAGE_S
    return JobKind(name), None
