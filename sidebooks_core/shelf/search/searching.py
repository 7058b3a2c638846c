"""One search over the shelf: the index tells which texts may match, rights are asked, and the texts decide.

What the principal may not see is left out before a text is looked at. So a member who may see one paper in a hundred waits no
longer than a clerk, and the time tells nobody what else there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.documents.model import SearchHit
from sidebooks_core.shelf import catalogue, folders
from sidebooks_core.shelf.model import Paper, Revision
from sidebooks_core.shelf.search import index, page_texts, stretches
from sidebooks_core.shelf.search.grams import grams_of_query
from sidebooks_core.shelf.search.paper_map import KnownPapers
from sidebooks_core.shelf.search.storing import readable
from sidebooks_core.shelf.search.stretches import Stretch
from sidebooks_core.text.folding import fold, query_pattern
from sidebooks_core.text.pages import search as search_text

NEWEST = 1 << 62
"""Higher than the number of any row."""
BUDGET_S = 0.06
"""Of one step. It ends when the text under way is done."""


class Where(Struct, frozen=True, kw_only=True):
    """Which papers are searched."""

    is_visible: Callable[[Paper], bool] = lambda _paper: True
    """Whether the principal who asks may see a paper. It is asked at most once for each paper, before anything of it counts,
    and not at all for papers without what is sought."""
    folders: frozenset[str | None] | None = None
    """Papers in these folders, and in all folders within them; None: everywhere, as is the top, which is None, too."""
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


class AskDocument(Protocol):
    """Searches some pages of the document of a revision, by a worker."""

    def __call__(self, revision: Revision, query: str, pages: range, *, old_forms: bool) -> list[SearchHit]: ...


class Searcher:
    """Searches a shelf. Thread-safe."""

    def __init__(self, database: Database, ask: AskDocument) -> None:
        """ask: for pages that are not indexed."""
        self._database = database
        self._ask = ask
        self._known = KnownPapers()

    def search(self, query: str, where: Where, *, before: int = NEWEST, limit: int = 50, budget_s: float = BUDGET_S) -> Found:
        """Pages that match, at most `limit` of them. It stops after `budget_s` seconds, however many it has.

        before: `Found.next` of the step before. A page that stands in several papers is a hit in each.
        """
        pattern = query_pattern(query)
        if pattern is None:
            return Found([], None)
        grams, pages = grams_of_query(fold(query)), list[PageHit]()
        deadline_s = time.monotonic() + budget_s
        with self._database.reading() as reading:
            papers = self._known.at(reading)
            is_searched = _asked_once(reading, where)
            for block in index.blocks(reading, before):
                ids = index.texts_with(reading, block, grams)
                for text, places in papers.places(ids[ids < before], is_searched):
                    row = page_texts.text_row(reading, text)
                    hits = search_text(readable(row.text), pattern, 0, old_forms=False) if row else []
                    if row is not None and hits:
                        pages += [PageHit(paper, page, row.content_id, tuple(hits)) for paper, page in places]
                    before = text
                    if len(pages) >= limit or time.monotonic() > deadline_s:
                        return Found(_in_order(pages), before)
                before = block.first
                if time.monotonic() > deadline_s:
                    return Found(_in_order(pages), before)
        return Found(_in_order(pages), None)

    def search_in(
        self, paper_id: str, query: str, number: int | None, *, old_forms: bool = False, limit: int = 1000
    ) -> list[SearchHit]:
        """Where a text occurs in a revision, in page order, at most `limit` hits. Raises RequestError, what `ask` raises."""
        with self._database.reading() as reading:
            revision = catalogue.revision(reading, paper_id, number)
            indexed = stretches.of_revision(reading, paper_id, revision.number)
        pattern, grams = query_pattern(query, old_forms=old_forms), grams_of_query(fold(query))
        if pattern is None:
            return []
        hits: list[SearchHit] = []
        done = 0
        for one in [*indexed, Stretch(paper_id, revision.number, revision.page_count, 0, 0)]:
            if one.page > done and len(hits) < limit:
                hits += self._ask(revision, query, range(done, one.page), old_forms=old_forms)
            done = one.page + one.count
            with self._database.reading() as reading:
                for text in _texts_with(reading, one, grams):
                    row = page_texts.text_row(reading, text) if len(hits) < limit else None
                    if row is not None:
                        page = one.page + text - one.text
                        hits += search_text(readable(row.text), pattern, page, old_forms=old_forms)
        return hits[:limit]


def _texts_with(reading: Reading, stretch: Stretch, grams: list[int]) -> list[int]:
    """The texts of a stretch that have some grams, ascending."""
    stop = stretch.text + stretch.count
    found: list[int] = []
    for block in index.blocks(reading, stop, stretch.text - 1)[::-1] if stretch.count else []:
        ids = index.texts_with(reading, block, grams)
        found += ids[(ids >= stretch.text) & (ids < stop)].tolist()
    return found


def _in_order(pages: list[PageHit]) -> list[PageHit]:
    papers = {paper: number for number, paper in enumerate(dict.fromkeys(hit.paper.id for hit in pages))}
    return sorted(pages, key=lambda hit: (papers[hit.paper.id], hit.page))


def _asked_once(reading: Reading, where: Where) -> Callable[[Paper], bool]:
    """Whether a paper is searched. Remembers its answers."""
    inside: set[str] | None = None
    if where.folders is not None and None not in where.folders:
        inside = folders.within(reading, {folder for folder in where.folders if folder is not None})
    known: dict[str, bool] = {}

    def is_searched(paper: Paper) -> bool:
        answer = known.get(paper.id)
        if answer is None:
            known[paper.id] = answer = _is_searched(paper, where, inside)
        return answer

    return is_searched


def _is_searched(paper: Paper, where: Where, inside: set[str] | None) -> bool:
    if paper.withdrawn_s is not None or (inside is not None and paper.folder not in inside):
        return False
    if where.from_s is not None and paper.until_s is not None and paper.until_s < where.from_s:
        return False
    if where.until_s is not None and paper.from_s is not None and paper.from_s > where.until_s:
        return False
    return where.is_visible(paper)
