"""Removes the marks of guests whose login has ended, by whichever way: a meeting, a link, a logout, or its time."""

from __future__ import annotations

from typing import Protocol

from sidebooks_core.access import Access
from sidebooks_core.access.known_rows import GUEST
from sidebooks_core.databases.due import DueWork


class OwnedMarks(Protocol):
    """Where marks are kept (`marks.store.MarkStore`)."""

    def people(self, beginning: str, /) -> list[str]:
        """Those who have marks or had some, or whose devices have read some, and whose id begins so. Raises StorageError."""

    def end_owner(self, *owners: str) -> int:
        """Remove all marks of some people, in one step. Raises StorageError."""


class GuestMarks:
    """Looks when logins have changed, also those of other processes, from a thread of its own. `close()` it before both."""

    def __init__(self, store: OwnedMarks, access: Access) -> None:
        self._store = store
        self._access = access
        self._looks = DueWork(self.look, "sidebooks-guest-marks", "marks of guests who have gone cannot be removed")
        access.tell(self._looks.soon)
        self._looks.soon()

    def look(self) -> int:
        """Remove what is to be removed now. Returns of how many guests. Raises StorageError."""
        ended = self._access.ended_guests(self._store.people(GUEST))
        if ended:
            self._store.end_owner(*ended)
        return len(ended)

    def close(self) -> None:
        """What is left is removed at the next start. Safe to call again."""
        self._looks.close()
