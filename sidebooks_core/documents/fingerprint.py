"""Identity of a document: a digest of its bytes, and the stamp by which an unchanged file is known again."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from msgspec import Struct

RACY_NS = 2_000_000_000
"""A file changed so shortly before it was stamped may change again without its times showing it: file systems keep times in
steps of up to 2 s."""


class FileStamp(Struct, frozen=True):
    """What changes when a file does."""

    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    taken_ns: int

    def is_racy(self) -> bool:
        """The file changed so recently that its next change might not show."""
        return self.taken_ns - max(self.mtime_ns, self.ctime_ns) < RACY_NS

    def to_wire(self) -> list[int]:
        """As it is remembered: a file whose stamp is the same has not changed since."""
        return [self.ino, self.size, self.mtime_ns, self.ctime_ns]


def stamp(path: Path) -> FileStamp:
    """Raises OSError."""
    found = path.stat()
    return FileStamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, time.time_ns())


def digest_bytes(data: bytes) -> str:
    """32 hexadecimal digits."""
    return _new(data).hexdigest()


def digest_file(path: str | os.PathLike[str]) -> str:
    """The same of a file's content. Raises OSError."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, _new).hexdigest()


def _new(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16, person=b"sidebooks-doc-01")
