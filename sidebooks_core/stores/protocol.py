"""The protocols of a store and of its leases. The disk cache is one store; a shared object store may be another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from sidebooks_core.stores.record import Record


class StoreStatistics(Struct, frozen=True):
    """What a store holds now."""

    records: int
    bytes: int
    damaged: int = 0
    """Records that were not what had been written, found and removed since the store was opened."""
    write_failures: int = 0
    """Reads and writes that failed since then, such as for a full disk."""


class Lease(Protocol):
    """The right to make one record, held against other processes. It ends at the latest with the process that holds it."""

    def release(self) -> None:
        """End the lease. May be called from any thread, and more than once."""
        ...


class Leases(Protocol):
    """Leases on the keys of a store, so that a record that several processes want is made by one of them. Thread-safe.

    Two requests of one process never exclude each other: its dispatcher joins equal requests. If leases fail, `try_acquire`
    gives one all the same: a record that is made twice is better than one that is never made.

    `sidebooks_core.testing.LeaseContract` is a suite of tests for implementations.
    """

    def try_acquire(self, key: str) -> Lease | None:
        """A lease, or None while another process holds one on the key. Never waits for that process."""
        ...

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        """Call back once, from another thread: True when no other process holds the key, False after `most_s` seconds."""
        ...

    def advance(self, key: str) -> None:
        """A record was made without a lease: `mark` is another number now, for all processes. Fast, as `mark` is."""
        ...

    def mark(self, key: str) -> int:
        """A number that is another one once a lease on the key was released, by any process since the last call.

        By it a process knows, without looking into the store again, that nobody has made a record since it looked. A store that
        cannot tell returns another number each time. Fast: it is called for each record that is made.
        """
        ...


class TileStore(Protocol):
    """Bytes under keys, for any number of threads. A store never raises for a fault of its own: it misses, or forgets.

    Derive from this class to have `leases` and `reopener` for a store that offers neither.
    `sidebooks_core.testing.StoreContract` is a suite of tests for implementations.
    """

    def get(self, key: str) -> Record | None:
        """Exactly what was put, or None."""
        ...

    def put(self, key: str, record: Record) -> None:
        """Keep a record; an older one under the key is replaced."""
        ...

    def contains(self, key: str) -> bool:
        """Whether `get` would find something, without reading it."""
        ...

    def delete(self, key: str) -> None:
        """Forget one record."""
        ...

    def purge(self, tag: str) -> int:
        """Forget all records of a tag; how many there were."""
        ...

    def scrub(self) -> None:
        """Leave nothing readable of what was purged, in a log say. Called after purges."""
        return

    def statistics(self) -> StoreStatistics:
        """A snapshot."""
        ...

    def leases(self) -> Leases | None:
        """Leases that all processes with this store share; None if the store has no such thing. The same object each time."""
        return None

    def reopener(self) -> Callable[[], TileStore] | None:
        """A function that opens this store in another process. It can be pickled, and holds no secret. None: there is none.

        Bulk work in other processes writes to the store by it. The store that it opens is closed by who called it.
        """
        return None

    def close(self) -> None:
        """Let go of files and connections. Later calls miss."""
        ...
