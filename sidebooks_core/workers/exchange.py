"""One job on one worker: send the job, hand over the document, read the answer, and judge the loss of the worker."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from sidebooks_core.errors import DamagedDocument, RenderFailed, RenderTimeout, RequestDropped, SidebooksError
from sidebooks_core.workers import wire
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import (
    AnyJob,
    Assignment,
    Draw,
    DrawBands,
    Job,
    NoWorker,
    NoWorkerToOpen,
    Open,
    WorkerDied,
    error_told,
    for_worker,
    page_of,
)
from sidebooks_core.workers.process import NOTED_S, SLOW_S, Step, Watchdog, WorkerProcess
from sidebooks_core.workers.replies import Reply
from sidebooks_core.workers.taking_part import help_out, lead
from sidebooks_core.workers.talking import NotBegun, ask, hear

SLOW_DRAFT_S = 0.05
"""If drawing takes longer, another worker identifies the page: its record may be stored already."""
LINGERS_S = 0.015
"""If the second answer takes longer, other workers may open the document. Opening takes 20 to 100 ms."""
LOOK_AGAIN_S = 0.05
"""The shortest time between two looks at a job's processor time. The kernel counts in hundredths of a second."""
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that mean a shortage of the host or its machine. The file is not to blame."""

_A = TypeVar("_A")


class Work(Protocol):
    """The work of a flight, as workers' threads see it."""

    job: AnyJob
    data: bytes | None
    """The document's bytes if it has no path."""
    banding: Banding | None
    """The raster is drawn in bands, beside other workers. None: this worker draws it alone."""


class Flight(Protocol):
    """A flight, as workers' threads see it."""

    @property
    def work(self) -> Work: ...


F = TypeVar("F", bound=Flight)


class Listener(Protocol[F]):
    """Is told of the progress of a job."""

    def is_suspect(self, document: str) -> bool:
        """Whether a document, by its token, cost a worker a short time ago."""
        ...

    def aged(self, flight: F, interrupt: Callable[[], None]) -> None:
        """The job takes long. `interrupt` ends it from any thread, with its worker, if it is still under way then."""
        ...

    def opened(self, flight: F, took_s: float) -> None:
        """The worker has opened the document for the job, in so many seconds."""
        ...

    def slow(self, flight: F) -> None:
        """An image that is drawn before its page is identified takes longer than most."""
        ...

    def lingers(self, flight: F) -> None:
        """The second of two answers takes long."""
        ...

    def take_ahead(self, held_documents: set[str], flight: F) -> F | None:
        """The job that a worker is to begin after one which it will end in a moment. Never waits for a job. None: there is no
        such job, or the worker must not have it yet.
        """
        ...

    def put_back(self, flight: F) -> None:
        """A job that was taken ahead was not begun."""
        ...

    def told_first(self, flight: F, answer: object, error: SidebooksError | None) -> None:
        """The first of two answers, or an error in its place. The second is the job's result."""
        ...


class Fate(Enum):
    """The effect of a job on its worker."""

    GOES_ON = auto()
    REPLACED = auto()
    """The host ended the worker without a fault: it was interrupted, took too much memory, or had a low priority."""
    DIED = auto()


class Result(Struct, frozen=True):
    """The result of a job: an answer of the job's type, or an error."""

    answer: object
    error: SidebooksError | None
    fate: Fate


class Done(Struct, Generic[F], frozen=True):
    """A job's result, and the next job, if the worker has it already."""

    result: Result
    following: F | None = None


class _Lost(Exception):
    """A worker died after the job was sent, or its answer cannot be understood."""

    def __init__(self, error: wire.WireClosed | wire.WireBroken, *, has_answered: bool) -> None:
        """has_answered: the worker has read the job, since it asked for the document or sent a first answer."""
        super().__init__(str(error))
        self.error = error
        self.has_answered = has_answered


class _Refused(Exception):
    """The document's file cannot be handed over."""

    def __init__(self, error: SidebooksError) -> None:
        super().__init__(error.message)
        self.error = error


class Exchange:
    """Does jobs on workers, one at a time for each calling thread."""

    def __init__(
        self, watchdog: Watchdog, closing: threading.Event, recycle_bytes: int, complain: Callable[[str], None]
    ) -> None:
        """recycle_bytes: a worker whose resident memory is above this after a job is replaced. complain: writes to the log."""
        self._watchdog = watchdog
        self._closing = closing
        self._recycle_bytes = recycle_bytes
        self._complain = complain

    def do(self, worker: WorkerProcess, flight: F, listener: Listener[F], *, is_sent: bool = False) -> Done[F]:
        """Do a job, and return the result. A worker that cannot go on is buried here; after NotBegun the caller buries it.

        is_sent: the worker has the job already; it was `Done.following` of the last one. Its time limit begins now.
        """
        taken: list[F] = []
        goes_on = False
        try:
            result = self._result(worker, flight, listener, taken, is_sent=is_sent)
            goes_on = result.fate is Fate.GOES_ON
        finally:
            if not goes_on:
                for following in taken:
                    listener.put_back(following)
        return Done(result, taken[0] if goes_on and taken else None)

    def _result(self, worker: WorkerProcess, flight: F, listener: Listener[F], taken: list[F], *, is_sent: bool) -> Result:
        """See `do`. The next job goes into `taken` when the worker has it."""
        try:
            reply = self._replies(worker, flight, listener, taken, is_sent=is_sent)
        except _Refused as refused:
            return Result(None, refused.error, Fate.GOES_ON)
        except _Lost as lost:
            return self._loss(worker, flight.work.job, lost)
        if not reply.need_data:
            worker.note_held(flight.work.job.document.token)
        worker.rss_bytes = reply.rss_bytes
        fate = Fate.GOES_ON
        # The time limit passed in the moment of the answer, or the worker must be replaced anyway. A worker that has the next
        # job already, and only too much memory, is replaced after that job.
        is_too_large = reply.rss_bytes > self._recycle_bytes and not taken
        if worker.overran or worker.was_interrupted or worker.is_worn or is_too_large:
            worker.bury()
            fate = Fate.REPLACED
        return Result(reply.answer, _error_in(reply, flight.work.job), fate)

    def without_worker(self, job: Job[_A], failure: str) -> SidebooksError:
        """The error of a job for which there is no worker. The reason goes to the log only: it names files of this machine."""
        self._complain(failure)
        kind = NoWorkerToOpen if isinstance(job, Open) else NoWorker
        what = "no worker process is at hand; the log tells why"
        return kind(f"{_where(job)}: {what}", document_id=job.document.digest, page=page_of(job))

    def _replies(
        self, worker: WorkerProcess, flight: F, listener: Listener[F], taken: list[F], *, is_sent: bool
    ) -> Reply[object]:
        """The last reply to a job; the listener is told of one before it. The worker is watched meanwhile.

        Raises NotBegun if it dies before it is asked, _Refused, and _Lost if it dies, or cannot be understood, after that.
        """
        job, banding = flight.work.job, flight.work.banding
        ageing: tuple[tuple[float, Step], ...] = ((SLOW_S, WorkerProcess.stand_back),)
        if listener.is_suspect(job.document.token):
            ageing = ((NOTED_S, WorkerProcess.stand_far_back),)  # its sound pages are drawn by then
        # Watched before the job is sent: a worker that was taken over may read nothing, and then the pipe is full at some time.
        watch = self._watchdog.watch(worker, job.timeout_s, ageing)
        has_answered = False
        sent = partial(self._is_sent, watch, worker, flight, listener)
        try:
            if isinstance(job, DrawBands):
                return help_out(worker, banding, job) if banding is not None else Reply()
            reply: Reply[object] | None = None
            if banding is not None and isinstance(job, Draw):
                reply = lead(worker, banding, job, sent)
            is_in_bands = has_answered = reply is not None
            if reply is None:
                try:
                    if not is_sent:
                        self._ask_first(worker, flight)
                except wire.WireClosed as error:
                    raise NotBegun(str(error)) from error
                sent()
                reply = hear(worker, job)
                if reply.need_data:
                    has_answered = True
                    self._hand_over(worker, flight)
                    reply = hear(worker, job)
                    if reply.need_data:
                        raise wire.WireBroken("it asks for the document again")
            if reply.is_drawn:
                has_answered = True
                self._send_next(worker, flight, listener, taken)
                reply = hear(worker, job)
                if reply.need_data or reply.is_drawn:
                    raise wire.WireBroken("it has drawn the raster, and gives no answer")
            if reply.opened_s:
                listener.opened(flight, reply.opened_s)
            if isinstance(job, Draw) and job.then is not None:
                has_answered = True
                if is_in_bands:
                    ask(worker, Assignment(job=for_worker(job.then)))
                listener.told_first(flight, reply.answer, _error_in(reply, job))
                self._watchdog.then(watch, LINGERS_S, lambda _worker: listener.lingers(flight))
                reply = hear(worker, job.then)
                if reply.need_data:
                    raise wire.WireBroken("it asks for the document again")
        except (wire.WireClosed, wire.WireBroken) as error:
            raise _Lost(error, has_answered=has_answered) from error
        finally:
            self._watchdog.release(watch)
        return reply

    def _send_next(self, worker: WorkerProcess, flight: F, listener: Listener[F], taken: list[F]) -> None:
        """Send a worker that encodes a raster its next job, and add that job to `taken`. So it need not wait for the host."""
        if worker.is_worn or worker.rss_bytes > self._recycle_bytes:
            return
        worker.note_held(flight.work.job.document.token)
        following = listener.take_ahead(worker.held_documents, flight)
        if following is None:
            return
        try:
            self._ask_first(worker, following)
        except (_Refused, wire.WireClosed):  # whoever takes it next meets this again, or the worker is dead
            listener.put_back(following)
        except BaseException:
            listener.put_back(following)
            raise
        else:
            taken.append(following)

    def _is_sent(self, watch: int, worker: WorkerProcess, flight: F, listener: Listener[F]) -> None:
        """A job was sent: look at its age from now on. Nobody waits for this."""
        job = flight.work.job
        worker.note_cpu()
        self._watchdog.then(watch, NOTED_S, partial(self._look_at_age, watch, flight, listener))
        if isinstance(job, Draw) and job.then is not None:
            self._watchdog.then(watch, SLOW_DRAFT_S, lambda _worker: _apart(partial(listener.slow, flight)))

    def _look_at_age(self, watch: int, flight: F, listener: Listener[F], worker: WorkerProcess) -> None:
        """Tell the listener if the job is old; else look again later."""
        left_s = worker.is_old_in_s()
        if left_s:
            self._watchdog.then(watch, max(left_s, LOOK_AGAIN_S), partial(self._look_at_age, watch, flight, listener))
        else:
            listener.aged(flight, partial(self._watchdog.interrupt, watch))

    def _ask_first(self, worker: WorkerProcess, flight: Flight) -> None:
        """Send a job, with the document's file if the worker has not seen the document. Raises _Refused, WireClosed.

        The bytes of a document follow only if the worker asks for them: they may not fit into the pipe.
        """
        document = flight.work.job.document
        if document.path is not None and worker.files is not None and document.token not in worker.held_documents:
            self._hand_over(worker, flight)
        else:
            ask(worker, Assignment(job=for_worker(flight.work.job)))

    def _hand_over(self, worker: WorkerProcess, flight: Flight) -> None:
        """Send the job with its document: the bytes, or a descriptor of the file. Raises _Refused, WireClosed."""
        job = for_worker(flight.work.job)
        if job.document.path is None:
            ask(worker, Assignment(job=job, data=flight.work.data))
            return
        if worker.files is None:
            raise wire.WireBroken("it asks for a file that it can open")
        try:
            descriptor = os.open(job.document.path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise _Refused(self.without_worker(job, f"{error}: its document could not be handed over")) from error
            what = f"{job.document.name} cannot be opened any more: {error.strerror}"
            raise _Refused(DamagedDocument(what, document_id=job.document.digest)) from error
        try:
            socket.send_fds(worker.files, [b"f"], [descriptor])
        except OSError as error:
            raise wire.WireClosed(str(error)) from error
        finally:
            os.close(descriptor)
        ask(worker, Assignment(job=job, has_file=True))

    def _loss(self, worker: WorkerProcess, job: AnyJob, lost: _Lost) -> Result:
        """Bury a worker that was lost to a job. Returns the reason as an error. Raises NotBegun if the worker had not read the
        job.
        """
        if worker.was_interrupted:
            worker.bury()
            error = RequestDropped(f"{_where(job)}: dropped while it was being drawn, since nobody wanted it")
            return Result(None, error, Fate.REPLACED)
        if not (lost.has_answered or worker.overran or self._closing.is_set()) and worker.has_unread_request():
            raise NotBegun(str(lost.error)) from lost
        overran = worker.overran
        worker.bury()
        if self._closing.is_set():
            return Result(None, failed(job, "the service was closed while it was being drawn"), Fate.DIED)
        return Result(None, _overran(job) if overran else _died(job, worker, lost.error), Fate.DIED)


def _apart(call: Callable[[], None]) -> None:
    """Call from a separate thread: the call may run an application's callback, and that must not delay the watchdog."""
    threading.Thread(target=call, name="sidebooks-slow", daemon=True).start()


def failed(job: Job[_A], what: str) -> SidebooksError:
    """The error of a job that went wrong, in words."""
    kind = DamagedDocument if isinstance(job, Open) else RenderFailed
    return kind(f"{_where(job)}: {what}", document_id=job.document.digest, page=page_of(job))


def how_it_ended(worker: WorkerProcess) -> str:
    """Signal or exit code of a worker that was buried."""
    code = worker.process.returncode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _error_in(reply: Reply[_A], job: AnyJob) -> SidebooksError | None:
    told = reply.error
    return None if told is None else error_told(told.name, told.message, job.document.digest, told.page)


def _where(job: Job[_A]) -> str:
    page = page_of(job)
    return f"{job.document.name}, page {page + 1}" if page is not None else job.document.name


def _overran(job: AnyJob) -> SidebooksError:
    setting = "open_timeout_s" if isinstance(job, Open) else "render_timeout_s"
    what = f"not finished within {job.timeout_s:g} s, and was given up. A longer limit may help ({setting})"
    if isinstance(job, Open):
        return failed(job, what)
    return RenderTimeout(f"{_where(job)}: {what}", document_id=job.document.digest, page=page_of(job))


def _died(job: AnyJob, worker: WorkerProcess, error: Exception) -> SidebooksError:
    if isinstance(error, wire.WireBroken):
        return failed(job, f"the worker's answer could not be understood ({error})")
    what = f"the worker process died ({how_it_ended(worker)}); the page may be damaged or too large"
    kind = DamagedDocument if isinstance(job, Open) else WorkerDied
    return kind(f"{_where(job)}: {what}", document_id=job.document.digest, page=page_of(job))
