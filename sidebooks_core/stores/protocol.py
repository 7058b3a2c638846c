"""The protocol of a store. The disk cache is one; a shared object store may be another."""

from __future__ import annotations

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


class TileStore(Protocol):
    """Bytes under keys, for any number of threads. A store never raises for a fault of its own: it misses, or forgets.

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

    def statistics(self) -> StoreStatistics: ...

    def close(self) -> None:
        """Let go of files and connections. Later calls miss."""
        ...
