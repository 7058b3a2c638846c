"""The shelf remembers that there are accounts. So a lost database of accounts does not open the shelf to everybody."""

from __future__ import annotations

from sidebooks_core.access import Access
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.accounts_note import note_accounts


def remember_accounts(papers: PaperShelf, access: Access) -> None:
    """Note on the shelf that people have accounts: now, or as soon as the first has one. Raises StorageFailed."""

    def note() -> None:
        if access.has_people():
            note_accounts(papers.database)

    note()
    access.tell(note)
