"""What an administrator does with a shelf: copies it, checks it."""

from __future__ import annotations

from pathlib import Path

from sidebooks_core.databases.database import Database
from sidebooks_core.service import TileService
from sidebooks_core.shelf import upkeep
from sidebooks_core.shelf.feed import Feed
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.search import page_texts


class Keeping:
    """The part of `Shelf` that is for administrators."""

    service: TileService
    database: Database
    originals: Originals
    feed: Feed

    def back_up(self, target: Path | str) -> int:
        """Copy the shelf into a new folder, from which `Shelf` opens it. Returns how many originals it has.

        Others may use the shelf meanwhile. Raises FileExistsError, StorageFailed, RequestError if it is being done already.
        """
        return upkeep.back_up(self.database, self.originals, Path(target))

    def verify(self) -> upkeep.Verification:
        """Read everything, and tell what is missing or damaged."""
        return upkeep.verify(self.database, self.originals)

    def rebuild_index(self) -> int:
        """Make the index of the search again from the stored texts. Returns how many pages it has."""
        with self.database.writing() as writing:
            return page_texts.rebuild(writing)
