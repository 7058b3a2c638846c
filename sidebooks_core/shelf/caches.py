"""The cache folders that may hold something of the papers of a shelf. Each has an id, in a file, and a row.

A purge must reach all of them, and most are not open where it begins: a command and a server may have different ones.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from msgspec import Struct

from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.errors import StorageFailed
from sidebooks_core.stores.folders import make_own

ID_NAME = "cache-id"
NO_FOLDER = ""
"""The id of caches in memory. Whoever purges first, purges for these."""
_ID = re.compile(r"[0-9a-f]{32}")


class CacheFolder(Struct, frozen=True, array_like=True):
    """A row."""

    id: str
    path: bytes
    """In the bytes of the file system."""


def enter(database: Database, folder: Path | None) -> str:
    """Have a shelf know of a cache folder, which is made if it is not there. Returns its id. Raises StorageFailed."""
    if folder is None:
        return NO_FOLDER
    path = os.fsencode(folder.absolute())
    try:
        cache_id = _made_id(folder)
    except OSError as fault:
        raise StorageFailed(f"{folder}: {fault.strerror or fault}") from fault
    with database.reading() as reading:
        known = reading.one(bytes, "SELECT path FROM cache_folder WHERE id = ?", cache_id)
    if known != path:
        with database.writing() as writing:
            writing.run("INSERT OR REPLACE INTO cache_folder (id, path) VALUES (?, ?)", cache_id, path)
    return cache_id


def forget_gone(database: Database) -> int:
    """Forget cache folders that were removed, with what is still to be purged from them. Returns how many."""
    with database.reading() as reading:
        gone = [one for one in reading.all(CacheFolder, "SELECT id, path FROM cache_folder") if not _is_there(one)]
    if gone:
        with database.writing() as writing:
            for one in gone:
                _forget(writing, one.id)
    return len(gone)


def _forget(writing: Writing, cache_id: str) -> None:
    writing.run("DELETE FROM doomed_revision WHERE cache = ?", cache_id)
    writing.run("DELETE FROM doomed_page WHERE cache = ?", cache_id)
    writing.run("DELETE FROM cache_folder WHERE id = ?", cache_id)


def _is_there(cache: CacheFolder) -> bool:
    """False only if it is certain: a folder that cannot be read may be there."""
    try:
        return _read_id(Path(os.fsdecode(cache.path))) == cache.id
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


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
