"""Documents that a worker holds, their pages ready to draw, and which of these go when they take too much memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from sidebooks_core.documents.problems import IMAGE_PROBLEMS
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.identity.pages import PageIdentifier
from sidebooks_core.engine.images.lengths import CutImages
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.workers.jobs import Identify

if TYPE_CHECKING:
    from sidebooks_core.engine.images.mending import Mender

Place = tuple[str, int]
"""A page of a document: the document's token, and the page from 0."""

MIN_LIST_BYTES = 128 << 10
"""The least size that is counted for a display list. A list smaller than the allocator's step shows no growth of the
process."""

MANY_PAGES = 100
"""Objects of a document go only after so many pages were read. The next page takes 1 to 8 ms more then."""


class Sheet(Struct):
    """A page ready to draw."""

    display_list: Any
    counted_bytes: int
    problems: dict[str, None]
    """The problems of the page, each once, in order. Every raster of the page reports all of them."""
    cpu_s: float
    """The processor time that it took to make the list."""
    worth: float = 0.0
    """See `Keeping`."""
    is_mended: bool = False
    """Its images were examined. No more can be mended."""
    is_judged: bool = False
    """The page is not blank, or no problem makes it blank."""
    grey: bool | None = None
    cut_images: frozenset[int] = frozenset()
    """Images whose data is cut short, by the numbers of their objects. The engine does not report them."""


class Held(Struct):
    """An open document."""

    document: OpenDocument
    source: Source
    sheets: OrderedDict[int, Sheet] = field(default_factory=OrderedDict)
    identifier: PageIdentifier | None = None
    mender: Mender | None = None
    cut_images: CutImages | None = None
    pages_read: int = 0
    """Since its objects were let go."""

    def identified(self, job: Identify) -> tuple[str, ...]:
        """The content ids of the first pages of a job: of as many as its time allows, and of one at least."""
        if self.identifier is None:
            ref = job.document
            self.identifier = PageIdentifier(self.document.handle, ref.digest or ref.token, self.document.kind)
        ids: list[str] = []
        deadline_s = time.perf_counter() + job.budget_s
        while job.page + len(ids) < job.stop and (not ids or time.perf_counter() < deadline_s):
            ids.append(self.identifier.content_id(job.page + len(ids)))
        self.pages_read += len(ids)
        return tuple(ids)


def forget_read_objects(documents: Iterable[Held]) -> None:
    """Let go what was read of documents of which many pages were read."""
    for held in documents:
        if held.pages_read >= MANY_PAGES:
            held.document.forget_read_objects()
            held.pages_read = 0


def is_to_be_mended(sheet: Sheet, found: tuple[str, ...]) -> bool:
    """Whether the page must be examined. found: the problems that drawing has just found."""
    return not sheet.is_judged or (not sheet.is_mended and not IMAGE_PROBLEMS.isdisjoint(found))


class Keeping:
    """Tells which display lists go when they take too much memory: those that are worth least, by GreedyDual-Size.

    A list is worth the clock at its last use, and the processor time per byte that it takes to make again. Who goes moves the
    clock on. So the previews of a long document, which need each list once, do not drop lists that took long.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._clock = 0.0

    def use(self, sheet: Sheet) -> None:
        """A sheet is made, or used again."""
        sheet.worth = self._clock + sheet.cpu_s / sheet.counted_bytes

    def surplus(self, listed: Sequence[tuple[Place, Sheet]], kept: Collection[Place]) -> list[Place]:
        """The sheets that go so that the rest fits. listed: all sheets. kept: some that do not go."""
        left_bytes = sum(sheet.counted_bytes for _, sheet in listed)
        gone: list[Place] = []
        if left_bytes > self._most_bytes:
            for place, sheet in sorted(listed, key=lambda one: one[1].worth):
                if left_bytes <= self._most_bytes:
                    break
                if place not in kept:
                    gone.append(place)
                    left_bytes -= sheet.counted_bytes
                    self._clock = max(self._clock, sheet.worth)  # a sheet that was kept before may be worth less
        return gone
