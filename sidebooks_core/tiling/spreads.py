"""Spreads: the pages that are shown together. A rule, which is data, pairs pages in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from sidebooks_core.errors import PageNotFound, RequestError
from sidebooks_core.tiling.geometry import SizePt

Direction = Literal["ltr", "rtl"]
Spread = tuple[int, ...]
"""One page or two, from 0, left to right as painted."""

MAX_HEIGHT_RATIO = 1.2
"""Pages whose heights differ more are no pair: A4 beside Letter is one (1.06), A4 beside A3 upright is not (1.41)."""


class SpreadRule(Struct, frozen=True, kw_only=True):
    """The rule by which pages are paired."""

    pairs: bool = True
    """False: every page is shown alone."""
    cover_alone: bool = True
    """The first page is a cover: pairs start at the second."""
    landscape_alone: bool = True
    """A page wider than high is a spread by itself, as A3 drawings among A4 pages are."""
    unequal_alone: bool = True
    """Pages whose heights differ by more than MAX_HEIGHT_RATIO are not paired."""


SINGLE_PAGES = SpreadRule(pairs=False)


class Spreads(Struct, frozen=True):
    """The spreads of a document in reading order; each page is in exactly one."""

    spreads: tuple[Spread, ...]
    _index_of: tuple[int, ...]

    @classmethod
    def of_pages(
        cls, pages: Sequence[tuple[float, float]], direction: Direction = "ltr", rule: SpreadRule | None = None
    ) -> Spreads:
        """Pairs pages given as (width_pt, height_pt). With "rtl" the page that is read first is painted on the right."""
        if direction not in ("ltr", "rtl"):
            raise RequestError(f"direction must be 'ltr' or 'rtl', not {direction!r}")
        rule = rule or SpreadRule()
        if not rule.pairs:  # sizes are not looked at, which would take long in a long book
            return cls(tuple((page,) for page in range(len(pages))), tuple(range(len(pages))))
        sizes = [SizePt(*page) for page in pages]
        spreads: list[Spread] = []
        index_of: list[int] = []
        page = 0
        while page < len(sizes):
            paired = _paired(sizes, page, rule)
            index_of += [len(spreads)] * (2 if paired else 1)
            if not paired:
                spreads.append((page,))
            else:
                spreads.append((page, page + 1) if direction == "ltr" else (page + 1, page))
            page += 2 if paired else 1
        return cls(tuple(spreads), tuple(index_of))

    def spread_of(self, page: int) -> Spread:
        """The spread that shows a page. Raises PageNotFound."""
        return self.spreads[self.index_of(page)]

    def turned(self, page: int, by: int = 1) -> Spread | None:
        """The spread that is `by` turns after the one with `page` in reading order, before it if negative; None past an end."""
        index = self.index_of(page) + by
        return self.spreads[index] if 0 <= index < len(self.spreads) else None

    def index_of(self, page: int) -> int:
        """The number, from 0, of the spread that shows a page. Raises PageNotFound."""
        if type(page) is not int or not 0 <= page < len(self._index_of):
            raise PageNotFound(
                f"there is no page {page + 1 if isinstance(page, int) else page} among {len(self._index_of)}",
                page=page if isinstance(page, int) else None,
            )
        return self._index_of[page]


def first_read(spread: Spread) -> int:
    """The page of a spread that is read first, on either side."""
    return min(spread)


def _paired(sizes: Sequence[SizePt], page: int, rule: SpreadRule) -> bool:
    if not rule.pairs or page + 1 >= len(sizes) or (rule.cover_alone and page == 0):
        return False
    both = sizes[page : page + 2]
    if rule.landscape_alone and any(size.width_pt > size.height_pt for size in both):
        return False
    lower, higher = sorted(size.height_pt for size in both)
    return not rule.unequal_alone or higher <= lower * MAX_HEIGHT_RATIO
