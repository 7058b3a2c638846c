"""Folded texts of a document's pages, kept so that the next query reads only the pages where it is found. Pure."""

from __future__ import annotations

import sys

from sidebooks_core.text.pages import Folded

MOST_BYTES = 6 << 20
"""Of one document: some 2,400 pages of Latin text, or 1,200 of Japanese. A worker has a dozen documents open at most."""


class FoldedPages:
    """Texts by page, the first that come as long as there is room.

    None is dropped for another: a search goes through all pages in order, and would find each just gone.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pages: dict[int, Folded] = {}

    def get(self, page: int) -> Folded | None:
        """The text of a page, if it is kept."""
        return self._pages.get(page)

    def keep(self, page: int, text: Folded) -> None:
        """Keep the text of a page, if none is kept and there is room."""
        if page in self._pages:
            return
        cost = sys.getsizeof(text.written) + (sys.getsizeof(text.read) if text.read is not None else 0) + _OVERHEAD_BYTES
        if self._bytes + cost <= self._most_bytes:
            self._bytes += cost
            self._pages[page] = text


_OVERHEAD_BYTES = 200
"""Of an entry and its value."""
