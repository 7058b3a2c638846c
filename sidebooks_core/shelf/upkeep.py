"""Keeps the files of a shelf in step with its rows: removes what is doomed or abandoned, and checks what is there."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from sidebooks_core.databases.database import Database
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.errors import RequestError, StorageDamaged, StorageError, StorageFailed
from sidebooks_core.marks import schema as marks_schema
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import caches, catalogue, changes
from sidebooks_core.shelf.beside import made_beside
from sidebooks_core.shelf.doomed import forget_passwords, purge_cache
from sidebooks_core.shelf.originals import Originals, copy_whole
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.search import index, mending

DATABASE_NAME = "shelf.sqlite3"
ORIGINALS_NAME = "originals"
LOCK_NAME = "files.lock"
"""Held by who removes originals, and by who copies all of them."""

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
    """Faults of the database, in SQLite's words, and of the search index: `Shelf.rebuild_index` mends that."""

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.damaged or self.faults)


def sweep(database: Database, originals: Originals) -> int:
    """Remove files that no row names, if they are old, and those that are doomed. Returns how many were removed.

    A file comes before its row, so a file may be about to be named. Nothing is removed while somebody takes a file in, or makes
    a backup. The age keeps files for who does not tell of taking them in; it depends on the clock, which may be set.
    """
    held = hold_files(originals)
    taking = originals.hold_taking() if held is not None else None
    try:
        return _swept(database, originals) if taking is not None else 0
    finally:
        for lock in (held, taking):
            if lock is not None:
                lock.release()


def _swept(database: Database, originals: Originals) -> int:
    removed = originals.sweep_incoming() + _removed(database, originals)
    with database.reading() as reading:
        named = catalogue.all_originals(reading)
    for digest in set(originals.all()) - named:
        if not originals.is_abandoned(digest):
            continue
        with database.writing() as writing:
            if not catalogue.is_named(writing, digest):
                originals.remove(digest)
                removed += 1
    return removed


def remove_doomed(database: Database, originals: Originals) -> int:
    """Remove the files that no revision names any more. Returns how many were removed.

    If one cannot be removed, or a backup is being made, it stays doomed, and the next call tries again.
    """
    held = hold_files(originals)
    if held is None:
        return 0
    try:
        return _removed(database, originals)
    finally:
        held.release()


def try_remove_doomed(database: Database, originals: Originals) -> None:
    """The same behind other work, which has succeeded or failed whatever becomes of this. Each `Purger` tries again."""
    try:
        remove_doomed(database, originals)
    except StorageError:
        _log.exception("what was purged meanwhile could not be removed; it is tried again")


def remove_incoming(originals: Originals) -> set[str]:
    """Remove what processes that were killed have left of copying files in. It may be the content of a paper that is purged.

    Returns the names of what is left: all if somebody takes files in, else what cannot be removed.
    """
    if not originals.incoming():
        return set()
    taking = originals.hold_taking()
    if taking is None:
        return originals.incoming()
    try:
        originals.sweep_incoming()
        return originals.incoming()
    finally:
        taking.release()


def finish_purges(
    database: Database, originals: Originals, service: TileService, cache_id: str, opened: Iterable[Document] = ()
) -> bool:
    """Remove what the cache of a service and the disk still hold of papers that were purged, also before the last start.

    cache_id: of the service, see `caches`. opened: documents of such papers that are in use. The log of the database is cut,
    too: it holds what was removed. False if it could not be cut. See `pending_purges`. Raises ServiceClosed.
    """
    try:
        index.settle(database)
    except StorageDamaged:
        _log.exception("the index of the search still has what was purged, since it is damaged: rebuild it")
    purge_cache(database, service, cache_id, originals, opened)
    caches.forget_gone(database)
    remove_doomed(database, originals)
    return database.cut_log()


def back_up(database: Database, originals: Originals, target: Path, more: Callable[[Path], None] | None = None) -> int:
    """Copy a shelf into a new folder, from which it can be opened. Returns how many originals it has.

    The copy is made beside its place, and is put there when it is whole and on the disk. more: adds something to the copy
    before. Others may use the shelf meanwhile. What is purged meanwhile is in the copy, as it was at its beginning. Each copy
    of this copy counts its changes anew (`Shelf.epoch`) when it is opened: see `begin_restored`.
    Raises FileExistsError, StorageDamaged if an original is damaged or missing, StorageFailed, RequestError if another backup
    is being made. Then nothing stands at the target.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{os.fspath(target)!r} is there already: name a new folder")
    held = hold_files(originals)
    if held is None:
        raise RequestError("another backup is being made, or files are being removed: try again")
    try:
        with made_beside(target) as partial:
            count = _copied(database, originals, partial)
            if more is not None:
                more(partial)
    except OSError as fault:
        if isinstance(fault, StorageError):
            raise
        raise StorageFailed(f"{target}: {fault.strerror or fault}; no backup was made") from fault
    finally:
        held.release()
        try_remove_doomed(database, originals)
    return count


def _copied(database: Database, originals: Originals, folder: Path) -> int:
    database.back_up(folder / DATABASE_NAME)
    copy = Database(folder / DATABASE_NAME, SHELF)
    copied = Originals(folder / ORIGINALS_NAME, 0)
    try:
        with copy.writing() as writing:
            changes.note_copy(writing)
            catalogue.forget_purged(writing)
            digests = catalogue.originals(writing)
        for digest in digests:
            path = copied.path(digest)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                is_right = copy_whole(originals.path(digest), path) == digest
            except FileNotFoundError:
                is_right = False
            if not is_right:
                raise StorageDamaged(f"the original {digest} is damaged or missing: `sidebooks shelf verify` tells of all")
        copy.cut_log()
    finally:
        copy.close()
    return len(digests)


def begin_restored(database: Database, *, is_in_use: bool) -> None:
    """If this is a backup that nobody has used yet, its changes and marks are counted anew, so that clients ask for everything.

    It is done here, not in the backup: one backup can be restored twice, and clients must notice the second time, too.
    is_in_use: from now on it is a shelf as any other. Else, as for a check of the backup, the next opening begins anew again.
    """
    with database.reading() as reading:
        if not changes.is_copy(reading):
            return
    with database.writing() as writing:
        if not changes.is_copy(writing):
            return  # another process was here first
        changes.begin_epoch(writing)
        marks_schema.begin_numbers_anew(writing, int(time.time() * 1000))
        if is_in_use:
            changes.forget_copy(writing)


def hold_files(originals: Originals) -> ProcessLock | None:
    """While it is held, no original is removed. None: somebody else holds it."""
    return try_lock(originals.folder / LOCK_NAME)


def _removed(database: Database, originals: Originals) -> int:
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
    forget_passwords(database)
    return removed


def verify(database: Database, originals: Originals) -> Verification:
    """Check the database, and read every original."""
    faults = database.faults()
    with database.reading() as reading:
        named = catalogue.originals(reading)
    try:
        if not mending.is_index_right(database):
            faults.append("the search index is not that of the texts: rebuild it")
    except StorageDamaged as damage:
        faults.append(damage.message)
    amiss = [digest for digest in named if not originals.is_whole(digest)]
    with database.reading() as reading:
        still_named = set(catalogue.originals(reading)) if amiss else set()
    # A paper may have been purged meanwhile, and even have been registered again.
    amiss = [digest for digest in amiss if digest in still_named and not originals.is_whole(digest)]
    missing = [digest for digest in amiss if not originals.holds(digest)]
    damaged = [digest for digest in amiss if originals.holds(digest)]
    return Verification(len(named), missing, damaged, faults)
