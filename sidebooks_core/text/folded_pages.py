"""Keeps the folded texts of a document's pages, so that the next query reads only pages that may match. Pure."""

from __future__ import annotations

import sys

from sidebooks_core.text.pages import Folded

MOST_BYTES = 6 << 20
"""Bound for one document: some 2,400 pages of Latin text, or 1,200 of Japanese. A worker has at most a dozen documents open."""


class FoldedPages:
    """Texts by page: the first ones, as long as there is room.

    None is dropped for another. A search goes through all pages in order, and would find each page just dropped.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pages: dict[int, Folded] = {}

    def get(self, page: int) -> Folded | None:
        """The text of a page, if it is kept."""
        return self._pages.get(page)

    def keep(self, page: int, text: Folded) -> None:
        """Keep the text of a page if it is not kept yet and there is room."""
        if page in self._pages:
            return
        cost = sys.getsizeof(text.written) + (sys.getsizeof(text.read) if text.read is not None else 0) + _OVERHEAD_BYTES
        if self._bytes + cost <= self._most_bytes:
            self._bytes += cost
            self._pages[page] = text


_OVERHEAD_BYTES = 200
"""Bytes of an entry and its value."""
