"""Documents that a worker holds, their pages ready to draw, and which of these go when they take too much memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from sidebooks_core.documents.problems import IMAGE_PROBLEMS
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.identity.pages import PageIdentifier
from sidebooks_core.engine.images.lengths import CutImages
from sidebooks_core.engine.images.mending import Mender
from sidebooks_core.engine.open_document import OpenDocument

Place = tuple[str, int]
"""A page of a document: the document's token, and the page from 0."""

PREVIEW_PX = 512
DEAR_S = 0.003
MIN_LIST_BYTES = 128 << 10
"""The least size that is counted for a display list. A list smaller than the allocator's step shows no growth of the
process."""


class Sheet(Struct):
    """A page ready to draw."""

    display_list: Any
    counted_bytes: int
    problems: dict[str, None]
    """The problems of the page, each once, in order. Every raster of the page reports all of them."""
    cpu_s: float
    """The processor time that it took to make the list."""
    most_px: int = 0
    """The long side of the largest image that was drawn of it."""
    is_mended: bool = False
    """Its images were examined. No more can be mended."""
    is_judged: bool = False
    """The page is not blank, or no problem makes it blank."""
    grey: bool | None = None
    cut_images: frozenset[int] = frozenset()
    """Images whose data is cut short, by the numbers of their objects. The engine does not report them."""

    @property
    def is_passing(self) -> bool:
        """Whether only a preview was drawn of it, and it is cheap to make again."""
        return self.most_px < PREVIEW_PX and self.cpu_s < DEAR_S


class Held(Struct):
    """An open document."""

    document: OpenDocument
    source: Source
    sheets: OrderedDict[int, Sheet] = field(default_factory=OrderedDict)
    identifier: PageIdentifier | None = None
    mender: Mender | None = None
    cut_images: CutImages | None = None


def is_to_be_mended(sheet: Sheet, found: tuple[str, ...]) -> bool:
    """Whether the page must be examined. found: the problems that drawing has just found."""
    return not sheet.is_judged or (not sheet.is_mended and not IMAGE_PROBLEMS.isdisjoint(found))


def surplus(listed: Sequence[tuple[Place, Sheet]], most_bytes: int, kept: Collection[Place]) -> Iterator[Place]:
    """The sheets that go so that the rest fits, but for some that are kept.

    listed: all sheets, those used the longest time ago first. Of a long document, previews would drop the lists of the pages
    that are read. So sheets of which only a preview was drawn go first, the last one first, until all fit into half of the
    bytes; the rest goes in order.
    """
    left_bytes = sum(sheet.counted_bytes for _, sheet in listed)
    passing = [one for one in reversed(listed) if one[1].is_passing] if 2 * left_bytes > most_bytes else []
    gone: set[Place] = set()
    for candidates, bound_bytes in ((passing, most_bytes // 2), (listed, most_bytes)):
        for place, sheet in candidates:
            if left_bytes <= bound_bytes:
                break
            if place not in kept and place not in gone:
                gone.add(place)
                left_bytes -= sheet.counted_bytes
                yield place
