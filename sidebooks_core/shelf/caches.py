"""The cache folders that may hold something of the papers of a shelf. Each has an id, in a file, and a row.

A purge must reach all of them, and most are not open where it begins: a command and a server may have different ones.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.errors import StorageFailed
from sidebooks_core.stores.folders import make_own

ID_NAME = "cache-id"
NO_FOLDER = ""
"""The id of caches in memory. Whoever purges first, purges for these."""
MOST_AT_A_PATH = 4
"""Other cache folders that are remembered of one path: volumes that are mounted there in turn."""
_ID = re.compile(r"[0-9a-f]{32}")


class CacheFolder(Struct, frozen=True, array_like=True):
    """A row."""

    id: str
    path: bytes
    """In the bytes of the file system."""
    seen: str = ""
    """Where it was when it was opened last: device of the folder, device and inode of the folder that holds it."""


def enter(database: Database, folder: Path | None) -> str:
    """Have a shelf know of a cache folder, which is made if it is not there. Returns its id. Raises StorageFailed."""
    if folder is None:
        return NO_FOLDER
    path = os.fsencode(folder.absolute())
    try:
        cache_id = _made_id(folder)
    except OSError as fault:
        raise StorageFailed(f"{folder}: {fault.strerror or fault}") from fault
    now = CacheFolder(cache_id, path, _place(folder))
    with database.reading() as reading:
        known = reading.one(CacheFolder, "SELECT id, path, seen FROM cache_folder WHERE id = ?", cache_id)
        has_others = bool(_others(reading, now))
    if known != now or has_others:
        with database.writing() as writing:
            query = "INSERT OR REPLACE INTO cache_folder (id, path, seen, entered_s) VALUES (?, ?, ?, ?)"
            writing.run(query, now.id, now.path, now.seen, time.time())
            for cache in _replaced(_others(writing, now), now):
                _forget(writing, cache)
    return cache_id


def _others(reading: Reading, now: CacheFolder) -> list[CacheFolder]:
    """Cache folders that were at the path of a new one, the newest first."""
    query = "SELECT id, path, seen FROM cache_folder WHERE path = ? AND id != ? ORDER BY entered_s DESC, id"
    return reading.all(CacheFolder, query, now.path, now.id)


def _replaced(others: list[CacheFolder], now: CacheFolder) -> list[str]:
    """Ids of cache folders that are forgotten since another one is at their path: those of the same file system, which were
    removed, and of the rest all but the newest. In containers, each start may bring another file system.
    """
    device = _own_device(now)
    removed = [one.id for one in others if device and _own_device(one) == device]
    return removed + [one.id for one in others if one.id not in removed][MOST_AT_A_PATH:]


def _own_device(cache: CacheFolder) -> str:
    return cache.seen.partition(" ")[0]


def forget_gone(database: Database) -> int:
    """Forget cache folders that were removed, with what is still to be purged from them. Returns how many."""
    with database.reading() as reading:
        gone = [one for one in reading.all(CacheFolder, "SELECT id, path, seen FROM cache_folder") if _is_gone(one)]
    if gone:
        with database.writing() as writing:
            for one in gone:
                _forget(writing, one.id)
    return len(gone)


def _forget(writing: Writing, cache_id: str) -> None:
    writing.run("DELETE FROM doomed_revision WHERE cache = ?", cache_id)
    writing.run("DELETE FROM doomed_page WHERE cache = ?", cache_id)
    writing.run("DELETE FROM drawn_ahead WHERE cache = ?", cache_id)
    writing.run("DELETE FROM cache_folder WHERE id = ?", cache_id)


def _is_gone(cache: CacheFolder) -> bool:
    """Whether it is certain that a folder was removed or emptied.

    One that is absent may lie on a volume that is not mounted now, or that another container sees: then it comes again, with
    all its bytes. So the folder that holds it must be the one that held it before.
    """
    folder = Path(os.fsdecode(cache.path))
    own_device, _, holder = cache.seen.partition(" ")
    try:
        if not cache.seen or _identity(folder.parent) != holder:
            return False
        if not os.path.lexists(folder):
            return True
        if str(folder.stat().st_dev) != own_device:
            return False
        return not os.path.lexists(folder / ID_NAME) or _read_id(folder) != cache.id
    except OSError:
        return False


def _place(folder: Path) -> str:
    """As in `CacheFolder.seen`."""
    try:
        return f"{folder.stat().st_dev} {_identity(folder.absolute().parent)}"
    except OSError:
        return ""


def _identity(folder: Path) -> str:
    found = folder.stat()
    return f"{found.st_dev} {found.st_ino}"


def _read_id(folder: Path) -> str:
    with (folder / ID_NAME).open("rb") as file:
        return file.read(100).decode("ascii", "replace")


def _made_id(folder: Path) -> str:
    make_own(folder)
    target = folder / ID_NAME
    for _ in range(2):
        try:
            found = _read_id(folder)
        except FileNotFoundError:
            found = ""
        if _ID.fullmatch(found):
            return found
        target.unlink(missing_ok=True)  # another program wrote it
        descriptor, name = tempfile.mkstemp(prefix=f".{ID_NAME}-", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(16).hex().encode())
            os.link(name, target)  # it is whole from the beginning, and the first one stays
        except FileExistsError:
            pass
        finally:
            Path(name).unlink(missing_ok=True)
    return _read_id(folder)
