"""Who opened what a short time ago, as far as this process has told the audit.

An image in memory is sent by the fast path, which tells the audit nothing. So it is sent that way only to whoever was told of.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from sidebooks_core.access.principals import Principal

FRESH_S = 600.0
"""Opening is told again after this time. The audit keeps it once an hour."""
MOST_KEPT = 20_000


class Openings:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._told_s: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, principal: Principal, address: str, document_id: str) -> None:
        """The audit was told."""
        key = _key(principal, address, document_id)
        self._told_s[key] = time.monotonic()
        self._told_s.move_to_end(key)
        while len(self._told_s) > MOST_KEPT:
            self._told_s.popitem(last=False)

    def is_told(self, principal: Principal, address: str, document_id: str) -> bool:
        """Whether the audit knows already."""
        told_s = self._told_s.get(_key(principal, address, document_id))
        return told_s is not None and time.monotonic() - told_s < FRESH_S


def _key(principal: Principal, address: str, document_id: str) -> tuple[str, str]:
    """Citizens are told apart by their address."""
    return (principal.id or f"@{address}", document_id)
