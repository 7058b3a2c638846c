"""Keeps the files of a shelf in step with its rows: removes what is doomed or abandoned, and checks what is there."""

from __future__ import annotations

import logging

from msgspec import Struct

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import StorageFailed
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.originals import Originals

_log = logging.getLogger("sidebooks_core.shelf")


class Verification(Struct, frozen=True):
    """The result of checking a shelf. All lists are empty if everything is right."""

    originals: int
    """Files that revisions name."""
    missing: list[str]
    """Digests of files that revisions name and that are not there."""
    damaged: list[str]
    """Digests of files whose content has another digest."""
    faults: list[str]
    """Faults of the database, in SQLite's words."""

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.damaged or self.faults)


def sweep(database: Database, originals: Originals) -> int:
    """Remove files that no row names, if they are old, and those that are doomed. Returns how many were removed.

    A file comes before its row, so a young file may be about to be named. The look and the removal hold the lock for writing:
    no row comes in between.
    """
    removed = originals.sweep_incoming() + remove_doomed(database, originals)
    for digest in list(originals.all()):
        if not originals.is_abandoned(digest):
            continue
        with database.writing() as writing:
            if not catalogue.is_named(writing, digest):
                originals.remove(digest)
                removed += 1
    return removed


def remove_doomed(database: Database, originals: Originals) -> int:
    """Remove the files that no revision names any more. Returns how many were removed.

    If one cannot be removed, it stays doomed, and the next call tries again.
    """
    with database.reading() as reading:
        digests = catalogue.doomed(reading)
    removed = 0
    for digest in digests:
        with database.writing() as writing:
            if not catalogue.is_doomed(writing, digest):
                continue  # a revision has named it again meanwhile
            try:
                originals.remove(digest)
            except StorageFailed:
                _log.exception("an original that was purged could not be removed; it is tried again at the next start")
                continue
            catalogue.forget_original(writing, digest)
            removed += 1
    return removed


def verify(database: Database, originals: Originals) -> Verification:
    """Check the database, and read every original."""
    faults = database.faults()
    with database.reading() as reading:
        named = catalogue.originals(reading)
    missing = [digest for digest in named if not originals.holds(digest)]
    damaged = [digest for digest in named if digest not in set(missing) and not originals.is_whole(digest)]
    return Verification(len(named), missing, damaged, faults)
