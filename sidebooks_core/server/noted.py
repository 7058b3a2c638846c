"""Which screens of which persons were counted of late."""

from __future__ import annotations

import time
from collections.abc import Callable

AGAIN_AFTER_S = 3600.0
"""A person's screen counts once in this time, so that a single person does not decide what is drawn for all."""
MOST_NOTED = 10_000


class Noted:
    """Which screens of which persons were counted within the last hour. Belongs to the event loop."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        """steady: a clock that never goes back, in seconds."""
        self._steady = steady
        self._at_s: dict[tuple[str, tuple[int, int]], float] = {}

    def is_new(self, person: str, screen: tuple[int, int]) -> bool:
        """Whether the screen of a person is to be counted now. screen: width and height in pixels."""
        now_s, before_s = self._steady(), self._at_s.get((person, screen))
        if before_s is not None and now_s - before_s < AGAIN_AFTER_S:
            return False
        if len(self._at_s) >= MOST_NOTED:
            self._at_s = {}
        self._at_s[person, screen] = now_s
        return True
