"""The pool: starts worker processes, gives each its next job, kills the one that overruns, replaces the one that dies.

One thread of the host serves each worker: it asks the source for a job, waits for the answer, hands it back. An executor
of the standard library will not do: it cannot kill one task, knows no priorities, and loses all work when one process dies.
Workers are forked where that can be done (`starting.py`). Elsewhere each is started by the thread that serves it, which lives
as long as the pool: Linux ends a process with the thread that started it.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Generic, Protocol, Required, TypedDict, TypeVar, Unpack

import msgspec

from sidebooks_core.errors import RequestDropped, SidebooksError
from sidebooks_core.workers import replies, wire
from sidebooks_core.workers.exchange import Done, Exchange, Fate, Flight, Listener, Result, failed, how_it_ended
from sidebooks_core.workers.jobs import NO_WORKER, WorkerConfig
from sidebooks_core.workers.process import JOIN_TIMEOUT_S, Watchdog, WorkerProcess
from sidebooks_core.workers.starting import Starter, best_starter
from sidebooks_core.workers.talking import NotBegun

START_TIMEOUT_S = 60.0
"""A worker that has sent no greeting by then is given up. Without a fork, a start takes 0.3-0.6 s on an idle machine."""
MOST_TRIES = 3
"""One job is given to so many workers in turn, if each dies before it begins the job. If memory is short, the kernel ends
several."""
SPARE_AFTER_S = 0.1
"""The spare is started so long after the last other worker, which draws a first page meanwhile."""
COMPLAIN_S = 60.0
"""The shortest time between two log entries that say that no worker is at hand."""

_log = logging.getLogger("sidebooks_core.workers")


F = TypeVar("F", bound=Flight)


class Taker(TypedDict, total=False):
    """The worker that takes a job."""

    is_spare: Required[bool]
    trust_domain: str | None
    """Of all documents that the worker has seen. None, or not given: it has seen none."""
    can_help: bool
    """The worker can take part in the work on a page that another worker has. Not given: it cannot."""


class JobSource(Listener[F], Protocol[F]):
    """The source from which workers' threads take their jobs."""

    def take(self, held_documents: set[str], follow_ups: Sequence[F] = (), **worker: Unpack[Taker]) -> F | None:
        """Wait for the next job for a worker that holds some documents; None: the pool closes.

        follow_ups: jobs that follow from this worker's last one. They wait in the queue like all others; this worker may take
        one of them at once.
        """
        ...

    def enter(self, follow_ups: Sequence[F]) -> None:
        """Queue jobs that follow from the last one, if the worker takes no job now."""
        ...

    def landed(self, flight: F, answer: object, error: SidebooksError | None, *, has_lost_worker: bool = False) -> Sequence[F]:
        """A job ended, with an answer of its type or an error; returns what follows from it. Must not raise.

        error: RequestDropped if it was interrupted. has_lost_worker: it cost its worker.
        """
        ...


class Pool(Protocol):
    """The part of a pool that a service uses. In tests the workers may be threads."""

    @property
    def deaths(self) -> int:
        """Workers that died, or were killed for overrunning, so far."""
        ...

    def process_ids(self) -> list[int]:
        """The process ids of the workers that live now. Empty if workers are threads."""
        ...

    def close(self) -> None:
        """End all workers, even those at work. The source's `take` must return None by now."""
        ...


class _StartFailed(Exception):
    pass


class WorkerPool(Generic[F]):
    """`workers` processes and one spare; `close()` or a `with` block ends them."""

    def __init__(
        self,
        source: JobSource[F],
        config: WorkerConfig,
        workers: int,
        recycle_bytes: int,
        starter: Starter | None = None,
    ) -> None:
        """recycle_bytes: a worker whose resident memory is above this after a job is replaced before its next.

        starter: how processes are started; None: in the best way of this platform. The pool closes it.
        """
        self._source = source
        self._config = config
        self._closing = threading.Event()
        self._all_started = threading.Event()
        self._lock = threading.Lock()
        self._live: set[WorkerProcess] = set()
        self._starting = workers
        self._parked: list[WorkerProcess] = []
        self._most_parked = workers
        self._warned = not config.is_isolated
        self._complain_at_s = 0.0
        self.deaths = 0
        self._watchdog = Watchdog()
        self._exchange = Exchange(self._watchdog, self._closing, recycle_bytes, self._complain)
        self._starter = starter or best_starter()
        self._threads = [
            threading.Thread(target=self._serve, args=(index == workers,), name=f"sidebooks-worker-{index}", daemon=True)
            for index in range(workers + 1)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Kill the workers, whatever they do, and wait for their threads. The source's `take` must return None by now."""
        self._closing.set()
        self._all_started.set()
        self._starter.interrupt()
        with self._lock:
            for worker in self._live:
                worker.kill()
        self._watchdog.close()
        deadline_s = time.monotonic() + JOIN_TIMEOUT_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline_s - time.monotonic()))
        with self._lock:
            parked, self._parked = self._parked, []
        for worker in parked:
            self._bury(worker)
        self._starter.close()

    def workers(self) -> list[WorkerProcess]:
        """Those that live now."""
        with self._lock:
            return list(self._live)

    def process_ids(self) -> list[int]:
        """Of the workers that live now."""
        return [worker.process.pid for worker in self.workers()]

    def _serve(self, is_spare: bool) -> None:
        if is_spare:
            self._all_started.wait()  # the spare must not slow down those that are needed first, nor their first pages
            self._closing.wait(SPARE_AFTER_S)
        worker: WorkerProcess | None = None
        failure = ""
        follow_ups: Sequence[F] = ()
        following: F | None = None
        try:
            while not self._closing.is_set():
                if worker is None:
                    self._source.enter(follow_ups)
                    follow_ups = ()
                    worker, failure = self._try_start()
                    self._count_started(is_spare)
                is_sent = following is not None
                flight = following or self._source.take(
                    worker.held_documents if worker else set(),
                    follow_ups,
                    is_spare=is_spare,
                    trust_domain=worker.trust_domain if worker else None,
                    can_help=worker is not None and worker.files is not None,
                )
                following = None
                if flight is None:
                    return
                if worker is None:  # a second try, for this job: the reason of the failure may have passed
                    worker, failure = self._try_start()
                if worker is not None:
                    worker, failure = self._of_domain(worker, flight.work.job.document.trust_domain)
                if worker is None:
                    follow_ups = self._landed(flight, None, self._exchange.without_worker(flight.work.job, failure))
                    continue
                done, worker = self._do(worker, flight, is_sent=is_sent)
                result, following = done.result, done.following
                is_its_fault = worker is None and not isinstance(result.error, (RequestDropped, *NO_WORKER, type(None)))
                follow_ups = self._landed(flight, result.answer, result.error, has_lost_worker=is_its_fault)
                if following is not None and follow_ups:
                    self._source.enter(follow_ups)
                    follow_ups = ()
        finally:
            if following is not None:
                self._source.put_back(following)
            if worker is not None:
                self._bury(worker)

    def _landed(self, flight: F, answer: object, error: SidebooksError | None, *, has_lost_worker: bool = False) -> Sequence[F]:
        try:
            return self._source.landed(flight, answer, error, has_lost_worker=has_lost_worker)
        except Exception:  # noqa: BLE001 - this thread serves on
            _log.exception("a fault of the library: a job's end could not be told")
            return ()

    def _of_domain(self, worker: WorkerProcess, trust_domain: str) -> tuple[WorkerProcess | None, str]:
        """This worker if it has seen no other trust domain. Else a parked worker of the domain, or a new one; this worker is
        parked.
        """
        if worker.trust_domain in (None, trust_domain):
            worker.trust_domain = trust_domain
            return worker, ""
        with self._lock:
            found = next((one for one in self._parked if one.trust_domain == trust_domain), None)
            if found is not None:
                self._parked.remove(found)
            self._parked.append(worker)
            surplus = self._parked.pop(0) if len(self._parked) > self._most_parked else None
        if surplus is not None:
            self._bury(surplus)
        if found is not None and found.process.poll() is None:
            return found, ""
        if found is not None:
            self._count_death(found)
        started, failure = self._try_start()
        if started is not None:
            started.trust_domain = trust_domain
        return started, failure

    def _try_start(self) -> tuple[WorkerProcess | None, str]:
        """Start a worker. Returns the worker, or None with the reason."""
        try:
            return self._start(), ""
        except _StartFailed as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001 - this thread serves on
            _log.exception("a fault of the library: a worker could not be started by it")
            return None, repr(error)

    def _count_started(self, is_spare: bool) -> None:
        if is_spare or self._all_started.is_set():
            return
        with self._lock:
            self._starting -= 1
            if self._starting <= 0:
                self._all_started.set()

    def _start(self) -> WorkerProcess:
        if self._closing.is_set():
            raise _StartFailed("the pool is closing")
        if not sys.executable:
            raise _StartFailed("this Python does not know its own executable (sys.executable is empty)")
        files = theirs = None
        try:
            files, theirs = _file_channel()
            process = self._starter.start(theirs)
        except OSError as error:
            if files is not None:
                files.close()
            raise _StartFailed(f"{error}. {_advice()}") from error
        finally:
            if theirs is not None:
                theirs.close()
        worker = WorkerProcess(process, files)
        worker.widen_answers()
        with self._lock:
            self._live.add(worker)
        watch = self._watchdog.watch(worker, START_TIMEOUT_S)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            wire.send(process.stdin, msgspec.msgpack.encode(self._config))
            greeting = replies.read_greeting(wire.receive(process.stdout, replies.GREETING_BYTES))
        except (wire.WireClosed, wire.WireBroken) as error:
            self._bury(worker)
            raise _StartFailed(f"{error}; {how_it_ended(worker)}. {_advice()}") from error
        finally:
            self._watchdog.release(watch)
        if self._closing.is_set():
            self._bury(worker)
            raise _StartFailed("the pool is closing")
        self._warn_if_unconfined(greeting.unconfined)
        return worker

    def _warn_if_unconfined(self, missing: tuple[str, ...]) -> None:
        with self._lock:
            is_first, self._warned = not self._warned, self._warned or bool(missing)
        if missing and is_first:
            _log.warning(
                "workers are isolated less than they could be: %s. They still are processes of their own, with a limit of "
                "time, and of memory on Linux. Settings(isolation=False) says that this is meant",
                "; ".join(missing),
            )

    def _do(self, worker: WorkerProcess, flight: F, *, is_sent: bool) -> tuple[Done[F], WorkerProcess | None]:
        """One job on one worker, or on new ones if these die before they begin it.

        is_sent: the worker has the job already. Returns the result, and the worker for the next job; None: the worker is gone.
        Each fault becomes the error of its job, and costs at most the worker. This thread goes on.
        """
        job = flight.work.job
        for left in reversed(range(MOST_TRIES)):
            try:
                done = self._exchange.do(worker, flight, self._source, is_sent=is_sent)
            except NotBegun as error:
                self._count_death(worker)
                failure = f"{MOST_TRIES} in a row died before they began a job: {error}; {how_it_ended(worker)}"
            except Exception:  # noqa: BLE001 - this thread serves on
                _log.exception("a fault of the library: a job failed by it")
                self._count_death(worker)
                fault = failed(job, "it could not be done, by a fault that the log tells of")
                return Done(Result(None, fault, Fate.DIED)), None
            else:
                if done.result.fate is Fate.GOES_ON:
                    return done, worker
                if done.result.fate is Fate.DIED:
                    self._count_death(worker, done.result.error)
                else:
                    self._bury(worker)
                return done, None
            if not left:
                break
            started, failure = self._try_start()
            if started is None:
                break
            worker, is_sent = started, False
            worker.trust_domain = job.document.trust_domain
        return Done(Result(None, self._exchange.without_worker(job, failure), Fate.DIED)), None

    def _complain(self, failure: str) -> None:
        """Tell the log that no worker is at hand, once in a while."""
        with self._lock:
            must_tell = time.monotonic() >= self._complain_at_s and not self._closing.is_set()
            if must_tell:
                self._complain_at_s = time.monotonic() + COMPLAIN_S
        if must_tell:
            _log.error("no worker process is at hand: %s", failure)

    def _count_death(self, worker: WorkerProcess, error: SidebooksError | None = None) -> None:
        """error: of the job that it had; None: it had none, or never began it."""
        self._bury(worker)
        if not self._closing.is_set():
            with self._lock:
                self.deaths += 1
            told = f": {error}" if error is not None else ""
            ended = how_it_ended(worker)
            _log.warning("worker process %d ended (%s), and another one takes its place%s", worker.process.pid, ended, told)

    def _bury(self, worker: WorkerProcess) -> None:
        worker.bury()
        with self._lock:
            self._live.discard(worker)


def _advice() -> str:
    """Advice for a machine on which no process can be started."""
    return f"`{sys.executable} -c 'import pymupdf, numpy, PIL, isal'` may tell why"


def _file_channel() -> tuple[socket.socket | None, socket.socket | None]:
    """The two ends, ours and the worker's, of the channel for descriptors."""
    return socket.socketpair() if hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX") else (None, None)
