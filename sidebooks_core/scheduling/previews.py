"""The order in which pages get their previews. Plain data: the owner guards it."""

from __future__ import annotations

from collections.abc import Iterator

from sidebooks_core.scheduling.prefetch import preview_order

PREVIEWS_AT_ONCE = 4
"""Previews that are asked for at a time: enough for all workers, few enough that a turn changes their order at once."""


class Previews:
    """The pages that have their preview, and the order of the others. Page numbers count from 0."""

    def __init__(self, page_count: int) -> None:
        self._page_count = page_count
        self._failed: set[int] = set()
        self._ended: set[int] = set()
        """Pages that have their preview, and those that failed."""
        self._order: Iterator[int] = iter(())
        self._under_way = 0

    @property
    def is_complete(self) -> bool:
        """Every page has its preview, or failed to get one."""
        return len(self._ended) == self._page_count

    @property
    def is_waiting(self) -> bool:
        """Previews that were asked for are under way."""
        return self._under_way > 0

    def begin_at(self, page: int, direction: int) -> None:
        """Go from this page outwards from now on. direction: 1 in reading order, -1 against it."""
        self._order = preview_order(page, self._page_count, direction)

    def forget(self) -> None:
        """Previews may have left the memory: all pages come up again with the next `begin_at`, except those that failed."""
        self._ended = set(self._failed)

    def next_page(self) -> int | None:
        """The next page of the order that has no preview. None if enough are under way, or the order is at its end."""
        if self._under_way >= PREVIEWS_AT_ONCE or self.is_complete:
            return None  # complete: looking for one that is missing would pass by every page, after each turn
        return next((page for page in self._order if page not in self._ended), None)

    def asked(self) -> None:
        """A preview is under way."""
        self._under_way += 1

    def made(self, page: int) -> None:
        """A preview that was asked for is there."""
        self._under_way -= 1
        self._ended.add(page)

    def failed(self, page: int, *, is_final: bool) -> None:
        """A preview that was asked for is not there. is_final: False if it is to be asked for again."""
        self._under_way -= 1
        if is_final:
            self._failed.add(page)
            self._ended.add(page)

    def skip(self, page: int) -> None:
        """The preview of a page is at hand, and need not be asked for."""
        self._ended.add(page)
