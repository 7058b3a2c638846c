"""A clock that tests set."""

from __future__ import annotations

from sidebooks_core.access import Clock

DAY_S = 86_400.0


class SetClock:
    """Time goes on if it is told to; the wall clock can be set to anything."""

    def __init__(self) -> None:
        self.wall_s = 1_800_000_000.0
        self.steady_s = 5_000.0

    def go_on(self, seconds: float) -> None:
        self.wall_s += seconds
        self.steady_s += seconds

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall_s, steady=lambda: self.steady_s)
