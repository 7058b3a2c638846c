"""The ends of flights: a worker's thread tells the image of a flight here, lands the flight, and gets those that follow."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import RenderFailed, RenderTimeout, ServiceClosed, SidebooksError
from sidebooks_core.images.answers import Answer
from sidebooks_core.images.beginning import Beginning
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.helping import Helping
from sidebooks_core.images.keeping import Keeper, own_id, scoped
from sidebooks_core.images.requests import Request
from sidebooks_core.images.seeking import Seeker, identifying, not_kept
from sidebooks_core.images.work import Flight, Found, Wanted, fail, resolve
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.workers.answers import Drawn
from sidebooks_core.workers.jobs import NO_WORKER, Draw, DrawBands, Hold, Identify, Job


class Landing:
    """The source of the pool's jobs: see `JobSource`. Its methods run in the threads of workers, or of the watchdog."""

    def __init__(self, keeper: Keeper, dispatcher: Dispatcher, seeker: Seeker) -> None:
        self._keeper = keeper
        self._dispatcher = dispatcher
        self._seeker = seeker
        self._helping = Helping(dispatcher)
        self._beginning = Beginning(keeper, dispatcher, seeker, self._helping, self._identified)
        self._probed: weakref.WeakSet[Document] = weakref.WeakSet()
        self.take = self._beginning.take
        self.take_ahead = self._beginning.take_ahead
        self.put_back = self._beginning.put_back
        self.enter = dispatcher.enter
        self.is_suspect = dispatcher.is_suspect
        self.aged = dispatcher.aged
        self.lingers = dispatcher.lingers
        self.opened = dispatcher.opened

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
        probe = Wanted(Answer(), Priority.VISIBLE, client, work.request, work.asked_at, looks_only=True)
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
        work = flight.work
        if isinstance(work.job, Hold) and error is not None:
            self._dispatcher.tell_seats(lambda seats: seats.forget(flight.document))
        if isinstance(work.job, Draw) and work.banding is not None:
            work.banding.close()  # its worker may never have begun
        self._dispatcher.leave(flight, has_lost_worker=has_lost_worker, is_answered=error is None)
        if error is not None:
            self._beginning.let_go(flight)
            if self._dispatcher.repeat(flight, error):
                return []
        if error is not None and self._dispatcher.is_closed:
            error = ServiceClosed(error.message, document_id=error.document_id, page=error.page)
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
        return self._seeker.seek_again(waiting)  # the record may be stored, although the page could not be drawn

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
                follow_ups += self._seeker.seek_again([wanted])
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

    def _record(self, request: Request, job: Job[object], drawn: Drawn) -> Record:
        """The record of a new raster. Its cost is at most the time limit of the job, since a worker may report any cost."""
        self._keeper.count_render()
        cost_s = min(drawn.draw_s + drawn.encode_s, job.timeout_s)
        self._helping.note(job, cost_s)
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
            return not_kept(request, fault)
        return None


def _tell_found(waiting: Sequence[Wanted], record: Record) -> None:
    for wanted in waiting:
        resolve(wanted.future, Found(record, "render"))


def _no_answer(job: Job[object]) -> SidebooksError:
    return RenderFailed(f"{job.document.name}: the worker gave no answer", document_id=job.document.digest)
