"""Leases as locks on files: they exclude other processes, so that a page wanted by several is drawn by one.

On Linux a key is one byte of a file, and a lock on that range is the lock; elsewhere it belongs to one of many small files, and
`flock` on it is. The kernel lets go of either when its owner dies, and wakes who waits without anybody polling. (A file for
each key cost every page that is drawn a new entry in a folder, 0.2 to 1 ms.) Where locks fail (no room, read-only, no such
call) the answer is "yours": drawing twice is better than never.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from sidebooks_core.stores.guarded_leases import Once

if sys.platform != "win32":
    import fcntl

BUCKETS = 1 << 32 if sys.platform == "linux" else 4096
"""Two keys in one bucket wait for each other needlessly."""
MOST_WAITERS = 64
RANGES = "ranges"
"""The file whose bytes are the locks. Nothing is ever written to it."""
MARKS = "marks"
"""The file of the numbers that `mark` reads, four bytes each. Read and written, not mapped: a mapped file that is cut short, or
a full disk, would end the process."""
MARK_SLOTS = 1 << 16
"""Two keys in one slot cost a look-up that was not needed."""


class _Bucket(Struct, eq=False):
    fd: int | None
    holders: int


class FileLease:
    """A lock that was taken. `release` may be called from any thread, and more than once."""

    def __init__(self, locks: FileLeases, key: str, bucket: int) -> None:
        self._locks = locks
        self._key = key
        self._bucket: int | None = bucket

    def release(self) -> None:
        bucket, self._bucket = self._bucket, None
        if bucket is not None:
            self._locks.advance(self._key)
            self._locks.let_go(bucket)


class FileLeases:
    """The `Leases` of one cache folder."""

    def __init__(self, cache_dir: Path | str) -> None:
        self._folder = Path(cache_dir) / "locks"
        self._lock = threading.Lock()
        self._held: dict[int, _Bucket] = {}
        self._waiters = 0
        self._marks: int | None = None
        """Descriptor of the file of marks, which stays open."""
        self._closed = False

    def mark(self, key: str) -> int:
        """A number that is another one after a lease on the key was released, by any process; 0 if there is no such file."""
        descriptor = self._marks_file()
        if descriptor is None:
            return 0
        try:
            return int.from_bytes(os.pread(descriptor, 4, _slot_of(key) * 4), "little")
        except OSError:
            return 0

    def advance(self, key: str) -> None:
        """A record was made. If two processes call this in one moment, the number may grow by one only: then a record may be
        made twice.
        """
        descriptor = self._marks_file()
        if descriptor is None:
            return
        number = (self.mark(key) + 1) & 0xFFFF_FFFF
        try:
            os.pwrite(descriptor, number.to_bytes(4, "little"), _slot_of(key) * 4)
        except OSError:
            return  # a full disk, which keeps no records either

    def close(self) -> None:
        """Let go of the file of marks."""
        with self._lock:
            descriptor, self._marks = self._marks, None
            self._closed = True
        if descriptor is not None:
            os.close(descriptor)

    def try_acquire(self, key: str) -> FileLease | None:
        """The lock, or None while another process has it."""
        number = _bucket_of(key)
        with self._lock:
            bucket = self._held.get(number)
            if bucket is None:
                fd = self._open(number)
                if fd is not None and not _try_lock(fd, number):
                    os.close(fd)
                    return None
                bucket = self._held[number] = _Bucket(fd, 0)
            bucket.holders += 1
        return FileLease(self, key, number)

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        """Call back once, from another thread: True when the other process has let go of the key, False after `most_s`.

        A process that was suspended, or hangs, keeps its locks; a page must not wait for it for ever.
        """
        with self._lock:
            may_wait = self._waiters < MOST_WAITERS
            self._waiters += may_wait
        if not may_wait:
            # Rare: so many different pages that others draw. Look again soon rather than hold a thread for each.
            _later(0.05, callback, True)
            return
        told = Once(callback)
        timer = _later(most_s, told, False)

        def wait() -> None:
            self._wait(key)
            timer.cancel()
            told(True)

        threading.Thread(target=wait, name="sidebooks-lock", daemon=True).start()

    def let_go(self, number: int) -> None:
        """One holder of a bucket is done."""
        with self._lock:
            bucket = self._held[number]
            bucket.holders -= 1
            if bucket.holders:
                return
            del self._held[number]
            if bucket.fd is not None:
                os.close(bucket.fd)

    def _wait(self, key: str) -> None:
        number = _bucket_of(key)
        fd = self._open(number)
        if fd is not None:
            try:
                _lock(fd, number)
            finally:
                os.close(fd)
        with self._lock:
            self._waiters -= 1

    def _marks_file(self) -> int | None:
        with self._lock:
            if self._marks is None and not self._closed:
                self._marks = self._open_file(MARKS)
            return self._marks

    def _open(self, number: int) -> int | None:
        return self._open_file(RANGES if sys.platform == "linux" else f"{number:03x}")

    def _open_file(self, name: str) -> int | None:
        if sys.platform == "win32":
            return None
        path = self._folder / name
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return os.open(path, flags, 0o600)
            except OSError:
                return None
        except OSError:
            return None


def _later(wait_s: float, callback: Callable[[bool], None], is_free: bool) -> threading.Timer:
    timer = threading.Timer(wait_s, callback, (is_free,))
    timer.daemon = True
    timer.start()
    return timer


def _slot_of(key: str) -> int:
    return zlib.crc32(key.encode()) % MARK_SLOTS


def _bucket_of(key: str) -> int:
    return zlib.crc32(key.encode()) % BUCKETS


def _try_lock(fd: int, number: int) -> bool:
    """False only if another process has it."""
    try:
        _take(fd, number, waits=False)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _lock(fd: int, number: int) -> None:
    try:
        _take(fd, number, waits=True)
    except OSError:
        return  # no locks here: nothing to wait for


def _take(fd: int, number: int, *, waits: bool) -> None:
    """Until `fd` is closed. Raises BlockingIOError where another process has it, OSError where there are no locks."""
    if sys.platform == "linux":
        # Of the open file, not of the process as POSIX's are: those would end with the first descriptor that is closed. A
        # struct flock: type, whence, start, length, process.
        wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
        fcntl.fcntl(fd, fcntl.F_OFD_SETLKW if waits else fcntl.F_OFD_SETLK, wanted)
    elif sys.platform != "win32":
        fcntl.flock(fd, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
