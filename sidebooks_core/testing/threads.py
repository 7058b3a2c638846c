"""Threads in the place of worker processes: they take jobs as processes do, and a function of the test answers these.

Ended like a process is: a job that overruns, that nobody wants, or that costs its worker, ends in its next `Task.pause` or
`Task.wait_for`. Of a worker process they lack its memory, its confinement, and all that may go wrong between two processes.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from msgspec import Struct, field

from sidebooks_core.errors import RenderTimeout, RequestDropped, SidebooksError
from sidebooks_core.workers.exchange import LINGERS_S, SLOW_DRAFT_S, Flight, failed
from sidebooks_core.workers.jobs import AnyJob, Draw, Open, error_told, page_of
from sidebooks_core.workers.pool import JobSource
from sidebooks_core.workers.process import NOTED_S

F = TypeVar("F", bound=Flight)

JOIN_TIMEOUT_S = 5.0
"""For the threads, when the pool is closed."""

_log = logging.getLogger("sidebooks_core.testing")


class WorkerLost(Exception):
    """Raised by what answers a job: as though the job had cost its worker process."""


class _Ended(Exception):
    """The worker was ended from outside while it was at a job."""


class _Worker(Struct, eq=False):
    """What a worker process would be; another one takes its place when it is lost."""

    number: int
    is_spare: bool
    held_documents: set[str] = field(default_factory=set)
    trust_domain: str | None = None
    """Of all documents that it has seen; None: of none so far."""


class _Step(Struct, eq=False):
    """What is to be done once a job has taken so long."""

    at_s: float
    do: Callable[[], None]


class Task:
    """One job, as a worker is at it."""

    def __init__(self, job: AnyJob, data: bytes | None, worker: int, changed: threading.Condition) -> None:
        self.job = job
        """Of a `Draw` that is answered in two parts, that, and then its `Identify`."""
        self.data = data
        """The document's bytes if it has no path."""
        self.worker = worker
        """The worker's number, from 0. A worker that was lost is replaced by one of another number."""
        self._changed = changed
        self._ending: str | None = None
        self._steps: list[_Step] = []

    def pause(self, seconds: float) -> None:
        """Take so long."""
        self.wait_for(lambda: False, seconds)

    def wait_for(self, is_over: Callable[[], bool], most_s: float = math.inf) -> None:
        """Wait until a condition is true, or so many seconds have passed.

        The condition is looked at when the pool's `changed` is notified.
        """
        until_s = time.monotonic() + most_s
        while True:
            with self._changed:
                now_s = time.monotonic()
                due = [step for step in self._steps if step.at_s <= now_s]
                if not due:
                    if self._ending is not None:
                        raise _Ended(self._ending)
                    if is_over() or now_s >= until_s:
                        return
                    next_s = min([until_s, *(step.at_s for step in self._steps)])
                    self._changed.wait(None if next_s == math.inf else next_s - now_s)
                    continue
                self._steps = [step for step in self._steps if step not in due]
            for step in due:  # without the lock: the dispatcher's are taken by these
                step.do()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something done once the job has taken so long, by the thread that is at it."""
        self._steps.append(_Step(time.monotonic() + seconds, do))

    def end(self, why: str) -> None:
        """End the worker: "overran", "interrupted" or "closed". From any thread; the first reason counts."""
        with self._changed:
            self._ending = self._ending or why
            self._changed.notify_all()

    @property
    def ending(self) -> str | None:
        """Why the worker was ended, if it was."""
        return self._ending


class ThreadWorkers(Generic[F]):
    """`workers` threads and a spare that take jobs from a source, as `WorkerPool` does. `close()` it."""

    def __init__(
        self,
        source: JobSource[F],
        workers: int,
        answer: Callable[[Task], object],
        *,
        changed: threading.Condition | None = None,
        slow_s: float = SLOW_DRAFT_S,
        aged_s: float = NOTED_S,
    ) -> None:
        """answer: gives the answer to a task's job, of the job's type, or raises SidebooksError or WorkerLost.

        changed: notified when what a task waits for may have come. slow_s, aged_s: after so long a job counts as slow, or old,
        in seconds.
        """
        self._source = source
        self._answer = answer
        self._changed = changed or threading.Condition()
        self._slow_s = slow_s
        self._aged_s = aged_s
        self._lock = threading.Lock()
        self._tasks: set[Task] = set()
        self._workers = 0
        self._is_closing = False
        self.deaths = 0
        self._threads = [
            threading.Thread(target=self._serve, args=(index == workers,), name=f"sidebooks-test-worker-{index}", daemon=True)
            for index in range(workers + 1)
        ]
        for thread in self._threads:
            thread.start()

    def process_ids(self) -> list[int]:
        """None: the workers are threads of this process."""
        return []

    def close(self) -> None:
        """End all workers, whatever they do, and wait for their threads. The source's `take` must return None by now."""
        with self._lock:
            self._is_closing = True
            tasks = list(self._tasks)
        for task in tasks:
            task.end("closed")
        deadline_s = time.monotonic() + JOIN_TIMEOUT_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))

    def _serve(self, is_spare: bool) -> None:
        worker = self._new_worker(is_spare)
        follow_ups: Sequence[F] = ()
        while True:
            flight = self._source.take(worker.held_documents, follow_ups, is_spare=is_spare)
            if flight is None:
                return
            domain = flight.work.job.document.trust_domain
            if worker.trust_domain not in (None, domain):
                worker = self._new_worker(is_spare)
            worker.trust_domain = domain
            answer, error, is_lost = self._do(worker, flight)
            is_its_fault = is_lost and not isinstance(error, RequestDropped)
            follow_ups = self._source.landed(flight, answer, error, has_lost_worker=is_its_fault)
            if is_lost:
                self._source.enter(follow_ups)
                follow_ups = ()
                worker = self._new_worker(is_spare)

    def _do(self, worker: _Worker, flight: F) -> tuple[object, SidebooksError | None, bool]:
        """An answer or an error, and whether it cost the worker."""
        job = flight.work.job
        task = Task(job, flight.work.data, worker.number, self._changed)
        task.after(job.timeout_s, partial(task.end, "overran"))
        task.after(self._aged_s, lambda: self._source.aged(flight, partial(task.end, "interrupted")))
        with self._lock:
            self._tasks.add(task)
            if self._is_closing:
                task.end("closed")
        try:
            if isinstance(job, Draw) and job.then is not None:
                task.after(self._slow_s, lambda: self._source.slow(flight))
                first, error = self._answer_to(task)
                self._source.told_first(flight, first, error)
                task.job = job.then
                task.after(LINGERS_S, lambda: self._source.lingers(flight))
            answer, error = self._answer_to(task)
        except (_Ended, WorkerLost):
            return None, self._loss(task, job), True
        finally:
            with self._lock:
                self._tasks.discard(task)
        worker.held_documents.add(job.document.token)
        return answer, error, False

    def _answer_to(self, task: Task) -> tuple[object, SidebooksError | None]:
        job = task.job
        try:
            return self._answer(task), None
        except SidebooksError as error:
            return None, error_told(type(error).__name__, error.message, job.document.digest, page_of(job))
        except (_Ended, WorkerLost):
            raise
        except Exception as fault:  # noqa: BLE001 - this thread serves on; who waits is told
            _log.exception("a job could not be answered, by a fault of the test")
            return None, failed(job, f"a fault of the test: {fault!r}")

    def _loss(self, task: Task, job: AnyJob) -> SidebooksError:
        if task.ending == "interrupted":
            return RequestDropped(f"{job.document.name}: dropped while it was being drawn, since nobody wanted it")
        if task.ending == "closed":
            return failed(job, "the service was closed while it was being drawn")
        with self._lock:
            self.deaths += 1
        if task.ending is None:
            return failed(job, "the worker died")
        what = f"not finished within {job.timeout_s:g} s, and was given up"
        if isinstance(job, Open):
            return failed(job, what)
        return RenderTimeout(f"{job.document.name}: {what}", document_id=job.document.digest, page=page_of(job))

    def _new_worker(self, is_spare: bool) -> _Worker:
        with self._lock:
            number = self._workers
            self._workers += 1
        return _Worker(number, is_spare)
