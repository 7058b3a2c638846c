"""The words and the text of an open document's pages, and what is found in it. Worker side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import Matching, SearchHit, Word
from sidebooks_core.documents.sniffing import REFLOWABLE_KINDS
from sidebooks_core.engine import actual_text
from sidebooks_core.engine.engine_errors import page_errors
from sidebooks_core.engine.mupdf import pymupdf
from sidebooks_core.engine.text import EngineText
from sidebooks_core.errors import RenderFailed
from sidebooks_core.text import folding
from sidebooks_core.text import pages as page_text
from sidebooks_core.text.folded_pages import FoldedPages
from sidebooks_core.text.matching import Finder

if TYPE_CHECKING:
    from sidebooks_core.engine.open_document import OpenDocument

CHARS_PER_WORD = 4
"""A page may have so many characters for each word that it may have."""


class Texts:
    """The texts of a document's pages. All methods raise RenderFailed."""

    def __init__(self, document: OpenDocument, limits: Limits) -> None:
        self._document = document
        self._limits = limits
        self._folded = FoldedPages()

    def words(self, index: int) -> list[Word]:
        """The words of a page."""
        with self._text(index, "read for its text") as read:
            found = read.words()
        most = self._limits.page_words
        if len(found) > most:
            raise self._too_long(index, f"{len(found)} words; the settings allow {most} (page_words)")
        return found

    def text(self, index: int) -> page_text.PageText:
        """The text of a page as it is searched."""
        with self._text(index, "read for its text") as read:
            found = page_text.page_text(read.lines())
        length, most = len(found.written.text), CHARS_PER_WORD * self._limits.page_words
        if length > most:
            what = f"{length} characters; the settings allow {most} ({CHARS_PER_WORD} times page_words)"
            raise self._too_long(index, what)
        return found

    def search(self, query: str, first: int, stop: int, matching: Matching) -> list[SearchHit]:
        """Hits on the pages from `first` up to `stop`, which is not searched."""
        hits: list[SearchHit] = []
        finder = Finder.of(query, matching)
        if finder is None:
            return hits
        for index in range(first, stop):
            known = self._folded.get(index)
            if known is not None and not known.may_match(finder):
                continue
            with self._text(index, "searched") as read:
                if known is None and not self._may_be_on(index, read, finder):
                    continue
                found = page_text.page_text(read.lines())
                self._folded.keep(index, page_text.folded(found))
                hits.extend(page_text.search(found, finder, index))
        return hits

    def _may_be_on(self, index: int, read: EngineText, finder: Finder) -> bool:
        """Whether a query may occur on a page. Cheaper than to read the page character by character."""
        glanced, is_in_order = read.glance()
        folded = folding.fold(glanced)
        if is_in_order:
            whole = page_text.Folded(folded, None)
            self._folded.keep(index, whole)
            return whole.may_match(finder)
        return finder.needed <= set(finder.folded(folded))

    @contextmanager
    def _text(self, index: int, doing: str) -> Iterator[EngineText]:
        """The text of a page. Raises the engine's errors as RenderFailed."""
        page, listed = self._document.read(index)
        with page_errors(self._document.name, index, doing):
            yield EngineText(
                listed,
                own_characters=isinstance(page, pymupdf.Page) and page.parent.is_pdf and actual_text.is_repeated(page),
                has_styled_ruby=self._document.kind in REFLOWABLE_KINDS,
            )

    def _too_long(self, index: int, what: str) -> RenderFailed:
        return RenderFailed(f"{self._document.name}, page {index + 1}: {what}", page=index)
