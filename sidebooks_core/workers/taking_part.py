"""One worker's part in drawing a raster in bands: the requests to it, and what it answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from sidebooks_core.workers import wire
from sidebooks_core.workers.answers import BandsDrawn
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import Assignment, Draw, DrawBands, EncodeBands, for_worker
from sidebooks_core.workers.process import WorkerProcess
from sidebooks_core.workers.replies import Reply
from sidebooks_core.workers.talking import NotBegun, ask, hear

LEAD, HELPER = 0, 1


def lead(worker: WorkerProcess, banding: Banding, job: Draw, sent: Callable[[], None]) -> Reply[object] | None:
    """Draw a raster with helpers. sent: called when the worker has its job. None: the worker must draw the raster as a whole.

    Raises NotBegun, WireClosed and WireBroken.
    """
    pipe = banding.pipe()
    try:
        if pipe is None:
            return None
        reply = _take_part(worker, banding, DrawBands.of(job, is_helper=False), pipe, LEAD, sent)
        drawn = banding.drawn(_loss_of(worker)) if reply is not None else None
        return None if drawn is None or reply is None else Reply(answer=drawn, rss_bytes=reply.rss_bytes)
    finally:
        banding.close()
        if pipe is not None:
            banding.leave()


def help_out(worker: WorkerProcess, banding: Banding, job: DrawBands) -> Reply[object]:
    """Draw some bands of another worker's raster. The reply asks for the document if the worker does not hold it any more.

    Raises NotBegun, WireClosed and WireBroken.
    """
    pipe = banding.pipe()
    if pipe is None:
        return Reply(need_data=job.document.token not in worker.held_documents, rss_bytes=worker.rss_bytes)
    try:
        reply = _take_part(worker, banding, job, pipe, HELPER, worker.note_cpu)
        return reply or Reply(need_data=job.document.token not in worker.held_documents, rss_bytes=worker.rss_bytes)
    finally:
        banding.leave()


def _take_part(
    worker: WorkerProcess, banding: Banding, job: DrawBands, pipe: int, number: int, sent: Callable[[], None]
) -> Reply[object] | None:
    """The last reply of the worker. None: it took no part, since it does not hold the document, or has an error of the page,
    which the lead finds again. This closes the pipe.
    """
    try:
        _hand_over(worker, job, pipe)
    except wire.WireClosed as error:
        raise NotBegun(str(error)) from error
    sent()
    reply: Reply[BandsDrawn] = hear(worker, job)
    if reply.answer is None:
        if reply.need_data:
            worker.note_closed(job.document.token)
        return None
    is_lost = _loss_of(worker)
    plan = banding.drew(number, reply.answer, is_lost)
    last: Reply[object] = Reply(rss_bytes=reply.rss_bytes)
    while plan is not None:
        part = EncodeBands(document=job.document, timeout_s=job.timeout_s, spec=job.spec, plan=plan, quality=banding.quality)
        ask(worker, Assignment(job=for_worker(part)))
        encoded = hear(worker, part)
        last = Reply(rss_bytes=encoded.rss_bytes)
        if encoded.answer is None:
            banding.fail()
            break
        plan = banding.encoded(number, encoded.answer, is_lost)
    return last


def _hand_over(worker: WorkerProcess, job: DrawBands, pipe: int) -> None:
    """Send a job with the pipe of bands, and close the pipe here. Raises WireClosed."""
    try:
        if worker.files is None:
            raise wire.WireClosed("it has no channel for descriptors")
        socket.send_fds(worker.files, [b"b"], [pipe])
    except OSError as error:
        raise wire.WireClosed(str(error)) from error
    finally:
        os.close(pipe)
    ask(worker, Assignment(job=for_worker(job), has_bands=True))


def _loss_of(worker: WorkerProcess) -> Callable[[], bool]:
    """Tells whether the worker's process was taken away. Its thread may wait for another worker then, and not for it."""
    return lambda: worker.overran or worker.was_interrupted
