"""One lower tier: a store that a thread of its own writes to, so that no caller waits for it.

A record that waits to be written is found meanwhile. A store that raises, which it must not, is a miss and a write that is
lost. A store in which a look-up hangs is passed over until that look-up has come back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from sidebooks_core.stores.guarded_leases import GuardedLeases
from sidebooks_core.stores.protocol import StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

PENDING_BYTES = 64 << 20
"""Most that waits to be written to one store."""
PATIENCE_S = 10.0
"""So long is bulk work held back while too much waits to be written. Then it goes on, and its record is not kept."""
HANGS_S = 2.0
"""A look-up under way for so long hangs. The disk cache gives up earlier (`stores.disk.TIMEOUT_S`)."""

Written = Callable[[], None]
"""Called once when other processes can find a record, or never will."""

_log = logging.getLogger("sidebooks_core.stores")
_T = TypeVar("_T")


class _Pending(Struct, eq=False):
    record: Record
    told: list[Written]


class WriteBehind:
    """A `TileStore` and its writer. Thread-safe. Never raises for a fault of the store."""

    def __init__(self, store: TileStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._pending_bytes = 0
        self._writing: str | None = None
        self._forgotten: set[str] = set()
        """Keys to be deleted again when the writer has written them."""
        self._discarded: set[str] = set()
        """Keys that the writer is to remove from the store. Until it has, they count as not there."""
        self._looking_since_s: dict[object, float] = {}
        self._has_complained = False
        self._closed = False
        leases = self._guarded(store.leases, None)
        self.leases = None if leases is None else GuardedLeases(leases)
        self.dropped = 0
        """Records that were not written: too much waited, or the store raised."""
        self._writer = threading.Thread(target=self._write, name="sidebooks-writer", daemon=True)
        self._writer.start()

    def get(self, key: str) -> Record | None:
        """From the store, or from what waits to be written to it."""
        with self._changed:
            if key in self._discarded:
                return None
            pending = self._pending.get(key)
        return pending.record if pending is not None else self._look(lambda: self._store.get(key), None)

    def contains(self, key: str) -> bool:
        with self._changed:
            if key in self._pending:
                return True
            if key in self._discarded:
                return False
        return self._look(lambda: self._store.contains(key), False)

    def put(self, key: str, record: Record, written: Written | None = None, *, waits: bool = False) -> None:
        """Have a record written soon. `written` is called once it is, or never will be.

        waits: wait here while too much is still to be written, for at most PATIENCE_S.
        """
        told = [written] if written is not None else []
        with self._changed:
            if waits and not self._hangs():
                self._changed.wait_for(lambda: self._pending_bytes < PENDING_BYTES or self._closed, PATIENCE_S)
            if not self._closed:
                if self._pending_bytes < PENDING_BYTES:
                    self._enqueue(key, record, told)
                    return
                self.dropped += 1
        for tell in told:
            tell()

    def delete(self, key: str) -> None:
        """Forget one record; it is gone from the store when this returns."""
        self._forget_pending([key])
        self._guarded(lambda: self._store.delete(key), None)

    def discard(self, key: str) -> None:
        """Forget one record without waiting for the store: it is not found any more, and the writer removes it."""
        told: list[Written] = []
        with self._changed:
            if self._closed:
                return
            if key in self._pending and key != self._writing:
                told = self._take_pending(key)
            self._discarded.add(key)
            self._changed.notify_all()
        for tell in told:
            tell()

    def purge(self, tag: str) -> int:
        """Forget all records of a tag, those on their way included. How many there were."""
        with self._changed:
            waiting = [key for key, pending in self._pending.items() if pending.record.tag == tag]
        self._forget_pending(waiting)
        return self._guarded(lambda: self._store.purge(tag), 0) + len(waiting)

    def scrub(self) -> None:
        """See `TileStore.scrub`."""
        self._guarded(self._store.scrub, None)

    def statistics(self) -> StoreStatistics:
        """Of the store, without what waits to be written."""
        return self._guarded(self._store.statistics, StoreStatistics(0, 0))

    def reopener(self) -> Callable[[], TileStore] | None:
        """See `TileStore.reopener`."""
        return self._guarded(self._store.reopener, None)

    def flush(self, deadline_s: float | None = None) -> None:
        """Wait until everything put so far is written; at most until `deadline_s` of the monotonic clock."""
        with self._changed:
            while (self._pending or self._discarded) and not self._closed:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return
                self._changed.wait(left_s)

    def close(self, deadline_s: float) -> None:
        """Write what waits until `deadline_s` of the monotonic clock, drop the rest, and close the store."""
        self.flush(deadline_s)
        with self._changed:
            self._closed = True
            told = [tell for pending in self._pending.values() for tell in pending.told]
            self._pending.clear()
            self._pending_bytes = 0
            self._changed.notify_all()
        for tell in told:
            tell()
        self._writer.join(max(0.0, deadline_s - time.monotonic()))
        self._guarded(self._store.close, None)

    def _enqueue(self, key: str, record: Record, told: list[Written]) -> None:
        earlier = self._pending.get(key)
        if earlier is not None:
            earlier_told = self._take_pending(key)
            told = earlier_told + told if key != self._writing else told
        self._pending[key] = _Pending(record, told)
        self._pending_bytes += len(record.data)
        self._forgotten.discard(key)
        self._discarded.discard(key)
        self._changed.notify_all()

    def _take_pending(self, key: str) -> list[Written]:
        pending = self._pending.pop(key)
        self._pending_bytes -= len(pending.record.data)
        return pending.told

    def _forget_pending(self, keys: list[str]) -> None:
        told: list[Written] = []
        with self._changed:
            for key in keys:
                if key not in self._pending:
                    continue
                if key == self._writing:
                    self._forgotten.add(key)
                else:
                    told += self._take_pending(key)
            while self._writing in keys and not self._closed:
                self._changed.wait()
            self._changed.notify_all()
        for tell in told:
            tell()

    def _look(self, call: Callable[[], _T], otherwise: _T) -> _T:
        """Read from the store. A miss while another look-up hangs: one caller waits for such a store, and not all."""
        ticket = object()
        with self._changed:
            if self._hangs():
                return otherwise
            self._looking_since_s[ticket] = time.monotonic()
        try:
            return self._guarded(call, otherwise)
        finally:
            with self._changed:
                del self._looking_since_s[ticket]

    def _hangs(self) -> bool:
        since_s = next(iter(self._looking_since_s.values()), None)  # the oldest: they are entered in order
        return since_s is not None and time.monotonic() - since_s > HANGS_S

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._discarded and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                discarded = next(iter(self._discarded), None)
                if discarded is None:
                    key, pending = next(iter(self._pending.items()))
                    self._writing = key
            if discarded is None:
                self._write_one(key, pending)
                continue
            self._has_done(self._store.delete, discarded)
            with self._changed:
                self._discarded.discard(discarded)
                self._changed.notify_all()

    def _write_one(self, key: str, pending: _Pending) -> None:
        was_kept = self._has_done(self._store.put, key, pending.record)
        with self._changed:
            forgotten = key in self._forgotten
            self._forgotten.discard(key)
        if forgotten:
            self._has_done(self._store.delete, key)
        with self._changed:
            self.dropped += not was_kept
            self._writing = None
            # A newer record under the key may have taken its place meanwhile; that one is still to be written.
            if self._pending.get(key) is pending:
                self._take_pending(key)
            self._changed.notify_all()
        for tell in pending.told:
            tell()

    def _has_done(self, call: Callable[..., None], *arguments: object) -> bool:
        """Call the store. False if it raises."""

        def done() -> bool:
            call(*arguments)
            return True

        return self._guarded(done, False)

    def _guarded(self, call: Callable[[], _T], otherwise: _T) -> _T:
        """Call the store. If it raises, which it must not, that is told to the log once, and `otherwise` is the answer."""
        try:
            return call()
        except Exception:  # noqa: BLE001 - an application's store: the next record may be taken
            if not self._has_complained:
                self._has_complained = True
                _log.exception("the store raised, as it must not; what it does not keep is drawn again when it is wanted")
            return otherwise
