"""Bulk work in other processes writes its records to the store itself, so they need not travel back.

A store gives a function that opens it in another process (`TileStore.reopener`), if it can be opened there. That process may
open an empty folder of the same name on another machine instead. So the host puts a record into the store, the mark. Only the
right store has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.keys import RenderProfile
from sidebooks_core.stores.guarded_leases import GuardedLeases
from sidebooks_core.stores.protocol import TileStore
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.workers.bulk import BulkResult

MARK_COST_S = 1.0
"""The cost of the mark. It is higher than that of any image of this size, so the mark is evicted last."""

_opened: dict[bytes, TileStore] = {}
"""The store of this process, kept open between runs."""


class KeepElsewhere(Struct, frozen=True):
    """Opens a store, and keeps the drawn records there. It can be pickled, and holds no secret."""

    open_store: Callable[[], TileStore]
    mark: str
    """Key of a record that only the right store has."""
    profile: RenderProfile
    trust_domain: str

    def __call__(self, drawn: BulkResult) -> BulkResult:
        """The result without its record, if the store has the record now; else the unchanged result."""
        if drawn.record is None or drawn.content_id is None:
            return drawn
        store = _store_of(self.open_store)
        if not store.contains(self.mark):
            return drawn
        content_id = keys.scoped_id(drawn.content_id, self.trust_domain)
        key, record = to_keep(drawn, drawn.record, self.profile, content_id)
        store.put(key, record)
        if isinstance(store, Tiers):
            store.flush()  # their threads end with this process, which may be soon
        if not store.contains(key):
            return drawn
        leases = store.leases()
        if leases is not None:
            GuardedLeases(leases).advance(key)
        return replace(drawn, record=None)


@contextmanager
def keeper_for(store: Tiers, profile: RenderProfile, trust_domain: str) -> Iterator[KeepElsewhere | None]:
    """A `KeepElsewhere` for other processes, as long as the block lasts. None if they cannot open the store."""
    opener = store.reopener()
    if opener is None:
        yield None
        return
    mark = f"mark-{os.urandom(16).hex()}"
    store.put(mark, Record(b"", "mark", MARK_COST_S), in_memory=False)
    store.flush()
    try:
        yield KeepElsewhere(opener, mark, profile, trust_domain)
    finally:
        store.delete(mark)


def to_keep(drawn: BulkResult, data: bytes, profile: RenderProfile, content_id: str) -> tuple[str, Record]:
    """The key and the record to store. data: the encoded raster. content_id: as `keys.scoped_id` makes it."""
    record = Record(data=data, tag=content_id, cost_s=drawn.cost_s, is_preview=drawn.raster.is_preview)
    return keys.record_key(content_id, drawn.raster.spec, profile), record


def _store_of(open_store: Callable[[], TileStore]) -> TileStore:
    import pickle  # only here, in an executor's process

    name = pickle.dumps(open_store)
    if name not in _opened:
        for other in _opened.values():
            other.close()
        _opened.clear()
        _opened[name] = open_store()
    return _opened[name]
