"""Calls the steps of readers, which do the work behind their turns, in a few threads that many readers share.

One lock of the loop guards all seats. A step is called without it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from msgspec import Struct, field

_log = logging.getLogger("sidebooks_core.reading.reader")

LATER_LOOKED_THROUGH = 64
"""If more entries are due later, the void ones among them are dropped."""

Step = Callable[[], float | None]
"""Does the work of one reader. Returns the seconds after which it is called again; None: not before it is woken."""


class _State(Enum):
    IDLE = auto()
    READY = auto()
    RUNNING = auto()
    RUNNING_AND_WOKEN = auto()
    ENDED = auto()


class _Seat(Struct, eq=False):
    step: Step
    state: _State = _State.IDLE
    due: int | None = None
    """The number of the seat's entry among those that are due later. An entry with another number is void."""
    thread: threading.Thread | None = None
    """The thread that runs the step now."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the seat has ended and no thread runs the step."""


class ReaderLoop:
    """A few threads for any number of readers: `TileService.reader(..., loop=...)`. `close()` it after its readers.

    A step of one reader never runs twice at the same time. The threads start with the first reader, and are daemons.
    """

    def __init__(self, threads: int = 1) -> None:
        """threads: the number of steps that run at the same time, from 1. Raises ValueError."""
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads!r}")
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._ready: deque[_Seat] = deque()
        self._later: list[tuple[float, int, _Seat]] = []
        self._most_later = LATER_LOOKED_THROUGH
        self._numbers = itertools.count()
        self._thread_count = threads
        self._threads: list[threading.Thread] = []
        self._closed = False

    def add(self, step: Step) -> Handle:
        """Call a step each time its handle is woken, and when the time has come that the step returned."""
        with self._lock:
            if not self._threads:
                self._start()
        return Handle(self, _Seat(step))

    def close(self) -> None:
        """End the threads. No step begins any more."""
        with self._lock:
            self._closed = True
            self._work.notify_all()

    def _wake(self, seat: _Seat) -> None:
        with self._lock:
            if seat.state is _State.IDLE:
                self._make_ready(seat)
            elif seat.state is _State.RUNNING:
                seat.state = _State.RUNNING_AND_WOKEN

    def _end(self, seat: _Seat, timeout_s: float) -> None:
        with self._lock:
            running_in = seat.thread
            seat.state = _State.ENDED
            seat.due = None
            if running_in is None:
                seat.left.set()
        if running_in is not threading.current_thread():
            seat.left.wait(timeout_s)

    def _start(self) -> None:
        for number in range(self._thread_count):
            thread = threading.Thread(target=self._run, name=f"sidebooks-reader-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _make_ready(self, seat: _Seat) -> None:
        seat.state = _State.READY
        seat.due = None
        self._ready.append(seat)
        self._work.notify()

    def _run(self) -> None:
        while (seat := self._next()) is not None:
            nap_s: float | None = None
            try:
                nap_s = seat.step()
            except Exception:  # noqa: BLE001 - one reader's fault must not end the others
                _log.exception("a reader failed")
            with self._lock:
                seat.thread = None
                if seat.state is _State.ENDED:
                    seat.left.set()
                elif seat.state is _State.RUNNING_AND_WOKEN:
                    self._make_ready(seat)
                else:
                    seat.state = _State.IDLE
                    if nap_s is not None:
                        self._call_later(seat, nap_s)
            del seat  # a thread that sleeps must keep no reader alive

    def _call_later(self, seat: _Seat, nap_s: float) -> None:
        seat.due = next(self._numbers)
        heapq.heappush(self._later, (time.monotonic() + nap_s, seat.due, seat))
        if len(self._later) > self._most_later:  # most are void: their readers were woken since, or have ended
            self._later = [entry for entry in self._later if entry[1] == entry[2].due]
            heapq.heapify(self._later)
            self._most_later = max(LATER_LOOKED_THROUGH, 2 * len(self._later))

    def _next(self) -> _Seat | None:
        """The next seat whose step is to be called. Sleeps until there is one. None: the loop is closed."""
        with self._lock:
            while not self._closed:
                nap_s = self._take_due()
                while self._ready:
                    seat = self._ready.popleft()
                    if seat.state is _State.READY:
                        seat.state, seat.thread = _State.RUNNING, threading.current_thread()
                        return seat
                self._work.wait(nap_s)
            return None

    def _take_due(self) -> float | None:
        """Make all seats ready that are due. Returns the seconds until the next one is; None: no seat is due later."""
        now_s = time.monotonic()
        while self._later:
            at_s, number, seat = self._later[0]
            if number == seat.due and seat.state is _State.IDLE:
                if at_s > now_s:
                    return at_s - now_s
                self._make_ready(seat)
            heapq.heappop(self._later)
        return None


class Handle:
    """One reader's place in a loop."""

    def __init__(self, loop: ReaderLoop, seat: _Seat) -> None:
        self._loop = loop
        self._seat = seat

    def wake(self) -> None:
        """Call the step soon; once more if it runs just now."""
        self._loop._wake(self._seat)

    def end(self, timeout_s: float) -> None:
        """Never call the step again. Waits until the step that runs has returned, unless the step itself calls this."""
        self._loop._end(self._seat, timeout_s)
