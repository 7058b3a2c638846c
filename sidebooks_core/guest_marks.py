"""Removes the marks of guests whose login has ended, by whichever way: a meeting, a link, a logout, or its time."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from sidebooks_core.access import Access
from sidebooks_core.access.known_rows import GUEST
from sidebooks_core.errors import StorageError

RETRY_S = 2.0
_log = logging.getLogger("sidebooks_core.server")


class OwnedMarks(Protocol):
    """Where marks are kept (`marks.store.MarkStore`)."""

    def owners(self, beginning: str, /) -> list[str]:
        """Those who have marks and whose id begins so. Raises StorageError."""

    def end_owner(self, *owners: str) -> int:
        """Remove all marks of some people, in one step. Raises StorageError."""


class GuestMarks:
    """Looks when logins have changed, also those of other processes, from a thread of its own. `close()` it before both."""

    def __init__(self, store: OwnedMarks, access: Access) -> None:
        self._store = store
        self._access = access
        self._wake = threading.Condition()
        self._is_due = True
        self._closed = False
        access.tell(self.look_soon)
        self._thread = threading.Thread(target=self._run, name="sidebooks-guest-marks", daemon=True)
        self._thread.start()

    def look_soon(self) -> None:
        """Logins have changed. It never waits."""
        with self._wake:
            self._is_due = True
            self._wake.notify_all()

    def look(self) -> int:
        """Remove what is to be removed now. Returns of how many guests. Raises StorageError."""
        ended = self._access.ended_guests(self._store.owners(GUEST))
        if ended:
            self._store.end_owner(*ended)
        return len(ended)

    def close(self) -> None:
        """What is left is removed at the next start. Safe to call again."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._is_due)
                if self._closed:
                    return
                self._is_due = False
            try:
                self.look()
            except StorageError:
                _log.exception("marks of guests who have gone cannot be removed; it is tried again in %s s", RETRY_S)
                with self._wake:
                    self._wake.wait_for(lambda: self._closed, RETRY_S)
                    self._is_due = True
