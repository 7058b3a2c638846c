"""Records in memory, within a budget of bytes.

Tiles are evicted by GreedyDual-Size (Cao and Irani, "Cost-Aware WWW Proxy Caching Algorithms", USITS 1997): each record is
worth the clock plus its cost per byte; the least worth goes first and moves the clock. Unlike LRU it keeps what is dear to make
again, and of a working set a little over the budget it keeps a part instead of nothing.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

RECORD_OVERHEAD_BYTES = 512
"""What a record takes besides its bytes: key, tag, table entries."""


class MemoryStatistics(StoreStatistics, frozen=True, kw_only=True):
    """What the memory holds now."""

    preview_bytes: int
    """The part of `bytes` that are previews."""


class _Tile(Struct, eq=False):
    record: Record
    size_bytes: int
    worth: float


class MemoryStore:
    """Two budgets: previews have `preview_bytes` to themselves, everything else has the rest of `memory_bytes`. Thread-safe."""

    def __init__(self, memory_bytes: int, preview_bytes: int) -> None:
        self._tile_budget = memory_bytes - preview_bytes
        self._preview_budget = preview_bytes
        self._lock = threading.Lock()
        self._tiles: dict[str, _Tile] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._serial = 0
        self._clock = 0.0
        self._tile_bytes = 0
        self._previews: OrderedDict[str, Record] = OrderedDict()
        self._preview_bytes = 0
        self._evicted_preview_bytes = 0
        self._held: dict[int, frozenset[str]] = {}

    def hold(self, owner: int, keys: frozenset[str]) -> None:
        """Tiles that a reader looks at or will look at next are evicted after all others. Replaces what the owner held."""
        with self._lock:
            self._held.pop(owner, None)
            if keys:
                self._held[owner] = keys

    def get(self, key: str) -> Record | None:
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                # The heap's entry stays where it is and is put right when it comes up.
                tile.worth = self._worth(tile)
                return tile.record
            preview = self._previews.get(key)
            if preview is not None:
                self._previews.move_to_end(key)
            return preview

    def put(self, key: str, record: Record) -> None:
        with self._lock:
            self._remove(key)
            if record.is_preview:
                self._put_preview(key, record)
            else:
                self._put_tile(key, record)

    def contains(self, key: str) -> bool:
        with self._lock:
            return key in self._tiles or key in self._previews

    def delete(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def purge(self, tag: str) -> int:
        with self._lock:
            doomed = [key for key, tile in self._tiles.items() if tile.record.tag == tag]
            doomed += [key for key, record in self._previews.items() if record.tag == tag]
            for key in doomed:
                self._remove(key)
            return len(doomed)

    def scrub(self) -> None:
        """Nothing: what is removed here is gone."""

    def evicted_preview_bytes(self) -> int:
        """The bytes of all previews that had to leave for others so far."""
        with self._lock:
            return self._evicted_preview_bytes

    def statistics(self) -> MemoryStatistics:
        with self._lock:
            held = self._tile_bytes + self._preview_bytes
            return MemoryStatistics(
                records=len(self._tiles) + len(self._previews), bytes=held, preview_bytes=self._preview_bytes
            )

    def leases(self) -> Leases | None:
        """None: no other process reads this memory."""
        return None

    def reopener(self) -> Callable[[], TileStore] | None:
        """None: another process has a memory of its own."""
        return None

    def close(self) -> None:
        with self._lock:
            self._tiles.clear()
            self._heap.clear()
            self._previews.clear()
            self._tile_bytes = self._preview_bytes = 0

    def _put_tile(self, key: str, record: Record) -> None:
        size_bytes = _size(key, record)
        if size_bytes > self._tile_budget:
            return
        while self._tile_bytes + size_bytes > self._tile_budget:
            self._evict_tile()
        tile = _Tile(record, size_bytes, 0.0)
        tile.worth = self._worth(tile)
        self._tiles[key] = tile
        self._tile_bytes += size_bytes
        self._push(key, tile)

    def _put_preview(self, key: str, record: Record) -> None:
        size_bytes = _size(key, record)
        if size_bytes > self._preview_budget:
            return
        while self._preview_bytes + size_bytes > self._preview_budget:
            oldest, old = self._previews.popitem(last=False)
            self._preview_bytes -= _size(oldest, old)
            self._evicted_preview_bytes += _size(oldest, old)
        self._previews[key] = record
        self._preview_bytes += size_bytes

    def _worth(self, tile: _Tile) -> float:
        return self._clock + tile.record.cost_s / tile.size_bytes

    def _push(self, key: str, tile: _Tile) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (tile.worth, self._serial, key))

    def _evict_tile(self) -> None:
        spared: list[tuple[float, str]] = []
        while self._heap:
            worth, _, key = heapq.heappop(self._heap)
            tile = self._tiles.get(key)
            if tile is None:
                continue
            if tile.worth > worth:
                self._push(key, tile)
                continue
            if any(key in held for held in self._held.values()):
                spared.append((worth, key))
                continue
            self._clock = worth
            break
        else:
            worth, key = spared.pop()  # all are held: the one worth most goes, and those wanted first stay in order
        for _, other in spared:
            self._push(other, self._tiles[other])
        self._remove(key)

    def _remove(self, key: str) -> None:
        tile = self._tiles.pop(key, None)
        if tile is not None:
            self._tile_bytes -= tile.size_bytes
            # Entries of records that were replaced or deleted would otherwise pile up between evictions.
            if len(self._heap) > 2 * len(self._tiles) + 64:
                self._heap = [(held.worth, number, name) for number, (name, held) in enumerate(self._tiles.items())]
                heapq.heapify(self._heap)
                self._serial = len(self._heap)
        preview = self._previews.pop(key, None)
        if preview is not None:
            self._preview_bytes -= _size(key, preview)


def _size(key: str, record: Record) -> int:
    return len(record.data) + len(key) + len(record.tag) + RECORD_OVERHEAD_BYTES
