"""When a file of a watched folder is complete, and when it is gone. Pure: time is given.

A file that is being copied in grows. It is taken when its state has been the same for a while. A file that is missing is gone
after a while, too: a program that saves may remove it first, and one that is renamed is found again under its new name.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

GONE_AFTER = 2.0
"""Times the time after which a file is complete."""


class Known(Struct, frozen=True):
    """What was registered of a file."""

    state: str
    is_gone: bool


class Plan(Struct, frozen=True):
    """What is to be done now."""

    ripe: list[bytes]
    """Files that are new or changed, and complete."""
    gone: list[bytes]
    """Files that were registered, and are there no more."""
    again_s: float | None
    """When to look again, although nothing is told of, by the same clock; None: not."""
    is_settled: bool
    """Everything that is there was taken, or has failed."""


class _Since(Struct):
    state: str
    since_s: float


class _Held(Struct, frozen=True):
    state: str
    until_s: float | None
    has_failed: bool


class Ripening:
    """Remembers since when each file is as it is."""

    def __init__(self, settle_s: float) -> None:
        """settle_s: seconds for which a file does not change before it is taken."""
        self._settle_s = settle_s
        self._seen: dict[bytes, _Since] = {}
        self._missing: dict[bytes, float] = {}
        self._held: dict[bytes, _Held] = {}

    def look(self, files: Mapping[bytes, str], known: Mapping[bytes, Known], now_s: float) -> Plan:
        """files: the state of each file that is there. known: what was registered.

        The states are of `documents.listing`: inode, size, time of the last change of content, and of anything.
        """
        missing = {path for path, one in known.items() if path not in files}
        moved = {_content_state(known[path].state) for path in missing}
        self._seen = {path: since for path, since in self._seen.items() if path in files}
        self._held = {path: held for path, held in self._held.items() if path in files}
        ripe: list[bytes] = []
        due_s: list[float] = []
        is_settled = True
        for path, state in files.items():
            one = known.get(path)
            if one is not None and one.state == state and not one.is_gone:
                self._seen.pop(path, None)
                continue
            since = self._seen.get(path)
            if since is None or since.state != state:
                since = self._seen[path] = _Since(state, now_s)
            if path in self._held and self._held[path].state != state:
                del self._held[path]
            wait_s = 0.0 if _content_state(state) in moved else self._settle_s
            ripe_s = since.since_s + wait_s
            held = self._held.get(path)
            if held is not None and held.until_s is None:
                continue
            if held is not None and held.until_s is not None:
                ripe_s = max(ripe_s, held.until_s)
            if ripe_s <= now_s:
                ripe.append(path)
            else:
                due_s.append(ripe_s)
                is_settled = is_settled and held is not None and held.has_failed
        self._missing = {path: self._missing.get(path, now_s) for path in missing if not known[path].is_gone}
        gone_s = {path: since_s + GONE_AFTER * self._settle_s for path, since_s in self._missing.items()}
        gone = [path for path, at_s in gone_s.items() if at_s <= now_s]
        due_s += [at_s for at_s in gone_s.values() if at_s > now_s]
        return Plan(ripe, gone, min(due_s, default=None), is_settled and not ripe and not self._missing)

    def age_s(self, path: bytes, now_s: float) -> float:
        """Seconds since a file is as it is."""
        since = self._seen.get(path)
        return now_s - since.since_s if since is not None else 0.0

    def begin_anew(self, path: bytes) -> None:
        """A file changed while it was read: wait for it as if it were new."""
        self._seen.pop(path, None)

    def hold(self, path: bytes, until_s: float | None, *, has_failed: bool) -> None:
        """Do not take a file before a time; None: not before it changes. has_failed: else it is only waited for."""
        since = self._seen.get(path)
        if since is not None:
            self._held[path] = _Held(since.state, until_s, has_failed)


def _content_state(state: str) -> str:
    """The part of a state that stays if a file is renamed, or its owner changes: inode, size, time of the last change."""
    return " ".join(state.split()[:3])
