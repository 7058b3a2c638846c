"""The difference between two revisions of a paper, page by page. Pure.

Pages are matched in four steps. Each step looks at the pages that the steps before it left:

1. *same*: equal content ids in the same order. Pages whose content id occurs once in both revisions are matched first, in
   the longest ascending chain ("patience diff"); a revision with many equal pages, blank ones say, stays cheap that way.
2. *moved*: equal content ids out of order.
3. *changed*: pages in the same gap between two pages of step 1 that are alike. The order is kept, and the likeness of all
   pairs together is greatest.
4. *removed* and *inserted*: the rest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

PageChangeKind = Literal["same", "changed", "moved", "inserted", "removed"]
LEAST_LIKENESS = 0.3
"""Two pages that are less alike than this, of 1, are not one page that was changed."""
MOST_PAIRS = 40_000
"""Pairs of pages that are compared in one gap at most. In a larger gap, only pages near its diagonal are compared."""
MOST_GAP_PAGES = 1000
"""Pages of a larger gap are not compared: a document was made anew as a whole, and each page takes the place of the one that
has its number there."""
_UP, _LEFT, _PAIR = range(3)

Likeness = Callable[[int, int], float]
"""How alike an old page and a new page are, from 0 to 1. Pages count from 0."""


class PageChange(Struct, frozen=True):
    """The fate of a page. Pages count from 0."""

    kind: PageChangeKind
    old_page: int | None
    """None if the page was inserted."""
    new_page: int | None
    """None if the page was removed."""


def page_changes(old: Sequence[str], new: Sequence[str], likeness: Likeness) -> list[PageChange]:
    """The fate of every page, in the order of the new revision; a removed page comes after its last neighbour that was kept.

    old, new: the content ids of the pages.
    """
    same = _same_in_order(old, new)
    moved = _moved(old, new, same)
    changed = _changed(old, new, same, moved, likeness)
    kinds: dict[int, tuple[PageChangeKind, int | None]] = {}
    kinds |= {new_page: ("same", old_page) for old_page, new_page in same}
    kinds |= {new_page: ("moved", old_page) for old_page, new_page in moved}
    kinds |= {new_page: ("changed", old_page) for old_page, new_page in changed}
    kept = dict([*same, *changed])
    removed_after: defaultdict[int, list[int]] = defaultdict(list)
    all_old = {*kept, *(old_page for old_page, _ in moved)}
    last = -1
    for old_page in range(len(old)):
        last = kept.get(old_page, last)
        if old_page not in all_old:
            removed_after[last].append(old_page)
    found = [PageChange("removed", old_page, None) for old_page in removed_after[-1]]
    for new_page in range(len(new)):
        kind, old_kept = kinds.get(new_page, ("inserted", None))
        found.append(PageChange(kind, old_kept, new_page))
        found += [PageChange("removed", old_page, None) for old_page in removed_after[new_page]]
    return found


def same_page(changes: Sequence[PageChange], old_page: int) -> int:
    """The page of the new revision that a reader of an old page is led to.

    It is the page itself if it is still there. Else it is the page that now stands after the last kept page before it.
    """
    last = 0
    new_count = sum(change.new_page is not None for change in changes)
    for change in changes:
        if change.old_page == old_page and change.new_page is not None:
            return change.new_page
        if change.old_page == old_page:
            return max(0, min(last, new_count - 1))
        if change.new_page is not None:
            last = change.new_page + 1
    return 0


def _same_in_order(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of (old page, new page) with equal content ids, ascending in both."""
    found: list[tuple[int, int]] = []
    open_ranges = [(0, len(old), 0, len(new))]
    while open_ranges:
        old_start, old_stop, new_start, new_stop = open_ranges.pop()
        while old_start < old_stop and new_start < new_stop and old[old_start] == new[new_start]:
            found.append((old_start, new_start))
            old_start, new_start = old_start + 1, new_start + 1
        while old_start < old_stop and new_start < new_stop and old[old_stop - 1] == new[new_stop - 1]:
            old_stop, new_stop = old_stop - 1, new_stop - 1
            found.append((old_stop, new_stop))
        chain = _chain(old, new, range(old_start, old_stop), range(new_start, new_stop))
        last_old, last_new = old_start, new_start
        for old_page, new_page in chain:
            found.append((old_page, new_page))
            open_ranges.append((last_old, old_page, last_new, new_page))
            last_old, last_new = old_page + 1, new_page + 1
        if chain:
            open_ranges.append((last_old, old_stop, last_new, new_stop))
    return sorted(found)


def _chain(old: Sequence[str], new: Sequence[str], old_pages: range, new_pages: range) -> list[tuple[int, int]]:
    """The longest ascending chain of pages whose content id occurs once in each range."""
    old_counts = Counter(old[page] for page in old_pages)
    new_counts = Counter(new[page] for page in new_pages)
    place = {new[page]: page for page in new_pages if new_counts[new[page]] == 1}
    pairs = [(page, place[old[page]]) for page in old_pages if old_counts[old[page]] == 1 and old[page] in place]
    ends: list[int] = []
    tails: list[int] = []
    before: list[int | None] = []
    for number, (_, new_page) in enumerate(pairs):
        length = bisect_left(ends, new_page)
        before.append(tails[length - 1] if length else None)
        ends[length : length + 1] = [new_page]
        tails[length : length + 1] = [number]
    chain: list[tuple[int, int]] = []
    at: int | None = tails[-1] if tails else None
    while at is not None:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]


def _moved(old: Sequence[str], new: Sequence[str], same: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs with equal content ids that are not in order. Equal pages are matched in the order in which they come."""
    old_taken = {old_page for old_page, _ in same}
    new_taken = {new_page for _, new_page in same}
    free: defaultdict[str, deque[int]] = defaultdict(deque)
    for page, content_id in enumerate(old):
        if page not in old_taken:
            free[content_id].append(page)
    return [(free[new[page]].popleft(), page) for page in range(len(new)) if page not in new_taken and free[new[page]]]


def _changed(
    old: Sequence[str],
    new: Sequence[str],
    same: Sequence[tuple[int, int]],
    moved: Sequence[tuple[int, int]],
    likeness: Likeness,
) -> list[tuple[int, int]]:
    """Pairs of pages that are alike, in each gap between two pages that stayed."""
    old_moved = {old_page for old_page, _ in moved}
    new_moved = {new_page for _, new_page in moved}
    found: list[tuple[int, int]] = []
    last_old, last_new = 0, 0
    for old_page, new_page in [*same, (len(old), len(new))]:
        old_gap = [page for page in range(last_old, old_page) if page not in old_moved]
        new_gap = [page for page in range(last_new, new_page) if page not in new_moved]
        found += _aligned(old_gap, new_gap, likeness)
        last_old, last_new = old_page + 1, new_page + 1
    return found


def _aligned(old_gap: Sequence[int], new_gap: Sequence[int], likeness: Likeness) -> list[tuple[int, int]]:
    """The alignment with the greatest sum of likenesses (Needleman and Wunsch, 1970, without a price for gaps).

    Only pairs near the diagonal are compared and remembered, so memory is bounded as time is. Pages of a very large gap are
    matched by their numbers.
    """
    if max(len(old_gap), len(new_gap)) > MOST_GAP_PAGES:
        return list(zip(old_gap, new_gap, strict=False))
    if not old_gap or not new_gap:
        return []
    reach = max(1, MOST_PAIRS // len(old_gap) // 2)
    best = [0.0] * (len(new_gap) + 1)  # of the present row; left of the band as it was there last, right of it not known
    bands: list[tuple[int, bytearray]] = []
    last_stop = 1
    for row, old_page in enumerate(old_gap, 1):
        middle = row * len(new_gap) // len(old_gap)
        start, stop = max(1, middle - reach), min(len(new_gap), middle + reach) + 1
        for column in range(last_stop, stop):
            best[column] = best[last_stop - 1]
        steps, before = bytearray(), best[start - 1]
        for column in range(start, stop):
            above = best[column]
            step = _UP if above >= best[column - 1] else _LEFT
            value = max(above, best[column - 1])
            alike = likeness(old_page, new_gap[column - 1])
            if alike >= LEAST_LIKENESS and before + alike > value:
                step, value = _PAIR, before + alike
            best[column], before = value, above
            steps.append(step)
        bands.append((start, steps))
        last_stop = stop
    pairs: list[tuple[int, int]] = []
    row, column = len(old_gap), len(new_gap)
    while row and column:
        start, steps = bands[row - 1]
        step = _UP if column < start else _LEFT if column >= start + len(steps) else steps[column - start]
        if step == _PAIR:
            pairs.append((old_gap[row - 1], new_gap[column - 1]))
        row -= step != _LEFT
        column -= step != _UP
    return pairs[::-1]
