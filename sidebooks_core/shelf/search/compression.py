"""Compression of what the search stores, in zlib's format: by ISA-L, or by zlib on a platform without ISA-L's wheel."""

from __future__ import annotations

import zlib
from typing import Protocol

_LEVEL = 3
"""ISA-L's best. zlib's level 6 makes a page's text 15 % smaller, in twelve times the time."""
MOST_UNPACKED = 256 << 20
"""Bytes that stored data may have when it is unpacked."""


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Deflate(Protocol):
    """The functions of the module `zlib` that are used here."""

    def compress(self, data: bytes, level: int = ..., /) -> bytes: ...

    def decompressobj(self) -> _Inflater: ...


_deflate: _Deflate = zlib
_faults: tuple[type[Exception], ...] = (zlib.error,)
try:
    from isal import igzip_lib, isal_zlib

    _deflate = isal_zlib
    _faults = (zlib.error, igzip_lib.IsalError)  # type: ignore[assignment]  # its stub calls the class an instance
except ImportError:
    pass


def compress(plain: bytes) -> bytes:
    return _deflate.compress(plain, _LEVEL)


def decompress(data: bytes) -> bytes:
    """Raises ValueError for damaged data, and for more than `MOST_UNPACKED` bytes."""
    unpacking = _deflate.decompressobj()
    try:
        plain = unpacking.decompress(data, MOST_UNPACKED)
    except _faults as fault:
        raise ValueError(str(fault)) from fault
    if not unpacking.eof:
        raise ValueError("it ends too early, or is too large")
    return plain
