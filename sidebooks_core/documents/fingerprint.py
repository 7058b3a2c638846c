"""The identity of a document, which is a digest of its bytes; and a stamp by which an unchanged file is recognised. In any
process.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from msgspec import Struct

RACY_NS = 2_000_000_000
"""A file that changed so shortly before it was stamped may change again with equal times: file systems keep times in steps of
up to 2 s."""


class FileStamp(Struct, frozen=True):
    """State of a file that changes when the file does."""

    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    taken_ns: int

    def is_racy(self) -> bool:
        """Whether the file changed so recently that its next change might not show."""
        return self.taken_ns - max(self.mtime_ns, self.ctime_ns) < RACY_NS

    def to_wire(self) -> list[int]:
        """The stamp as it is remembered. A file with an equal stamp has not changed."""
        return [self.ino, self.size, self.mtime_ns, self.ctime_ns]


def stamp(path: Path) -> FileStamp:
    """The stamp of a file. Raises OSError."""
    found = path.stat()
    return FileStamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, time.time_ns())


def digest_bytes(data: bytes) -> str:
    """The digest of some bytes: 32 hexadecimal digits."""
    return _new(data).hexdigest()


def digest_file(path: str | os.PathLike[str]) -> str:
    """The digest of a file's content. Raises OSError."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, _new).hexdigest()


def _new(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16, person=b"sidebooks-doc-01")
