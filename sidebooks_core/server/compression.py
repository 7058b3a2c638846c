"""Bodies of descriptions, compressed once for all who ask for the same."""

from __future__ import annotations

import gzip
import threading
from collections import OrderedDict

COMPRESSED_BYTES = 16 << 20


def compressed_once(body: bytes) -> bytes:
    """A body that nobody else asks for, as gzip, quickly."""
    return gzip.compress(body, 1, mtime=0)


class CompressedBodies:
    """Compressed bodies by their digest, within a budget. Thread-safe."""

    def __init__(self, most_bytes: int = COMPRESSED_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Of all compressed bodies that are kept."""
        return self._bytes

    def get(self, tag: str, body: bytes) -> bytes:
        """A body as gzip. tag: the digest of the body. A long manifest takes 20 ms, and all tablets ask for the same."""
        with self._lock:
            packed = self._bodies.get(tag)
            if packed is not None:
                self._bodies.move_to_end(tag)
                return packed
        packed = gzip.compress(body, 6, mtime=0)
        with self._lock:
            if tag not in self._bodies and len(packed) <= self._most_bytes:
                self._bodies[tag] = packed
                self._bytes += len(packed)
                while self._bytes > self._most_bytes:
                    self._bytes -= len(self._bodies.popitem(last=False)[1])
        return packed


shared = CompressedBodies()
"""Of all applications of this process."""
