"""Several server processes on one socket: starts them, starts those again that die, and ends all of them with itself.

The processes are new ones, not forked: threads and locks do not survive a fork. Each inherits the socket that listens, and
reads what it is to do from its standard input. That pipe also ends it if the supervisor is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from types import FrameType

from msgspec import Struct

from sidebooks_core.server.options import Part, ServeOptions
from sidebooks_core.settings import Settings

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0
"""A process that lived so long is started again at once."""
MOST_ENDS = 5
WITHIN_S = 60.0
"""If each process has ended so often within this time, the reason lasts, and the command ends."""
END_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
NOT_STARTED = 1
"""The status of a process that could not be started."""


class Task(Struct, frozen=True):
    """What a process reads from its standard input."""

    descriptor: int
    settings: Settings
    options: ServeOptions
    part: Part


class _Child:
    """One of the processes, over all its starts."""

    def __init__(self, number: int, listener: socket.socket, settings: Settings, options: ServeOptions) -> None:
        self._is_first = number == 0
        self._listener = listener
        self._settings = settings
        self._options = options
        self._starts = 0
        self._started_s = 0.0
        self._again_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._ended_s: deque[float] = deque(maxlen=MOST_ENDS)
        self.status = 0
        """As of `Popen.poll`, of its last end."""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._starts += 1
        self._started_s = time.monotonic()
        part = Part(is_first=self._is_first, announces=self._is_first and self._starts == 1)
        descriptor = self._listener.fileno()
        task = Task(descriptor, self._settings, self._options, part)
        command = [sys.executable, "-m", "sidebooks_core.server.child"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(descriptor,))
        if self.process.stdin is not None:
            try:
                self.process.stdin.write(pickle.dumps(task))
                self.process.stdin.flush()
            except BrokenPipeError:
                return  # it died at once: `look` sees that

    def is_hopeless(self) -> bool:
        """Whether it ends again and again."""
        return len(self._ended_s) == MOST_ENDS and time.monotonic() - self._ended_s[0] < WITHIN_S

    def look(self) -> None:
        """Start it again if it has died, the later the shorter it lived."""
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self._let_go()
            self._note_end(status)
            _say(f"a server process ended ({status}); another one takes its place")
        elif time.monotonic() >= self._again_s:
            try:
                self.start()
            except OSError as error:  # no memory, or no process, at the moment: the others must go on
                self._note_end(NOT_STARTED)
                _say(f"a server process cannot be started ({error}); it is tried again in {self._pause_s:.0f} s")

    def _note_end(self, status: int) -> None:
        """Count an end, and say when to start again. status: as of `Popen.poll`."""
        self.status = status
        self._ended_s.append(time.monotonic())
        lived_s = time.monotonic() - self._started_s
        self._pause_s = FIRST_PAUSE_S if lived_s > STEADY_S else min(self._pause_s * 2, LONGEST_PAUSE_S)
        self._again_s = time.monotonic() + (0.0 if lived_s > STEADY_S else self._pause_s)

    def tell_end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline_s: float) -> None:
        if self.process is not None:
            try:
                self.process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._let_go()

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(BrokenPipeError):  # it never read what it was told
                self.process.stdin.close()
        self.process = None


def supervise(settings: Settings, options: ServeOptions, listener: socket.socket) -> int:
    """Serve with several processes until a signal comes; the exit status as of `serve`. Workers and memory are shared out.

    If all processes end again and again, this ends with the status of the last one. Each has told the reason.
    """
    told: list[int] = []
    woken = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        woken.set()

    heard = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, handle) for number in heard}
    shared = share(settings, options.processes)
    children = [_Child(number, listener, shared, options) for number in range(options.processes)]
    try:
        for child in children:
            child.start()
        while not told:
            woken.wait(LOOK_EVERY_S)
            if not told:
                for child in children:
                    child.look()
                if all(child.is_hopeless() for child in children):
                    break
    finally:
        for child in children:
            child.tell_end()
        deadline_s = time.monotonic() + END_WITHIN_S
        for child in children:
            child.end(deadline_s)
        for number, handler in before.items():
            signal.signal(number, handler)
    if not told:
        status = max(child.status for child in children) or min(child.status for child in children)
        _say(f"each server process ended {MOST_ENDS} times within {WITHIN_S:.0f} s ({status}), and the reason is told above")
        return 128 - status if status < 0 else status or 1
    if told[0] == signal.SIGINT:
        raise KeyboardInterrupt
    return 128 + told[0]


def _say(sentence: str) -> None:
    print(f"sidebooks: {sentence}", file=sys.stderr, flush=True)


def share(settings: Settings, processes: int) -> Settings:
    """The part of one process: of the workers and the memory. The disk belongs to all."""
    memory_bytes = settings.memory_bytes // processes
    return replace(
        settings,
        workers=max(1, settings.workers // processes),
        memory_bytes=memory_bytes,
        preview_bytes=min(settings.preview_bytes // processes, memory_bytes),
        display_list_bytes=max(1, settings.display_list_bytes // processes),
    )


def end_with_supervisor() -> None:
    """End this process when its standard input ends: the supervisor is gone. Returns at once."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="sidebooks-supervisor", daemon=True).start()
