"""The ends of flights: a worker's thread takes a flight here, tells its image, lands it, and gets the flights that follow."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Unpack

from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import RenderFailed, RenderTimeout, ServiceClosed, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.helping import Helping
from sidebooks_core.images.keeping import Keeper, own_id, scoped
from sidebooks_core.images.requests import Request
from sidebooks_core.images.seeking import Seeker, identifying
from sidebooks_core.images.work import Flight, Found, Wanted, fail, resolve
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.workers.answers import Drawn
from sidebooks_core.workers.jobs import NO_WORKER, Draw, DrawBands, Hold, Identify, Job, page_of
from sidebooks_core.workers.pool import Taker

MOST_LOOKS = 3
"""After so many looks for a record that other processes may have made, it is made here. Keys share marks, so a mark may change
again and again for other keys; and a store that cannot tell gives another mark each time."""

_log = logging.getLogger("sidebooks_core.images")


class Landing:
    """The source of the pool's jobs: see `JobSource`. Its methods run in the threads of workers, or of the watchdog."""

    def __init__(self, keeper: Keeper, dispatcher: Dispatcher, seeker: Seeker) -> None:
        self._keeper = keeper
        self._dispatcher = dispatcher
        self._seeker = seeker
        self._helping = Helping(dispatcher)
        self._probed: weakref.WeakSet[Document] = weakref.WeakSet()
        self.enter = dispatcher.enter
        self.is_suspect = dispatcher.is_suspect
        self.aged = dispatcher.aged
        self.lingers = dispatcher.lingers

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
        self._let_go(flight)
        self._dispatcher.put_back(flight)

    def slow(self, flight: Flight) -> None:
        """A page that is drawn before it is identified takes long. An idle worker identifies it, so that its record may be
        found.

        This happens once for each document. The result tells whether other pages of the document are likely stored.
        """
        work = flight.work
        if work.request is None or flight.state is not State.AT_WORK or self._keeper.key(work.request) is not None:
            return
        document = work.request.document
        if document in self._probed or not self._dispatcher.has_idle_worker():
            return
        self._probed.add(document)
        client = next(iter(flight.entry().clients))
        probe = Wanted(Future(), Priority.VISIBLE, client, work.request, work.asked_at, looks_only=True)
        probe.future.add_done_callback(partial(self._stored_meanwhile, flight))
        settings = self._seeker.settings
        self._dispatcher.enter([identifying(settings, document, work.request.page, probe)])

    def told_first(self, flight: Flight, answer: object, error: SidebooksError | None) -> None:
        """The first answer for a page that is not identified: the image, or an error."""
        work = flight.work
        if isinstance(answer, Drawn) and work.request is not None:
            record = work.shown = self._record(work.request, work.job, answer)
            _tell_found(self._dispatcher.show(flight), record)
        work.failure = error

    def landed(
        self, flight: Flight, answer: object, error: SidebooksError | None, *, has_lost_worker: bool = False
    ) -> list[Flight]:
        """A flight is over: its record is kept, its requests are told. Returns the flights that follow from it."""
        self._dispatcher.leave(flight, has_lost_worker=has_lost_worker)
        if error is not None:
            self._let_go(flight)
            if self._dispatcher.repeat(flight, error):
                return []
        if error is not None and self._dispatcher.is_closed:
            error = ServiceClosed(error.message, document_id=error.document_id, page=error.page)
        work = flight.work
        match work.job:
            case DrawBands() | Hold():
                return []
            case Draw(then=None) if work.request is not None:
                return self._drawn(flight, work.request, answer, error)
            case Draw() if work.request is not None:
                return self._drawn_and_identified(flight, work.request, answer, error)
            case Identify():
                return self._identified(flight, answer, error)
        for wanted in self._dispatcher.land(flight, error):
            if error is not None:
                fail(wanted.future, error)
            else:
                resolve(wanted.future, answer)
        return []

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

    def _let_go(self, flight: Flight) -> None:
        """Release the lease after a failure. No process has made the record meanwhile, so a repeated flight need not look for
        it.
        """
        work, leases = flight.work, self._seeker.leases
        if work.lease is not None and leases is not None and work.key is not None:
            work.release()
            work.mark = leases.mark(work.key)

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
            self._dispatcher.enter(self._sought_again(self._dispatcher.land(flight)))
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

    def _stored_meanwhile(self, flight: Flight, future: Future[Found | None]) -> None:
        """Another worker has identified a page that is being drawn. If the record was stored, the waiting requests get it."""
        found = future.result() if future.exception() is None else None
        if found is None or flight.work.request is None:
            return
        if flight.state is State.AT_WORK:  # else the record may be its own
            flight.work.request.document.is_likely_stored = True
        for wanted in self._dispatcher.take_waiting(flight):
            resolve(wanted.future, found)

    def _drawn(self, flight: Flight, request: Request, answer: object, error: SidebooksError | None) -> list[Flight]:
        """An image of a page that was identified before."""
        if isinstance(answer, Drawn) and flight.work.key is not None:
            record = self._record(request, flight.work.job, answer)
            error = self._kept(flight, request, record, request.document.known_content_id(request.page) or "")
            waiting = self._dispatcher.land(flight, error)
            if error is None:
                _tell_found(waiting, record)
                return self._seeker.after_image(request.document)
        else:
            waiting = self._dispatcher.land(flight, error)
            error = error or _no_answer(flight.work.job)
            self._seeker.note_failure(request, flight.work.job.timeout_s, error)
        for wanted in waiting:
            fail(wanted.future, error)
        return []

    def _drawn_and_identified(
        self, flight: Flight, request: Request, answer: object, error: SidebooksError | None
    ) -> list[Flight]:
        """An image of a page that was not identified, and then the page's content id, unless either failed."""
        work = flight.work
        document, page = request.document, request.page
        content_ids = scoped(document.ref, answer) if isinstance(answer, tuple) else []
        content_id = document.known_content_id(page) or next(iter(content_ids), None)
        is_its_fault = isinstance(error or _no_answer(work.job), RenderFailed | RenderTimeout)
        if content_id is None and work.shown is not None and is_its_fault:
            # The drawing is right. It is kept as a page of this file alone; else each request would cost a worker again.
            content_id = own_id(document, page)
        if work.shown is not None and content_id is not None:
            was_stored = self._keeper.find(self._keeper.key_of(content_id, request)) is not None  # another document's, say
            error = (None if was_stored else self._kept(flight, request, work.shown, content_id)) or error
        # Only after the record is kept. Until the page is identified, requests find the shown image; then they find the record.
        document.content_ids.learn(page, content_ids)
        if content_id is not None and not content_ids:
            document.content_ids.learn_own(page, content_id)
        if work.shown is not None:
            self._dispatcher.land(flight, error)
            return self._seeker.after_image(document)
        failure = work.failure or error or _no_answer(work.job)
        waiting = self._dispatcher.land(flight, failure)
        self._seeker.note_failure(request, work.job.timeout_s, failure)
        if isinstance(failure, (ServiceClosed, *NO_WORKER)):
            for wanted in waiting:
                fail(wanted.future, failure)
            return []
        for wanted in waiting:
            wanted.failure = failure
        return self._sought_again(waiting)  # the record may be stored, although the page could not be drawn

    def _identified(self, flight: Flight, answer: object, error: SidebooksError | None) -> list[Flight]:
        """An answer with content ids of some pages. The records of the requests that waited are looked for in the stores."""
        work = flight.work
        if isinstance(answer, tuple) and work.content_ids is not None and isinstance(work.job, Identify):
            work.content_ids.learn(work.job.page, scoped(work.job.document, answer))
        follow_ups: list[Flight] = []
        for wanted in self._dispatcher.land(flight, error):
            request = wanted.request
            if error is None and request is None:
                resolve(wanted.future, None)
            elif error is None or (request is not None and self._may_be_drawn(wanted, request, error)):
                follow_ups += self._sought_again([wanted])
            else:
                fail(wanted.future, wanted.failure or error)
        for background in work.backgrounds:
            following = background.following()
            follow_ups += [following] if following is not None else []
        return follow_ups

    def _may_be_drawn(self, wanted: Wanted, request: Request, error: SidebooksError) -> bool:
        """Whether a page that could not be identified is drawn all the same, as a page of this file alone."""
        is_of_page = isinstance(error, RenderFailed | RenderTimeout) and not isinstance(error, NO_WORKER)
        if wanted.failure is not None or not is_of_page:
            return False
        request.document.content_ids.learn_own(request.page, own_id(request.document, request.page))
        return True

    def _sought_again(self, waiting: Sequence[Wanted]) -> list[Flight]:
        """Look for the records of requests that have waited already. Returns the flights that make the missing ones."""
        follow_ups: list[Flight] = []
        for wanted in waiting:
            request = wanted.request
            if request is None:
                continue
            try:
                follow_ups += self._seeker.seek(wanted, request)
            except SidebooksError as error:
                fail(wanted.future, error)
            except Exception as fault:  # noqa: BLE001 - an application's store, which must not raise
                fail(wanted.future, _not_kept(request, fault))
        return follow_ups

    def _record(self, request: Request, job: Job[object], drawn: Drawn) -> Record:
        """The record of a new raster. Its cost is at most the time limit of the job, since a worker may report any cost."""
        self._keeper.count_render()
        cost_s = min(drawn.draw_s + drawn.encode_s, job.timeout_s)
        self._helping.note(request, cost_s)
        return Record(data=drawn.record, tag="", cost_s=cost_s, is_preview=request.is_preview)

    def _kept(self, flight: Flight, request: Request, record: Record, content_id: str) -> SidebooksError | None:
        """Keep a record before its flight lands. So a request at that moment finds the flight or the record. Returns an error
        if the record was not kept.
        """
        key, leases = self._keeper.key_of(content_id, request), self._seeker.leases
        if flight.work.lease is None and leases is not None:
            written: Callable[[], None] = partial(leases.advance, key)
        else:
            written = flight.work.take_lease()
        try:
            self._keeper.keep(key, replace(record, tag=content_id), flight.priority, flight.work.asked_at, written)
        except Exception as fault:  # noqa: BLE001 - those who wait are told, whatever it is
            written()
            return _not_kept(request, fault)
        return None


def _tell_found(waiting: Sequence[Wanted], record: Record) -> None:
    for wanted in waiting:
        resolve(wanted.future, Found(record, "render"))


def _no_answer(job: Job[object]) -> SidebooksError:
    return RenderFailed(f"{job.document.name}: the worker gave no answer", document_id=job.document.digest)


def _not_begun(job: Job[object], fault: Exception) -> SidebooksError:
    _log.error("a fault of the library: a job could not be begun", exc_info=fault)
    what = f"{job.document.name}: the job could not be begun ({type(fault).__name__})"
    return RenderFailed(what, document_id=job.document.digest, page=page_of(job))


def _not_kept(request: Request, fault: Exception) -> SidebooksError:
    _log.error("a fault of the library: what was made could not be kept", exc_info=fault)
    what = f"{request.document.name}: what was made could not be kept ({type(fault).__name__})"
    return RenderFailed(what, document_id=request.document.id, page=request.page)
