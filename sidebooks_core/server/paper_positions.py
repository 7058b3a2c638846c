"""The page at which each person left off in each paper. It follows the paper over its revisions."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sidebooks_core.errors import DocumentError, PageError, StorageDamaged
from sidebooks_core.library.positions import Positions
from sidebooks_core.shelf import PageChange, Paper, Shelf
from sidebooks_core.shelf.revisions import same_page

DIFFERENCES_KEPT = 64


class Differences:
    """Differences between revisions; some are kept, since every reader of a replaced paper needs the same. Thread-safe."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], list[PageChange]] = OrderedDict()

    def get(self, paper_id: str, old: int, new: int) -> list[PageChange]:
        """What became of each page. It may wait for workers. Raises what `Shelf.diff` raises."""
        key = paper_id, old, new
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._shelf.diff(paper_id, old, new)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > DIFFERENCES_KEPT:
                self._kept.popitem(last=False)
        return found


class PaperPositions:
    """Positions by person and paper. Thread-safe; its methods may wait for workers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._positions = Positions(shelf.service.parts.facts)
        self.differences = Differences(shelf)

    def page_of(self, paper: Paper, person: str) -> int | None:
        """The page of the present revision, from 0, at which a person left off; None if nothing is kept.

        A page of an older revision is led to the same page of the present one.
        """
        for revision in reversed(self._shelf.revisions(paper.id)):
            if revision.document_id is None:
                continue
            page = self._positions.page_of(revision.document_id, _reader(person, paper))
            if page is not None:
                return self._led(paper, revision.number, page)
        return None

    def keep(self, paper: Paper, person: str, revision: int, page: int) -> int:
        """Keep a page of a revision, from 0, at which a person is now; returns the page of the present revision.

        The paper can be read: it has a document.
        """
        led = self._led(paper, revision, page)
        self._positions.save(paper.document_id or "", _reader(person, paper), led)
        return led

    def _led(self, paper: Paper, revision: int, page: int) -> int:
        last = max(0, paper.page_count - 1)
        if revision == paper.revision:
            return min(page, last)
        try:
            return min(same_page(self.differences.get(paper.id, revision, paper.revision), page), last)
        except (DocumentError, PageError, StorageDamaged):
            return min(page, last)  # one of the two cannot be read: the same number is the best guess


def _reader(person: str, paper: Paper) -> str:
    """Two papers may show the same document, and a person reads each at a page of its own."""
    return f"{person}\n{paper.id}"
