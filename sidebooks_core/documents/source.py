"""The bytes of a document, wherever they are: in memory, or in a file that is open. Worker side.

A file is mapped, not read: the worker needs no path, so that it can be kept from opening any.
"""

from __future__ import annotations

import io
import mmap
import os
from pathlib import Path
from typing import BinaryIO


class Source:
    """Readable any number of times until `close`. A mapped file that is cut short kills who reads it: a worker may die."""

    def __init__(self, data: bytes) -> None:
        self.data: bytes | memoryview = data
        self._descriptor: int | None = None
        self._mapped: mmap.mmap | None = None

    @classmethod
    def of_descriptor(cls, descriptor: int) -> Source:
        """Of an open file, which it takes over. Raises OSError."""
        source = cls(b"")
        source._descriptor = descriptor
        if os.fstat(descriptor).st_size:  # nothing of no length can be mapped
            source._mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            source.data = memoryview(source._mapped)
        return source

    @classmethod
    def of_path(cls, path: Path) -> Source:
        """Raises OSError."""
        return cls.of_descriptor(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))

    def __len__(self) -> int:
        return len(self.data)

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return bytes(self.data[:count])

    def holds(self, wanted: bytes, within: int) -> bool:
        """Whether these bytes stand somewhere in the first `within`."""
        whole = bytes(self.data) if self._mapped is None else self._mapped
        return whole.find(wanted, 0, within) >= 0

    def file(self) -> BinaryIO:
        """To read from the beginning; one at a time where the source is a file."""
        if self._descriptor is None:
            return io.BytesIO(self.data)
        copy = os.fdopen(os.dup(self._descriptor), "rb")
        copy.seek(0)
        return copy

    def state(self) -> tuple[int, int, int] | None:
        """(inode, size, mtime_ns) of the file as it is now; None where there is none."""
        if self._descriptor is None:
            return None
        status = os.fstat(self._descriptor)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def close(self) -> None:
        """Whoever reads `data` must have ended."""
        if isinstance(self.data, memoryview):
            self.data.release()
        self.data = b""
        if self._mapped is not None:
            self._mapped.close()
            self._mapped = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
