"""AES-256-GCM through the `cryptography` package, and names that say nothing to anybody without the key."""

from __future__ import annotations

import hashlib
import os

from sidebooks_core.errors import RequestError

NONCE_BYTES = 12
"""Random: 2**32 values may be written with one key before two are likely to share one (NIST SP 800-38D, 8.3)."""


class Cipher:
    """Encrypts values under names. Ciphers of one key for two purposes know nothing of each other's. Thread-safe."""

    def __init__(self, key: bytes, purpose: tuple[bytes, bytes]) -> None:
        """key: 32 bytes. purpose: of the values and of the names, at most 13 bytes each.

        Raises RequestError without the package.
        """
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise RequestError("encryption needs the package cryptography: pip install 'sidebooks-core[encryption]'") from None
        values, names = purpose
        self._cipher = AESGCM(_derived(key, values))
        self._names = _derived(key, names)
        self._invalid = InvalidTag

    def name(self, plain: str) -> str:
        """The name under which a value is stored: 32 hexadecimal digits."""
        return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), key=self._names, digest_size=16).hexdigest()

    def encrypt(self, name: str, content: bytes) -> bytes:
        """The bytes to store under a name that `name` made."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, name.encode())

    def decrypt(self, name: str, stored: bytes) -> bytes | None:
        """None for bytes of another key, changed bytes, and bytes stored under another name."""
        try:
            return self._cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], name.encode())
        except (self._invalid, ValueError):
            return None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(key=key, digest_size=32, person=b"sb " + purpose).digest()
