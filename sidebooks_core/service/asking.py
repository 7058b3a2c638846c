"""The part of the facade that answers questions about a document: its words, its links, and where a text occurs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import Unpack

from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import Link, Matching, MatchOptions, SearchHit, Word
from sidebooks_core.errors import require_type
from sidebooks_core.service.core import Core, require_document

MOST_HITS = 1000


class Asking(Core):
    """Text, links and searches."""

    def text(self, document: Document, page: int) -> tuple[Word, ...]:
        """The words of a page with their boxes in points, as the page is shown (rotated, cropped).

        Raises PageNotFound, RenderFailed, RenderTimeout, ServiceClosed.
        """
        return self.submit_text(document, page).result()

    def submit_text(self, document: Document, page: int) -> Future[tuple[Word, ...]]:
        """The same without waiting."""
        require_document(self, document)
        return self.parts.questions.words(document, page)

    def links(self, document: Document, page: int) -> tuple[Link, ...]:
        """The links of a page with their boxes in points, as the page is shown. Raises what `text` raises."""
        return self.submit_links(document, page).result()

    def submit_links(self, document: Document, page: int) -> Future[tuple[Link, ...]]:
        """The same without waiting."""
        require_document(self, document)
        return self.parts.questions.links(document, page)

    def search(
        self, document: Document, query: str, *, limit: int = MOST_HITS, **matching: Unpack[MatchOptions]
    ) -> list[SearchHit]:
        """Where a text occurs, in page order, at most `limit` hits. Raises what `text` raises.

        Case, accents, line breaks, the width of Japanese characters and the like do not matter; ruby is skipped, and found by
        itself. The explanation of searching has all of it.
        matching: False unless told. `old_forms`: old and new forms of characters (國 and 国, 髙 and 高) are one, too.
        `match_case`: capital and small letters differ. `whole_words`: a hit begins and ends where words do. A word is a run
        of letters and figures, of ideographs, of hiragana, or of katakana. 京都 is not a whole word in
        東京都. It is one in 京都は.
        """
        return self.submit_search(document, query, limit=limit, **matching).result()

    def submit_search(
        self, document: Document, query: str, *, limit: int = MOST_HITS, **matching: Unpack[MatchOptions]
    ) -> Future[list[SearchHit]]:
        """The same without waiting. Cancelling the future ends the search."""
        require_document(self, document)
        require_type(query, str, "query", "a text")
        require_type(limit, int, "limit", "a number of hits")
        return self.parts.questions.search_all(document, query, limit, matching_of(matching))

    def iter_search(
        self,
        document: Document,
        query: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        **matching: Unpack[MatchOptions],
    ) -> Generator[SearchHit, None, None]:
        """The same hits one by one, as they are found; meanwhile the search goes on by one step. Leave the loop, or close the
        iterator, and it ends.

        progress: told (pages done, pages in all), from the thread that takes the hits.
        """
        require_document(self, document)
        require_type(query, str, "query", "a text")
        ask = partial(self.parts.questions.search, document, query, matching=matching_of(matching))
        step, is_under_way = ask(0), True
        try:
            while is_under_way:
                more = step.result()
                is_under_way = more.reached < document.page_count
                if is_under_way:
                    step = ask(more.reached)
                if progress is not None:
                    progress(more.reached, document.page_count)
                yield from more.hits
        finally:
            step.cancel()  # of no effect if it is done


def matching_of(options: MatchOptions) -> Matching:
    """The rules of a search. Raises TypeError for one that is no bool, or is unknown."""
    for name, value in options.items():
        require_type(value, bool, name, "a bool")
    return Matching(**options)
