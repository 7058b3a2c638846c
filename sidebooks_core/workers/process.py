"""A worker's process as its host sees it, and the thread that ends or slows one that takes too long."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from msgspec import Struct, field

if sys.platform == "linux":  # here: who runs out of descriptors can import nothing any more
    import fcntl
    import termios

JOIN_TIMEOUT_S = 5.0
NOTED_S = 0.25
"""A job that takes so long is looked at."""
OLD_CPU_S = 0.25
"""A job that has taken so much processor time may be interrupted. A fork of another worker takes a tenth of it. The time by the
clock is no measure: on a slow or busy machine, ordinary pages would be interrupted, and each would cost a worker."""
SLOW_S = 0.5
"""A worker that draws one page for so long may get a lower priority, so that it does not delay pages that take milliseconds."""
SLOW_NICENESS = 5
SUSPECT_NICENESS = 15
"""The niceness of a worker that draws a page of a suspect document for NOTED_S."""

ANSWER_PIPE_BYTES = 1 << 20
"""The most that Linux allows an ordinary user. Memory is taken only for what waits in the pipe."""
_CPUCLOCK_SCHED = 2
"""With the number of a process, the number of its clock (Linux's `MAKE_PROCESS_CPUCLOCK`). It is read in 1 microsecond, `/proc`
in 60."""

_log = logging.getLogger("sidebooks_core.workers")


class Process(Protocol):
    """The part of a process that the host uses: `subprocess.Popen`, or a forked process."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    @property
    def returncode(self) -> int | Any: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...


class WorkerProcess(Struct, eq=False):
    """A worker process, its connections with the host, and its state as the host knows it."""

    process: Process
    files: socket.socket | None
    """The channel for descriptors of documents. None if the platform cannot send descriptors."""
    trust_domain: str | None = None
    """The trust domain of all documents that it has seen. None: it has seen no document."""
    held_documents: set[str] = field(default_factory=set)
    overran: bool = False
    was_interrupted: bool = False
    """It was killed in the middle of its job, since nobody wants that any more."""
    is_worn: bool = False
    cpu_s: float = 0.0
    """The processor time that it had taken when its job began."""
    rss_bytes: int = 0

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()

    def stop_overrunning(self) -> None:
        self.overran = True
        self.kill()

    def has_unread_request(self) -> bool:
        """Whether a job still waits in its pipe, so that the worker has not read it. Call this before `bury`."""
        stdin = self.process.stdin
        if sys.platform != "linux" or stdin is None or stdin.closed:
            return False
        waiting = fcntl.ioctl(stdin.fileno(), termios.FIONREAD, bytes(4))
        return bool(int.from_bytes(waiting, sys.byteorder))

    def widen_answers(self) -> None:
        """Let the pipe of answers hold the record of most pages, so that the worker need not wait for its host in the middle of
        one.
        """
        stdout = self.process.stdout
        if sys.platform != "linux" or stdout is None:
            return
        try:
            fcntl.fcntl(stdout.fileno(), fcntl.F_SETPIPE_SZ, ANSWER_PIPE_BYTES)
        except OSError:  # the user has used up the system's limit: 64 KiB do as well, with more turns
            return

    def note_cpu(self) -> None:
        self.cpu_s = _cpu_s(self.process.pid)

    def is_old_in_s(self) -> float:
        """The least seconds until its job has taken OLD_CPU_S. 0 if it has, or if the platform does not tell."""
        if sys.platform != "linux":
            return 0.0
        return max(0.0, OLD_CPU_S - (_cpu_s(self.process.pid) - self.cpu_s))

    def stand_back(self) -> None:
        """Lower the priority: from now on the host and other workers get the processor first.

        If the worker got little processor time so far, nothing changes: other programs keep the machine busy, and it would
        starve.
        """
        if _cpu_s(self.process.pid) - self.cpu_s >= SLOW_S / 2:
            self.set_niceness(SLOW_NICENESS)

    def stand_far_back(self) -> None:
        """Give the worker only processor time that nobody else wants. An ordinary user cannot undo this, so the worker is
        replaced after its job.
        """
        self.is_worn = True
        self.set_niceness(SUSPECT_NICENESS)

    def set_niceness(self, more: int) -> None:
        if sys.platform == "win32":
            return
        try:
            os.setpriority(os.PRIO_PROCESS, self.process.pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + more))
        except OSError:  # it has just ended, or its host may not: an older worker is as urgent as a new one then
            return

    def bury(self) -> None:
        """Kill, reap, and close the pipes. It holds no documents any more."""
        self.held_documents.clear()
        self.kill()
        self.process.wait()
        if self.files is not None:
            self.files.close()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was buffered for the dead process cannot be flushed; nobody misses it
                    continue


Step = Callable[[WorkerProcess], None]


class Watchdog:
    """Kills workers that overrun, and lets those that take long stand back: one thread, asleep until the next of these."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._steps: list[tuple[float, int, int, Step]] = []
        self._watched: dict[int, WorkerProcess] = {}
        self._numbers = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sidebooks-watchdog", daemon=True)
        self._thread.start()

    def watch(self, worker: WorkerProcess, timeout_s: float, steps: Sequence[tuple[float, Step]] = ()) -> int:
        """Kill the worker after `timeout_s`, and do each step after its number of seconds, unless `release` comes first."""
        with self._condition:
            number = next(self._numbers)
            self._watched[number] = worker
            for after_s, step in (*steps, (timeout_s, WorkerProcess.stop_overrunning)):
                self.then(number, after_s, step)
            return number

    def then(self, number: int, after_s: float, step: Step) -> None:
        """Add a step for a watched worker, `after_s` seconds from now."""
        with self._condition:
            heapq.heappush(self._steps, (time.monotonic() + after_s, number, next(self._numbers), step))
            if self._steps[0][1] == number:
                self._condition.notify()

    def release(self, number: int) -> None:
        with self._condition:
            self._watched.pop(number, None)

    def interrupt(self, number: int) -> None:
        """Kill the worker now, unless `release`d: it may be at another job."""
        with self._condition:
            worker = self._watched.get(number)
            if worker is not None:
                worker.was_interrupted = True
                worker.kill()

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        with self._condition:
            while not self._closed:
                now_s = time.monotonic()
                while self._steps and (self._steps[0][1] not in self._watched or self._steps[0][0] <= now_s):
                    _, number, _, step = heapq.heappop(self._steps)
                    worker = self._watched.get(number)
                    if worker is not None:
                        self._do(step, worker)
                self._condition.wait(self._steps[0][0] - now_s if self._steps else None)

    def _do(self, step: Step, worker: WorkerProcess) -> None:
        try:
            step(worker)
        except Exception as fault:  # noqa: BLE001 - the time limits of all workers depend on this thread
            what = "a fault of the library: a step of the watchdog failed"
            # Elsewhere, since a log may be slow, and all workers wait for this lock.
            threading.Thread(target=_log.error, args=(what,), kwargs={"exc_info": fault}, daemon=True).start()


def _cpu_s(process_id: int) -> float:
    """The processor time that a process has taken. 0 if the platform does not tell."""
    if sys.platform != "linux":
        return 0.0
    try:
        return time.clock_gettime(~process_id << 3 | _CPUCLOCK_SCHED)
    except OSError:  # a sandbox that has no clocks of other processes, or the process is gone
        pass
    try:
        fields = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0
