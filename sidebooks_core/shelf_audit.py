"""Has the audit say what was done with the shelf, by whichever way it was done.

The feed of the shelf is the outbox: a change and what an audit says of it are committed together. From there it is taken over
into the audit, in one transaction with the number up to which that was done. So a change that stands is told once, also if a
process is killed in between, or if the audit cannot be written for a while; and several processes may do it at the same time.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sidebooks_core.access import Access
from sidebooks_core.access.audit import Entry, TakenOver, kept
from sidebooks_core.access.model import What
from sidebooks_core.databases.database import Database
from sidebooks_core.databases.due import DueWork
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf import changes as feed
from sidebooks_core.shelf.model import Deed
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.upkeep import DATABASE_NAME

AT_ONCE = 500
"""Changes that are taken over in one transaction."""


class ShelfAudit:
    """Takes over what is done with a shelf as long as it is open, from a thread, within 200 ms. `close()` it before both."""

    def __init__(self, shelf: Shelf, access: Access) -> None:
        self._database = shelf.database
        self._access = access
        self._takes = DueWork(self.take_over, "sidebooks-shelf-audit", "the audit lacks the last changes of the shelf")
        shelf.tell(lambda _: self._takes.soon())
        self._takes.soon()

    def take_over(self) -> None:
        """Have everything in the audit that was done up to now. Raises StorageError."""
        take_over(self._database, self._access)

    def close(self) -> None:
        """Take over what is left. Raises StorageError; then it is taken over at the next start. Safe to call again."""
        if self._takes.close():
            self.take_over()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def take_over(database: Database, access: Access) -> None:
    """Have everything in the audit that was done with a shelf up to now. database: of the shelf. Raises StorageError."""

    def read(before: TakenOver) -> tuple[TakenOver, list[Entry]]:
        with database.reading() as reading:
            epoch, since = feed.epoch(reading), before.seq
            if before.epoch not in ("", epoch):  # the shelf, and perhaps the audit, were restored from a backup
                since = min(since, feed.epoch_from(reading))
            found = feed.deeds(reading, since, AT_ONCE)
        return TakenOver(epoch, found[-1].seq if found else since), [_entry(one) for one in found if one.did]

    while access.take_over(read):
        pass


def take_over_from(data_dir: Path, access: Access) -> None:
    """The same for the shelf in a folder. Nothing if there is none. Raises StorageError, RequestError."""
    path = data_dir / DATABASE_NAME
    if not path.exists():
        return
    database = Database(path, SHELF)
    try:
        take_over(database, access)
    finally:
        database.close()


def _entry(one: Deed) -> Entry:
    """What is done with a folder is told by the folder's id, in the place of the document's."""
    what = What(paper=one.paper or "", revision=one.revision, document="" if one.paper else one.folder or "")
    return Entry(one.at_s, one.who_id, kept(one.who), one.did, what, kept(one.address), kept(one.detail))
