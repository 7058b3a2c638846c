"""The bytes of a document: in memory, or in a file that is open. Worker side.

A file is mapped, not read. A worker needs no path for it, so it can be kept from opening any.
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
    """Readable any number of times until `close`. If a mapped file is cut short, its reader dies; a worker may."""

    def __init__(self, data: bytes, *, descriptor: int | None = None, mapped: mmap.mmap | None = None) -> None:
        """descriptor, mapped: of an open file, if `data` is not used. Both are taken over."""
        self.data: bytes | memoryview = data if mapped is None else memoryview(mapped)
        self._descriptor = descriptor
        self._mapped = mapped

    @classmethod
    def of_descriptor(cls, descriptor: int) -> Source:
        """The source of an open file, which is taken over. Raises OSError."""
        is_empty = not os.fstat(descriptor).st_size  # an empty file cannot be mapped
        return cls(b"", descriptor=descriptor, mapped=None if is_empty else _mapping(descriptor))

    def __len__(self) -> int:
        return len(self.data)

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return bytes(self.data[:count])

    def holds(self, wanted: bytes, within: int) -> bool:
        """Whether these bytes stand somewhere in the first `within` bytes."""
        return find(self.data, wanted, 0, within) >= 0

    def file(self) -> BinaryIO:
        """A file to read from the beginning; only one at a time if the source is a file."""
        if self._descriptor is None:
            return io.BytesIO(self.data)
        copy = os.fdopen(os.dup(self._descriptor), "rb")
        copy.seek(0)
        return copy

    def state(self) -> tuple[int, int, int] | None:
        """(inode, size, mtime_ns) of the file as it is now; None if there is no file."""
        if self._descriptor is None:
            return None
        status = os.fstat(self._descriptor)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def close(self) -> None:
        """Close the source. Nothing may read `data` any more."""
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
    """A mapping to read from. It is private if there is a choice: confined workers may not share memory, and Python shares by
    default.
    """
    if sys.platform == "win32":
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    return mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


class Viewed(io.RawIOBase):
    """A source as a file with a position of its own. Any number may be open at once. It ends with the source."""

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
