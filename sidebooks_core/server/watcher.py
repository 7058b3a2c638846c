"""Watches folders: opens new files, several at once, tries again if a failure may pass, and forgets files that are gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from sidebooks_core.documents.listing import Listing, State, list_folder, retry_after_s
from sidebooks_core.errors import PasswordRequired, ServiceClosed, SidebooksError, UnsupportedDocument

WATCH_EVERY_S = 2.0
OPENERS = 4
"""The number of files that are opened at the same time, so that one slow file does not delay all others."""

_log = logging.getLogger("sidebooks_core.server")


class Problem(Struct, frozen=True):
    """Something in a folder that is not served, and why."""

    path: Path
    reason: str
    is_locked: bool = False
    """It needs a password."""


class _File(Struct):
    state: State
    opening: Future[None] | None = None
    failures: int = 0
    """Failures in a row while the file had this state."""
    again_at_s: float | None = None
    reason: str | None = None
    is_locked: bool = False
    is_missing: bool = False
    """It went away while it was being opened."""


class Watcher:
    """Keeps a shelf in step with folders. `look` may be called by the application, or again and again by a thread."""

    def __init__(
        self, opened: Callable[[Path], None], gone: Callable[[Path], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """opened: opens a file and serves its document in place of the earlier one; raises the errors of opening.

        gone: called if a file is gone, or its new content cannot be opened. clock: seconds that only grow.
        """
        self._opened = opened
        self._gone = gone
        self._clock = clock
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._files: dict[Path, _File] = {}
        self._unread: dict[Path, dict[Path, str]] = {}
        self._openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="sidebooks-open")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self, folder: Path, timeout_s: float | None = None) -> int:
        """Open what is new or changed in a folder, and forget what is gone. How many of its files are served.

        timeout_s: how long to wait for files that are being opened; they go on. None: until all are.
        """
        with self._looking:
            listing = list_folder(folder)
            self._forget_missing(folder, listing)
            for path, state in listing.files.items():
                self._begin(path, state)
        with self._lock:
            self._unread[folder] = listing.unread
            opening = [
                file.opening
                for path, file in self._files.items()
                if file.opening and not file.is_missing and path.is_relative_to(folder)
            ]
        _wait(opening, timeout_s)
        with self._lock:
            of_folder = [file for path, file in self._files.items() if path.is_relative_to(folder)]
            return sum(file.opening is None and file.reason is None for file in of_folder)

    def problems(self) -> list[Problem]:
        """What is not served, by path."""
        with self._lock:
            found = {path: reason for unread in self._unread.values() for path, reason in unread.items()}
            found |= {path: file.reason for path, file in self._files.items() if file.reason is not None}
            locked = {path for path, file in self._files.items() if file.is_locked}
        return [Problem(path, found[path], path in locked) for path in sorted(found)]

    def opening_count(self) -> int:
        """Files that are being opened now, or wait for it."""
        with self._lock:
            return sum(file.opening is not None for file in self._files.values())

    def watch(self, folders: Sequence[Path]) -> None:
        """Look at folders again and again, from a thread, until `close`."""
        self._thread = threading.Thread(target=self._watch, args=(list(folders),), name="sidebooks-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; files that are being opened are not waited for."""
        self._stop.set()
        self._openers.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(5)

    def _watch(self, folders: list[Path]) -> None:
        while not self._stop.wait(WATCH_EVERY_S):
            for folder in folders:
                try:
                    self.look(folder, 0)
                except Exception:  # noqa: BLE001 - whatever a file system or an application's callback does: the next look comes
                    if not self._stop.is_set():
                        _log.exception("a watched folder could not be looked at")

    def _begin(self, path: Path, state: State) -> None:
        """Have a file opened if it is new, has changed, or is due for another try. Leaves files alone that are being opened."""
        with self._lock:
            known = self._files.get(path)
            if known is not None:
                is_due = known.again_at_s is not None and self._clock() >= known.again_at_s
                known.is_missing = False  # one that came back before it was opened: a change is seen when it is
                if known.opening is not None or (known.state == state and not is_due):
                    return
            failures = known.failures if known is not None and known.state == state else 0
            reason = known.reason if known is not None else None
            file = _File(state, None, failures, None, reason)
            try:
                file.opening = self._openers.submit(self._open, path, file)
            except RuntimeError:  # the pool was closed, and so is the watcher
                return
            self._files[path] = file

    def _open(self, path: Path, file: _File) -> None:
        failures, reason, again_at_s, is_locked = 0, None, None, False
        try:
            self._opened(path)
        except ServiceClosed:
            return  # the service is closed, so watching ends, too
        except Exception as error:  # noqa: BLE001 - one file's fault, whatever it is, is told and ends nobody
            failures = file.failures + 1
            is_locked = isinstance(error, PasswordRequired)
            reason = str(error) if isinstance(error, SidebooksError) else _in_words(error)
            again_s = retry_after_s(error, failures)
            again_at_s = None if again_s is None else self._clock() + again_s
            if failures == 1:
                _log.log(logging.INFO if isinstance(error, UnsupportedDocument) else logging.WARNING, "not served: %s", reason)
            self._gone(path)
        with self._lock:
            file.failures, file.reason, file.again_at_s, file.is_locked = failures, reason, again_at_s, is_locked
            is_missing = file.is_missing
            if not is_missing:
                file.opening = None
                return
        if reason is None:
            self._gone(path)
        with self._lock:
            file.opening = None
            if file.is_missing:
                del self._files[path]
            else:
                file.again_at_s = self._clock()  # it came back at this very moment

    def _forget_missing(self, folder: Path, listing: Listing) -> None:
        """Forget files that are gone. Files of a folder that cannot be read now are kept: they may still be there."""
        unread = tuple(listing.unread)
        with self._lock:
            missing = [
                path
                for path in self._files
                if path.is_relative_to(folder)
                and path not in listing.files
                and not any(path == place or path.is_relative_to(place) for place in unread)
            ]
            for path in missing:
                self._files[path].is_missing = True
            dropped = [path for path in missing if self._files[path].opening is None]
            for path in dropped:
                del self._files[path]
        for path in dropped:
            self._gone(path)


def _wait(opening: Sequence[Future[None]], timeout_s: float | None) -> None:
    """Wait until all files are opened, at most `timeout_s`.

    `concurrent.futures.wait` would never end for calls that a closed pool drops.
    """
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    for one in opening:
        with suppress(CancelledError, TimeoutError):
            one.exception(None if until_s is None else max(0.0, until_s - time.monotonic()))


def _in_words(error: Exception) -> str:
    """Without the path that the system's errors carry: readers see this."""
    return (isinstance(error, OSError) and error.strerror) or f"cannot be opened ({type(error).__name__})"
