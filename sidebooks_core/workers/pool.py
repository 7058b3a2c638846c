"""The pool: starts worker processes, gives each its next job, kills the one that overruns, replaces the one that dies.

One thread of the host serves each worker: it asks the source for a job, waits for the answer, hands it back. An executor
of the standard library will not do: it cannot kill one task, knows no priorities, and loses all work when one process dies.
Workers are forked where that can be done (`forking.py`). Elsewhere each is started by the thread that serves it, which lives
as long as the pool: Linux ends a process with the thread that started it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from sidebooks_core.errors import DamagedDocument, RenderFailed, RenderTimeout, RequestDropped, SidebooksError
from sidebooks_core.workers import answers, forking, wire
from sidebooks_core.workers.forking import ForkServer
from sidebooks_core.workers.jobs import NO_WORKER, Job, NoWorker, NoWorkerToOpen, WorkerConfig, error_told
from sidebooks_core.workers.process import JOIN_TIMEOUT_S, NOTED_S, SLOW_S, Process, Step, Watchdog, WorkerProcess

_BOOT = """
import importlib.util, json, sys
sys.path[:] = json.loads(sys.argv[1])
package = importlib.util.find_spec("sidebooks_core")
sys.modules[package.name] = importlib.util.module_from_spec(package)
importlib.import_module(f"{package.name}.worker.{sys.argv[2]}").main()
"""
"""The package stays empty in a worker: what it offers to applications is most of the host, an eighth of a worker's start."""
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # glibc would give a raster's pages back to the kernel after each page and have them cleared for the next: 15-20 % of
    # drawing and encoding a page of text. What stays reserved is bounded by the second.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
_INHERITED = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TZ")
"""All that a worker sees of the host's environment: no secrets, nothing that changes how Python runs."""
START_TIMEOUT_S = 60.0
"""A worker that has not reported by then is given up; one that is not forked takes 0.3-0.6 s on an idle machine."""
LOOK_AGAIN_S = 0.05
"""Between two looks at what a job has taken, at least: the kernel counts in hundredths of a second."""
MOST_TRIES = 3
"""Workers that are given one job in turn, where each dies before it begins it. The kernel ends several if memory is short."""
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Of the host or its machine: no file is to blame."""
COMPLAIN_S = 60.0
"""Between two entries in the log that no worker is at hand."""

_log = logging.getLogger("sidebooks_core.workers")


class JobSource(Protocol):
    """Where workers' threads get their work."""

    def take(self, held_documents: set[str], *, is_spare: bool) -> tuple[Any, Job, bytes | None] | None:
        """Wait for the next job for a worker that holds some documents; None: the pool closes.

        The first value comes back with the answer. The last is the document's bytes where it has no path.
        """

    def is_suspect(self, document: str) -> bool:
        """Whether a document, by its token, cost a worker a short time ago."""

    def aged(self, ticket: Any, interrupt: Callable[[], None]) -> None:
        """A job takes long. `interrupt` ends it from any thread, with its worker, if it is still under way then."""

    def finish(
        self,
        ticket: Any,
        answer: Any,
        error: SidebooksError | None,
        *,
        lost_worker: bool = False,
        takes_next: bool = False,
    ) -> None:
        """A job ended, with an answer or an error. Must not raise.

        error: RequestDropped where it was interrupted. lost_worker: it cost its worker. takes_next: its worker takes the next
        one at once, in this thread.
        """


class _StartFailed(Exception):
    pass


class _NotBegun(Exception):
    """A worker died before it looked at its job."""


class _Lost(Exception):
    """A worker died after it was asked, or what it says cannot be understood."""

    def __init__(self, error: wire.WireClosed | wire.WireBroken, *, has_answered: bool) -> None:
        """has_answered: it read the job, since it asked for the document."""
        super().__init__(str(error))
        self.error = error
        self.has_answered = has_answered


class WorkerPool:
    """`workers` processes and one spare; `close()` or a `with` block ends them."""

    def __init__(self, source: JobSource, config: WorkerConfig, workers: int, recycle_bytes: int) -> None:
        """recycle_bytes: a worker whose resident memory is above this after a job is replaced before its next."""
        self._source = source
        self._config = config
        self._recycle_bytes = recycle_bytes
        self._closing = threading.Event()
        self._all_started = threading.Event()
        self._lock = threading.Lock()
        self._live: set[WorkerProcess] = set()
        self._starting = workers
        self._idle_threads = 0
        self._parked: list[WorkerProcess] = []
        self._most_parked = workers
        self._warned = not config.is_isolated
        self._complain_at_s = 0.0
        self.deaths = 0
        self._watchdog = Watchdog()
        self._forks = ForkServer(partial(_command, "fork_server"), _clean_environment()) if forking.is_available() else None
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
        if self._forks is not None:
            self._forks.interrupt()
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
        if self._forks is not None:
            self._forks.close()

    def process_ids(self) -> list[int]:
        """Of the workers that live now."""
        with self._lock:
            return [worker.process.pid for worker in self._live]

    def busy_count(self) -> int:
        """Workers that do a job, or start."""
        return len(self._threads) - self._idle_threads

    def _count_idle(self, more: int) -> None:
        with self._lock:
            self._idle_threads += more

    def _serve(self, is_spare: bool) -> None:
        if is_spare:
            self._all_started.wait()  # the spare must not slow down the start of those that are needed first
        worker: WorkerProcess | None = None
        failure = ""
        try:
            while not self._closing.is_set():
                if worker is None:
                    worker, failure = self._try_start()
                    self._count_started(is_spare)
                self._count_idle(+1)
                taken = self._source.take(worker.held_documents if worker else set(), is_spare=is_spare)
                self._count_idle(-1)
                if taken is None:
                    return
                ticket, job, data = taken
                if worker is None:  # once more, for this job: what stopped it may have passed
                    worker, failure = self._try_start()
                if worker is not None:
                    worker, failure = self._of_domain(worker, job.document.trust_domain)
                if worker is None:
                    self._finish(ticket, None, self._no_worker(job, failure))
                    continue
                answer, error, worker = self._do(worker, ticket, job, data)
                is_lost = worker is None
                is_its_fault = is_lost and error is not None and not isinstance(error, (RequestDropped, *NO_WORKER))
                self._finish(ticket, answer, error, lost_worker=is_its_fault, takes_next=not is_lost)
        finally:
            if worker is not None:
                self._bury(worker)

    def _finish(self, ticket: Any, answer: Any, error: SidebooksError | None, **how: bool) -> None:
        try:
            self._source.finish(ticket, answer, error, **how)
        except Exception:  # noqa: BLE001 - this thread serves on
            _log.exception("a fault of the library: a job's end could not be told")

    def _of_domain(self, worker: WorkerProcess, trust_domain: str) -> tuple[WorkerProcess | None, str]:
        """This worker if it has seen no other domain; else one that waits, or a new one. The other waits for its domain."""
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
        """A worker; None, and why."""
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
            process = self._process(theirs)
        except OSError as error:
            if files is not None:
                files.close()
            raise _StartFailed(f"{error}. {_advice()}") from error
        finally:
            if theirs is not None:
                theirs.close()
        worker = WorkerProcess(process, files)
        with self._lock:
            self._live.add(worker)
        watch = self._watchdog.watch(worker, START_TIMEOUT_S)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            wire.send(process.stdin, self._config.to_wire())
            greeting = answers.read_greeting(wire.receive_body(process.stdout, answers.GREETING_BYTES))
        except (wire.WireClosed, wire.WireBroken) as error:
            self._bury(worker)
            raise _StartFailed(f"{error}; {_how_it_ended(worker)}. {_advice()}") from error
        finally:
            self._watchdog.release(watch)
        if self._closing.is_set():
            self._bury(worker)
            raise _StartFailed("the pool is closing")
        self._warn_if_unconfined(greeting.unconfined)
        return worker

    def _process(self, files: socket.socket | None) -> Process:
        """files: the worker's end of what descriptors are sent through."""
        if self._forks is not None and files is not None:
            return self._forks.fork(files)
        return subprocess.Popen(
            _command("main", *([files.fileno()] if files is not None else [])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_clean_environment(),
            pass_fds=[files.fileno()] if files is not None else [],
        )

    def _warn_if_unconfined(self, missing: tuple[str, ...]) -> None:
        with self._lock:
            is_first, self._warned = not self._warned, self._warned or bool(missing)
        if missing and is_first:
            _log.warning(
                "workers are isolated less than they could be: %s. They still are processes of their own, with limits of "
                "memory and time. Settings(isolation=False) says that this is meant",
                "; ".join(missing),
            )

    def _do(
        self, worker: WorkerProcess, ticket: Any, job: Job, data: bytes | None
    ) -> tuple[Any, SidebooksError | None, WorkerProcess | None]:
        """One job on one worker, or on new ones where these die before they begin it.

        Returns the answer, the error, and the worker to go on with; None: it is gone. Whatever goes wrong with a job is its
        error, and costs at most its worker: this thread serves on.
        """
        for left in reversed(range(MOST_TRIES)):
            try:
                return self._do_on(worker, ticket, job, data)
            except _NotBegun as error:
                self._count_death(worker)
                failure = f"{MOST_TRIES} in a row died before they began a job: {error}; {_how_it_ended(worker)}"
            except Exception:  # noqa: BLE001 - this thread serves on
                _log.exception("a fault of the library: a job failed by it")
                self._count_death(worker)
                return None, _failed(job, "it could not be done, by a fault that the log tells of"), None
            if not left:
                break
            started, failure = self._try_start()
            if started is None:
                break
            worker = started
            worker.trust_domain = job.document.trust_domain
        return None, self._no_worker(job, failure), None

    def _do_on(
        self, worker: WorkerProcess, ticket: Any, job: Job, data: bytes | None
    ) -> tuple[Any, SidebooksError | None, WorkerProcess | None]:
        """Raises _NotBegun where the worker died of something else than this job."""
        try:
            reply = self._exchange(worker, ticket, job, data)
        except _Lost as lost:
            return None, self._loss(worker, job, lost), None
        if isinstance(reply, SidebooksError):
            return None, reply, worker
        worker.held_documents.add(job.document.token)
        survivor: WorkerProcess | None = worker
        # Its time was over just as it answered, or it is to be replaced anyway.
        if worker.overran or worker.was_interrupted or worker.is_worn or reply.rss_bytes > self._recycle_bytes:
            self._bury(worker)
            survivor = None
        if reply.error is not None:
            told = reply.error
            return None, error_told(told.name, told.message, job.document.digest, told.page), survivor
        return reply.answer, None, survivor

    def _exchange(
        self, worker: WorkerProcess, ticket: Any, job: Job, data: bytes | None
    ) -> answers.Reply[Any] | SidebooksError:
        """What a worker replies, watched meanwhile; an error where the document's file cannot be handed over.

        Raises _NotBegun if it dies before it is asked, and _Lost if it dies, or cannot be understood, after that.
        """
        ageing: tuple[tuple[float, Step], ...] = ((SLOW_S, WorkerProcess.stand_back),)
        if self._source.is_suspect(job.document.token):
            ageing = ((NOTED_S, WorkerProcess.stand_far_back),)  # its sound pages are drawn by then
        # Already now: one that was taken over may answer without reading, until what it is asked fits no pipe any more.
        watch = self._watchdog.watch(worker, job.timeout_s, ageing)
        has_answered = False
        try:
            try:
                refusal = self._send(worker, job, data)
            except wire.WireClosed as error:
                raise _NotBegun(str(error)) from error
            if refusal is not None:
                return refusal
            worker.note_cpu()  # the job is sent: nobody waits for this
            self._watchdog.then(watch, NOTED_S, partial(self._look_at_age, watch, ticket))
            reply = self._hear(worker, job)
            if reply.need_data:
                has_answered = True
                refusal = self._hand_over(worker, job, data)
                if refusal is not None:
                    return refusal
                reply = self._hear(worker, job)
                if reply.need_data:
                    raise wire.WireBroken("it asks for the document again")
            return reply
        except (wire.WireClosed, wire.WireBroken) as error:
            raise _Lost(error, has_answered=has_answered) from error
        finally:
            self._watchdog.release(watch)

    def _loss(self, worker: WorkerProcess, job: Job, lost: _Lost) -> SidebooksError:
        """Bury a worker that was lost to a job, and say why. Raises _NotBegun where the job has nothing to do with it."""
        if worker.was_interrupted:
            self._bury(worker)
            return RequestDropped(f"{_where(job)}: dropped while it was being drawn, since nobody wanted it")
        if not (lost.has_answered or worker.overran or self._closing.is_set()) and worker.has_unread_request():
            raise _NotBegun(str(lost.error)) from lost
        overran = worker.overran
        self._count_death(worker)
        if self._closing.is_set():
            return _failed(job, "the service was closed while it was being drawn")
        return _overran(job) if overran else _died(job, worker, lost.error)

    def _look_at_age(self, watch: int, ticket: Any, worker: WorkerProcess) -> None:
        """Tell the source of a job that is old, or look again when it may be."""
        left_s = worker.is_old_in_s()
        if left_s:
            self._watchdog.then(watch, max(left_s, LOOK_AGAIN_S), partial(self._look_at_age, watch, ticket))
        else:
            self._source.aged(ticket, partial(self._watchdog.interrupt, watch))

    def _send(self, worker: WorkerProcess, job: Job, data: bytes | None) -> SidebooksError | None:
        """Ask for a job, with the document's file if the worker has not seen it. What is wrong with the file, if anything.

        Bytes only once the worker says that it lacks them, and is watched: they may not fit into the pipe.
        """
        if job.document.path is not None and worker.files is not None and job.document.token not in worker.held_documents:
            return self._hand_over(worker, job, data)
        self._ask(worker, job, None)
        return None

    def _hand_over(self, worker: WorkerProcess, job: Job, data: bytes | None) -> SidebooksError | None:
        """Ask with the document: its bytes, or a descriptor of its file. What is wrong with the file, if anything."""
        if job.document.path is None:
            self._ask(worker, job, data)
            return None
        assert worker.files is not None
        try:
            descriptor = os.open(job.document.path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno in _SHORTAGES:
                return self._no_worker(job, f"{error}: its document could not be handed over")
            what = f"{job.document.name} cannot be opened any more: {error.strerror}"
            return DamagedDocument(what, document_id=job.document.digest)
        try:
            socket.send_fds(worker.files, [b"f"], [descriptor])
        except OSError as error:
            raise wire.WireClosed(str(error)) from error
        finally:
            os.close(descriptor)
        self._ask(worker, job, None, has_file=True)
        return None

    def _ask(self, worker: WorkerProcess, job: Job, data: bytes | None, *, has_file: bool = False) -> None:
        assert worker.process.stdin is not None
        if worker.process.poll() is not None:
            raise wire.WireClosed("it is dead")  # what its pipe still takes would never be read
        message = job.to_wire()
        if data is not None:
            message["data"] = data
        if has_file:
            message["has_file"] = True
        wire.send(worker.process.stdin, message)

    def _hear(self, worker: WorkerProcess, job: Job) -> answers.Reply[Any]:
        assert worker.process.stdout is not None
        return answers.read_reply(wire.receive_body(worker.process.stdout, answers.most_bytes(job)), job)

    def _no_worker(self, job: Job, failure: str) -> SidebooksError:
        """Why goes to the log: it names files of this machine, and an error may go to a client."""
        with self._lock:
            must_tell = time.monotonic() >= self._complain_at_s and not self._closing.is_set()
            if must_tell:
                self._complain_at_s = time.monotonic() + COMPLAIN_S
        if must_tell:
            _log.error("no worker process is at hand: %s", failure)
        return _without_worker(job)

    def _count_death(self, worker: WorkerProcess) -> None:
        self._bury(worker)
        if not self._closing.is_set():
            with self._lock:
                self.deaths += 1

    def _bury(self, worker: WorkerProcess) -> None:
        worker.bury()
        with self._lock:
            self._live.discard(worker)


def _command(module: str, *arguments: int) -> list[str]:
    """What runs the `main` of a module of this package in a process of its own."""
    path = [entry or os.getcwd() for entry in sys.path]  # noqa: PTH109
    return [sys.executable, "-I", "-c", _BOOT, json.dumps(path), module, *map(str, arguments)]


def _advice() -> str:
    """What to do where no process can be started."""
    return f"`{sys.executable} -c 'import pymupdf, numpy, PIL, isal'` may tell why"


def _clean_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | _ENVIRONMENT


def _file_channel() -> tuple[socket.socket | None, socket.socket | None]:
    """Our end and the worker's of what descriptors are sent through."""
    return socket.socketpair() if hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX") else (None, None)


def _where(job: Job) -> str:
    return f"{job.document.name}, page {job.page + 1}" if job.page is not None else job.document.name


def _failed(job: Job, what: str) -> SidebooksError:
    kind = RenderFailed if job.page is not None else DamagedDocument
    return kind(f"{_where(job)}: {what}", document_id=job.document.digest, page=job.page)


def _overran(job: Job) -> SidebooksError:
    setting = "open_timeout_s" if job.kind == "open" else "render_timeout_s"
    what = f"not finished within {job.timeout_s:g} s, and was given up. A longer limit may help ({setting})"
    if job.page is None:
        return _failed(job, what)
    return RenderTimeout(f"{_where(job)}: {what}", document_id=job.document.digest, page=job.page)


def _died(job: Job, worker: WorkerProcess, error: Exception) -> SidebooksError:
    if isinstance(error, wire.WireBroken):
        return _failed(job, f"the worker's answer could not be understood ({error})")
    return _failed(job, f"the worker process died ({_how_it_ended(worker)}); the page may be damaged or too large")


def _how_it_ended(worker: WorkerProcess) -> str:
    """Signal or exit code of a worker that was buried."""
    code = worker.process.returncode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _without_worker(job: Job) -> SidebooksError:
    kind = NoWorker if job.page is not None else NoWorkerToOpen
    what = "no worker process is at hand; the log tells why"
    return kind(f"{_where(job)}: {what}", document_id=job.document.digest, page=job.page)
