"""One search over the shelf: the index tells which texts may match, rights are asked, and the texts decide.

What the principal may not see is left out before a text is looked at. So a member who may see one paper in a hundred waits no
longer than a clerk, and the time tells nobody what else there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import itemgetter
from typing import Protocol
from zlib import crc32

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.documents.model import Matching, SearchHit
from sidebooks_core.documents.page_ranges import NO_PAGES, PageRanges, runs
from sidebooks_core.shelf import catalogue, folders
from sidebooks_core.shelf.model import Paper, Revision
from sidebooks_core.shelf.search import index, page_texts, stretches
from sidebooks_core.shelf.search.grams import grams_of_query
from sidebooks_core.shelf.search.paper_map import KnownPapers
from sidebooks_core.shelf.search.storing import readable
from sidebooks_core.shelf.search.stretches import Stretch
from sidebooks_core.text.folding import fold
from sidebooks_core.text.matching import Finder
from sidebooks_core.text.pages import search as search_text

ANY_MATCH = Matching()
NEWEST = 1 << 62
"""A search that begins: higher than any `Found.next`."""
_PLACES = 1 << 20
"""`Found.next` is the id of a text times this, and the number of one of its places. A browser keeps whole numbers up to 2 ** 53
exactly, so 2 ** 33 texts are possible."""
BUDGET_S = 0.06
"""Of one step. It ends when the text under way is done."""


COUNTING_S = 0.01
MOST_UNINDEXED = 500
"""Papers that are not indexed yet are counted up to this number, and for this time."""


class Where(Struct, frozen=True, kw_only=True):
    """Which papers are searched."""

    is_visible: Callable[[Paper], bool] = lambda _paper: True
    """Whether the principal who asks may see a paper. It is asked at most once for each paper, before anything of it counts,
    and not at all for papers without what is sought."""
    pages_of: Callable[[Paper], PageRanges | None] = lambda _paper: None
    """The pages of a visible paper that the principal may read; None: all. No other page counts, and its text is not read."""
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
    """An opaque number. Pass it back unchanged. None: everything was searched."""
    unindexed: int = 0
    """Papers that would be searched, but for pages that are not read yet: these are not found. At least so many."""


class AskDocument(Protocol):
    """Searches some pages of the document of a revision, by a worker."""

    def __call__(self, revision: Revision, query: str, pages: range, matching: Matching) -> list[SearchHit]: ...


class Searcher:
    """Searches a shelf. Thread-safe."""

    def __init__(self, database: Database, ask: AskDocument) -> None:
        """ask: for pages that are not indexed."""
        self._database = database
        self._ask = ask
        self._known = KnownPapers()

    def search(
        self,
        query: str,
        where: Where,
        *,
        before: int = NEWEST,
        limit: int = 50,
        budget_s: float = BUDGET_S,
        matching: Matching = ANY_MATCH,
    ) -> Found:
        """Pages that match: at most `limit`, but 1 if `limit` is less. It stops after `budget_s` seconds, however many it has.

        If several papers have the same page, two of them may have the same number in rare cases. Then both come in one step,
        which may have one page more than `limit`.

        before: `Found.next` of the step before. A page that stands in several papers is a hit in each.
        """
        finder = Finder.of(query, matching)
        if finder is None:
            return Found([], None)
        grams, pages = grams_of_query(fold(query)), list[PageHit]()
        deadline_s = time.monotonic() + budget_s
        with self._database.reading() as reading:
            papers = self._known.at(reading)
            pages_of = _asked_once(reading, where)
            unindexed = _unindexed(reading, pages_of)
            below = -(-before // _PLACES)
            for block in index.blocks(reading, below):
                ids = index.texts_with(reading, block, grams)
                for text, places in papers.places(ids[ids < below], pages_of):
                    row = page_texts.text_row(reading, text)
                    hits = search_text(readable(row.text), finder, 0) if row else []
                    end = text * _PLACES
                    if row is not None and hits:
                        some, end = _some_places(text, places, before, max(1, limit - len(pages)))
                        pages += [PageHit(paper, page, row.content_id, tuple(hits)) for paper, page in some]
                    if len(pages) >= limit or time.monotonic() > deadline_s:
                        return Found(_in_order(pages), end, unindexed)
                if time.monotonic() > deadline_s:
                    return Found(_in_order(pages), block.first * _PLACES, unindexed)
        return Found(_in_order(pages), None, unindexed)

    def search_in(
        self,
        paper_id: str,
        query: str,
        number: int | None,
        *,
        matching: Matching = ANY_MATCH,
        limit: int = 1000,
        pages: PageRanges | None = None,
    ) -> list[SearchHit]:
        """Where a text occurs in a revision, in page order, at most `limit` hits. Raises RequestError, what `ask` raises.

        pages: that are searched; None: all.
        """
        with self._database.reading() as reading:
            revision = catalogue.revision(reading, paper_id, number)
            indexed = stretches.of_revision(reading, paper_id, revision.number)
        finder, grams = Finder.of(query, matching), grams_of_query(fold(query))
        if finder is None:
            return []
        hits: list[SearchHit] = []
        done = 0
        for one in [*indexed, Stretch(paper_id, revision.number, revision.page_count, 0, 0)]:
            for run in runs(range(done, one.page), pages):
                if len(hits) < limit:
                    hits += self._ask(revision, query, run, matching)
            done = one.page + one.count
            searched = runs(range(one.page, done), pages)
            with self._database.reading() as reading:
                for text in _texts_with(reading, one, grams) if searched else ():
                    page = one.page + text - one.text
                    is_read = len(hits) < limit and any(page in run for run in searched)
                    row = page_texts.text_row(reading, text) if is_read else None
                    if row is not None:
                        hits += search_text(readable(row.text), finder, page)
        return hits[:limit]


def _some_places(text: int, places: list[tuple[Paper, int]], before: int, limit: int) -> tuple[list[tuple[Paper, int]], int]:
    """The next places of a text, about `limit` of them, and `Found.next` after them.

    The number of a place comes from the paper's id and the page alone. So a step finds where the one before it stopped,
    whatever was filed or withdrawn meanwhile. Two places seldom have the same number; then they are given together.
    """
    numbered = sorted(((_number_of(text, *place), place) for place in places), key=itemgetter(0), reverse=True)
    left = [(number, place) for number, place in numbered if number < before]
    if len(left) <= limit:
        return [place for _, place in left], text * _PLACES
    last = left[limit - 1][0]
    return [place for number, place in left if number >= last], last


def _number_of(text: int, paper: Paper, page: int) -> int:
    """From one above `text * _PLACES` to one below that of the next text."""
    return text * _PLACES + 1 + crc32(f"{paper.id} {page}".encode()) % (_PLACES - 1)


def _texts_with(reading: Reading, stretch: Stretch, grams: list[int]) -> list[int]:
    """The texts of a stretch that have some grams, ascending."""
    stop = stretch.text + stretch.count
    found: list[int] = []
    for block in index.blocks(reading, stop, stretch.text - 1)[::-1] if stretch.count else []:
        ids = index.texts_with(reading, block, grams)
        found += ids[(ids >= stretch.text) & (ids < stop)].tolist()
    return found


def _unindexed(reading: Reading, pages_of: Callable[[Paper], PageRanges | None]) -> int:
    """How many papers would be searched, and are not wholly indexed. It counts for a short time only."""
    deadline_s, count = time.monotonic() + COUNTING_S, 0
    for paper_id in stretches.unindexed(reading, MOST_UNINDEXED):
        paper = catalogue.paper(reading, paper_id)
        count += paper is not None and pages_of(paper) != NO_PAGES
        if time.monotonic() > deadline_s:
            break
    return count


def _in_order(pages: list[PageHit]) -> list[PageHit]:
    papers = {paper: number for number, paper in enumerate(dict.fromkeys(hit.paper.id for hit in pages))}
    return sorted(pages, key=lambda hit: (papers[hit.paper.id], hit.page))


def _asked_once(reading: Reading, where: Where) -> Callable[[Paper], PageRanges | None]:
    """The pages of a paper that are searched. Remembers its answers."""
    inside: set[str] | None = None
    if where.folders is not None and None not in where.folders:
        inside = folders.within(reading, {folder for folder in where.folders if folder is not None})
    known: dict[str, PageRanges | None] = {}

    def pages_of(paper: Paper) -> PageRanges | None:
        if paper.id not in known:
            known[paper.id] = where.pages_of(paper) if _is_searched(paper, where, inside) else NO_PAGES
        return known[paper.id]

    return pages_of


def _is_searched(paper: Paper, where: Where, inside: set[str] | None) -> bool:
    if paper.withdrawn_s is not None or (inside is not None and paper.folder not in inside):
        return False
    if where.from_s is not None and paper.until_s is not None and paper.until_s < where.from_s:
        return False
    if where.until_s is not None and paper.from_s is not None and paper.from_s > where.until_s:
        return False
    return where.is_visible(paper)
