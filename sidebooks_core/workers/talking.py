"""A request to a worker, and its reply."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from sidebooks_core.workers import replies, wire
from sidebooks_core.workers.jobs import Assignment, Job
from sidebooks_core.workers.process import WorkerProcess
from sidebooks_core.workers.replies import Reply

_encode = msgspec.msgpack.Encoder().encode
_A = TypeVar("_A")


class NotBegun(Exception):
    """A worker died before it read its job, or the job could not be sent."""


def ask(worker: WorkerProcess, assignment: Assignment) -> None:
    """Send a job. Raises WireClosed."""
    assert worker.process.stdin is not None
    if worker.process.poll() is not None:
        raise wire.WireClosed("it is dead")  # its pipe may still take a job, but nobody would read it
    wire.send(worker.process.stdin, _encode(assignment))


def hear(worker: WorkerProcess, job: Job[_A]) -> Reply[_A]:
    """Wait for the reply to a job. Raises WireClosed, and WireBroken if it is no reply to this job."""
    assert worker.process.stdout is not None
    return replies.read_reply(wire.receive(worker.process.stdout, replies.most_bytes(job)), job)
