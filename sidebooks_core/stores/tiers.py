"""Memory over a store. Writing to the store happens behind, in one thread: no reader waits for a disk."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.stores.memory import MemoryStatistics, MemoryStore
from sidebooks_core.stores.protocol import StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

PENDING_BYTES = 64 << 20
"""Most that waits to be written."""
PATIENCE_S = 10.0
"""How long bulk work is held back while too much waits; then it goes on and its record is not kept."""

Written = Callable[[], None]

_log = logging.getLogger("sidebooks_core.stores")


class LayeredStatistics(Struct, frozen=True):
    """Of both layers, and what was not written because too much waited."""

    memory: MemoryStatistics
    disk: StoreStatistics
    dropped_writes: int
    """Records that were not written to the store: too much waited, or the store raised."""


class _Pending(Struct, eq=False):
    record: Record
    told: list[Written]


class LayeredStore:
    """A memory in front of a `TileStore`, or of none. Thread-safe."""

    def __init__(self, memory: MemoryStore, disk: TileStore | None) -> None:
        self._memory = memory
        self._disk = disk
        self._lock = threading.Condition()
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._pending_bytes = 0
        self._writing: str | None = None
        self._forgotten: set[str] = set()
        self._discarded: set[str] = set()
        """To be removed from the store; until then they count as not there."""
        self._dropped = 0
        self._has_complained = False
        self._closed = False
        self._writer: threading.Thread | None = None
        if disk is not None:
            self._writer = threading.Thread(target=self._write_behind, name="sidebooks-writer", daemon=True)
            self._writer.start()

    def hold(self, owner: int, keys: frozenset[str]) -> None:
        """Evict these from memory last. Replaces what the owner held; no keys: it holds nothing any more."""
        self._memory.hold(owner, keys)

    def get_memory(self, key: str) -> Record | None:
        return self._memory.get(key)

    def get_disk(self, key: str) -> Record | None:
        """From the store, or from what waits to be written to it; then it is in memory too."""
        if self._disk is None:
            return None
        with self._lock:
            if key in self._discarded:
                return None
            pending = self._pending.get(key)
        record = pending.record if pending is not None else self._disk.get(key)
        if record is not None:
            self._memory.put(key, record)
        return record

    def get(self, key: str) -> Record | None:
        return self.get_memory(key) or self.get_disk(key)

    def contains(self, key: str) -> bool:
        if self._memory.contains(key) and self._disk is None:
            return True
        with self._lock:
            if key in self._pending:
                return True
            if key in self._discarded:
                return False
        return self._disk is not None and self._disk.contains(key)

    def put(self, key: str, record: Record, written: Written | None = None, in_memory: bool = True) -> None:
        """Keep a record: in memory at once, in the store a little later. `written` is called once it is there or never will be.

        in_memory=False: bulk work, which goes past the memory and waits here while too much is still to be written.
        """
        if in_memory or self._disk is None:
            self._memory.put(key, record)
        told = [written] if written is not None else []
        with self._lock:
            if self._disk is not None and not self._closed:
                if not in_memory:
                    self._lock.wait_for(lambda: self._pending_bytes < PENDING_BYTES or self._closed, PATIENCE_S)
                if self._pending_bytes < PENDING_BYTES and not self._closed:
                    earlier = self._pending.pop(key, None)
                    if earlier is not None:
                        self._pending_bytes -= len(earlier.record.data)
                        told = earlier.told + told if key != self._writing else told
                    self._pending[key] = _Pending(record, told)
                    self._pending_bytes += len(record.data)
                    self._forgotten.discard(key)
                    self._discarded.discard(key)
                    self._lock.notify_all()
                    return
                self._dropped += 1
        for tell in told:
            tell()

    def delete(self, key: str) -> None:
        self._memory.delete(key)
        self._forget_pending([key])
        if self._disk is not None:
            self._disk.delete(key)

    def discard(self, key: str) -> None:
        """Delete a record without waiting for the disk: it is not found any more, and the writer removes it."""
        self._memory.delete(key)
        with self._lock:
            if self._disk is None or self._closed:
                return
            if key in self._pending and key != self._writing:
                pending = self._pending.pop(key)
                self._pending_bytes -= len(pending.record.data)
                told = pending.told
            else:
                told = []
            self._discarded.add(key)
            self._lock.notify_all()
        for tell in told:
            tell()

    def purge(self, tag: str) -> int:
        """Forget all records of a tag, those on their way included. How many there were, those in both layers counted once."""
        in_memory = self._memory.purge(tag)
        if self._disk is None:
            return in_memory
        with self._lock:
            waiting = [key for key, pending in self._pending.items() if pending.record.tag == tag]
        self._forget_pending(waiting)
        return max(in_memory, self._disk.purge(tag) + len(waiting))

    def flush(self) -> None:
        """Wait until everything put so far is written."""
        self._wait_written(None)

    def statistics(self) -> LayeredStatistics:
        disk = self._disk.statistics() if self._disk is not None else StoreStatistics(0, 0)
        return LayeredStatistics(self._memory.statistics(), disk, self._dropped)

    def close(self, timeout_s: float) -> None:
        """Write what waits for at most so long, and let go."""
        self._wait_written(timeout_s)
        with self._lock:
            self._closed = True
            told = [tell for pending in self._pending.values() for tell in pending.told]
            self._pending.clear()
            self._pending_bytes = 0
            self._lock.notify_all()
        for tell in told:
            tell()
        if self._writer is not None:
            self._writer.join(timeout_s)
        if self._disk is not None:
            self._disk.close()
        self._memory.close()

    def _wait_written(self, timeout_s: float | None) -> None:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            while (self._pending or self._discarded) and not self._closed:
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return
                self._lock.wait(left_s)

    def _forget_pending(self, keys: list[str]) -> None:
        told: list[Written] = []
        with self._lock:
            for key in keys:
                pending = self._pending.get(key)
                if pending is None:
                    continue
                if key == self._writing:
                    self._forgotten.add(key)  # the writer removes it again
                    continue
                del self._pending[key]
                self._pending_bytes -= len(pending.record.data)
                told += pending.told
            while self._writing in keys and not self._closed:
                self._lock.wait()
            self._lock.notify_all()
        for tell in told:
            tell()

    def _write_behind(self) -> None:
        assert self._disk is not None
        while True:
            with self._lock:
                while not self._pending and not self._discarded and not self._closed:
                    self._lock.wait()
                if self._closed:
                    return
                discarded = next(iter(self._discarded), None)
                if discarded is None:
                    key, pending = next(iter(self._pending.items()))
                    self._writing = key
            if discarded is not None:
                self._has_done(self._disk.delete, discarded)
                with self._lock:
                    self._discarded.discard(discarded)
                    self._lock.notify_all()
                continue
            was_kept = self._has_done(self._disk.put, key, pending.record)
            with self._lock:
                forgotten = key in self._forgotten
                self._forgotten.discard(key)
            if forgotten:
                self._has_done(self._disk.delete, key)
            with self._lock:
                self._dropped += not was_kept
                self._writing = None
                # A newer record under the key may have taken its place meanwhile; that one is still to be written.
                if self._pending.get(key) is pending:
                    del self._pending[key]
                    self._pending_bytes -= len(pending.record.data)
                self._lock.notify_all()
            for tell in pending.told:
                tell()

    def _has_done(self, call: Callable[..., None], *arguments: object) -> bool:
        """Call the store. False where it raises, which it must not: that is told to the log once, and the writer goes on."""
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 - an application's store: the next record may be taken
            if not self._has_complained:
                self._has_complained = True
                _log.exception("the store raised, as it must not; what it does not keep is drawn again when it is wanted")
            return False
        return True
