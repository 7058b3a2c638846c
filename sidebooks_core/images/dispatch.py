"""Between requests and workers' threads: flights are joined, queued, given to workers, and forgotten.

One lock guards the flights. It is never held during I/O, while a future is resolved, or while a worker works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Unpack

from sidebooks_core.errors import RenderTimeout, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.images.ageing import Ageing
from sidebooks_core.images.answers import Answer
from sidebooks_core.images.busy import Busy
from sidebooks_core.images.entering import Entering, tell
from sidebooks_core.images.giving import Giving
from sidebooks_core.images.requests import Request
from sidebooks_core.images.seats import Seat, Seats
from sidebooks_core.images.suspects import Suspects
from sidebooks_core.images.work import Flight, Wanted, Work, fail, flight_of
from sidebooks_core.scheduling.flights import Flights, State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.workers.pool import Taker


class Dispatcher:
    """All flights of a service. Thread-safe."""

    def __init__(self, max_jobs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._landing = threading.Condition(self._lock)
        self._flights: Flights[Work, Wanted] = Flights(max_jobs)
        self._seats = Seats()
        self._entering = Entering(self._flights, self._seats)
        self._closed = False
        self._suspects = Suspects()
        self._busy = Busy(clock)
        self._giving = Giving(self._flights, self._seats, self._busy, self._suspects)
        self._shown: dict[Request, Record] = {}
        """Images of flights that were shown and have not landed."""
        self._ageing = Ageing()
        self._drops = 0
        self.failures = 0

    def ask(self, name: str, work: Work, priority: Priority, client: str = "") -> Future[Any]:
        """Queue a job whose answer is not stored. The future gets the answer, or QueueFull or ServiceClosed."""
        wanted = Wanted(Answer(), priority, client)
        self.enter([flight_of([name], work, wanted)])
        self.watch(wanted)
        return wanted.future

    def enter(self, flights: Sequence[Flight]) -> None:
        """Join flights with the same names, or begin these. If neither is possible, requests get QueueFull or ServiceClosed.

        A joined flight takes the more urgent class, the longer time and the names of the two. Even without flights, idle
        workers get the flights that wait.
        """
        with self._lock:
            entered = self._entering.enter_all(flights, is_closed=self._closed)
            self._giving.hand_out(flights[0].document if flights else None)
        self._make_room()
        tell(entered)

    def watch(self, wanted: Wanted) -> None:
        """Forget a request when its future is cancelled."""
        if not wanted.future.done():
            wanted.future.add_done_callback(partial(self._forget_if_cancelled, wanted))

    def forget(self, wanted: Wanted) -> bool:
        """Forget a request. Its flight is dropped if no other request waits for it and no worker has begun it.

        A flight that was begun goes on, until a visible page needs its worker (`aged`). False: it waited for no flight.
        """
        with self._lock:
            flight = wanted.flight
            waited = flight is not None and self._flights.forget(flight, wanted)
            if waited and flight is not None and flight.state is State.LANDED:
                self._drops += 1
        self._make_room()
        return waited

    def take(self, held_documents: set[str], follow_ups: Sequence[Flight], **worker: Unpack[Taker]) -> Flight | None:
        """The next flight for a worker; sleeps until there is one. None: closed.

        follow_ups: flights that follow from the last one. All are queued first; then this worker takes the most urgent flight,
        and other workers take the rest.
        """
        seat = Seat(threading.Condition(self._lock), held_documents, **worker)
        with self._lock:
            entered = self._entering.enter_all(follow_ups, is_closed=self._closed)
            if not self._closed:
                self._seats.add(seat)
                self._busy.came(held_documents)
                self._giving.give(seat)
                self._giving.hand_out()
        tell(entered)
        with self._lock:
            while seat.flight is None and not self._closed:
                if not seat.wake.wait(self._busy.seconds_until(seat.look_again_s)) and seat.flight is None and not self._closed:
                    seat.look_again_s = None
                    self._giving.hand_out()  # what this worker takes may leave work for others, such as the spare
        self._make_room()  # what this worker left to a busy one until now may want a worker
        return seat.flight

    def take_ahead(self, held_documents: set[str], flight: Flight) -> Flight | None:
        """The flight to begin after a bulk flight that ends in a moment: the next one if it is of the document. Never waits.

        None if the document is suspect. The flights of the spare are never bulk.
        """
        with self._lock:
            is_barred = self._suspects.includes(flight.document, time.monotonic())
            if self._closed or is_barred or flight.priority is not Priority.BULK:
                return None
            barred, finishing = self._suspects.at_work(), self._busy.finishing
            following = self._flights.take(held_documents, Priority.BULK, barred, finishing, flight.document)
            if following is not None:
                self._seats.begin(following)
                self._busy.begin(following, held_documents)
            return following

    def put_back(self, flight: Flight) -> None:
        """A flight that was taken ahead was not begun, and holds no lease: it waits first in its class, if it is wanted."""
        with self._lock:
            self._seats.end(flight)
            self._busy.put_back(flight)
            if flight.waiting and not self._closed:
                self._put_back(flight, self._flights.repeat)
                return
            waiting = self._flights.land(flight)
        for wanted in waiting:
            fail(wanted.future, ServiceClosed("the service was closed before this was done"))

    def call_helper(self, flight: Flight, part: Flight) -> bool:
        """Give an idle worker that holds a flight's document a part of the flight. False: there is none.

        Nobody helps while another visible page waits for a worker.
        """
        with self._lock:
            is_free = not self._closed and not self._flights.count_waiting(Priority.VISIBLE)
            seat = self._seats.helper(flight.document) if is_free else None
            if seat is not None:
                self._giving.put_to_work(seat, part)
        return seat is not None

    def tell_seats(self, tell: Callable[[Seats], None]) -> None:
        """Tell the seats something, under the lock."""
        with self._lock:
            tell(self._seats)

    def leave(self, flight: Flight, *, has_lost_worker: bool, is_answered: bool = False) -> None:
        """A worker is done with a flight, or was lost to it. If it was lost, the document is suspect for a while.

        is_answered: the worker did the work to the end.
        """
        with self._lock:
            self._seats.end(flight)
            self._ageing.end(flight)
            self._busy.end(flight, is_answered=is_answered)
            if has_lost_worker:
                self._suspects.watch(flight.document, time.monotonic())
            if self._suspects.end(flight) or has_lost_worker:  # flights may have waited for this worker
                self._giving.hand_out(flight.document)

    def repeat(self, flight: Flight, error: SidebooksError) -> bool:
        """Put a flight back if a request joined it while it was interrupted, or joined it with a longer time limit.

        The flight must hold no lease: another worker may take the flight, and a new lease, at once.
        """
        with self._lock:
            longer = flight.work.longer
            has_reason = isinstance(error, RequestDropped) or (isinstance(error, RenderTimeout) and longer is not None)
            if isinstance(error, RequestDropped) and not flight.waiting and flight.state is State.AT_WORK:
                self._flights.land(flight)  # no request may join between here and `land`: it would be dropped, too
            if not has_reason or not flight.waiting or self._closed or flight.state is not State.AT_WORK:
                return False
            flight.work.job, flight.work.longer = longer or flight.work.job, None
            self._put_back(flight, self._flights.repeat)
        return True

    def park(self, flight: Flight) -> None:
        """A flight waits for another process, and its worker takes the next one."""
        with self._lock:
            self._flights.park(flight)
        self.leave(flight, has_lost_worker=False)

    def resume(self, flight: Flight) -> None:
        """A parked flight waits for a worker again."""
        with self._lock:
            if flight.state is State.PARKED:
                self._put_back(flight, self._flights.resume)

    def name(self, flight: Flight, name: str) -> bool:
        """Let requests join a flight under one more name. False: another flight has the name."""
        with self._lock:
            return self._flights.name(flight, name)

    def take_waiting(self, flight: Flight) -> list[Wanted]:
        """Take the waiting requests out of a flight. The caller gives them their result, and the flight goes on."""
        with self._lock:
            return flight.take_waiting()

    def shown(self, request: Request) -> Record | None:
        """The image of a page that is drawn and is being identified. Takes no lock, because turns call it."""
        return self._shown.get(request) if self._shown else None

    def show(self, flight: Flight) -> list[Wanted]:
        """The image of a flight is in `work.shown`. Returns the waiting requests. Later requests get the image at once."""
        with self._lock:
            self._busy.show(flight)
            if flight.work.request is not None and flight.work.shown is not None:
                self._shown[flight.work.request] = flight.work.shown
            return self._flights.show(flight)

    def lingers(self, flight: Flight) -> None:
        """The identification after a shown image takes long. Other workers may now take flights of the document."""
        with self._lock:
            if self._busy.lingers(flight):
                self._giving.hand_out(flight.document)

    def opened(self, flight: Flight, took_s: float) -> None:
        """The worker of a flight has opened its document, in so many seconds."""
        with self._lock:
            self._busy.opened(flight, took_s)

    def land(self, flight: Flight, error: SidebooksError | None = None) -> list[Wanted]:
        """End a flight. Returns the waiting requests, to which the caller gives a result."""
        flight.work.release()
        with self._lock:
            if error is not None and not self._closed:
                self._drops += isinstance(error, RequestDropped)
                self.failures += not isinstance(error, RequestDropped)
            if flight.work.request is not None and flight.state is State.SHOWN:
                self._shown.pop(flight.work.request, None)
            waiting = self._flights.land(flight) if flight.state is not State.LANDED else []
            self._landing.notify_all()
        return waiting

    def wait_shown(self, timeout_s: float) -> None:
        """Wait until each page whose image was shown is identified, or its identification has failed."""
        with self._landing:
            self._landing.wait_for(lambda: not self._flights.count(State.SHOWN), timeout_s)

    def aged(self, flight: Flight, interrupt: Callable[[], None]) -> None:
        """A flight takes long. From now on `interrupt` may take its worker away, if a visible page needs a worker.

        This happens only if no request waits for the flight any more. After a fling past heavy pages, for example, all workers
        still draw those pages, and the reader looks at another one.
        """
        with self._lock:
            self._ageing.begin(flight, interrupt)
        self._make_room()

    def is_suspect(self, document: str) -> bool:
        """Whether a document, by its token, cost a worker a short time ago."""
        return self._suspects.includes(document, time.monotonic())

    @property
    def joins(self) -> int:
        """Requests that joined a flight."""
        return self._entering.joins

    @property
    def drops(self) -> int:
        """Flights that ended without a result, because no request waited any more or the queue was full."""
        return self._drops + self._entering.displaced

    @property
    def is_closed(self) -> bool:
        return self._closed

    def counts(self) -> tuple[int, int]:
        """Flights that wait for a worker, and all others that are under way."""
        with self._lock:
            return len(self._flights), self._flights.count(State.PARKED, State.AT_WORK, State.SHOWN)

    def has_idle_worker(self) -> bool:
        """Whether a worker waits for a flight, the spare not included."""
        with self._lock:
            return self._seats.has_worker()

    def idle_count(self) -> int:
        """Workers that wait for a flight, the spare included."""
        return len(self._seats)

    def close(self) -> None:
        """Fail all requests that wait, and end the sleep of the workers' threads."""
        with self._lock:
            self._closed = True
            dropped = [wanted for flight in self._flights.land_waiting() for wanted in flight.take_waiting()]
            self._seats.wake_all()
        for wanted in dropped:
            fail(wanted.future, ServiceClosed("the service was closed before this was done"))

    def _forget_if_cancelled(self, wanted: Wanted, future: Future[Any]) -> None:
        if future.cancelled():
            self.forget(wanted)

    def _put_back(self, flight: Flight, how: Callable[[Flight], None]) -> None:
        how(flight)
        self._giving.hand_out(flight.document)

    def _make_room(self) -> None:
        """For each visible flight in need of a worker, interrupt one aged flight for which no request waits, if any."""
        if not self._ageing:
            return  # nearly always; read without the lock, because `aged` calls this again after it adds a flight
        with self._lock:
            interrupts = self._ageing.chosen(self._giving.count_in_need())
        for interrupt in interrupts:
            interrupt()
