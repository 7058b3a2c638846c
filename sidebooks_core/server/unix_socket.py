"""A socket in the file system on which a server listens, for a proxy on the same machine."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidebooks_core.errors import RequestError
from sidebooks_core.server.listening import BACKLOG

LOOK_S = 2.0
"""How long a server that listens may take to let us in. One that takes longer is busy."""


@contextmanager
def unix_listening(path: Path, mode: int) -> Iterator[socket.socket]:
    """A socket that takes connections; at the end its file is removed. mode: the rights of the file.

    A socket on which nobody listens was left by a server that was killed: it is replaced. Raises RequestError, OSError.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise RequestError("--uds: Python has no such sockets on this system; use --host and --port")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
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


def _identity(path: Path) -> tuple[int, int] | None:
    """Of a file: device and number. None if there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
