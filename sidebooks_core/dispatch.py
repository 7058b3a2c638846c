"""The desk between requests and workers: joins identical requests, queues, hands out, and tells everybody the result.

One lock guards the queue and the tables; it is never held during I/O, a callback or a wait for a worker. A request that
another process is working on (see `RenderLocks`) waits aside, and its worker takes the next one meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct, field

from sidebooks_core.errors import QueueFull, RenderFailed, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.rendering.jobs import Job
from sidebooks_core.scheduling.queue import Entry, Generation, JobQueue, Priority, QueueIsFull

SUSPECT_S = 600.0
"""So long after a document cost a worker, what nobody looks at of it gets one worker at a time: the others stay free for who
reads something else. What somebody looks at does not wait: most of its pages may be sound."""
SUSPECTS = 256

Done = Callable[[Any, SidebooksError | None], None]
"""Told once: an answer, or an error. Runs in a worker's thread: short, and never raises."""


class Held(Protocol):
    """A lock on a key, held against other processes."""

    def release(self) -> None: ...


class Locks(Protocol):
    """Locks on keys that exclude other processes."""

    def try_acquire(self, key: str) -> Held | None: ...

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None: ...


class Work(Struct, kw_only=True):
    """One piece of work that any number of requests may wait for."""

    key: str
    job: Job
    data: bytes | None
    """The document's bytes where it has no path."""
    made_already: Callable[[], Any] | None = None
    """For work whose result is kept: looks for it once more before a worker begins. An earlier request or another process
    may have made it since this one looked. None when there is nothing."""
    read: Callable[[Any], Any] | None = None
    """What the waiting requests are told of a worker's answer. Raises KeyError, TypeError, ValueError if it makes no sense."""
    deliver: Callable[[Any, Callable[[], None], Priority], Any] | None = None
    """For work whose result is kept: keeps what `read` gave where others look for it, calls back once other processes can find
    it there, and gives what the waiting requests are told."""


class _Waiting(Struct, frozen=True, eq=False):
    done: Done
    generation: Generation | None
    ticket: object


class _Flight(Struct, eq=False):
    work: Work
    priority: Priority
    waiting: list[_Waiting] = field(default_factory=list)
    under_way: bool = False
    lock: Held | None = None
    waits_until_s: float | None = None
    """How long another process that has its key is waited for."""
    is_past_waiting: bool = False
    """It was waited for long enough."""
    is_draft: bool = False
    """Begun before its key is known (`draft`)."""
    answered: tuple[Any, SidebooksError | None] | None = None
    """What came of a draft, until its key is known."""


class _Seat(Struct, eq=False):
    """Where the thread of one idle worker sleeps."""

    wake: threading.Condition
    held_documents: set[str]
    is_spare: bool
    flight: _Flight | None = None
    """What it was given while it slept."""


class _Here(threading.local):
    """What a thread does just now."""

    takes_next = False
    """It tells the last of those who wait for a job, and then takes the next for the worker that did it."""


class Dispatcher:
    """The source of the pool's jobs."""

    def __init__(self, max_jobs: int, locks: Locks | None) -> None:
        self._lock = threading.Lock()
        self._queue = JobQueue(max_jobs)
        self._flights: dict[str, _Flight] = {}
        self._idle: list[_Seat] = []
        self._locks = locks
        self._closed = False
        self._here = _Here()
        self._suspects: dict[str, float] = {}
        """Documents that cost workers, with the time until which they are watched."""
        self._suspects_at_work: set[str] = set()
        self.joins = 0
        self.drops = 0
        self.failures = 0

    def request(
        self,
        work: Work,
        done: Done,
        priority: Priority = Priority.VISIBLE,
        generation: Generation | None = None,
        ticket: object = None,
        follows_up: bool = False,
    ) -> bool:
        """Have work done; identical work that waits or runs is joined and promoted. True when it was joined.

        ticket: what `forget` knows this request by. Raises QueueFull, ServiceClosed. `done` may be called before this
        returns.
        follows_up: the last thing that a `done` does is to ask for this. It is left to the worker that was just done, if that
        is free: it holds the document and begins at once, where another had to be woken, and to open it.
        """
        displaced: _Flight | None = None
        with self._lock:
            if self._closed:
                raise ServiceClosed("the service is closed")
            flight = self._flights.get(work.key)
            joined = flight is not None
            if flight is None:
                flight = _Flight(work, priority)
            entry = Entry(work.key, priority, work.job.document.token, frozenset([generation]))
            if not flight.under_way:
                try:
                    displaced_entry = self._queue.push(entry)
                except QueueIsFull:
                    raise QueueFull(
                        f"{len(self._queue)} jobs wait already (the settings allow no more: queue_jobs), none less urgent"
                    ) from None
                if displaced_entry is not None:
                    displaced = self._flights.pop(displaced_entry.key)
                    self.drops += 1
            self._flights[work.key] = flight
            flight.priority = min(flight.priority, priority)
            flight.waiting.append(_Waiting(done, generation, ticket))
            self.joins += joined
            if not (follows_up and self._here.takes_next):
                self._hand_out(work.job.document.token)
        if displaced is not None:
            self._tell(_told_now(displaced), None, RequestDropped("dropped from a full queue for something more urgent"))
        return joined

    def draft(self, work: Work, drawn: Done) -> bool:
        """Begin work whose key is not known yet, under a provisional one, where a worker is free.

        Whether it is under way; then `adopt` or `abandon` follows. `drawn` is told what comes of it, perhaps at once.
        """
        with self._lock:
            flight = self._flights.get(work.key)
            if flight is None:
                if self._closed or all(seat.is_spare for seat in self._idle):
                    return False
                try:
                    self._queue.push(Entry(work.key, Priority.VISIBLE, work.job.document.token))
                except QueueIsFull:
                    return False
                flight = self._flights[work.key] = _Flight(work, Priority.VISIBLE, is_draft=True)
                self._hand_out(work.job.document.token)
            answered = flight.answered
            if answered is None:
                flight.waiting.append(_Waiting(drawn, None, None))
        if answered is not None:
            drawn(*answered)
        return True

    def adopt(self, draft_key: str, work: Work, done: Done, priority: Priority, ticket: object = None) -> None:
        """Now the key of a draft is known: from here on it is a request for `work`. Raises QueueFull, ServiceClosed."""
        # Where another process has the key, both draw: ours is under way.
        lock = self._locks.try_acquire(work.key) if self._locks is not None else None
        with self._lock:
            flight = self._take_draft(draft_key)
            if flight is not None and work.key not in self._flights and not self._closed:
                flight.work = work
                flight.priority = priority
                flight.is_draft = False
                flight.waiting.append(_Waiting(done, None, ticket))
                flight.lock, lock = lock, None
                self._flights[work.key] = flight
            else:
                flight = None
        if lock is not None:
            lock.release()
        if flight is None:
            self.request(work, done, priority, ticket=ticket)
        elif flight.answered is not None:
            self._complete(flight, *flight.answered, takes_next=self._here.takes_next)

    def abandon(self, draft_key: str) -> None:
        """Nobody needs a draft: what it is of was found, or cannot be known."""
        with self._lock:
            self._take_draft(draft_key)

    def _take_draft(self, draft_key: str) -> _Flight | None:
        """A draft that a worker has begun, or has done; it has no key then."""
        flight = self._flights.pop(draft_key, None)
        waits = self._queue.remove(draft_key) is not None
        return None if waits else flight

    def forget(self, key: str, ticket: object) -> None:
        """One request is no longer interested; the work is dropped if nobody else is and it was not started."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                return
            flight.waiting = [waiting for waiting in flight.waiting if waiting.ticket is not ticket]
            if not flight.waiting and self._queue.remove(key) is not None:
                del self._flights[key]
                self.drops += 1

    def drop_generations(self, owner: str, older_than: int) -> int:
        """Drop what only stale wish lists of one owner want and no worker has begun. Returns how many."""
        with self._lock:
            flights = [self._flights.pop(entry.key) for entry in self._queue.drop_generations(owner, older_than)]
            self.drops += len(flights)
        for flight in flights:
            self._tell(_told_now(flight), None, RequestDropped("dropped: its wish list is stale"))
        return len(flights)

    def counts(self) -> tuple[int, int]:
        """Jobs that wait, and jobs under way."""
        with self._lock:
            return len(self._queue), sum(flight.under_way for flight in self._flights.values())

    def take(self, held_documents: set[str], *, is_spare: bool) -> tuple[_Flight, Job, bytes | None] | None:
        """The next job for a worker; sleeps until there is one. None: closed."""
        while True:
            flight = self._next(held_documents, is_spare=is_spare)
            if flight is None:
                return None
            if flight.work.made_already is None:
                return flight, flight.work.job, flight.work.data
            lock = self._locks.try_acquire(flight.work.key) if self._locks is not None else None
            made = flight.work.made_already()
            if made is None and (lock is not None or self._locks is None or flight.is_past_waiting):
                flight.lock = lock
                return flight, flight.work.job, flight.work.data
            if lock is not None:
                lock.release()
            self._release_suspect(flight.work.job.document.token, lost_worker=False)
            if made is None:
                self._wait_for_other_process(flight)
            else:
                self._land(flight)
                self._tell(_told_now(flight), made, None)

    def finish(
        self,
        ticket: _Flight,
        answer: Any,
        error: SidebooksError | None,
        *,
        lost_worker: bool = False,
        takes_next: bool = False,
    ) -> None:
        """A worker is done with a job, or was lost to it: then its document is watched for a while (SUSPECT_S).

        takes_next: the thread that calls this takes the worker's next job as soon as this returns.
        """
        job = ticket.work.job
        self._release_suspect(job.document.token, lost_worker=lost_worker)
        if error is None and ticket.work.read is not None:
            try:
                answer = ticket.work.read(answer)
            except (KeyError, TypeError, ValueError) as problem:
                what = f"{job.document.name}: the worker's answer makes no sense ({problem!r})"
                answer, error = None, RenderFailed(what, document_id=job.document.digest, page=job.page)
        early: list[_Waiting] = []
        with self._lock:
            is_draft = ticket.is_draft
            if is_draft:
                ticket.answered = answer, error
                early = _told_now(ticket)  # who adopts it from here on is told by that
        if is_draft:
            self._tell(early, answer, error, takes_next=takes_next)
        else:
            self._complete(ticket, answer, error, takes_next=takes_next)

    def _complete(self, ticket: _Flight, answer: Any, error: SidebooksError | None, *, takes_next: bool = False) -> None:
        lock, ticket.lock = ticket.lock, None
        release = lock.release if lock is not None else _nothing
        if error is None and ticket.work.deliver is not None:
            # Kept before the flight lands: a request that comes in between finds one or the other.
            answer = ticket.work.deliver(answer, release, ticket.priority)
        else:
            release()
        self._land(ticket)
        if error is not None:
            with self._lock:
                if self._closed:
                    error = ServiceClosed(error.message, document_id=error.document_id, page=error.page)
                else:
                    self.failures += 1
        self._tell(_told_now(ticket), answer, error, takes_next=takes_next)

    def _tell(self, waiting: list[_Waiting], answer: Any, error: SidebooksError | None, *, takes_next: bool = False) -> None:
        try:
            for number, one in enumerate(waiting, 1):
                # Only the last: what follows up must not wait for what another does when it is told.
                self._here.takes_next = takes_next and number == len(waiting)
                one.done(answer, error)
        finally:
            self._here.takes_next = False

    def is_suspect(self, document: str) -> bool:
        """Whether a document, by its token, cost a worker a short time ago."""
        return self._suspects.get(document, 0.0) > time.monotonic()

    def close(self) -> None:
        """Fail what waits, and let the workers' threads go home."""
        with self._lock:
            self._closed = True
            flights = [self._flights.pop(entry.key) for entry in self._queue.clear()]
            parked = [f for f in self._flights.values() if f.under_way and f.lock is None and f.work.made_already]
            for seat in self._idle:
                seat.wake.notify()
            self._idle.clear()
        for flight in flights + parked:
            self._tell(_told_now(flight), None, ServiceClosed("the service was closed before this was done"))

    def _next(self, held_documents: set[str], *, is_spare: bool) -> _Flight | None:
        with self._lock:
            if self._closed:
                return None
            seat = _Seat(threading.Condition(self._lock), held_documents, is_spare)
            self._idle.append(seat)
            self._give(seat)
            self._hand_out()  # what follows up is left to this worker, which takes one job
            while seat.flight is None and not self._closed:
                seat.wake.wait()
            return seat.flight

    def _hand_out(self, document: str | None = None) -> None:
        """Give what waits to idle workers: to those that hold the document first, to the spare last.

        A job is given, not announced: of two that are woken for one job, the wrong one may be the first to come.
        """
        for seat in sorted(self._idle, key=lambda seat: (seat.is_spare, document not in seat.held_documents)):
            self._give(seat)

    def _give(self, seat: _Seat) -> None:
        """Give an idle worker its next job, if there is one. The spare leaves work to the others while one of them is free."""
        if seat.is_spare and any(not idle.is_spare for idle in self._idle):
            return
        least_urgent = Priority.VISIBLE if seat.is_spare else Priority.BULK
        entry = self._queue.pop(seat.held_documents, least_urgent, self._suspects_at_work)
        if entry is None:
            return
        seat.flight = self._flights[entry.key]
        seat.flight.under_way = True
        if self.is_suspect(entry.document):
            self._suspects_at_work.add(entry.document)
        self._idle.remove(seat)
        seat.wake.notify()

    def _release_suspect(self, document: str, *, lost_worker: bool) -> None:
        with self._lock:
            if lost_worker:
                self._suspects.pop(document, None)
                while len(self._suspects) >= SUSPECTS:
                    self._suspects.pop(next(iter(self._suspects)))
                self._suspects[document] = time.monotonic() + SUSPECT_S
            if document in self._suspects_at_work:
                self._suspects_at_work.discard(document)
                self._hand_out(document)

    def _wait_for_other_process(self, flight: _Flight) -> None:
        assert self._locks is not None
        now_s = time.monotonic()
        if flight.waits_until_s is None:
            flight.waits_until_s = now_s + flight.work.job.timeout_s
        most_s = max(0.0, flight.waits_until_s - now_s)
        self._locks.wait(flight.work.key, lambda is_free: self._resume(flight, is_free), most_s)

    def _resume(self, flight: _Flight, is_free: bool) -> None:
        """Another process let go of the key, or hangs: back to the head of the queue."""
        with self._lock:
            if self._closed:
                return
            flight.is_past_waiting = not is_free or time.monotonic() >= (flight.waits_until_s or 0.0)
            flight.under_way = False
            wanted_by = frozenset(waiting.generation for waiting in flight.waiting) or frozenset([None])
            self._queue.push_front(Entry(flight.work.key, flight.priority, flight.work.job.document.token, wanted_by))
            self._hand_out(flight.work.job.document.token)

    def _land(self, flight: _Flight) -> None:
        with self._lock:
            self._flights.pop(flight.work.key, None)


def _told_now(flight: _Flight) -> list[_Waiting]:
    """Who waits for it, and is told only once."""
    waiting, flight.waiting = flight.waiting, []
    return waiting


def _nothing() -> None:
    return None
