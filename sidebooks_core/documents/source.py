"""The bytes of a document, wherever they are: in memory, or in a file that is open. Worker side.

A file is mapped, not read: the worker needs no path, so that it can be kept from opening any.
"""

from __future__ import annotations

import io
import mmap
import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from sidebooks_core.documents.syntax.byte_search import find

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Source:
    """Readable any number of times until `close`. A mapped file that is cut short kills who reads it: a worker may die."""

    def __init__(self, data: bytes, *, descriptor: int | None = None, mapped: mmap.mmap | None = None) -> None:
        """descriptor, mapped: of an open file that `data` does not hold; both are taken over."""
        self.data: bytes | memoryview = data if mapped is None else memoryview(mapped)
        self._descriptor = descriptor
        self._mapped = mapped

    @classmethod
    def of_descriptor(cls, descriptor: int) -> Source:
        """Of an open file, which it takes over. Raises OSError."""
        is_empty = not os.fstat(descriptor).st_size  # nothing of no length can be mapped
        return cls(b"", descriptor=descriptor, mapped=None if is_empty else _mapping(descriptor))

    def __len__(self) -> int:
        return len(self.data)

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return bytes(self.data[:count])

    def holds(self, wanted: bytes, within: int) -> bool:
        """Whether these bytes stand somewhere in the first `within`."""
        return find(self.data, wanted, 0, within) >= 0

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


def _mapping(descriptor: int) -> mmap.mmap:
    """To read from. Private, where there is a choice: confined workers may not share memory, and Python's own choice is to."""
    if sys.platform == "win32":
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    return mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


class Viewed(io.RawIOBase):
    """A source as a file with a place of its own: any number at once. Ends with the source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises ValueError for a place before the beginning, as a file does."""
        place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: len(self._source)}[whence]
        if place < 0:
            raise ValueError(f"negative seek position {place}")
        self._place = place
        return place

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        part = self._source.data[self._place : self._place + len(view)]
        view[: len(part)] = part
        self._place += len(part)
        return len(part)
