"""What waits for one client of a meeting.

Of what changes only the newest waits: a client that is slow misses states in between, and costs nobody anything.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Literal

from sidebooks_core.meeting.messages import Farewell, ServerMessage, Whisper, encoded
from sidebooks_core.meeting.state import Position, State

MOST_ANSWERS = 64
"""A client for which more of them wait does not take what it asked for, and is ended."""
MOST_WHISPERS = 32
"""Of different senders and tools."""
MOST_STROKES = 64
"""Pieces of strokes: of one pen, those of four seconds."""
Slot = Literal["details", "ping", "progress", "tally"]
SLOTS: tuple[Slot, ...] = ("details", "ping", "progress", "tally")
"""In the order in which they are sent, behind answers and the state."""


class Outbox:
    """Thread-safe. After something was put in, its owner wakes whoever sends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: list[bytes] = []
        self._state: bytes | None = None
        self._position: Position = (-1, -1)
        self._slots: dict[Slot, bytes] = {}
        self._whispers: dict[tuple[str, str], bytes] = {}
        self._strokes: deque[bytes] = deque(maxlen=MOST_STROKES)
        self._farewell: Farewell | None = None
        self._is_alone = False

    def answer(self, *messages: ServerMessage) -> None:
        """Messages of which none may be left out, in order."""
        with self._lock:
            for message in messages:
                self._answers.append(encoded(message))
                if isinstance(message, State):
                    self._position = max(self._position, message.position)
            if len(self._answers) > MOST_ANSWERS:
                self._farewell = self._farewell or Farewell(why="slow", return_s=0.0)

    def tell_state(self, position: Position, data: bytes) -> bool:
        """The present state, as JSON. False: the client was told this one or a newer one."""
        with self._lock:
            if position <= self._position:
                return False
            self._position, self._state = position, data
        return True

    def state_was_sent(self, position: Position) -> None:
        """The state of this position need not be sent any more."""
        with self._lock:
            if self._position == position:
                self._state = None

    def put(self, slot: Slot, data: bytes) -> None:
        """A message as JSON, in the place of an earlier one of its kind."""
        with self._lock:
            self._slots[slot] = data

    def whisper(self, said: Whisper, data: bytes) -> None:
        """A pointer; data: the same as JSON."""
        key = said.by, said.tool
        with self._lock:
            if key in self._whispers or len(self._whispers) < MOST_WHISPERS:
                self._whispers[key] = data

    def stroke(self, data: bytes) -> None:
        """A piece of a stroke, as JSON. If too many wait, the oldest gets lost."""
        with self._lock:
            self._strokes.append(data)

    def end(self, farewell: Farewell, *, is_alone: bool = False) -> None:
        """The last message. The first farewell counts. is_alone: nothing else is sent any more, whatever waits."""
        with self._lock:
            self._farewell = self._farewell or farewell
            self._is_alone = self._is_alone or is_alone

    @property
    def farewell(self) -> Farewell | None:
        return self._farewell

    def take(self) -> list[bytes]:
        """What is to be sent now, in order."""
        with self._lock:
            taken, self._answers = self._answers, []
            if self._state is not None:
                taken.append(self._state)
                self._state = None
            taken += [self._slots[slot] for slot in SLOTS if slot in self._slots]
            self._slots.clear()
            taken += self._whispers.values()
            self._whispers.clear()
            taken += self._strokes
            self._strokes.clear()
            if self._is_alone:
                taken = []
            if self._farewell is not None:
                taken.append(encoded(self._farewell))
        return taken
