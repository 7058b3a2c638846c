"""From before a file is taken in until a row names it. What was taken in for nothing is removed at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidebooks_core.databases.database import Database
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.intake import TakenIn
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.upkeep import hold_files


@contextmanager
def taking_in(database: Database, originals: Originals) -> Iterator[list[TakenIn]]:
    """Nobody takes files for abandoned ones meanwhile. Add what was taken in to the list: if no row names it in the end, it is
    removed.
    """
    taken: list[TakenIn] = []
    try:
        with originals.taking():
            yield taken
    finally:
        discard(database, originals, {digest for one in taken for digest in (one.original.digest, one.shown.digest)})


def discard(database: Database, originals: Originals, digests: Iterable[str]) -> None:
    """Remove files that no row names.

    They stay for the sweep of the day if somebody takes files in, and so may be about to name them, or if a backup is made.
    """
    with database.reading() as reading:
        unnamed = [digest for digest in digests if not catalogue.is_named(reading, digest) and originals.holds(digest)]
    held = hold_files(originals) if unnamed else None
    if held is None:
        return
    taking = None
    try:
        taking = originals.hold_taking()
        for digest in unnamed if taking is not None else ():
            with database.writing() as writing:
                if not catalogue.is_named(writing, digest):
                    originals.remove(digest)
    finally:
        for lock in (taking, held):
            if lock is not None:
                lock.release()
