"""A socket in the file system on which a server listens, for a proxy on the same machine."""

from __future__ import annotations

import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidebooks_core.errors import RequestError
from sidebooks_core.server.listening import BACKLOG

if sys.platform != "win32":
    import fcntl

LOOK_S = 2.0
"""How long a server that listens may take to let us in. One that takes longer is busy."""
WAIT_S = 10.0
"""How long a server waits for one before it to end. That one still answers for seconds after it has closed its socket."""
STEP_S = 0.05


@contextmanager
def unix_listening(path: Path, mode: int, *, wait_s: float = WAIT_S) -> Iterator[socket.socket]:
    """A socket that takes connections; at the end its file is removed. mode: the rights of the file. wait_s: for a server that
    ends.

    A socket on which nobody listens was left by a server that was killed: it is replaced. The lock of PATH.lock is held until
    the end, so no other server takes this one's file for such a socket, nor the other way round. Raises RequestError, OSError.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise RequestError("--uds: Python has no such sockets on this system; use --host and --port")
    with _locked(path, wait_s), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            _remove_stale(path)
            listener.bind(os.fspath(path))
            path.chmod(mode)  # nobody is let in before
            listener.listen(BACKLOG)
        except OSError as error:
            if error.errno is None:  # of a path that is longer than the system's addresses
                raise RequestError(f"--uds {path}: the path is too long for a socket; about 100 bytes fit") from None
            if error.filename is not None or error.strerror is None:
                raise
            raise type(error)(error.errno, f"--uds {path}: {error.strerror}") from None
        ours = _identity(path)
        try:
            yield listener
        finally:
            if _identity(path) == ours:
                with suppress(FileNotFoundError):
                    path.unlink()


def _remove_stale(path: Path) -> None:
    """Raises RequestError for what is no socket, OSError for one that a server listens on."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise RequestError(f"--uds {path}: something else lies there, which is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(LOOK_S)
        try:
            client.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except (TimeoutError, BlockingIOError):
            pass
    raise RequestError(f"--uds {path}: a server listens there already")


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Of a file: device, number and the time it was made at, as a number may be given again. None if there is none.

    The time of its content is that time for a socket. A change of its rights or its owner leaves it as it is.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


@contextmanager
def _locked(path: Path, wait_s: float) -> Iterator[None]:
    """The lock of a socket's path, which ends with its process at the latest. Raises RequestError if another keeps it."""
    lock = path.with_name(f"{path.name}.lock")
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            descriptor = _lock_of(lock)
        except OSError as error:
            raise type(error)(error.errno, f"--uds {path}: its lock {lock}: {error.strerror}") from None
        if descriptor is not None:
            break
        if time.monotonic() >= deadline_s:
            raise RequestError(f"--uds {path}: a server listens there already, or has not ended: it has the lock {lock}")
        time.sleep(STEP_S)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()  # before the lock goes: whoever waits for it sees that this file is not the one any more
        os.close(descriptor)


def _lock_of(lock: Path) -> int | None:
    """The descriptor of a lock that was taken; None if another has it. Raises OSError."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    is_ours = False
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.path.samestat(os.fstat(descriptor), lock.lstat())
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        if not is_ours:
            os.close(descriptor)
    return descriptor if is_ours else None
