"""The feed of the shelf, as a principal may see it.

A change of something that the principal may not see is left out. If the principal could see the thing before the change, the
change is `gone`: it has the id and nothing more, so that a reader that has it open lets go of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice, takewhile

from msgspec import Struct

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Resource
from sidebooks_core.access.principals import Principal
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.places import Places, Standings
from sidebooks_core.server.schemas_shelf import ChangeEntry, ProgressEntry, ShelfChanges
from sidebooks_core.server.shelf_descriptions import progress_entry
from sidebooks_core.shelf import Change, Shelf, changes, prepared_rows

RECENT = 2000
"""Changes that are kept in memory. Whoever is further behind reads from the database."""
FARTHEST = 20_000
"""Who is more changes behind than this reads everything anew: that is less work than to read so many changes."""
AT_ONCE = 500
FEW = 8
"""The most changes that a stream is told without a thread: the event loop decides about each of them."""
TOLD_S = 1.0
"""What one stream was told is told so long to others that may see the same."""
MOST_TOLD = 4096
PREPARING_SHOWN = 20
"""Papers whose progress is told, at most."""

Decides = Callable[[Principal, Operation, Sequence[Resource]], bool]
"""Whether a principal may do something with one of some resources."""
Sees = Callable[[Principal, Operation, Standings], bool]

GONE = "gone"
ENDINGS = frozenset({"paper", "folder", "paper closed", "paper withdrawn", "paper purged", "folder removed"})
"""Changes after which readers may no longer see a thing. "paper" and "folder": it was moved, or has another time."""


class _Told(Struct, frozen=True, eq=False):
    """What a principal may know of some changes."""

    stands: list[tuple[Change, Standings | None]]
    at_s: float
    """Of the steady clock."""
    entries: list[ChangeEntry]

    def is_of(self, stands: list[tuple[Change, Standings | None]]) -> bool:
        """Whether it is of the same changes of things that stand where they stood, and new enough."""
        is_same = len(stands) == len(self.stands) and all(
            one is other and here is there for (one, here), (other, there) in zip(stands, self.stands, strict=True)
        )
        return is_same and time.monotonic() - self.at_s < TOLD_S


class ShelfFeed:
    """Thread-safe. `since`, `prepare` and `preparing` may wait for the database; the other methods never do."""

    def __init__(
        self,
        shelf: Shelf,
        places: Places,
        sees: Sees,
        may_one: Decides,
        decided_alike: Callable[[Principal], Hashable] = lambda principal: principal,
    ) -> None:
        """decided_alike: gives the same key for principals who may see the same now, and another one after rights changed."""
        self._shelf = shelf
        self._places = places
        self._sees = sees
        self._may_one = may_one
        self._decided_alike = decided_alike
        self._told: dict[tuple[Hashable, int], _Told] = {}
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
        self._told = {}
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
        entries = self._shared(principal, seq, [(one, self._stands(one)) for one in found])
        return ShelfChanges(self.position(reached), is_reset=False, changes=entries, more=len(found) >= limit)

    def told_since(self, principal: Principal, position: str) -> ShelfChanges | None:
        """As `since`, but for positions that are `FEW` changes back at most, and from memory: it never waits.

        None: ask `since`, as something is not in memory.
        """
        seq = self.seq_of(position)
        with self._lock:
            if seq is None or seq < self._first or not self._recent or self._recent[-1].seq - seq > FEW:
                return None
            found = list(takewhile(lambda one: one.seq > seq, reversed(self._recent)))[::-1]
        stands = [(one, self._stands_as_kept(one)) for one in found]
        if not found or not all(standings for _, standings in stands):
            return None
        entries = self._shared(principal, seq, stands)
        return ShelfChanges(self.position(found[-1].seq), is_reset=False, changes=entries, more=False)

    def prepare(self, found: list[Change]) -> None:
        """Read where the changed things stand, so that `told_since` finds it in memory for each stream."""
        for one in found[-FEW:]:
            self._stands(one)

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

    def _shared(self, principal: Principal, seq: int, stands: list[tuple[Change, Standings | None]]) -> list[ChangeEntry]:
        """The entries of changes after a position. The first who asks decides for all who may see the same."""
        key = self._decided_alike(principal), seq
        told = self._told.get(key)
        if told is None or not told.is_of(stands):
            if len(self._told) >= MOST_TOLD:
                self._told = {}
            told = self._told[key] = _Told(stands, time.monotonic(), self._entries(principal, stands))
        return told.entries

    def _entries(self, principal: Principal, found: Iterable[tuple[Change, Standings | None]]) -> list[ChangeEntry]:
        entries: list[ChangeEntry] = []
        for one, standings in found:
            if self._sees(principal, _reading(one), standings or ()):
                entries.append(
                    ChangeEntry(
                        one.seq, one.at_s, one.kind, one.folder or AT_THE_TOP, one.paper, one.revision, _document_of(standings)
                    )
                )
            elif one.kind in ENDINGS and self._may_have_known(principal, one):
                folder = one.folder if one.paper is None else None
                entries.append(ChangeEntry(one.seq, one.at_s, GONE, folder, one.paper, None))
        return entries

    def _stands(self, one: Change) -> Standings | None:
        """Where the changed thing stands. It may wait."""
        if one.paper is not None:
            return self._places.papers.find(one.paper)
        return self._places.folders.find(one.folder) if one.folder is not None else None

    def _stands_as_kept(self, one: Change) -> Standings | None:
        """As `_stands`, if it is in memory. It never waits."""
        if one.paper is not None:
            return self._places.papers.known(one.paper)
        return self._places.folders.known(one.folder) if one.folder is not None else None

    def _may_have_known(self, principal: Principal, one: Change) -> bool:
        """Whether the principal could see it where it was before, by the policy of now."""
        if one.was_in is None:
            return False
        return self._may_one(principal, _reading(one), (Resource(tuple(one.was_in.split()), one.was_published),))


def _document_of(standings: Standings | None) -> str | None:
    """The document that a paper shows."""
    return next((one.paper.document_id for one in standings or () if one.paper is not None), None)


def _reading(one: Change) -> Operation:
    """The operation that a principal must be allowed to be told of a change."""
    return Operation.READ_FOLDER if one.paper is None else Operation.READ_DOCUMENT
