"""Ranges of pages: which pages of a document count. Pure."""

from __future__ import annotations

PageRanges = tuple[tuple[int, int], ...]
"""First and last page of each range, from 0. Ranges may overlap, in any order."""

NO_PAGES: PageRanges = ()


def runs(pages: range, ranges: PageRanges | None) -> list[range]:
    """The parts of neighbouring pages that lie in some ranges, ascending, without overlaps. ranges: None: all pages."""
    if ranges is None:
        return [pages] if pages else []
    found: list[range] = []
    for first, last in sorted(ranges):
        start, stop = max(first, pages.start), min(last + 1, pages.stop)
        if found and start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(stop, found[-1].stop))
        elif start < stop:
            found.append(range(start, stop))
    return found
