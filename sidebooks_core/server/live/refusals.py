"""Has the audit say which commands of meetings were refused, however many there are: repeated ones are counted."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.access import Access
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import StorageFailed

AGAIN_AFTER_S = 60.0
"""The same refusal of the same person is told once in this time, with how many there were meanwhile."""
MOST_KEPT = 2000
"""Refusals that are remembered; the oldest is forgotten first."""
MOST_PER_MINUTE = 120
"""Of all persons together: a flood from many addresses does not fill the audit."""

_log = logging.getLogger("sidebooks_core.server")


class _Kind(Struct, eq=False):
    told_s: float
    since: int = 0
    """Refusals that were not told yet."""


class Refusals:
    """Belongs to the event loop."""

    def __init__(self, access: Access | None, steady: Callable[[], float] = time.monotonic) -> None:
        """access: None: there is no audit. steady: a clock that never goes back, in seconds."""
        self._access = access
        self._steady = steady
        self._kinds: OrderedDict[tuple[str, str, str], _Kind] = OrderedDict()
        self._told: list[float] = []

    def note(self, who: Principal, address: str, about: str, why: str) -> None:
        """Something was refused. about: such as the meeting."""
        if self._access is None:
            return
        now_s, key = self._steady(), (who.id or f"@{address}", about, why)
        kind = self._kinds.get(key)
        if kind is not None and now_s - kind.told_s < AGAIN_AFTER_S:
            kind.since += 1
            return
        self._told = [one for one in self._told if now_s - one < AGAIN_AFTER_S]
        if len(self._told) >= MOST_PER_MINUTE:
            return
        self._told.append(now_s)
        more = f", and {kind.since} more since the last entry" if kind is not None and kind.since else ""
        self._kinds[key] = _Kind(now_s)
        self._kinds.move_to_end(key)
        if len(self._kinds) > MOST_KEPT:
            self._kinds.popitem(last=False)
        try:
            self._access.audit(Operation.MEET, who=who, address=address, detail=f"refused, {about}: {why}{more}")
        except StorageFailed as error:  # so much waits for the audit that no more can
            _log.warning("the audit does not have it that %s was refused: %s", about, error)
