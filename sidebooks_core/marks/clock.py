"""The hybrid logical clock of marks. Pure.

Kulkarni and others, "Logical Physical Clocks and Consistent Snapshots in Globally Distributed Databases", 2014.
A device adds to its own clock what the server's was ahead at their last contact, so a clock that is wrong by years orders edits
right. What is ahead all the same is not believed, and not refused either: it holds from the time when it came.
"""

from __future__ import annotations

from sidebooks_core.marks.model import Stamp

MOST_AHEAD_MS = 5 * 60_000
"""A stamp that is further ahead of the server is of a clock that is wrong."""
_COUNTERS = 1 << 16


def ticked(last: Stamp, now_ms: int, device: str) -> Stamp:
    """The stamp of what a device does now. It is greater than `last`, the greatest that it has made or seen.

    now_ms: by the server's clock, as far as the device knows it.
    """
    if now_ms > last.at_ms:
        return Stamp(now_ms, 0, device)
    if last.counter + 1 < _COUNTERS:
        return Stamp(last.at_ms, last.counter + 1, device)
    return Stamp(last.at_ms + 1, 0, device)


def is_believed(stamp: Stamp, server_ms: int) -> bool:
    """Whether a stamp that came to the server can be right."""
    return stamp.at_ms <= server_ms + MOST_AHEAD_MS


def believed(stamp: Stamp, last: Stamp, server_ms: int) -> Stamp:
    """A stamp as the server keeps it. If it cannot be right, it is the time of its coming, after `last`.

    last: the greatest that the server gave instead of a wrong one, so that several of a device stay in their order.
    """
    return stamp if is_believed(stamp, server_ms) else ticked(last, server_ms, stamp.device)
