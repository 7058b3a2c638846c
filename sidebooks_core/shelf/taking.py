"""From before a file is taken in until a row names it. What was taken in for nothing is removed at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidebooks_core.databases.database import Database
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.intake import Intake, Taking
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.upkeep import hold_files


@contextmanager
def taking_in(database: Database, intake: Intake) -> Iterator[Taking]:
    """Nobody takes files for abandoned ones meanwhile. What is told to the taking, and no row names in the end, is removed."""
    taking = Taking()
    try:
        with intake.originals.taking():
            yield taking
    finally:
        undo(database, intake, taking)


def undo(database: Database, intake: Intake, taking: Taking) -> None:
    """Remove files that no row names, and what the cache has of documents that no paper shows."""
    discard(database, intake.originals, taking.digests)
    for document in taking.documents:
        with database.reading() as reading:
            is_shown = bool(catalogue.papers_of_document(reading, document.id))
        if not is_shown:
            intake.forget(document)


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
