"""Worker processes that a test watches, or replaces by a program of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import IO, Any

import msgspec

import sidebooks_core as sb
from sidebooks_core.assembly import PoolMaker
from sidebooks_core.workers.jobs import AnyJob, Assignment, WorkerConfig
from sidebooks_core.workers.pool import WorkerPool
from sidebooks_core.workers.process import Process
from sidebooks_core.workers.starting import Starter, best_starter


def processes(starter: Starter, settings: sb.Settings | None = None) -> PoolMaker:
    """Makes the pool of a service whose worker processes are started in this way: `sb.TileService(settings, pool=…)`."""
    limits = settings or sb.Settings(cache_dir=None)

    def make(source: Any, workers: int) -> WorkerPool[Any]:
        config = WorkerConfig(
            worker_bytes=limits.worker_bytes,
            display_list_bytes=limits.display_list_bytes,
            fonts=(),
            is_isolated=limits.isolation,
        )
        return WorkerPool(source, config, workers, limits.worker_bytes // 2, starter)

    return make


class Watched:
    """Starts worker processes as usual, and notes which job each is asked for."""

    def __init__(self, starter: Starter | None = None) -> None:
        self.asked: dict[int, list[Assignment]] = {}
        """By process, in their order."""
        self.before: Callable[[Process, AnyJob], None] = lambda process, job: None
        """Told of each job before its worker is."""
        self._starter = starter or best_starter()

    def start(self, files: socket.socket | None) -> Process:
        return _WatchedProcess(self, self._starter.start(files))

    def interrupt(self) -> None:
        self._starter.interrupt()

    def close(self) -> None:
        self._starter.close()

    def kinds(self) -> dict[int, list[str]]:
        """Names of the job types, by process."""
        return {process_id: [type(one.job).__name__ for one in asked] for process_id, asked in list(self.asked.items())}


class _WatchedProcess:
    def __init__(self, watched: Watched, process: Process) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin = _WatchedPipe(watched, process)
        self.stdout = process.stdout
        self.poll, self.wait, self.kill = process.poll, process.wait, process.kill

    @property
    def returncode(self) -> int | None:
        return self._process.returncode


class _WatchedPipe:
    """The pipe that a worker hears from: a length, then a message, of which the first is its configuration."""

    def __init__(self, watched: Watched, process: Process) -> None:
        assert process.stdin is not None
        self._watched = watched
        self._process = process
        self._pipe: IO[bytes] = process.stdin
        self._writes = 0
        self.flush, self.close, self.fileno = self._pipe.flush, self._pipe.close, self._pipe.fileno

    @property
    def closed(self) -> bool:
        return self._pipe.closed

    def write(self, data: bytes) -> int:
        self._writes += 1
        if self._writes % 2 == 0 and self._writes > 2:
            assignment = msgspec.msgpack.decode(data, type=Assignment)
            self._watched.asked.setdefault(self._process.pid, []).append(assignment)
            self._watched.before(self._process, assignment.job)
        return self._pipe.write(data)
