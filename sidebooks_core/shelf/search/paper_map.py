"""Which papers have which texts, kept in memory, so that a search need not read 10,000 rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from sidebooks_core.databases.database import Reading
from sidebooks_core.documents.page_ranges import PageRanges
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.changes import last_change
from sidebooks_core.shelf.model import Paper
from sidebooks_core.shelf.search import stretches
from sidebooks_core.shelf.search.index import Ids
from sidebooks_core.shelf.search.stretches import Stretch

_MANY = 256
"""If more papers changed, all are read again: one query is faster then."""


class PaperMap(Struct, frozen=True):
    """The papers at one time, with the stretches of their present revisions. All fields are of stretches, in one order."""

    papers: tuple[Paper, ...]
    first: Ids
    """The id of the first text."""
    stop: Ids
    """The id after the last text."""
    page: Ids
    """The page of the first text, from 0."""

    def places(self, ids: Ids, pages_of: Callable[[Paper], PageRanges | None]) -> Iterator[tuple[int, list[tuple[Paper, int]]]]:
        """Of some texts those that stand on pages that are searched, the newest first, with all their places.

        ids: ascending. pages_of: the pages of a paper that are searched; None: all. It is asked only of papers that have one of
        the texts.
        """
        if not len(ids):
            return
        near = np.flatnonzero((self.first <= ids[-1]) & (self.stop > ids[0]))
        begins, ends = np.searchsorted(ids, self.first[near]), np.searchsorted(ids, self.stop[near])
        chosen = [
            (number, some)
            for number, begin, end in zip(near.tolist(), begins.tolist(), ends.tolist(), strict=True)
            if begin < end and len(some := self._within(number, ids[begin:end], pages_of(self.papers[number])))
        ]
        if not chosen:
            return
        texts = np.concatenate([some for _, some in chosen])
        numbers = np.repeat([number for number, _ in chosen], [len(some) for _, some in chosen])
        pages = texts - self.first[numbers] + self.page[numbers]
        order = np.argsort(-texts, kind="stable")
        last, together = -1, list[tuple[Paper, int]]()
        for place in order:
            text, found = int(texts[place]), (self.papers[int(numbers[place])], int(pages[place]))
            if text != last and together:
                yield last, together
                together = []
            last = text
            together.append(found)
        yield last, together

    def _within(self, number: int, ids: Ids, pages: PageRanges | None) -> Ids:
        """Of texts of a stretch those that stand on some pages."""
        if pages is None:
            return ids
        at = ids - self.first[number] + self.page[number]
        is_within = np.zeros(len(ids), bool)
        for first, last in pages:
            is_within |= (at >= first) & (at <= last)
        return ids[is_within]


class KnownPapers:
    """What stands on the shelf, read from the database as far as it changed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._change = -1
        self._stretch = -1
        self._papers: dict[str, Paper] = {}
        self._stretches: dict[str, list[Stretch]] = {}
        self._map = _map(self._papers, self._stretches)

    def at(self, reading: Reading) -> PaperMap:
        """What stands there in the eyes of a transaction, or of a later one that another thread has."""
        change, stretch = last_change(reading), stretches.newest(reading)
        with self._lock:
            # Both numbers only rise. A transaction that began before the known state would bring back what was purged since.
            is_older = change < self._change or stretch < self._stretch
            if not is_older and (change, stretch) != (self._change, self._stretch):
                self._read(reading)
                self._change, self._stretch = change, stretch
                self._map = _map(self._papers, self._stretches)
            return self._map

    def _read(self, reading: Reading) -> None:
        changed = {*catalogue.papers_since(reading, self._change), *stretches.papers_since(reading, self._stretch)}
        if self._change < 0 or len(changed) > _MANY:
            self._papers = {paper.id: paper for paper in catalogue.all_papers(reading)}
            self._stretches = {}
            for one in stretches.of_present_revisions(reading):
                self._stretches.setdefault(one.paper, []).append(one)
            return
        for paper_id in changed:
            paper = catalogue.paper(reading, paper_id)
            if paper is None:
                self._papers.pop(paper_id, None)
                self._stretches.pop(paper_id, None)
            else:
                self._papers[paper_id] = paper
                self._stretches[paper_id] = stretches.of_revision(reading, paper_id, paper.revision)


def _map(papers: dict[str, Paper], known: dict[str, list[Stretch]]) -> PaperMap:
    found = [(papers[paper], one) for paper, some in known.items() if paper in papers for one in some]
    first = np.array([one.text for _, one in found], np.int64)
    count = np.array([one.count for _, one in found], np.int64)
    page = np.array([one.page for _, one in found], np.int64)
    return PaperMap(tuple(paper for paper, _ in found), first, first + count, page)
