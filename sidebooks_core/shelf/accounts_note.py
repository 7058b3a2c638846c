"""The shelf's note that people have accounts. All SQL about it is here.

Accounts are in a database of their own. If that is lost, the note keeps a server from opening the shelf to everybody.
"""

from __future__ import annotations

from pathlib import Path

from sidebooks_core.databases.database import Database
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.upkeep import DATABASE_NAME

_IS_NOTED = "SELECT EXISTS (SELECT 1 FROM about WHERE name = 'accounts')"


def had_accounts(data_dir: Path) -> bool:
    """Whether the shelf in a folder has the note. Raises StorageFailed, StorageDamaged."""
    path = data_dir / DATABASE_NAME
    if not path.exists():
        return False
    database = Database(path, SHELF)
    try:
        return _is_noted(database)
    finally:
        database.close()


def note_accounts(database: Database) -> None:
    """Note it, unless it is noted. Raises StorageFailed."""
    if not _is_noted(database):
        with database.writing() as writing:
            writing.run("INSERT OR IGNORE INTO about VALUES ('accounts', 'yes')")


def _is_noted(database: Database) -> bool:
    with database.reading() as reading:
        return bool(reading.number(_IS_NOTED))
