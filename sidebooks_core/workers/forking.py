"""Workers that are forked from a process which has loaded the engine, as their host sees them. Linux."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from sidebooks_core.workers.wire import STATUS

START_TIMEOUT_S = 60.0
"""The longest time to load the engine. On an idle machine it takes 0.3 s."""
_LOST = -int(signal.SIGTERM)
"""The exit code of a worker that ended together with the process from which it was forked."""


def is_available() -> bool:
    """Whether this platform can fork workers. It must be able to send descriptors, and have descriptors of
    processes (pidfd).
    """
    if sys.platform != "linux":
        return False
    try:
        handle = os.pidfd_open(os.getpid())
    except OSError:  # an old kernel, or a sandbox that knows no such call
        return False
    try:
        signal.pidfd_send_signal(handle, 0)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def is_readable(descriptor: int, timeout_s: float | None) -> bool:
    """Whether a descriptor, of any number, has something to read within a time; None: as long as it takes."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


class ForkedProcess:
    """A forked process, with the methods of `subprocess.Popen` that the host uses."""

    def __init__(self, process_id: int, stdin: IO[bytes], stdout: IO[bytes], status: int) -> None:
        """status: the pipe that tells how the process has ended. Raises OSError for a process that is gone."""
        self.pid = process_id
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._status = status
        self._handle = os.pidfd_open(process_id)

    def poll(self) -> int | None:
        """The exit code, or the number of a signal below zero. None while the process lives."""
        return self._ended(0)

    def wait(self) -> int:
        """Wait for the end, and return the exit code. Call this after `kill`: other callers of this object wait meanwhile."""
        code = self._ended(None)
        assert code is not None
        return code

    def kill(self) -> None:
        """Send SIGKILL, if it has not ended."""
        with self._lock:
            if self.returncode is None:
                try:
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                except ProcessLookupError:
                    return  # it has ended, and was not asked yet how

    def _ended(self, timeout_s: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and is_readable(self._handle, timeout_s):
                told = os.read(self._status, STATUS.size)
                self.returncode = STATUS.unpack(told)[0] if len(told) == STATUS.size else _LOST
                os.close(self._status)
                os.close(self._handle)
            return self.returncode


class ForkServer:
    """Starts the process that forks workers, when the first worker is wanted. If that process dies, starts another.
    Thread-safe.
    """

    def __init__(self, command: Callable[[int], Sequence[str]], environment: dict[str, str]) -> None:
        """command: what runs `fork_server.main` on the socket of that number."""
        self._command = command
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._has_forked = False
        self._is_closed = False

    @property
    def process_id(self) -> int | None:
        process = self._process
        return process.pid if process is not None else None

    def prepare(self) -> None:
        """Start the process, and do not wait until it has loaded the engine."""
        with suppress(OSError):  # the first `start` tries again, and tells of it
            self._running()

    def start(self, files: socket.socket | None) -> ForkedProcess:
        """A new worker. files: the worker's end of the channel for descriptors of documents. Raises OSError."""
        assert files is not None, "what can fork can hand over descriptors"
        requests = self._running()
        try:
            forked = _fork(requests, files)
        except ConnectionError:
            self._end(requests)
            forked = _fork(self._running(), files)
        self._has_forked = True
        return forked

    def interrupt(self) -> None:
        """No worker is wanted any more. A `start` that waits for the engine to load ends."""
        self._is_closed = True
        if not self._has_forked:
            self._end()

    def close(self) -> None:
        """End the process, and what was forked from it."""
        self._is_closed = True
        self._end()

    def _end(self, failed: socket.socket | None = None) -> None:
        """failed: end the process only if it is the one behind this socket, and not a new one of another thread."""
        with self._lock:
            if failed is not None and failed is not self._requests:
                return
            process, self._process = self._process, None
            requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        if process is not None:
            process.kill()  # it has nothing to lose
            process.wait()

    def _running(self) -> socket.socket:
        with self._lock:
            if self._requests is None:
                self._requests = self._start()
            return self._requests

    def _start(self) -> socket.socket:
        if self._is_closed:
            raise OSError("no more workers are forked")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    self._command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self._environment,
                    pass_fds=[theirs.fileno()],
                )
            except BaseException:
                ours.close()
                raise
        return ours


def _fork(requests: socket.socket, files: socket.socket) -> ForkedProcess:
    """Fork a worker. Raises ConnectionError if the process that forks is lost, and other OSErrors if it cannot fork."""
    pipes: list[int] = []
    try:
        for _ in range(3):
            pipes += os.pipe()
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    their_in, our_in, our_out, their_out, status, their_status = pipes
    stdin, stdout = os.fdopen(our_in, "wb"), os.fdopen(our_out, "rb")
    try:
        try:
            socket.send_fds(requests, [b"fork"], [their_in, their_out, files.fileno(), their_status])
        except OSError as error:
            raise ConnectionResetError(str(error)) from error
        finally:
            for descriptor in (their_in, their_out, their_status):
                os.close(descriptor)
        told = os.read(status, STATUS.size) if is_readable(status, START_TIMEOUT_S) else b""
        if len(told) < STATUS.size:
            raise ConnectionResetError("the process that workers are forked from has ended, or hangs")
        (process_id,) = STATUS.unpack(told)
        if process_id < 0:
            raise OSError(-process_id, os.strerror(-process_id))
        return ForkedProcess(process_id, stdin, stdout, status)
    except BaseException:
        os.close(status)
        stdin.close()
        stdout.close()
        raise
