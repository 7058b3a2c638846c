"""The feed of the shelf, as a principal may see it.

A change of something that the principal may not see is left out. If the principal may have seen it before, it is `gone`: its id
is told and nothing more, so that a reader that has it open lets go of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Resource
from sidebooks_core.access.principals import Principal
from sidebooks_core.server.places import Places, Standings
from sidebooks_core.server.schemas_shelf import ChangeEntry, ProgressEntry, ShelfChanges
from sidebooks_core.shelf import Change, Shelf, changes, prepared_rows

RECENT = 2000
"""Changes that are kept in memory. Whoever is further behind reads from the database."""
FARTHEST = 20_000
"""Who is further behind reads everything anew: that is less than so many changes."""
AT_ONCE = 500
PREPARING_SHOWN = 20
"""Papers whose progress is told, at most."""

Decides = Callable[[Principal, Operation, Sequence[Resource]], bool]
"""Whether a principal may do something with one of some resources."""
Sees = Callable[[Principal, Operation, Standings], bool]

GONE = "gone"
ENDINGS = frozenset({"paper", "folder", "paper closed", "paper withdrawn", "paper purged", "folder removed"})
"""Changes after which something may be seen no longer. "paper" and "folder": it was moved, or given another time."""


class ShelfFeed:
    """Thread-safe. All methods may wait for the database."""

    def __init__(self, shelf: Shelf, places: Places, sees: Sees, may_one: Decides) -> None:
        self._shelf = shelf
        self._places = places
        self._sees = sees
        self._may_one = may_one
        self._lock = threading.Lock()
        self._recent: deque[Change] = deque(maxlen=RECENT)
        self.epoch = shelf.epoch()
        self._first = shelf.feed.last
        """Changes after this number are in `_recent`, unless it has dropped them."""
        self.may_be_preparing = True

    def add(self, found: list[Change]) -> None:
        """The shelf tells of changes."""
        with self._lock:
            if not self._recent and found:
                self._first = found[0].seq - 1  # what came before the first call is read from the database
            self._recent.extend(found)
            if len(self._recent) == RECENT:
                self._first = self._recent[0].seq - 1
        self.may_be_preparing = True

    def position(self, seq: int) -> str:
        """A change's number, with the epoch that it belongs to."""
        return f"{self.epoch}.{seq}"

    def seq_of(self, position: str) -> int | None:
        """The number of a position; None if it is of another epoch, or cannot be read. A number alone is of this epoch."""
        epoch, _, number = position.rpartition(".")
        if epoch not in ("", self.epoch) or not number.isdecimal() or len(number) > 18:
            return None
        return int(number)

    def since(self, principal: Principal, position: str, limit: int = AT_ONCE) -> ShelfChanges:
        """What changed after a position, as far as the principal may see it. "": nothing, with the position of now."""
        newest = self._newest()
        if not position:
            return ShelfChanges(self.position(newest), is_reset=False, changes=[], more=False)
        seq = self.seq_of(position)
        if seq is None or seq > newest or newest - seq > FARTHEST:
            return ShelfChanges(self.position(newest), is_reset=True, changes=[], more=False)
        found = self._after(seq, newest, limit)
        reached = found[-1].seq if found else seq
        entries = self._entries(principal, found)
        return ShelfChanges(self.position(reached), is_reset=False, changes=entries, more=len(found) >= limit)

    def preparing(self) -> list[tuple[Standings, ProgressEntry]]:
        """The papers that are being prepared, with where they stand."""
        self.may_be_preparing = False
        with self._shelf.database.reading() as reading:
            revisions = prepared_rows.unprepared(reading, PREPARING_SHOWN)
        found: list[tuple[Standings, ProgressEntry]] = []
        for revision in revisions:
            standings = self._places.papers.find(revision.paper)
            if standings and standings[0].revision == revision.number:
                found.append((standings, progress_entry(self._shelf, revision.paper)))
        if found:
            self.may_be_preparing = True
        return found

    def _newest(self) -> int:
        """The number of the last change in the database. The feed may not have told of it yet."""
        with self._shelf.database.reading() as reading:
            return changes.last_change(reading)

    def _after(self, seq: int, newest: int, limit: int) -> list[Change]:
        with self._lock:
            is_told = newest == (self._recent[-1].seq if self._recent else self._first)
            if seq >= self._first and is_told:
                return list(islice((one for one in self._recent if one.seq > seq), limit))
        return self._shelf.changes(seq, limit)

    def _entries(self, principal: Principal, found: list[Change]) -> list[ChangeEntry]:
        entries: list[ChangeEntry] = []
        for one in found:
            if self._is_seen(principal, one):
                entries.append(ChangeEntry(one.seq, one.at_s, one.kind, one.folder or "top", one.paper, one.revision))
            elif one.kind in ENDINGS and self._may_have_known(principal, one):
                folder = one.folder if one.paper is None else None
                entries.append(ChangeEntry(one.seq, one.at_s, GONE, folder, one.paper, None))
        return entries

    def _is_seen(self, principal: Principal, one: Change) -> bool:
        if one.paper is not None:
            standings = self._places.papers.find(one.paper)
            return bool(standings) and self._sees(principal, Operation.READ_DOCUMENT, standings or ())
        standings = self._places.folders.find(one.folder) if one.folder is not None else None
        return bool(standings) and self._sees(principal, Operation.READ_FOLDER, standings or ())

    def _may_have_known(self, principal: Principal, one: Change) -> bool:
        """Whether the principal could see it where it was before, by the policy of now."""
        if one.was_in is None:
            return False
        operation = Operation.READ_FOLDER if one.paper is None else Operation.READ_DOCUMENT
        return self._may_one(principal, operation, (Resource(tuple(one.was_in.split()), one.was_published),))


def progress_entry(shelf: Shelf, paper_id: str) -> ProgressEntry:
    """How far a paper is prepared."""
    found = shelf.progress(paper_id)
    return ProgressEntry(found.paper, found.revision, found.pages, found.identified, found.previews, found.indexed)
