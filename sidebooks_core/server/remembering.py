"""The shelf remembers that there are accounts. So a lost database of accounts does not open the shelf to everybody."""

from __future__ import annotations

from pathlib import Path

from sidebooks_core.access import Access
from sidebooks_core.databases.database import Database
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.upkeep import DATABASE_NAME

_HAD_ACCOUNTS = "SELECT EXISTS (SELECT 1 FROM about WHERE name = 'accounts')"


def had_accounts(data: Path) -> bool:
    """Whether the shelf in a folder has noted that people have accounts. Raises StorageFailed, StorageDamaged."""
    path = data / DATABASE_NAME
    if not path.exists():
        return False
    database = Database(path, SHELF)
    try:
        with database.reading() as reading:
            return bool(reading.number(_HAD_ACCOUNTS))
    finally:
        database.close()


def remember_accounts(papers: PaperShelf, access: Access) -> None:
    """Note on the shelf that people have accounts: now, or as soon as the first has one. Raises StorageFailed."""

    def note() -> None:
        if not access.has_people():
            return
        with papers.database.reading() as reading:
            if reading.number(_HAD_ACCOUNTS):
                return
        with papers.database.writing() as writing:
            writing.run("INSERT OR IGNORE INTO about VALUES ('accounts', 'yes')")

    note()
    access.tell(note)
