"""Stores in tiers: the memory, and below it any number of stores, the fastest first.

A request looks once into each tier, from the memory downwards, and what it finds is copied to all tiers above. A new record
is in memory at once; a thread for each lower tier writes it there. A turn looks at the memory only: it waits for no store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from sidebooks_core.stores.behind import WriteBehind, Written
from sidebooks_core.stores.memory import MemoryStatistics, MemoryStore
from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

CLOSE_S = 5.0
"""How long closing waits for what is still to be written, unless told."""


class TierStatistics(StoreStatistics, frozen=True, kw_only=True):
    """Of all tiers. `records`: of the tier that holds most. `bytes`, `damaged`, `write_failures`: of all tiers together."""

    memory: MemoryStatistics
    disk: StoreStatistics
    """Of the tiers below the memory together; a record in two of them counts twice."""
    dropped_writes: int
    """Records that were not written to a lower tier: too much waited, or the tier raised."""


class Tiers:
    """A `TileStore` that consists of others. Thread-safe. No fault of a tier below the memory reaches the caller."""

    def __init__(self, memory: MemoryStore, lower: Sequence[TileStore] = ()) -> None:
        """lower: the tiers below the memory, the fastest first. They are closed with this."""
        self._memory = memory
        self._lower = [WriteBehind(store) for store in lower]
        self._forgettings = 0
        """How many records or tags were forgotten: what was read before and is copied after that may be one of them."""
        leasing = [tier for tier in self._lower if tier.leases is not None]
        self._shared = next(iter(leasing + self._lower), None)
        """The tier whose leases are used, if any: other processes look for a record there."""

    def hold(self, owner: int, keys: frozenset[str]) -> None:
        """Evict these from memory last. Replaces what the owner held; no keys: it holds nothing any more."""
        self._memory.hold(owner, keys)

    def evicted_preview_bytes(self) -> int:
        """The bytes of all previews that had to leave the memory for others so far."""
        return self._memory.evicted_preview_bytes()

    def get_memory(self, key: str) -> Record | None:
        """From memory only: this never waits."""
        return self._memory.get(key)

    def get_lower(self, key: str) -> Record | None:
        """From the tiers below the memory, or from what waits to be written to them. It is then in all tiers above, too."""
        before = self._forgettings
        for number, tier in enumerate(self._lower):
            record = tier.get(key)
            if record is None:
                continue
            self._memory.put(key, record)
            for upper in self._lower[:number]:
                upper.put(key, record)
            if self._forgettings != before:
                self._memory.delete(key)
                for upper in self._lower[:number]:
                    upper.discard(key)
            return record
        return None

    def get(self, key: str) -> Record | None:
        return self.get_memory(key) or self.get_lower(key)

    def contains(self, key: str) -> bool:
        """Whether a tier below the memory has it, or will when it is written; without such tiers, whether the memory has it."""
        return any(tier.contains(key) for tier in self._lower) if self._lower else self._memory.contains(key)

    def put(self, key: str, record: Record, written: Written | None = None, in_memory: bool = True) -> None:
        """Keep a record: in memory at once, in the lower tiers a little later.

        written: called once other processes can find the record, or never will.
        in_memory=False: bulk work, which goes past the memory and waits here while too much is still to be written.
        """
        if in_memory or not self._lower:
            self._memory.put(key, record)
        for tier in self._lower:
            tier.put(key, record, written if tier is self._shared else None, waits=not in_memory)
        if written is not None and self._shared is None:
            written()

    def delete(self, key: str) -> None:
        self._forgettings += 1
        self._memory.delete(key)
        for tier in self._lower:
            tier.delete(key)

    def discard(self, key: str) -> None:
        """Delete a record without waiting for the lower tiers: it is not found any more, and their writers remove it."""
        self._forgettings += 1
        self._memory.delete(key)
        for tier in self._lower:
            tier.discard(key)

    def purge(self, tag: str) -> int:
        """Forget all records of a tag, those on their way included. How many there were in the tier that had most."""
        self._forgettings += 1
        return max([self._memory.purge(tag), *(tier.purge(tag) for tier in self._lower)])

    def scrub(self) -> None:
        """Leave nothing readable of what was purged, in any tier."""
        for tier in self._lower:
            tier.scrub()

    def flush(self) -> None:
        """Wait until everything put so far is written."""
        for tier in self._lower:
            tier.flush()

    def statistics(self) -> TierStatistics:
        memory = self._memory.statistics()
        lower = [tier.statistics() for tier in self._lower]
        below = StoreStatistics(
            records=sum(one.records for one in lower),
            bytes=sum(one.bytes for one in lower),
            damaged=sum(one.damaged for one in lower),
            write_failures=sum(one.write_failures for one in lower),
        )
        return TierStatistics(
            records=max(one.records for one in [memory, *lower]),
            bytes=memory.bytes + below.bytes,
            damaged=below.damaged,
            write_failures=below.write_failures,
            memory=memory,
            disk=below,
            dropped_writes=sum(tier.dropped for tier in self._lower),
        )

    def leases(self) -> Leases | None:
        """Those of the first lower tier that has any."""
        return self._shared.leases if self._shared is not None else None

    def reopener(self) -> Callable[[], TileStore] | None:
        """Opens all tiers below the memory, if each of them can be opened elsewhere."""
        openers = [opener for tier in self._lower if (opener := tier.reopener()) is not None]
        if not openers or len(openers) < len(self._lower):
            return None
        return openers[0] if len(openers) == 1 else partial(open_tiers, openers)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits for at most `timeout_s`, drop the rest, and close all tiers."""
        deadline_s = time.monotonic() + timeout_s
        for tier in self._lower:
            tier.close(deadline_s)
        self._memory.close()


def open_tiers(openers: Sequence[Callable[[], TileStore]]) -> Tiers:
    """The same lower tiers in another process, which keeps nothing in memory."""
    return Tiers(MemoryStore(0, 0), [opener() for opener in openers])
