"""Originals: the registered files, under the digests of their contents. Nothing here is ever written twice or changed.

A file is on the disk as a whole before a row of the catalogue names it. Until then it may be torn if the power fails; then it
is replaced when it comes again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from sidebooks_core.databases.files import flush_to_disk
from sidebooks_core.databases.lock import ProcessLock, share_lock, try_lock
from sidebooks_core.errors import DocumentTooLarge, StorageFailed
from sidebooks_core.stores.folders import make_own

COPY_BYTES = 1 << 20
ABANDONED_S = 86_400
"""A file that comes in and a file that no row names are removed after so long: their process has ended."""
INCOMING = "incoming"
TAKING_LOCK = "taking.lock"
"""Shared by all who take files in."""
IS_WINDOWS = os.name == "nt"
"""There, a file is flushed only through a descriptor that may write, a file that is read-only is neither flushed nor removed,
and locks keep nobody out."""
_log = logging.getLogger("sidebooks_core.shelf")


class Original(Struct, frozen=True):
    """A file that was taken in."""

    digest: str
    """SHA-256 of the content, hexadecimal."""
    size_bytes: int


class Originals:
    """A folder of files. Thread-safe, safe among processes. All methods raise StorageFailed."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """folder: made if it is not there. most_bytes: of one file."""
        self.folder = folder
        self._most_bytes = most_bytes
        self._stays: set[str] = set()
        """Names of what cannot be removed from the files that come in, of which the log tells already."""
        with _translated(folder):
            make_own(folder)
            (folder / INCOMING).mkdir(mode=0o700, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the file of a digest lies, whether it is there or not."""
        return self.folder / digest[:2] / digest

    def holds(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def take_in(self, source: BinaryIO, *, flushes: bool = True) -> Original:
        """Copy a file from its present position to its end. It is on the disk when this returns.

        flushes: if false, call `flush` before a row names it.

        Raises DocumentTooLarge.
        """
        with _translated(self.folder), self._incoming() as (incoming, name):
            digest, size_bytes = hashlib.sha256(), 0
            while piece := source.read(COPY_BYTES):
                size_bytes += len(piece)
                if size_bytes > self._most_bytes:
                    raise DocumentTooLarge(f"the file is larger than {self._most_bytes} bytes, which the settings allow")
                digest.update(piece)
                incoming.write(piece)
            incoming.flush()
            original = Original(digest.hexdigest(), size_bytes)
            self._settle(name, original)
        if flushes:
            self.flush(original.digest)
        return original

    def flush(self, digest: str) -> None:
        """Have a file that was taken in on the disk, with its name."""
        path = self.path(digest)
        with _translated(self.folder):
            if IS_WINDOWS:
                path.chmod(0o600)
            descriptor = os.open(path, (os.O_RDWR if IS_WINDOWS else os.O_RDONLY) | getattr(os, "O_BINARY", 0))
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            flush_to_disk(path.parent)
            flush_to_disk(self.folder)

    def take_over(self, path: Path, found: Callable[[Original], object], digest: str | None = None) -> Original:
        """Move a file of the same file system among the originals, without a copy. Call `flush` before a row names it.

        digest: of its content, if that is known. Nobody may write to the file any more.

        found: told before it is moved what it is: after a crash, it may lie in either place.
        Raises DocumentTooLarge.
        """
        with _translated(self.folder):
            with path.open("rb") as file:
                original = Original(digest or hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
                if original.size_bytes > self._most_bytes:
                    raise DocumentTooLarge(f"the file is larger than {self._most_bytes} bytes, which the settings allow")
            found(original)
            self._settle(path, original)
            path.unlink(missing_ok=True)
            return original

    @contextmanager
    def taking(self) -> Iterator[None]:
        """From before a file is taken in until a row names it: nobody takes the file for an abandoned one meanwhile."""
        with _translated(self.folder):
            lock = share_lock(self.folder / TAKING_LOCK)
        try:
            yield
        finally:
            lock.release()

    def hold_taking(self) -> ProcessLock | None:
        """While it is held, nobody takes a file in. None: somebody does."""
        with _translated(self.folder):
            return try_lock(self.folder / TAKING_LOCK)

    def remove(self, digest: str) -> None:
        """Remove a file for good. No fault if it is not there."""
        path = self.path(digest)
        with _translated(self.folder):
            if IS_WINDOWS and path.exists():
                path.chmod(0o600)
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                flush_to_disk(path.parent)

    def all(self) -> Iterator[str]:
        """The digests of all files."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(path.name for path in folder.iterdir() if path.name.startswith(folder.name))

    def is_abandoned(self, digest: str) -> bool:
        """Whether a file that no row names is so old that nobody is about to name it."""
        try:
            return abs(time.time() - self.path(digest).stat().st_mtime) > ABANDONED_S
        except OSError:
            return False

    def incoming(self) -> set[str]:
        """The names of the files that come in, and of those whose process has ended."""
        with _translated(self.folder):
            return {path.name for path in (self.folder / INCOMING).iterdir()}

    def sweep_incoming(self) -> int:
        """Remove what came in and was abandoned: all of it. Hold `hold_taking`, so nobody is writing. How many files.

        If something cannot be removed, such as a folder that somebody has put there, it stays, and the log tells of it once. On
        Windows the lock keeps nobody out, so young files stay, too.
        """
        removed = 0
        for name in self.incoming():
            path = self.folder / INCOMING / name
            try:
                if IS_WINDOWS and abs(time.time() - path.stat().st_mtime) <= ABANDONED_S:
                    continue
                path.unlink()
                removed += 1
            except FileNotFoundError:
                continue
            except OSError as fault:
                if name not in self._stays:
                    self._stays.add(name)
                    _log.warning("%s cannot be removed (%s): remove it by hand", path, fault.strerror or fault)
        return removed

    def is_whole(self, digest: str) -> bool:
        """Whether the file of a digest is there and has that digest. Reads it."""
        try:
            with self.path(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            return False

    @contextmanager
    def _incoming(self) -> Iterator[tuple[BinaryIO, Path]]:
        descriptor, name = tempfile.mkstemp(dir=self.folder / INCOMING)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _settle(self, incoming: Path, original: Original) -> None:
        path = self.path(original.digest)
        if path.is_file() and path.stat().st_size == original.size_bytes and self.is_whole(original.digest):
            return  # untouched: whoever has it open would see a change. One that is damaged is replaced.
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not IS_WINDOWS:
            incoming.chmod(0o400)
        incoming.replace(path)


def copy_whole(source: Path, target: Path) -> str:
    """Copy a file, so that it is on the disk. Returns its digest as of `Original`. Raises OSError."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(COPY_BYTES):
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except StorageFailed:
        raise
    except OSError as fault:
        raise StorageFailed(f"{folder}: {fault.strerror or fault}; nothing was changed") from fault
