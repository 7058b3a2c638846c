"""Which meetings have ended, as it is asked before each answer to one of their guests. Kept in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

GOES_ON_S = 30.0
"""That a meeting goes on holds so long. That it has ended holds for good. Neither does if it is told meanwhile that it began or
ended: an end is taken back if another process came first."""
MOST_KEPT = 4096
"""Meetings that are remembered."""


class Ends(Protocol):
    """What knows the ends of meetings (`meeting.records.Records`)."""

    def goes_on(self, meeting_id: str, /) -> bool:
        """Whether there is such a meeting that has not ended. It may wait. Raises StorageError."""


class EndedMeetings:
    """Thread-safe."""

    def __init__(self, ends: Ends, steady: Callable[[], float] = time.monotonic) -> None:
        """steady: seconds, never set back."""
        self._ends = ends
        self._steady = steady
        self._lock = threading.Lock()
        self._over: dict[str, None] = {}
        self._going_until_s: dict[str, float] = {}
        self._forgotten = 0
        """How often something was."""

    def known(self, meeting_id: str) -> bool | None:
        """Whether a meeting has ended. None: ask `find`. It never waits."""
        if meeting_id in self._over:
            return True
        return False if self._steady() < self._going_until_s.get(meeting_id, float("-inf")) else None

    def find(self, meeting_id: str) -> bool:
        """Whether a meeting has ended, or there is none. It may wait. Raises StorageError."""
        known = self.known(meeting_id)
        if known is not None:
            return known
        asked_s, forgotten = self._steady(), self._forgotten
        goes_on = self._ends.goes_on(meeting_id)
        with self._lock:
            kept: dict[str, float] | dict[str, None] = self._going_until_s if goes_on else self._over
            if len(kept) >= MOST_KEPT:
                kept.clear()
            if forgotten != self._forgotten:
                return not goes_on  # it may have ended since the look, or an end was taken back
            if goes_on:
                self._going_until_s[meeting_id] = asked_s + GOES_ON_S
            else:
                self._over[meeting_id] = None
        return not goes_on

    def forget(self, meetings: Iterable[str]) -> None:
        """These began or ended: they are asked about anew."""
        with self._lock:
            self._forgotten += 1
            for one in meetings:
                self._going_until_s.pop(one, None)
                self._over.pop(one, None)
