"""A worker's process as its host sees it, and the thread that ends or slows one that takes too long."""

from __future__ import annotations

import heapq
import itertools
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
"""A job that has taken so much of a processor may be interrupted: ten times what it takes to fork another worker. By the clock,
ordinary pages would be, where the processor is slow or taken, and each costs a worker then."""
SLOW_S = 0.5
"""A page that takes so long is waited for anyway; beside it, those that take milliseconds should not feel it."""
SLOW_NICENESS = 5
SUSPECT_NICENESS = 15
"""Of a worker that draws a page for NOTED_S, of a document that cost one."""


class Process(Protocol):
    """What is needed of a process: `subprocess.Popen`, or one that was forked."""

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
    """A process that draws, what connects it with the host, and what the host knows of it."""

    process: Process
    files: socket.socket | None
    """Where it is handed descriptors of documents; None where the platform knows no such thing."""
    trust_domain: str | None = None
    """Of all documents that it has seen; None: of none so far."""
    held_documents: set[str] = field(default_factory=set)
    overran: bool = False
    was_interrupted: bool = False
    """It was killed in the middle of its job, since nobody wants that any more."""
    is_worn: bool = False
    cpu_s: float = 0.0
    """Time of the processor that it had taken when its job began."""
    rss_bytes: int = 0

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()

    def stop_overrunning(self) -> None:
        self.overran = True
        self.kill()

    def has_unread_request(self) -> bool:
        """Whether a job that it was asked for still waits in its pipe, and so was not begun. To be asked before `bury`."""
        stdin = self.process.stdin
        if sys.platform != "linux" or stdin is None or stdin.closed:
            return False
        waiting = fcntl.ioctl(stdin.fileno(), termios.FIONREAD, bytes(4))
        return bool(int.from_bytes(waiting, sys.byteorder))

    def note_cpu(self) -> None:
        self.cpu_s = _cpu_s(self.process.pid)

    def is_old_in_s(self) -> float:
        """Seconds until its job has taken OLD_CPU_S, at least; 0 when it has, and where nobody tells."""
        if sys.platform != "linux":
            return 0.0
        return max(0.0, OLD_CPU_S - (_cpu_s(self.process.pid) - self.cpu_s))

    def stand_back(self) -> None:
        """From now on it gets the processor after those that draw quickly, and after the host.

        Not where it got little of the processor as it is: then others than we keep the machine busy, and it would starve.
        """
        if _cpu_s(self.process.pid) - self.cpu_s >= SLOW_S / 2:
            self.set_niceness(SLOW_NICENESS)

    def stand_far_back(self) -> None:
        """Only what nobody else wants. An ordinary user cannot take that back, so it is replaced after its job."""
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
        """Kill, reap, and close the pipes."""
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
        """Kill the worker after `timeout_s`, do what else is to be done to it after so many seconds, unless `release`d."""
        with self._condition:
            number = next(self._numbers)
            self._watched[number] = worker
            for after_s, step in (*steps, (timeout_s, WorkerProcess.stop_overrunning)):
                self.then(number, after_s, step)
            return number

    def then(self, number: int, after_s: float, step: Step) -> None:
        """One more thing to be done to a worker that is watched, so many seconds from now."""
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
                        step(worker)
                self._condition.wait(self._steps[0][0] - now_s if self._steps else None)


def _cpu_s(process_id: int) -> float:
    """Processor time that a process has taken; 0 where nobody tells."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0
