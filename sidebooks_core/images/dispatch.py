"""The desk between requests and workers: joins identical requests, queues, hands out, and tells everybody the result.

One lock guards the queue and the tables; it is never held during I/O, a callback or a wait for a worker. A request that
another process is working on (see `Leases`) waits aside, and its worker takes the next one meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.errors import QueueFull, RenderFailed, RenderTimeout, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.images.flights import Done, Flight, Held, Waiting, Work
from sidebooks_core.scheduling.queue import Entry, JobQueue, Priority, QueueIsFull
from sidebooks_core.workers.jobs import Job

_log = logging.getLogger("sidebooks_core.workers")

SUSPECT_S = 600.0
"""So long after a document cost a worker, what nobody looks at of it gets one worker at a time: the others stay free for who
reads something else. What somebody looks at does not wait: most of its pages may be sound."""
SUSPECTS = 256


class Locks(Protocol):
    """Locks on keys that exclude other processes."""

    def try_acquire(self, key: str) -> Held | None: ...

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None: ...


class _Seat(Struct, eq=False):
    """Where the thread of one idle worker sleeps."""

    wake: threading.Condition
    held_documents: set[str]
    is_spare: bool
    flight: Flight | None = None
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
        self._flights: dict[str, Flight] = {}
        self._idle: list[_Seat] = []
        self._locks = locks
        self._closed = False
        self._here = _Here()
        self._suspects: dict[str, float] = {}
        """Documents that cost workers, with the time until which they are watched."""
        self._suspects_at_work: set[str] = set()
        self._aged: dict[Flight, Callable[[], None] | None] = {}
        """What workers have been at for long, with what interrupts it; None where that was done."""
        self.joins = 0
        self.drops = 0
        self.failures = 0

    def request(
        self,
        work: Work,
        done: Done,
        priority: Priority = Priority.VISIBLE,
        client: str = "",
        ticket: object = None,
        follows_up: bool = False,
    ) -> bool:
        """Have work done; identical work that waits or runs is joined and promoted. True when it was joined.

        client: whose turn in the queue it takes. ticket: what `forget` knows this request by. Raises QueueFull, ServiceClosed.
        `done` may be called before this returns.
        follows_up: the last thing that a `done` does is to ask for this. It is left to the worker that was just done, if that
        is free: it holds the document and begins at once, where another had to be woken, and to open it.
        """
        displaced: Flight | None = None
        with self._lock:
            if self._closed:
                raise ServiceClosed("the service is closed")
            flight = self._flights.get(work.key)
            joined = flight is not None
            if flight is None:
                flight = Flight(work, priority)
            entry = Entry(work.key, priority, work.job.document.token, frozenset([client]))
            if work.job.timeout_s > flight.work.job.timeout_s:
                entry = self._give_more_time(flight, work, entry)
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
            flight.waiting.append(Waiting(done, client, ticket))
            self.joins += joined
            if not (follows_up and self._here.takes_next):
                self._hand_out(work.job.document.token)
        self._make_room()
        if displaced is not None:
            self._tell(displaced.told_now(), None, RequestDropped("dropped from a full queue for something more urgent"))
        return joined

    def _give_more_time(self, flight: Flight, work: Work, entry: Entry) -> Entry:
        """What is under way gets it if it overruns. What waits is done for `work` in the first place: its entry."""
        waits = self._queue.remove(work.key)
        if waits is None:
            flight.longer = work
            return entry
        flight.work = work
        return replace(entry, priority=min(entry.priority, waits.priority), clients=entry.clients | waits.clients)

    def draft(self, work: Work, drawn: Done, ticket: object = None, client: str = "") -> bool:
        """Begin work whose key is not known yet, under a provisional one, where a worker is free.

        Whether it is under way; then `adopt` or `abandon` follows. `drawn` is told what comes of it, perhaps at once, and also
        where its ticket was forgotten.
        """
        with self._lock:
            flight = self._flights.get(work.key)
            if flight is None:
                if self._closed or all(seat.is_spare for seat in self._idle):
                    return False
                try:
                    self._queue.push(Entry(work.key, Priority.VISIBLE, work.job.document.token, frozenset([client])))
                except QueueIsFull:
                    return False
                flight = self._flights[work.key] = Flight(work, Priority.VISIBLE, is_draft=True)
                self._hand_out(work.job.document.token)
            answered = flight.answered
            if answered is None:
                flight.waiting.append(Waiting(drawn, client, ticket, must_be_told=True))
        if answered is not None:
            drawn(*answered)
        return True

    def adopt(
        self,
        draft_key: str,
        work: Work,
        done: Done,
        priority: Priority,
        ticket: object = None,
        client: str = "",
        *,
        is_wanted: bool = True,
    ) -> None:
        """Now the key of a draft is known: from here on it is a request for `work`. Raises QueueFull, ServiceClosed.

        is_wanted=False: keep what comes of it; where nothing will, nobody needs it.
        """
        # Where another process has the key, both draw: ours is under way.
        lock = self._locks.try_acquire(work.key) if self._locks is not None else None
        with self._lock:
            flight = self._take_draft(draft_key)
            if flight is not None and flight.answered is not None and isinstance(flight.answered[1], RequestDropped):
                flight = None  # it was interrupted
            if flight is not None and work.key not in self._flights and not self._closed:
                flight.work = work
                flight.priority = priority
                flight.is_draft = False
                flight.waiting.append(Waiting(done, client, ticket, is_interested=is_wanted))
                flight.lock, lock = lock, None
                self._flights[work.key] = flight
            else:
                flight = None
        if lock is not None:
            lock.release()
        if flight is None:
            if is_wanted:
                self.request(work, done, priority, client, ticket)
        elif flight.answered is not None:
            self._complete(flight, *flight.answered, takes_next=self._here.takes_next)

    def abandon(self, draft_key: str) -> None:
        """Nobody needs a draft: what it is of was found, or cannot be known."""
        with self._lock:
            self._take_draft(draft_key)

    def _take_draft(self, draft_key: str) -> Flight | None:
        """A draft that a worker has begun, or has done; it has no key then."""
        flight = self._flights.pop(draft_key, None)
        waits = self._queue.remove(draft_key) is not None
        return None if waits else flight

    def forget(self, key: str, ticket: object) -> None:
        """One request is no longer interested; the work is dropped if nobody else is and it was not started.

        What was started goes on, until it is in the way of what somebody looks at (`aged`).
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                return
            flight.forget(ticket)
            if not flight.waiting and self._queue.remove(key) is not None:
                del self._flights[key]
                self.drops += 1
        self._make_room()

    def counts(self) -> tuple[int, int]:
        """Jobs that wait, and jobs under way."""
        with self._lock:
            return len(self._queue), sum(flight.under_way for flight in self._flights.values())

    def take(self, held_documents: set[str], *, is_spare: bool) -> tuple[Flight, Job, bytes | None] | None:
        """The next job for a worker; sleeps until there is one. None: closed."""
        while True:
            flight = self._next(held_documents, is_spare=is_spare)
            if flight is None:
                return None
            if flight.work.made_already is None:
                return flight, flight.work.job, flight.work.data
            lock = self._locks.try_acquire(flight.work.key) if self._locks is not None else None
            made = _made(flight.work.made_already)
            refusal = flight.work.refused() if made is None and flight.work.refused is not None else None
            if made is None and refusal is None and (lock is not None or self._locks is None or flight.is_past_waiting):
                flight.lock = lock
                return flight, flight.work.job, flight.work.data
            if lock is not None:
                lock.release()
            self._leave_worker(flight, lost_worker=False)
            if made is None and refusal is None:
                self._wait_for_other_process(flight)
            else:
                self._land(flight)
                self._tell(flight.told_now(), made, refusal)

    def finish(
        self,
        ticket: Flight,
        answer: Any,
        error: SidebooksError | None,
        *,
        lost_worker: bool = False,
        takes_next: bool = False,
    ) -> None:
        """A worker is done with a job, or was lost to it: then its document is watched for a while (SUSPECT_S).

        takes_next: the thread that calls this takes the worker's next job as soon as this returns.
        """
        self._leave_worker(ticket, lost_worker=lost_worker)
        if isinstance(error, RequestDropped | RenderTimeout) and self._begin_again(ticket, error):
            return
        if error is None and ticket.work.read is not None:
            try:
                answer = ticket.work.read(answer)
            except Exception as fault:  # noqa: BLE001 - those who wait are told, whatever it is
                answer, error = None, _not_kept(ticket.work.job, fault)
        early: list[Waiting] = []
        with self._lock:
            is_draft = ticket.is_draft
            if is_draft:
                ticket.answered = answer, error
                early = ticket.told_now()  # who adopts it from here on is told by that
        if is_draft:
            self._tell(early, answer, error, takes_next=takes_next)
        else:
            self._complete(ticket, answer, error, takes_next=takes_next)

    def _complete(self, ticket: Flight, answer: Any, error: SidebooksError | None, *, takes_next: bool = False) -> None:
        lock, ticket.lock = ticket.lock, None
        release = lock.release if lock is not None else _nothing
        if error is None and ticket.work.deliver is not None:
            # Kept before the flight lands: a request that comes in between finds one or the other.
            try:
                answer = ticket.work.deliver(answer, release, ticket.priority)
            except Exception as fault:  # noqa: BLE001 - those who wait are told, whatever it is
                release()
                answer, error = None, _not_kept(ticket.work.job, fault)
        else:
            release()
        self._land(ticket)
        if error is not None:
            with self._lock:
                if self._closed:
                    error = ServiceClosed(error.message, document_id=error.document_id, page=error.page)
                elif isinstance(error, RequestDropped):
                    self.drops += 1
                else:
                    self.failures += 1
        self._tell(ticket.told_now(), answer, error, takes_next=takes_next)

    def _tell(self, waiting: list[Waiting], answer: Any, error: SidebooksError | None, *, takes_next: bool = False) -> None:
        try:
            for number, one in enumerate(waiting, 1):
                # Only the last: what follows up must not wait for what another does when it is told.
                self._here.takes_next = takes_next and number == len(waiting)
                try:
                    one.done(answer, error)
                except Exception:  # noqa: BLE001 - the others must be told all the same
                    _log.exception("a fault of the library: who waited for a job could not be told of it")
        finally:
            self._here.takes_next = False

    def aged(self, ticket: Flight, interrupt: Callable[[], None]) -> None:
        """A job takes long. From here on its worker may be taken away from it, by `interrupt`, for what somebody looks at.

        Only where nobody is interested in the job any more: who has flung past heavy pages looks at another one, and all
        workers draw those that were passed by.
        """
        with self._lock:
            self._aged[ticket] = interrupt
        self._make_room()

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
            self._tell(flight.told_now(), None, ServiceClosed("the service was closed before this was done"))

    def _next(self, held_documents: set[str], *, is_spare: bool) -> Flight | None:
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

    def _make_room(self) -> None:
        """Interrupt a job for each visible one that waits, as far as there are jobs in its way that nobody wants."""
        if not self._aged:
            return  # nearly always, and read without the lock: whoever adds to it looks again
        with self._lock:
            waiting = self._queue.count(Priority.VISIBLE) - sum(interrupt is None for interrupt in self._aged.values())
            unwanted = [(flight, interrupt) for flight, interrupt in self._aged.items() if interrupt and not flight.is_wanted]
            chosen = unwanted[: max(0, waiting)]
            self._aged.update((flight, None) for flight, _ in chosen)
        for _, interrupt in chosen:
            interrupt()

    def _begin_again(self, flight: Flight, error: SidebooksError) -> bool:
        """Put a job back to its place in the queue that was joined while it was interrupted, or by who gives it more time."""
        with self._lock:
            has_reason = isinstance(error, RequestDropped) or flight.longer is not None
            if not has_reason or flight.is_draft or not flight.is_wanted or self._closed:
                return False
            flight.work, flight.longer = flight.longer or flight.work, None
            lock, flight.lock = flight.lock, None
            self._put_back(flight)
        if lock is not None:
            lock.release()
        return True

    def _put_back(self, flight: Flight) -> None:
        flight.under_way = False
        self._queue.push_front(flight.entry())
        self._hand_out(flight.work.job.document.token)

    def _leave_worker(self, flight: Flight, *, lost_worker: bool) -> None:
        """Its worker is done with it, or lost."""
        document = flight.work.job.document.token
        with self._lock:
            self._aged.pop(flight, None)
            if lost_worker:
                self._suspects.pop(document, None)
                while len(self._suspects) >= SUSPECTS:
                    self._suspects.pop(next(iter(self._suspects)))
                self._suspects[document] = time.monotonic() + SUSPECT_S
            if document in self._suspects_at_work:
                self._suspects_at_work.discard(document)
                self._hand_out(document)

    def _wait_for_other_process(self, flight: Flight) -> None:
        assert self._locks is not None
        now_s = time.monotonic()
        if flight.waits_until_s is None:
            flight.waits_until_s = now_s + flight.work.job.timeout_s
        most_s = max(0.0, flight.waits_until_s - now_s)
        self._locks.wait(flight.work.key, lambda is_free: self._resume(flight, is_free), most_s)

    def _resume(self, flight: Flight, is_free: bool) -> None:
        """Another process let go of the key, or hangs: back to the head of the queue."""
        with self._lock:
            if self._closed:
                return
            flight.is_past_waiting = not is_free or time.monotonic() >= (flight.waits_until_s or 0.0)
            self._put_back(flight)

    def _land(self, flight: Flight) -> None:
        with self._lock:
            self._flights.pop(flight.work.key, None)


def _made(look: Callable[[], Any]) -> Any:
    """None where the store raises, as it must not: then it is made again."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - an application's store: the thread of a worker serves on
        _log.exception("the store raised, as it must not")
        return None


def _not_kept(job: Job, fault: Exception) -> RenderFailed:
    _log.error("a fault of the library: what was made could not be kept", exc_info=fault)
    what = f"{job.document.name}: what was made could not be kept ({type(fault).__name__})"
    return RenderFailed(what, document_id=job.document.digest, page=job.page)


def _nothing() -> None:
    return None
