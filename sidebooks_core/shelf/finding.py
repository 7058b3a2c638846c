"""What is searched on a shelf."""

from __future__ import annotations

from typing import Unpack

from sidebooks_core.documents.model import Matching, MatchOptions, SearchHit
from sidebooks_core.documents.page_ranges import PageRanges
from sidebooks_core.shelf.search.searching import BUDGET_S, NEWEST, Found, Searcher, Where

SEARCH_LIMIT = 50


class Finding:
    """The part of `Shelf` that searches."""

    searcher: Searcher

    def search(
        self,
        query: str,
        where: Where | None = None,
        *,
        before: int = NEWEST,
        limit: int = SEARCH_LIMIT,
        budget_s: float = BUDGET_S,
        **matching: Unpack[MatchOptions],
    ) -> Found:
        """Pages that match in the present revisions of all papers, the newest texts first: at most `limit`, as `Searcher` says.

        What counts as a match is as for `TileService.search`. No worker is asked. where: which papers; all that were not
        withdrawn, unless told. before: `Found.next` of the step before. A step ends soon after `budget_s` seconds.
        """
        return self.searcher.search(
            query, where or Where(), before=before, limit=limit, budget_s=budget_s, matching=Matching(**matching)
        )

    def search_in(
        self,
        paper_id: str,
        query: str,
        revision: int | None = None,
        *,
        limit: int = 1000,
        pages: PageRanges | None = None,
        **matching: Unpack[MatchOptions],
    ) -> list[SearchHit]:
        """Where a text occurs in a revision of a paper, as `TileService.search` finds it, boxes to a sixteenth of a point.

        pages: ranges of pages that are searched; None: all. Workers are asked only for pages that are not indexed yet.
        Raises RequestError, and for these what `document` raises.
        """
        return self.searcher.search_in(paper_id, query, revision, matching=Matching(**matching), limit=limit, pages=pages)
