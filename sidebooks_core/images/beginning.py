"""The beginnings of flights: a worker's thread takes a flight here, and learns whether its worker must begin that."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Unpack

from msgspec.structs import replace

from sidebooks_core.errors import RenderFailed, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.helping import Helping
from sidebooks_core.images.keeping import Keeper
from sidebooks_core.images.requests import Request
from sidebooks_core.images.seeking import Seeker
from sidebooks_core.images.work import Flight, Found, fail, resolve
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.jobs import Draw, Job, page_of
from sidebooks_core.workers.pool import Taker

MOST_LOOKS = 3
"""After so many looks for a record that other processes may have made, it is made here. Keys share marks, so a mark may change
again and again for other keys; and a store that cannot tell gives another mark each time."""

_log = logging.getLogger("sidebooks_core.images")


class Beginning:
    """A part of `Landing`, the source of the pool's jobs. Its methods run in the threads of workers."""

    def __init__(
        self,
        keeper: Keeper,
        dispatcher: Dispatcher,
        seeker: Seeker,
        helping: Helping,
        identified: Callable[[Flight, object, SidebooksError | None], list[Flight]],
    ) -> None:
        """identified: lands an identification. Returns the flights that follow from it."""
        self._keeper = keeper
        self._dispatcher = dispatcher
        self._seeker = seeker
        self._identified = identified
        self._helping = helping

    def take(self, held_documents: set[str], follow_ups: Sequence[Flight] = (), **worker: Unpack[Taker]) -> Flight | None:
        """The next flight for a worker, which may begin it."""
        while True:
            flight = self._dispatcher.take(held_documents, follow_ups, **worker)
            follow_ups = ()
            if flight is None:
                return None
            can_help = bool(worker.get("can_help")) and flight.document in held_documents
            if self._is_to_begin(flight, can_help=can_help):
                return flight

    def take_ahead(self, held_documents: set[str], flight: Flight) -> Flight | None:
        """The flight that a worker is to begin after a bulk flight which it will end in a moment. Never waits for a flight."""
        while True:
            following = self._dispatcher.take_ahead(held_documents, flight)
            if following is None or self._is_to_begin(following, can_help=False):
                return following

    def put_back(self, flight: Flight) -> None:
        """A flight that was taken ahead was not begun."""
        self.let_go(flight)
        self._dispatcher.put_back(flight)

    def let_go(self, flight: Flight) -> None:
        """Release the lease after a failure. No process has made the record meanwhile, so a repeated flight need not look for
        it.
        """
        work, leases = flight.work, self._seeker.leases
        if work.lease is not None and leases is not None and work.key is not None:
            work.release()
            work.mark = leases.mark(work.key)

    def _is_to_begin(self, flight: Flight, *, can_help: bool) -> bool:
        """Whether a worker must begin a flight that it took. If not, the flight has landed, or it waits for another process.

        can_help: the worker can share the flight with another one.
        """
        request = flight.work.request
        try:
            if request is None:
                return not self._is_identified(flight)
            is_to_begin = self._may_begin(flight, request)
            if is_to_begin and can_help:
                self._helping.call(flight)
        except Exception as fault:  # noqa: BLE001 - this thread serves on, and those who wait are told
            self._dispatcher.leave(flight, has_lost_worker=False)
            for wanted in self._dispatcher.land(flight):
                fail(wanted.future, _not_begun(flight.work.job, fault))
            return False
        return is_to_begin

    def _is_identified(self, flight: Flight) -> bool:
        """Whether a flight is an identification that is not needed any more, since another flight identified the page. Then it
        has landed.
        """
        work = flight.work
        is_known = work.content_ids is not None and work.content_ids.of(page_of(work.job) or 0) is not None
        if is_known:
            self._dispatcher.leave(flight, has_lost_worker=False)
            self._dispatcher.enter(self._identified(flight, None, None))
        return is_known

    def _may_begin(self, flight: Flight, request: Request) -> bool:
        """Whether a worker must begin a drawing that it took. If not, the flight has landed, or it waits for
        another process.
        """
        work = flight.work
        if work.key is None and self._is_over_by_key(flight, request):
            return False
        record = self._keeper.in_memory(request)
        if record is not None:  # made by another flight since the look
            self._land_found(flight, Found(record, "memory"))
            return False
        refusal = self._seeker.refusal(request, is_ahead=flight.priority in (Priority.NEXT, Priority.PREVIEW))
        if refusal is not None:
            self._dispatcher.leave(flight, has_lost_worker=False)
            for wanted in self._dispatcher.land(flight):
                fail(wanted.future, refusal)
            return False
        leases = self._seeker.leases
        if work.key is None or leases is None or work.is_past_waiting:
            return True
        lease = leases.try_acquire(work.key)
        if lease is not None and (leases.mark(work.key) == work.mark or work.looks >= MOST_LOOKS):
            work.lease = lease
            return True
        # Another process makes the record, or may have made it since the look. No worker waits for either.
        if lease is not None:
            lease.release()
        now_s = time.monotonic()
        if work.waits_until_s is None:
            work.waits_until_s = now_s + work.job.timeout_s
        self._dispatcher.park(flight)
        leases.wait(work.key, partial(self._resume, flight), max(0.0, work.waits_until_s - now_s))
        return False

    def _is_over_by_key(self, flight: Flight, request: Request) -> bool:
        """Whether a drawing is not needed any more, since its page was identified while the drawing waited.

        Then the record is stored, or a flight of another document with the same page makes it.
        """
        work, leases = flight.work, self._seeker.leases
        key = self._keeper.key(request)
        if key is None or not isinstance(work.job, Draw):
            return False
        work.key, work.job = key, replace(work.job, then=None)
        work.mark = leases.mark(key) if leases is not None else 0
        is_alone = self._dispatcher.name(flight, key)
        found = self._keeper.find(key)
        if is_alone and found is None:
            return False
        if found is not None:
            self._land_found(flight, found)
            self._dispatcher.enter(self._seeker.after_image(request.document))
        else:
            self._dispatcher.leave(flight, has_lost_worker=False)
            self._dispatcher.enter(self._seeker.seek_again(self._dispatcher.land(flight)))
        return True

    def _land_found(self, flight: Flight, found: Found) -> None:
        """Land a flight that a worker took and need not begin, with the record that was found."""
        self._dispatcher.leave(flight, has_lost_worker=False)
        for wanted in self._dispatcher.land(flight):
            resolve(wanted.future, found)

    def _resume(self, flight: Flight, is_free: bool) -> None:
        """Another process released the lease, or hangs. Runs in a thread of the leases, so it may wait for the disk."""
        work = flight.work
        leases = self._seeker.leases
        if leases is None or work.key is None:
            return
        work.is_past_waiting = not is_free or time.monotonic() >= (work.waits_until_s or 0.0)
        work.mark, work.looks = leases.mark(work.key), work.looks + 1
        found = self._keeper.find(work.key)
        if found is None:
            self._dispatcher.resume(flight)
            return
        for wanted in self._dispatcher.land(flight):
            resolve(wanted.future, found)


def _not_begun(job: Job[object], fault: Exception) -> SidebooksError:
    _log.error("a fault of the library: a job could not be begun", exc_info=fault)
    what = f"{job.document.name}: the job could not be begun ({type(fault).__name__})"
    return RenderFailed(what, document_id=job.document.digest, page=page_of(job))
