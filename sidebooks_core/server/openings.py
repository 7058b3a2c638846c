"""Who opened what a short time ago, as far as this process has told the audit.

The fast path sends images from memory, and tells the audit nothing. So it serves only those of whom the audit already knows
that they opened the document.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from sidebooks_core.access.principals import Principal

FRESH_S = 600.0
"""After this time, the audit is told of an opening again. The audit itself keeps one an hour."""
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
        """Whether the audit was told within FRESH_S."""
        told_s = self._told_s.get(_key(principal, address, document_id))
        return told_s is not None and time.monotonic() - told_s < FRESH_S


def _key(principal: Principal, address: str, document_id: str) -> tuple[str, str]:
    """Citizens have no id: their address tells them apart."""
    return (principal.id or f"@{address}", document_id)
