"""How often an address may ask for what costs a server something before anybody is known. Belongs to the event loop."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from sidebooks_core.errors import TooManyAttempts

AT_ONCE = 300
"""Tries of one address that cost nothing: a town hall, which may have one address, opens a meeting with a code on the wall."""
PER_S = 1.0
"""Further tries come back so fast."""
ADDRESSES = 10_000
"""Addresses that are remembered; the one that tried longest ago is forgotten first."""


class Rate:
    """Counts the tries of addresses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By address: tries that have not come back, and the time for which that holds."""

    def take(self, address: str) -> None:
        """One more try of an address. Raises TooManyAttempts if it has none left."""
        now_s = self._clock()
        spent, at_s = self._spent.get(address, (0.0, now_s))
        spent = max(0.0, spent - (now_s - at_s) * PER_S)
        if spent + 1 > AT_ONCE:
            raise TooManyAttempts("too many attempts from this address", retry_after_s=(spent + 1 - AT_ONCE) / PER_S)
        self._spent[address] = (spent + 1, now_s)
        self._spent.move_to_end(address)
        if len(self._spent) > ADDRESSES:
            self._spent.popitem(last=False)
