"""One worker's part in drawing a raster in bands: the requests to it, and what it answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from sidebooks_core.workers import wire
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import Assignment, Draw, DrawBands, EncodeBands, for_worker
from sidebooks_core.workers.process import WorkerProcess
from sidebooks_core.workers.replies import Reply
from sidebooks_core.workers.talking import ask, hear

LEAD, HELPER = 0, 1


def lead(worker: WorkerProcess, banding: Banding, job: Draw, sent: Callable[[], None]) -> Reply[object] | None:
    """Draw a raster with helpers. sent: called when the worker has its job. None: the worker must draw the raster as a whole.

    Raises WireClosed and WireBroken.
    """
    part = DrawBands(
        document=job.document,
        timeout_s=job.timeout_s,
        page=job.page,
        spec=job.spec,
        image_format=job.image_format,
        quality=job.quality,
        is_helper=False,
    )
    drawn = None
    try:
        rss_bytes = _take_part(worker, banding, part, LEAD, sent)
        drawn = banding.drawn()
    finally:
        if drawn is None:
            banding.fail()
        banding.close()
    return None if drawn is None else Reply(answer=drawn, rss_bytes=rss_bytes)


def help_out(worker: WorkerProcess, banding: Banding, job: DrawBands) -> Reply[object]:
    """Draw some bands of another worker's raster. Raises WireClosed and WireBroken."""
    is_over = False
    try:
        rss_bytes = _take_part(worker, banding, job, HELPER, _nothing)
        is_over = True
    finally:
        if not is_over:
            banding.fail()
    return Reply(rss_bytes=rss_bytes)


def _take_part(worker: WorkerProcess, banding: Banding, job: DrawBands, number: int, sent: Callable[[], None]) -> int:
    """Returns the resident memory of the worker after it, in bytes; 0 if it took no part."""
    pipe = banding.pipe()
    if pipe is None or worker.files is None:
        if number == LEAD:
            banding.fail()
        return 0
    try:
        socket.send_fds(worker.files, [b"b"], [pipe])
    except OSError as error:
        raise wire.WireClosed(str(error)) from error
    finally:
        os.close(pipe)
    ask(worker, Assignment(job=for_worker(job), has_bands=True))
    sent()
    reply = hear(worker, job)
    if reply.answer is None:  # an error of the page, which the lead finds again, or the document was let go
        banding.fail()
        return reply.rss_bytes
    plan = banding.drew(number, reply.answer)
    rss_bytes = reply.rss_bytes
    while plan is not None:
        part = EncodeBands(document=job.document, timeout_s=job.timeout_s, spec=job.spec, plan=plan, quality=banding.quality)
        ask(worker, Assignment(job=for_worker(part)))
        encoded = hear(worker, part)
        rss_bytes = encoded.rss_bytes
        if encoded.answer is None:
            banding.fail()
            break
        plan = banding.encoded(number, encoded.answer)
    return rss_bytes


def _nothing() -> None:
    return None
