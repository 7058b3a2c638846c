"""A worker process that sends what it likes. `hostile` starts it. See `taken_over` for one that does what it likes."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sidebooks_core.errors import SidebooksError
from sidebooks_core.workers import wire
from sidebooks_core.workers.answers import ErrorTold, Greeting
from sidebooks_core.workers.jobs import AnyJob, Assignment, Draw, WorkerConfig
from sidebooks_core.workers.replies import Reply, to_bytes

if TYPE_CHECKING:
    from sidebooks_core.worker.desk import Desk
    from sidebooks_core.workers.starting import Starter

Answers = Callable[[AnyJob, Callable[[], bytes]], Iterator[bytes]]
"""What a worker sends for a part of a job: from the job, and from what makes the honest answer."""

PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from msgpack import packb
import hostile_worker
INFINITE = float("inf")
def answers(job, honest):
{body}
hostile_worker.run(answers, {flag!r}, {unconfined!r})
"""


def hostile(body: str, flag: Path, unconfined: tuple[str, ...] = ()) -> Starter:
    """Starts such workers. They are hostile as long as the file `flag` is there, which this makes, and honest then.

    body: the lines of a generator of messages, in which `job` is the part of a job that is to be answered, and `honest()` the
    message that is right. unconfined: what they say that they could not give up.
    """
    from taken_over import starter_of

    flag.touch()
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return starter_of(PROGRAM.format(body=lines, flag=str(flag), unconfined=unconfined))


def run(answers: Answers, flag: str, unconfined: tuple[str, ...]) -> None:
    """The worker, or what it is forked from."""
    number = int(sys.argv[3])
    if sys.argv[2] == "main":
        serve(answers, flag, unconfined, socket.socket(fileno=number))
        return
    from sidebooks_core.worker import desk

    del desk  # loaded once for all
    fork(answers, flag, unconfined, socket.socket(fileno=number))


def fork(answers: Answers, flag: str, unconfined: tuple[str, ...], requests: socket.socket) -> None:
    """Fork a worker for each message, and tell its process id, and how it ended: what `ForkServer` expects."""
    statuses: dict[int, int] = {}
    while True:
        while statuses:
            process_id, status = os.waitpid(-1, os.WNOHANG)
            if not process_id:
                break
            with suppress(BrokenPipeError):
                os.write(statuses[process_id], wire.STATUS.pack(os.waitstatus_to_exitcode(status)))
            os.close(statuses.pop(process_id))
        if not select.select([requests], [], [], 0.01)[0]:
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, 16, 4)
        if not message:
            return
        process_id = os.fork()
        if not process_id:
            os.dup2(descriptors[0], 0)
            os.dup2(descriptors[1], 1)
            files = socket.socket(fileno=os.dup(descriptors[2]))
            for descriptor in (*descriptors, requests.fileno(), *statuses.values()):
                os.close(descriptor)
            serve(answers, flag, unconfined, files)
            os._exit(0)
        os.write(descriptors[3], wire.STATUS.pack(process_id))
        statuses[process_id] = descriptors[3]
        for descriptor in descriptors[:3]:
            os.close(descriptor)


def serve(answers: Answers, flag: str, unconfined: tuple[str, ...], files: socket.socket) -> None:
    """Serve jobs from standard input until it ends."""
    from sidebooks_core.worker.desk import Desk

    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    config = msgspec.msgpack.decode(wire.receive(requests), type=WorkerConfig)
    wire.send(replies, to_bytes(Greeting(ready=True, unconfined=unconfined)))
    desk = Desk(config.font_set, config.display_list_bytes, opens_paths=False)
    while True:
        try:
            assignment = msgspec.msgpack.decode(wire.receive(requests), type=Assignment)
        except wire.WireClosed:
            return
        given: bytes | int | None = assignment.data
        if assignment.has_file:
            given = socket.recv_fds(files, 1, 1)[1][0]
        job: AnyJob | None = assignment.job
        while job is not None:
            honest = Honest(desk, job, given)
            for message in answers(job, honest) if Path(flag).exists() else iter([honest()]):
                wire.send(replies, message)
            job, given = job.then if isinstance(job, Draw) and not honest.needs_data else None, None


class Honest:
    """Makes the right answer to a job, once."""

    def __init__(self, desk: Desk, job: AnyJob, given: bytes | int | None) -> None:
        self.needs_data = False
        self._desk, self._job, self._given = desk, job, given

    def __call__(self) -> bytes:
        from sidebooks_core.worker.desk import DocumentNeeded

        try:
            return to_bytes(Reply(answer=self._desk.do(self._job, self._given)))
        except DocumentNeeded:
            self.needs_data = True
            return to_bytes(Reply(need_data=True))
        except SidebooksError as error:
            return to_bytes(Reply(error=ErrorTold(type(error).__name__, error.message, error.page)))
