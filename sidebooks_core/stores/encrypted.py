"""A store whose records are encrypted on their way to another.

Keys and tags are digested with a key of their own, so that nobody without the key can tell which pages are there, or find
another's records.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable

from msgspec.structs import replace

from sidebooks_core.stores.cipher import Cipher
from sidebooks_core.stores.protocol import Lease, Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

_TAG_LENGTH = struct.Struct("<I")

_log = logging.getLogger("sidebooks_core.stores")


class EncryptedStore:
    """A `TileStore`. What does not decrypt is a miss, is counted as damaged, and is removed."""

    def __init__(self, inner: TileStore, key: bytes) -> None:
        """key: 32 bytes. Raises RequestError without the package `cryptography`."""
        self._inner = inner
        self._cipher = Cipher(key, (b"records", b"names"))
        leases = inner.leases()
        self._leases = _NamedLeases(leases, self._cipher) if leases is not None else None
        self._damaged = 0

    def get(self, key: str) -> Record | None:
        name = self._cipher.name(key)
        stored = self._inner.get(name)
        if stored is None:
            return None
        content = self._cipher.decrypt(name, stored.data)
        try:
            if content is None:
                raise ValueError("of another key, or changed")
            length = _TAG_LENGTH.unpack_from(content)[0]
            tag = content[_TAG_LENGTH.size : _TAG_LENGTH.size + length].decode()
        except (ValueError, struct.error) as damage:
            self._damaged += 1
            _log.warning("a record of the cache does not decrypt and was removed (%r)", damage)
            self._inner.delete(name)
            return None
        return replace(stored, data=content[_TAG_LENGTH.size + length :], tag=tag)

    def put(self, key: str, record: Record) -> None:
        name, tag = self._cipher.name(key), record.tag.encode()
        content = self._cipher.encrypt(name, b"".join((_TAG_LENGTH.pack(len(tag)), tag, record.data)))
        self._inner.put(name, replace(record, data=content, tag=self._cipher.name(record.tag)))

    def contains(self, key: str) -> bool:
        return self._inner.contains(self._cipher.name(key))

    def delete(self, key: str) -> None:
        self._inner.delete(self._cipher.name(key))

    def purge(self, tag: str) -> int:
        return self._inner.purge(self._cipher.name(tag))

    def scrub(self) -> None:
        self._inner.scrub()

    def statistics(self) -> StoreStatistics:
        found = self._inner.statistics()
        return replace(found, damaged=found.damaged + self._damaged)

    def leases(self) -> Leases | None:
        """Those of the store that the records lie in, under names that say nothing."""
        return self._leases

    def reopener(self) -> Callable[[], TileStore] | None:
        """None: a function that opens this store elsewhere would hold the key, and whoever carries it there would see that."""
        return None

    def close(self) -> None:
        self._inner.close()


class _NamedLeases:
    """`Leases` on the names of keys."""

    def __init__(self, inner: Leases, cipher: Cipher) -> None:
        self._inner = inner
        self._cipher = cipher

    def try_acquire(self, key: str) -> Lease | None:
        return self._inner.try_acquire(self._cipher.name(key))

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        self._inner.wait(self._cipher.name(key), callback, most_s)

    def advance(self, key: str) -> None:
        self._inner.advance(self._cipher.name(key))

    def mark(self, key: str) -> int:
        return self._inner.mark(self._cipher.name(key))
