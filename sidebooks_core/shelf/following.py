"""What follows the pages of a paper over its revisions: differences, and the positions of readers."""

from __future__ import annotations

import time
from typing import Protocol

from sidebooks_core.errors import DocumentError, PageError, RequestError, StorageDamaged
from sidebooks_core.shelf.differences import Differences
from sidebooks_core.shelf.model import Paper, Revision
from sidebooks_core.shelf.positions import Position, Positions
from sidebooks_core.shelf.revisions import PageChange, same_page


class _Papers(Protocol):
    def paper(self, paper_id: str) -> Paper: ...

    def revision(self, paper_id: str, number: int | None = None) -> Revision: ...


class Following:
    """The part of `Shelf` that follows pages."""

    differences: Differences
    positions: Positions
    """As they were kept; see `position`."""

    def diff(self, paper_id: str, old: int, new: int) -> list[PageChange]:
        """What became of each page between two revisions: same, changed, moved, inserted, removed. Waits for workers.

        Raises what `Shelf.document` raises.
        """
        return self.differences.get(paper_id, old, new)

    def position(self: _Follower, paper_id: str, reader: str = "") -> int | None:
        """The page of the present revision, from 0, at which a reader left off; None if that is not known.

        A page of an older revision is led to the same page of the present one, which may wait for workers. reader: a name;
        each has a page of its own in each paper. Raises RequestError.
        """
        paper = self.paper(paper_id)
        found = self.positions.find(paper_id, reader)
        return None if found is None else _led(self, paper, found.revision, found.page)

    def keep_position(
        self: _Follower,
        paper_id: str,
        page: int,
        reader: str = "",
        *,
        revision: int | None = None,
        age_s: float = 0.0,
    ) -> int:
        """Keep the page, from 0, at which a reader is now. Nobody waits for the disk. Returns the page of the present revision.

        revision: that is read; the present one for None. age_s: how many seconds ago the reader was there; a later place
        stays, and is returned. Raises RequestError if the revision has no such page,
        or for an age below 0.
        """
        paper = self.paper(paper_id)
        read = self.revision(paper_id, paper.revision if revision is None else revision)
        if not 0 <= page < read.page_count:
            raise RequestError(f"page: 0 to {read.page_count - 1}")
        if age_s < 0:
            raise RequestError("age_s: 0 or more")
        position = Position(read.number, page, max(0.0, time.time() - age_s))
        kept = self.positions.find(paper_id, reader) if age_s else None
        if kept is None or kept.at_s <= position.at_s:
            self.positions.keep(paper_id, reader, position)
            kept = position
        return _led(self, paper, kept.revision, kept.page)


class _Follower(_Papers, Protocol):
    differences: Differences
    positions: Positions


def _led(shelf: _Follower, paper: Paper, revision: int, page: int) -> int:
    last = max(0, paper.page_count - 1)
    if revision == paper.revision:
        return min(page, last)
    try:
        return min(same_page(shelf.differences.get(paper.id, revision, paper.revision), page), last)
    except (DocumentError, PageError, RequestError, StorageDamaged):
        return min(page, last)  # one of the two cannot be read: the same number is the best guess
