"""A store whose records are encrypted on their way to another: AES-256-GCM, through the `cryptography` package.

Keys and tags are digested with a key of their own, so that nobody without the key can tell which pages are there, or find
another's records.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from collections.abc import Callable

from msgspec.structs import replace

from sidebooks_core.errors import RequestError
from sidebooks_core.stores.protocol import Leases, StoreStatistics, TileStore
from sidebooks_core.stores.record import Record

NONCE_BYTES = 12
"""Random: 2**32 records may be written with one key before two are likely to share one (NIST SP 800-38D, 8.3)."""
_TAG_LENGTH = struct.Struct("<I")

_log = logging.getLogger("sidebooks_core.stores")


class EncryptedStore:
    """A `TileStore`. What does not decrypt is a miss, is counted as damaged, and is removed."""

    def __init__(self, inner: TileStore, key: bytes) -> None:
        """key: 32 bytes. Raises RequestError without the package."""
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise RequestError("encryption needs the package cryptography: pip install 'sidebooks_core[encryption]'") from None
        self._inner = inner
        self._cipher = AESGCM(_derived(key, b"records"))
        self._names = _derived(key, b"names")
        self._invalid = InvalidTag
        self._damaged = 0

    def get(self, key: str) -> Record | None:
        name = self._name(key)
        stored = self._inner.get(name)
        if stored is None:
            return None
        try:
            content = self._cipher.decrypt(stored.data[:NONCE_BYTES], stored.data[NONCE_BYTES:], name.encode())
            length = _TAG_LENGTH.unpack_from(content)[0]
            tag = content[_TAG_LENGTH.size : _TAG_LENGTH.size + length].decode()
        except (self._invalid, ValueError, struct.error) as damage:
            self._damaged += 1
            _log.warning("a record of the cache does not decrypt and was removed (%r)", damage)
            self._inner.delete(name)
            return None
        return replace(stored, data=content[_TAG_LENGTH.size + length :], tag=tag)

    def put(self, key: str, record: Record) -> None:
        name, tag = self._name(key), record.tag.encode()
        nonce = os.urandom(NONCE_BYTES)
        content = self._cipher.encrypt(nonce, b"".join((_TAG_LENGTH.pack(len(tag)), tag, record.data)), name.encode())
        self._inner.put(name, replace(record, data=nonce + content, tag=self._name(record.tag)))

    def contains(self, key: str) -> bool:
        return self._inner.contains(self._name(key))

    def delete(self, key: str) -> None:
        self._inner.delete(self._name(key))

    def purge(self, tag: str) -> int:
        return self._inner.purge(self._name(tag))

    def statistics(self) -> StoreStatistics:
        found = self._inner.statistics()
        return replace(found, damaged=found.damaged + self._damaged)

    def leases(self) -> Leases | None:
        """Those of the store that the records lie in."""
        return self._inner.leases()

    def reopener(self) -> Callable[[], TileStore] | None:
        """None: a function that opens this store elsewhere would hold the key, and whoever carries it there would see that."""
        return None

    def close(self) -> None:
        self._inner.close()

    def _name(self, plain: str) -> str:
        return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), key=self._names, digest_size=16).hexdigest()


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(key=key, digest_size=32, person=b"sb " + purpose).digest()
