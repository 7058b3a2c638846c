"""The difference between two revisions of a paper, page by page. Pure.

Pages are matched in four steps. Each step looks at the pages that the steps before it left:

1. *same*: equal content ids in the same order. Pages whose content id occurs once in both revisions are matched first, in
   the longest ascending chain ("patience diff"); a revision with many equal pages, blank ones say, stays cheap that way.
2. *moved*: equal content ids out of order.
3. *changed*: pages in the same gap between two pages of step 1 that are alike. The order is kept. Pages with equal texts are
   matched first, as in step 1, then pages with nearly equal texts. Between these, the likeness of all pairs together is
   greatest.
4. *removed* and *inserted*: the rest.

A document that was made anew, with a new footer say, has no equal page, and may have many new ones at its front. So if a gap
has too many pairs of pages to compare them all, some old pages are compared with all new ones first. A gap in which nothing is
found that way is matched by the places of its pages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from heapq import nlargest
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

PageChangeKind = Literal["same", "changed", "moved", "inserted", "removed"]
LEAST_LIKENESS = 0.3
"""Two pages that are less alike than this, of 1, are not one page that was changed."""
SURE_LIKENESS = 0.5
"""Pages that are so much alike are matched before the rest is looked at, if their texts or a search of all pages lead to it."""
LEAST_LEAD = 0.05
"""So much more than any other page is the one alike that a search of all pages leads to. Blank pages are alike to many."""
MOST_PAIRS = 40_000
"""Pairs of pages that are compared, about. In a gap with more, only pages near its diagonal are compared."""
MOST_GAP_PAGES = 1000
"""Pages of a larger gap are not compared: they would be drawn for minutes. Each takes its place in proportion."""
MOST_TEXTS = 2000
"""If a gap has more pages on a side, their texts are not read."""
_UP, _LEFT, _PAIR = range(3)

Likeness = Callable[[int, int], float]
"""How alike an old page and a new page are, from 0 to 1. Pages count from 0."""


class Texts(Protocol):
    """What is known of two revisions by the texts of their pages, without a look at each pair. Pages count from 0."""

    def digests(self, old: Sequence[int], new: Sequence[int]) -> tuple[list[str], list[str]]:
        """A digest of the text of each page. Empty: it has too little text to be known by it."""
        ...

    def near(self, old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int]]:
        """Pairs of an old and a new page that share text that no other pages have, each page at most once, in any order."""
        ...


class PageChange(Struct, frozen=True):
    """The fate of a page. Pages count from 0."""

    kind: PageChangeKind
    old_page: int | None
    """None if the page was inserted."""
    new_page: int | None
    """None if the page was removed."""


def page_changes(old: Sequence[str], new: Sequence[str], likeness: Likeness, texts: Texts | None = None) -> list[PageChange]:
    """The fate of every page, in the order of the new revision; a removed page comes after its last neighbour that was kept.

    old, new: the content ids of the pages. texts: asked about gaps that have more than one pair of pages.
    """
    same = _same_in_order(old, new)
    moved = _moved(old, new, same)
    changed = _changed(_gaps(len(old), len(new), same, moved), likeness, texts)
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

    It is the page itself if it is still there. Else it is a page between its neighbours that were kept, in proportion: the one
    after these if nothing stands between them.
    """
    before, after = (-1, -1), (0, 0)
    for change in changes:
        if change.old_page == old_page and change.new_page is not None:
            return change.new_page
        after = max(after[0], -1 if change.old_page is None else change.old_page), max(after[1], change.new_page or 0)
    last = after[1]
    after = after[0] + 1, last + 1
    for change in changes:
        if change.old_page is not None and change.new_page is not None and change.kind != "moved":
            if change.old_page > old_page:
                after = change.old_page, change.new_page
                break
            before = change.old_page, change.new_page
    first_old, first_new = before[0] + 1, before[1] + 1
    if old_page >= after[0] or not any(change.new_page is not None for change in changes):
        return last
    return min(last, first_new + (old_page - first_old) * (after[1] - first_new) // (after[0] - first_old))


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
    return _ascending(pairs)


def _ascending(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest chain of pairs that ascends in both. pairs: ascending in the first."""
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


_Pairs = list[tuple[int, int]]


class _Gap(NamedTuple):
    """Pages between two pages that were matched, ascending."""

    old: Sequence[int]
    new: Sequence[int]

    @property
    def pairs(self) -> int:
        return len(self.old) * len(self.new)


def _gaps(old_count: int, new_count: int, same: Sequence[tuple[int, int]], moved: Sequence[tuple[int, int]]) -> list[_Gap]:
    """The pages that are neither the same nor moved."""
    old_moved = {old_page for old_page, _ in moved}
    new_moved = {new_page for _, new_page in moved}
    whole = _Gap(
        [page for page in range(old_count) if page not in old_moved],
        [page for page in range(new_count) if page not in new_moved],
    )
    return _between(whole, same)


def _between(gap: _Gap, matched: Sequence[tuple[int, int]]) -> list[_Gap]:
    """What is left of a gap between pages that are matched. matched: ascending in both."""
    found: list[_Gap] = []
    last_old, last_new = 0, 0
    for old_page, new_page in matched:
        old_at, new_at = bisect_left(gap.old, old_page), bisect_left(gap.new, new_page)
        found.append(_Gap(gap.old[last_old:old_at], gap.new[last_new:new_at]))
        last_old, last_new = old_at + 1, new_at + 1
    found.append(_Gap(gap.old[last_old:], gap.new[last_new:]))
    return [one for one in found if one.pairs]


def _changed(gaps: Sequence[_Gap], likeness: Likeness, texts: Texts | None) -> _Pairs:
    """Pairs of pages that are alike, in each gap between two pages that stayed."""
    by_text = [_by_text(gap, likeness, texts) if texts is not None and gap.pairs > 1 else [] for gap in gaps]
    rests = [_between(gap, pairs) for gap, pairs in zip(gaps, by_text, strict=True)]
    wanted = sum(gap.pairs for rest in rests for gap in rest if max(len(gap.old), len(gap.new)) <= MOST_GAP_PAGES)
    changed: _Pairs = []
    for pairs, rest in zip(by_text, rests, strict=True):
        changed += pairs
        for gap in rest:
            changed += _aligned(gap, likeness, MOST_PAIRS if wanted <= MOST_PAIRS else MOST_PAIRS * gap.pairs // wanted)
    return sorted(changed)


def _by_text(gap: _Gap, likeness: Likeness, texts: Texts) -> _Pairs:
    """Pages whose texts are equal or nearly so, ascending in both."""
    if max(len(gap.old), len(gap.new)) > MOST_TEXTS:
        return []
    digests = texts.digests(gap.old, gap.new)
    # A page that has no digest is like no other, so it gets a name of its own.
    old, new = ([name or f"{side} {at}" for at, name in enumerate(names)] for side, names in zip("on", digests, strict=True))
    equal = [(gap.old[old_at], gap.new[new_at]) for old_at, new_at in _same_in_order(old, new)]
    found = list(equal)
    for rest in _between(gap, equal):
        near = sorted(texts.near(rest.old, rest.new))
        found += _ascending([pair for pair in near if likeness(*pair) >= SURE_LIKENESS])
    return sorted(found)


def _aligned(gap: _Gap, likeness: Likeness, most_pairs: int) -> _Pairs:
    """Pairs of pages that are alike, ascending in both; `most_pairs` are compared, about.

    If there are more, half of these comparisons find some pages that are sure, and the rest is for the pages between them.
    """
    if max(len(gap.old), len(gap.new)) > MOST_GAP_PAGES:
        return _in_proportion(gap)
    if gap.pairs <= most_pairs:
        return _best_pairs(gap, likeness, most_pairs)
    probed = _widened(gap, _probed(gap, likeness, most_pairs // 2), likeness)
    rests = _between(gap, probed)
    wanted = sum(rest.pairs for rest in rests)
    found = list(probed)
    for rest in rests:
        found += _best_pairs(rest, likeness, min(rest.pairs, most_pairs // 2 * rest.pairs // wanted))
    return sorted(found) or _in_proportion(gap)


def _in_proportion(gap: _Gap) -> _Pairs:
    """Each page of the shorter side with the one that has its place on the longer side."""
    count = min(len(gap.old), len(gap.new))
    return [(gap.old[at * len(gap.old) // count], gap.new[at * len(gap.new) // count]) for at in range(count)]


def _probed(gap: _Gap, likeness: Likeness, most_pairs: int) -> _Pairs:
    """Some old pages, each with the new page that is most alike, ascending in both. They are compared with all new pages."""
    probes = min(len(gap.old), most_pairs // len(gap.new))
    found: _Pairs = []
    for probe in range(probes):
        old_page = gap.old[(2 * probe + 1) * len(gap.old) // (2 * probes)]
        best, *others = nlargest(2, ((likeness(old_page, page), page) for page in gap.new))
        lead = best[0] - max((alike for alike, _ in others), default=0.0)
        if best[0] >= SURE_LIKENESS and lead >= LEAST_LEAD:
            found.append((old_page, best[1]))
    return _ascending(found)


def _widened(gap: _Gap, matched: _Pairs, likeness: Likeness) -> _Pairs:
    """The matched pairs, and the sure pairs beside them.

    A pair is sure if both pages are alike, and the old page is clearly less alike to the pages before and after the new page.
    """

    def is_sure(old_at: int, new_at: int) -> bool:
        alike = likeness(gap.old[old_at], gap.new[new_at])
        if alike < SURE_LIKENESS:
            return False
        beside = [gap.new[at] for at in (new_at - 1, new_at + 1) if 0 <= at < len(gap.new)]
        return all(alike >= likeness(gap.old[old_at], page) + LEAST_LEAD for page in beside)

    found = list(matched)
    places = [(bisect_left(gap.old, old_page), bisect_left(gap.new, new_page)) for old_page, new_page in matched]
    begin, end = (-1, -1), (len(gap.old), len(gap.new))
    for low, high in pairwise([begin, *places, end]):
        (old_at, new_at), (old_stop, new_stop) = low, high
        while low != begin and old_at + 1 < old_stop and new_at + 1 < new_stop and is_sure(old_at + 1, new_at + 1):
            old_at, new_at = old_at + 1, new_at + 1
            found.append((gap.old[old_at], gap.new[new_at]))
        while high != end and old_at + 1 < old_stop and new_at + 1 < new_stop and is_sure(old_stop - 1, new_stop - 1):
            old_stop, new_stop = old_stop - 1, new_stop - 1
            found.append((gap.old[old_stop], gap.new[new_stop]))
    return sorted(found)


def _best_pairs(gap: _Gap, likeness: Likeness, most_pairs: int) -> _Pairs:
    """The alignment with the greatest sum of likenesses (Needleman and Wunsch, 1970, without a price for gaps).

    Only pairs near the diagonal are compared and remembered, so memory is bounded as time is.
    """
    old_gap, new_gap = gap
    reach = len(new_gap) if gap.pairs <= most_pairs else max(1, most_pairs // len(old_gap) // 2)
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
