"""How long somebody has to wait so that no more than so many come in a second. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

MOST_SHARES = 4096
"""Whose pace is remembered; whoever came longest ago is forgotten first."""


class Pace:
    """So many at once, and then so many in each second. Belongs to one thread."""

    def __init__(self, per_s: float, at_once: int, most_wait_s: float = float("inf")) -> None:
        """most_wait_s: whoever would have to wait longer is not let in."""
        self._per_s = per_s
        self._ahead_s = at_once / per_s
        self._most_wait_s = most_wait_s
        self._next_s = float("-inf")

    def wait_s(self, now_s: float) -> float | None:
        """The seconds that one more has to wait, who then counts. None: too long. now_s: never set back."""
        at_s = max(self._next_s, now_s - self._ahead_s)
        wait_s = at_s + 1 / self._per_s - now_s
        if wait_s > self._most_wait_s:
            return None
        self._next_s = at_s + 1 / self._per_s
        return max(0.0, wait_s)


class Shares:
    """A pace for each of many. Belongs to one thread."""

    def __init__(self, per_s: float, at_once: int, most_wait_s: float) -> None:
        """Of each one: see `Pace`."""
        self._per_s = per_s
        self._at_once = at_once
        self._most_wait_s = most_wait_s
        self._paces: OrderedDict[Hashable, Pace] = OrderedDict()

    def __len__(self) -> int:
        """Those that are remembered."""
        return len(self._paces)

    def wait_s(self, name: Hashable, now_s: float) -> float | None:
        """See `Pace.wait_s`. name: whose share it is."""
        pace = self._paces.get(name)
        if pace is None:
            pace = self._paces[name] = Pace(self._per_s, self._at_once, self._most_wait_s)
            if len(self._paces) > MOST_SHARES:
                self._paces.popitem(last=False)
        self._paces.move_to_end(name)
        return pace.wait_s(now_s)
