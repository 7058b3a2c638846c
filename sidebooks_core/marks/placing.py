"""Where a mark stands in another revision of its paper. Pure.

A mark keeps its anchor, so going back to an older revision puts each mark back to where it was. Nothing is found by likeness
alone: a page that is only alike counts as changed, and the mark says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from sidebooks_core.marks.model import Mark

PlaceKind = Literal["exact", "changed", "removed"]
"""exact: the page shows what it showed, wherever it is now. changed: the page was changed, and the mark stands where it stood.
removed: there is no such page any more, and the mark is listed under its paper."""


class Fate(Protocol):
    """What became of a page. Pages count from 0."""

    @property
    def kind(self) -> str: ...
    @property
    def old_page(self) -> int | None: ...
    @property
    def new_page(self) -> int | None: ...


class PlacedMark(Struct, frozen=True):
    """A mark, and where it stands in one revision."""

    mark: Mark
    kind: PlaceKind
    page: int | None
    """In that revision, from 0; None if it is removed."""


def fates_by_page(fates: Sequence[Fate]) -> dict[int, Fate]:
    """What became of each page of the older revision."""
    return {fate.old_page: fate for fate in fates if fate.old_page is not None}


def placed(mark: Mark, revision: int, fates: Mapping[int, Fate] | None, page_count: int) -> PlacedMark:
    """Where a mark stands.

    fates: of the pages of its anchor's revision, in `revision`; not needed if both are the same. None: nobody can say, since
    one of the two cannot be read; then the mark is on the page of the same number, and is not exact. page_count: of `revision`.
    """
    anchor = mark.anchor
    if anchor.revision == revision:
        return PlacedMark(mark, "exact", anchor.page)
    if fates is None:
        return PlacedMark(mark, "changed", anchor.page) if anchor.page < page_count else PlacedMark(mark, "removed", None)
    fate = fates.get(anchor.page)
    if fate is None or fate.new_page is None:
        return PlacedMark(mark, "removed", None)
    return PlacedMark(mark, "exact" if fate.kind in ("same", "moved") else "changed", fate.new_page)
