"""One search over the shelf: the index gives pages that may match, their texts decide, and rights are asked before counting."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.documents.model import SearchHit
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.model import Paper
from sidebooks_core.shelf.search import page_texts
from sidebooks_core.shelf.search.bigrams import match_of
from sidebooks_core.text.folding import fold, query_pattern
from sidebooks_core.text.packing import unpack
from sidebooks_core.text.pages import search as search_text

AT_ONCE = 64
"""Pages that are read from the index in one step."""
NEWEST = 1 << 62
"""Higher than the number of any row."""


class Where(Struct, frozen=True, kw_only=True):
    """Which papers are searched."""

    is_visible: Callable[[Paper], bool] = lambda _paper: True
    """Whether the principal who asks may see a paper. It is asked once for each paper, before a hit counts."""
    folders: frozenset[str | None] | None = None
    """Papers in these folders; None: in all."""
    from_s: float | None = None
    """Papers whose time has not ended before, in seconds since 1970 (UTC)."""
    until_s: float | None = None
    """Papers whose time has begun by then."""


class PageHit(Struct, frozen=True):
    """A page of a paper that matches."""

    paper: Paper
    page: int
    """From 0."""
    content_id: str
    hits: tuple[SearchHit, ...]
    """The places on the page, in the order of its lines, with boxes in points and the text around them."""


class Found(Struct, frozen=True):
    """One step of a search."""

    pages: list[PageHit]
    """The papers with the newest texts first, and of each paper the pages in their order."""
    next: int | None
    """The next step goes on here; None: everything was searched."""


class _Place(Struct, frozen=True, array_like=True):
    paper: str
    page: int


def search(
    database: Database, query: str, where: Where, *, before: int = NEWEST, limit: int = 50, budget_s: float = 0.25
) -> Found:
    """Pages that match, at most `limit` of them. It stops after `budget_s` seconds, however many it has.

    before: `Found.next` of the step before. A page that stands in several papers is a hit in each.
    """
    match, pattern = match_of(fold(query)), query_pattern(query)
    if match is None or pattern is None:
        return Found([], None)
    pages: list[PageHit] = []
    deadline_s = time.monotonic() + budget_s
    with database.reading() as reading:
        visible = _visible(reading, where)
        while True:
            found = page_texts.candidates(reading, match, before, AT_ONCE)
            for candidate in found:
                before = candidate.id
                places = [(paper, place.page) for place, paper in _places(reading, candidate.content_id, visible)]
                hits = search_text(unpack(page_texts.unpacked(candidate.text)), pattern, 0, old_forms=False) if places else []
                if hits:
                    pages += [PageHit(paper, page, candidate.content_id, tuple(hits)) for paper, page in places]
                if len(pages) >= limit or time.monotonic() > deadline_s:
                    return Found(_in_order(pages), before)
            if len(found) < AT_ONCE:
                return Found(_in_order(pages), None)


def _in_order(pages: list[PageHit]) -> list[PageHit]:
    papers = {paper: number for number, paper in enumerate(dict.fromkeys(hit.paper.id for hit in pages))}
    return sorted(pages, key=lambda hit: (papers[hit.paper.id], hit.page))


def _visible(reading: Reading, where: Where) -> Callable[[str], Paper | None]:
    """The paper of an id, if it is searched."""

    @lru_cache(None)
    def visible(paper_id: str) -> Paper | None:
        paper = catalogue.paper(reading, paper_id)
        if paper is None or paper.withdrawn_s is not None:
            return None
        if where.folders is not None and paper.folder not in where.folders:
            return None
        if where.from_s is not None and paper.until_s is not None and paper.until_s < where.from_s:
            return None
        if where.until_s is not None and paper.from_s is not None and paper.from_s > where.until_s:
            return None
        return paper if where.is_visible(paper) else None

    return visible


def _places(reading: Reading, content_id: str, visible: Callable[[str], Paper | None]) -> list[tuple[_Place, Paper]]:
    """Where a page stands in the present revisions of papers that are searched."""
    places = reading.all(
        _Place,
        "SELECT page.paper, page.page FROM page JOIN paper ON paper.id = page.paper AND paper.revision = page.revision "
        "WHERE page.content_id = ? ORDER BY page.paper, page.page",
        content_id,
    )
    return [(place, paper) for place in places if (paper := visible(place.paper)) is not None]
