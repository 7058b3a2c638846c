"""The process from which workers are forked. It has loaded the engine, and never opens a document. Linux.

A worker that loads the engine itself takes 0.3 s of a processor and 40 MB. A fork takes 20 ms and shares the loaded code. A
document that was open before a fork would be drawn wrongly afterwards, so this process opens none.
"""

from __future__ import annotations

import gc
import importlib
import logging
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sidebooks_core.worker import main as worker
from sidebooks_core.workers.wire import STATUS

if TYPE_CHECKING:
    from sidebooks_core.worker.desk import Desk

DESCRIPTORS = 4
"""The number of descriptors in each request: the worker's ends of its two pipes, of its file channel, and of the status
pipe."""
HOST_CHECK_S = 2.0
"""How often this process checks that the host lives. Usually the socket closes at once when the host ends. It stays open if
another process that was forked from the host has it, too."""
LATE_AFTER_S = 5.0
"""After so long without a request, this process imports what it left out at the start."""
LATE = (
    "engine.texts",
    "engine.inspection",
    "engine.lettering",
    "engine.comics",
    "engine.svg",
    "engine.epub.contents",
    "engine.epub.pages",
    "engine.epub.ruby",
    "engine.images.mending",
    "engine.images.pages",
    "engine.transfer.applying",
    "worker.annotating",
    "worker.searching",
)
"""What the pages of a PDF do not need. Workers that are forked later have it, and share it. Workers that were forked before
import it for the first job that needs it. They cannot write the compiled modules, so this process must have done so once."""
_FILES = 3

_log = logging.getLogger("sidebooks_core.workers")


def main(desk_type: type[Desk] | None = None) -> None:
    """Fork a worker for each message from the socket whose number is the third argument, until that is closed.

    desk_type: see `worker.main.main`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as workers do
    host = os.getppid()
    requests = socket.socket(fileno=int(sys.argv[3]))
    _load()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler of Python's, for the number to be written
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    statuses: dict[int, int] = {}
    poll = select.poll()
    for descriptor in (requests.fileno(), woken):
        poll.register(descriptor, select.POLLIN)
    late_at_s = time.monotonic() + LATE_AFTER_S
    while os.getppid() == host:
        ready = [descriptor for descriptor, _ in poll.poll(HOST_CHECK_S * 1000)]
        if not ready and late_at_s <= time.monotonic():
            import_late()
            late_at_s = math.inf
        if woken in ready:
            os.read(woken, 4096)
        _tell_ended(statuses)
        if requests.fileno() not in ready:
            continue
        late_at_s = max(late_at_s, time.monotonic() + LATE_AFTER_S)
        message, descriptors, _, _ = socket.recv_fds(requests, 16, DESCRIPTORS)
        if not message:
            return
        *theirs, status = descriptors
        process_id = _forked()
        if process_id == 0:
            _become_worker(theirs, desk_type)
            return
        for descriptor in theirs:
            os.close(descriptor)
        statuses[process_id] = status
        _write(status, process_id)


def _load() -> None:
    """Import what a worker needs for the pages of a PDF (see `worker.main`)."""
    from sidebooks_core.worker import confinement

    _import(("worker.desk", "worker.warming"))
    confinement.load()


def _import(names: Sequence[str]) -> None:
    """Import modules of the package. Raises whatever an import raises."""
    gc.disable()  # loaded modules stay for ever: a collection would find nothing
    try:
        for name in names:
            importlib.import_module(f"sidebooks_core.{name}")
    finally:
        gc.freeze()  # else a collection in a worker would write to every object, and so copy the shared memory
        gc.enable()


def import_late() -> None:
    """Import what was left out at the start. What cannot be imported here is left to the workers that need it."""
    for name in LATE:
        try:
            _import((name,))
        except Exception:  # noqa: BLE001 - else this process would end, and all workers with it
            _log.warning("%s was not imported ahead; each worker imports it for itself", name, exc_info=True)


def _forked() -> int:
    """The child's process id; 0 in the child; the error number below zero if the fork failed."""
    try:
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def _become_worker(descriptors: list[int], desk_type: type[Desk] | None) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    copies = [os.dup(descriptor) for descriptor in descriptors]  # else one `dup2` below could overwrite another descriptor
    for place, copy in zip((0, 1, _FILES), copies, strict=True):
        os.dup2(copy, place, inheritable=False)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the descriptor of the listing itself is closed by then
        if int(name) > _FILES:
            with suppress(OSError):
                os.close(int(name))
    sys.argv[3] = str(_FILES)
    worker.main(desk_type)


def _tell_ended(statuses: dict[int, int]) -> None:
    while statuses:
        process_id, status = os.waitpid(-1, os.WNOHANG)
        if process_id == 0:
            return
        told = statuses.pop(process_id)
        _write(told, os.waitstatus_to_exitcode(status))
        os.close(told)


def _write(status: int, number: int) -> None:
    try:
        os.write(status, STATUS.pack(number))
    except BrokenPipeError:
        return  # the host has given the worker up already
