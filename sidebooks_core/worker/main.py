"""The worker process: opens documents, draws pages, encodes tiles. It may be killed at any moment.

Only this module and the modules that it imports use the engine; the host never does. All that a page of a PDF may need to be
opened, drawn and encoded is imported before the first job. What only other jobs and other kinds of documents need, such as
texts, annotations, EPUB and SVG, is imported by the first job that needs it, in 5 to 25 ms: the first page of a program that
just started comes so much sooner. A confined worker may read these modules.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from sidebooks_core.documents.model import Lettering
from sidebooks_core.errors import RenderFailed, SidebooksError
from sidebooks_core.worker.memory import limit_memory, resident_bytes
from sidebooks_core.workers import wire
from sidebooks_core.workers.answers import MESSAGE_CHARS, ErrorTold, Greeting
from sidebooks_core.workers.jobs import AnyJob, Assignment, Draw, DrawLetters, WorkerConfig, page_of
from sidebooks_core.workers.replies import Reply, to_bytes

if TYPE_CHECKING:
    from sidebooks_core.worker.desk import Desk

PR_SET_PDEATHSIG = 1
WARM_UP_AFTER_S = 0.01
"""A worker warms up after so long without a request. A host that waits for its first worker has sent a job by then."""
CHORES_AFTER_S = 0.1
"""Chores begin after so long without a request. A host that opened a document has asked for its first page by then."""
REST_AFTER_S = 60.0
"""After so long without a request a worker lets go of all that it may not need again."""
LOOK_AHEAD_S = 1.0
"""The longest time for reading a first page before it is asked for. Of the first pages of 105 documents, one takes longer."""


def main(desk_type: type[Desk] | None = None) -> None:
    """Serve jobs from standard input until it ends. All other output to standard output goes to standard error.

    desk_type: does the jobs instead of a `Desk`. So a test can run code in the place of a parser, and see what it can reach.
    """
    requests, replies = _take_standard_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the host decides what ends
    _die_with_parent()
    config = msgspec.msgpack.decode(wire.receive(requests), type=WorkerConfig)
    limit_memory(config.worker_bytes)
    from sidebooks_core.worker.desk import Desk  # loads the engine, with the limits in force; a forked process has it already
    from sidebooks_core.worker.warming import warm_up

    files = socket.socket(fileno=int(sys.argv[3])) if len(sys.argv) > 3 else None
    desk = (desk_type or Desk)(
        config.font_set, config.display_list_bytes, opens_paths=files is None, worker_bytes=config.worker_bytes
    )
    desk.tell_drawn = lambda: wire.send(replies, to_bytes(Reply(is_drawn=True)))
    resident_bytes()  # opens what it reads from
    unconfined = _confine(desk, config.worker_bytes) if config.is_isolated else []
    wire.send(replies, to_bytes(Greeting(ready=True, unconfined=tuple(unconfined))))
    if not _is_asked(requests, WARM_UP_AFTER_S):
        _do_unasked(desk, warm_up)  # nobody waits yet
    assignments = msgspec.msgpack.Decoder(Assignment)
    while True:
        if desk.can_look_ahead and not _is_asked(requests, 0):
            look_ahead(desk)
        use_pause(desk, requests)
        try:
            assignment = assignments.decode(wire.receive(requests))
        except wire.WireClosed:
            return
        _die_if_host_hangs(assignment.job.timeout_s)
        given = _received_file(files) if assignment.has_file and files is not None else assignment.data
        if assignment.has_bands and files is not None:
            desk.bands.take_from(_received_file(files))
        for reply in _replies(desk, assignment.job, given):
            wire.send(replies, to_bytes(reply))
        _die_if_host_hangs(0)


def use_pause(desk: Desk, requests: BinaryIO) -> None:
    """Do chores, and rest, until a request comes or nothing is left to do."""
    while True:
        while desk.has_chores and not _is_asked(requests, CHORES_AFTER_S):
            desk.do_chore()
        if not desk.freeing.can_rest or _is_asked(requests, REST_AFTER_S):
            return
        desk.freeing.rest()  # a conversion of colours may go with the rest, and is made again at once


def look_ahead(desk: Desk) -> None:
    """Look ahead for at most LOOK_AHEAD_S. Then the kernel ends this process, and the host gives the job in the pipe to another
    worker.
    """
    if sys.platform != "linux":
        return  # elsewhere the host cannot see that a job in the pipe was not begun
    signal.setitimer(signal.ITIMER_REAL, LOOK_AHEAD_S)
    _do_unasked(desk, desk.look_ahead)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _do_unasked(desk: Desk, work: Callable[[], None]) -> None:
    """Do work that nobody has asked for. An error is dropped: a later request for the same work meets it again."""
    try:
        work()
    except MemoryError:
        desk.forget_everything()
    except Exception:  # noqa: BLE001, S110 - whatever a document, a font or a library does
        pass


def _is_asked(requests: BinaryIO, within_s: float) -> bool:
    """Whether a request waits, or comes within a time. Always True on Windows, which cannot look into a pipe."""
    return sys.platform == "win32" or bool(select.select([requests], [], [], within_s)[0])


def _confine(desk: Desk, worker_bytes: int) -> list[str]:
    if sys.platform == "win32":
        return ["no isolation on win32"]
    from sidebooks_core.worker import confinement

    missing = confinement.confine([face.path for face in desk.font_set.faces])
    confinement.limit_resources(worker_bytes)
    return missing


def _received_file(files: socket.socket) -> int:
    _, descriptors, _, _ = socket.recv_fds(files, 1, 1)
    return descriptors[0]


def _replies(desk: Desk, job: AnyJob, given: bytes | int | None) -> Iterator[Reply[object]]:
    """The reply to a job, and then the reply to its `then`. If the document is missing, the only reply asks for it.

    A job that fails may let go of the document: its file changed, or the memory was full. Then its `then` fails in the same
    way. The host does not send a document twice for one job.
    """
    reply = _reply(desk, job, given)
    yield reply
    if isinstance(job, Draw) and job.then is not None and not reply.need_data:
        second = _reply(desk, job.then, None)
        gone = reply.error or _told(RenderFailed("the document was let go", page=job.page))
        yield Reply(error=gone, rss_bytes=second.rss_bytes) if second.need_data else second


def _reply(desk: Desk, job: AnyJob, given: bytes | int | None) -> Reply[object]:
    from sidebooks_core.worker.desk import DocumentNeeded

    page = page_of(job)
    answer = error = None
    try:
        answer = _lettering(job) if isinstance(job, DrawLetters) else desk.do(job, given)
    except DocumentNeeded:
        return Reply(need_data=True, rss_bytes=resident_bytes())
    except SidebooksError as problem:
        error = _told(problem)
    except MemoryError:
        desk.forget_everything()
        error = _told(RenderFailed("more memory is needed than one worker may use (worker_bytes)", page=page))
    except Exception as fault:  # noqa: BLE001 - whatever a document does, its request gets an answer and the others go on
        what = fault.strerror if isinstance(fault, OSError) else fault  # without the path, which is nobody's business
        error = _told(RenderFailed(f"{type(fault).__name__}: {what}"[:500], page=page))
    return Reply(answer, error, rss_bytes=resident_bytes(), opened_s=desk.take_opened_s())


def _lettering(job: DrawLetters) -> Lettering:
    from sidebooks_core.engine.lettering import lettering

    ink = lettering(job.lines, job.size_px)
    return Lettering(ink.shape[1], ink.shape[0], ink.tobytes())


def _told(error: SidebooksError) -> ErrorTold:
    return ErrorTold(type(error).__name__, error.message[:MESSAGE_CHARS], error.page)


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _die_with_parent() -> None:
    """On Linux: have the kernel end this process when the thread that started it ends, for any reason."""
    if sys.platform == "linux":
        parent = os.getppid()  # 1 if the host is the first process of a container
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the host is gone")


def _die_if_host_hangs(timeout_s: float) -> None:
    """Have the kernel end this process if the host does not end it in time. A Python handler would not run during a render."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, timeout_s * 2 + 5 if timeout_s else 0)
