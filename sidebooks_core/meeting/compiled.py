"""The agenda as one list of pages, with running numbers. Pure: no page is drawn, since each is known by its content id."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from sidebooks_core.errors import RequestError

MOST_PAGES = 100_000


class AgendaPaper(Struct, frozen=True, kw_only=True):
    """A paper of the agenda, as the shelf has it."""

    paper: str
    revision: int
    name: str
    content_ids: Sequence[str]
    """Of its pages, in order."""


class CompiledPage(Struct, frozen=True, array_like=True):
    """One page of the compiled document."""

    number: int
    """The running number, from 1: the same for everybody, whatever they may see."""
    paper: str
    revision: int
    page: int
    """In the paper, from 1."""
    content_id: str


class CompiledPart(Struct, frozen=True, kw_only=True):
    """A paper within the compiled document."""

    paper: str
    revision: int
    name: str
    first: int
    """The running number of its first page."""
    pages: int


class Compiled(Struct, frozen=True, kw_only=True):
    """The compiled document."""

    parts: tuple[CompiledPart, ...]
    """In the order of the agenda, without papers that have no page."""
    pages: tuple[CompiledPage, ...]

    def part_of(self, number: int) -> CompiledPart:
        """The paper in which a running number lies. Raises RequestError if there is no such page."""
        found = bisect_right(self.parts, number, key=lambda one: one.first) - 1
        if found < 0 or number >= self.parts[found].first + self.parts[found].pages:
            raise RequestError(f"there is no page {number} in the compiled document")
        return self.parts[found]

    def number_of(self, paper: str, page: int) -> int:
        """The running number of a page (from 1) of a paper; the first, if the paper is there twice. Raises RequestError."""
        for part in self.parts:
            if part.paper == paper and 1 <= page <= part.pages:
                return part.first + page - 1
        raise RequestError(f"the compiled document has no page {page} of the paper {paper}")

    def seen_with(self, papers: Collection[str]) -> Compiled:
        """What somebody sees who may read these papers. The numbers stay, so that all say the same of a page."""
        return Compiled(
            parts=tuple(one for one in self.parts if one.paper in papers),
            pages=tuple(one for one in self.pages if one.paper in papers),
        )


def compiled(agenda: Iterable[AgendaPaper]) -> Compiled:
    """All pages of the papers, in order. Raises RequestError for more than `MOST_PAGES`."""
    parts: list[CompiledPart] = []
    pages: list[CompiledPage] = []
    for one in agenda:
        first = len(pages) + 1
        if first - 1 + len(one.content_ids) > MOST_PAGES:
            raise RequestError(f"the papers of the agenda have more than {MOST_PAGES} pages together")
        pages += [
            CompiledPage(first + index, one.paper, one.revision, index + 1, content_id)
            for index, content_id in enumerate(one.content_ids)
        ]
        if one.content_ids:
            parts.append(
                CompiledPart(paper=one.paper, revision=one.revision, name=one.name, first=first, pages=len(one.content_ids))
            )
    return Compiled(parts=tuple(parts), pages=tuple(pages))
