"""A document whose pages are opened one by one, each as a document of the engine's own. Worker side.

The engine reads some kinds as a whole, and some of their pages not or not right: comic archives, TIFFs, books with fixed pages.
Here each page says how it is opened, and nothing is unpacked or converted before it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from msgspec import Struct

from sidebooks_core.engine.mupdf import pymupdf

KEPT_OPEN = 2
"""Documents of the engine that are kept beside the newest: the page that was drawn last is often asked for its text."""


Size = tuple[float, float, tuple[int, int] | None]


class Part(Struct, frozen=True):
    """One page, or the pages of one chapter."""

    open: Callable[[], Any]
    """Makes the engine's document of it."""
    place: Callable[[Any], Any] = lambda page: page
    """From the engine's page to the page as shown."""
    drawn: Callable[[], bytes | None] | None = None
    """All that decides what is drawn, as bytes; None where that is not known apart from the document."""
    size: Callable[[], Size | None] | None = None
    """(width_pt, height_pt, native_px) of the page as shown, where that is known without opening it."""
    first_page: int = 0
    """Of the engine's document."""
    chapter: int | None = None
    """Of the engine's document, where it is a chapter: its pages are all of the chapter's."""
    shared: object = None
    """Parts that have the same are of one document, which stays open."""


class PageSequence:
    """Answers what is asked of the engine's document. Chapters are its parts; where each is one page, pages count through."""

    is_pdf = False
    is_encrypted = False
    is_repaired = False
    needs_pass = 0
    outline = None

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        title: str = "",
        direction: str = "ltr",
        notes: tuple[str, ...] = (),
        is_book: bool = False,
    ) -> None:
        """notes: what of the document is left out or cannot be drawn, in words. is_book: parts may have several pages."""
        self.metadata = {"title": title}
        self.direction = direction
        self.notes = notes
        self.is_book = is_book
        self._parts = parts
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._shared: dict[int, Any] = {}

    @property
    def chapter_count(self) -> int:
        return len(self._parts)

    @property
    def page_count(self) -> int:
        return sum(self.chapter_page_count(part) for part in range(len(self._parts))) if self.is_book else len(self._parts)

    def chapter_page_count(self, part: int) -> int:
        """Raises what the engine raises."""
        one = self._parts[part]
        return 1 if one.chapter is None else int(self._document(part).chapter_page_count(one.chapter))

    def __getitem__(self, index: int) -> Any:
        return self.load_page(index)

    def load_page(self, place: int | tuple[int, int]) -> Any:
        """The page as shown. place: from 0, or (part, page in it). Raises what the engine and the part raise."""
        part, page = self._place(place) if isinstance(place, int) else place
        one = self._parts[part]
        document = self._document(part)
        loaded = document.load_page(one.first_page if one.chapter is None else (one.chapter, page))
        return one.place(loaded)

    def drawn(self, index: int) -> bytes | None:
        """All that decides what a page draws, as bytes; None where that is not known. Raises what the part raises."""
        part, _ = self._place(index)
        drawn = self._parts[part].drawn
        return drawn() if drawn is not None else None

    def size(self, index: int) -> Size | None:
        """What the page's part says of its size; None: it must be loaded for that. Raises what the part raises."""
        part, _ = self._place(index)
        size = self._parts[part].size
        return size() if size is not None else None

    def close(self) -> None:
        for document in (*self._open.values(), *self._shared.values()):
            document.close()
        self._open.clear()
        self._shared.clear()

    def _place(self, index: int) -> tuple[int, int]:
        if not self.is_book:
            return index, 0
        for part, start in enumerate(accumulate(map(self.chapter_page_count, range(len(self._parts))), initial=0)):
            if part < len(self._parts) and index < start + self.chapter_page_count(part):
                return part, index - start
        raise ValueError("page not in document")

    def _document(self, part: int) -> Any:
        one = self._parts[part]
        if one.shared is not None:
            key = id(one.shared)
            if key not in self._shared:
                self._shared[key] = one.open()
            return self._shared[key]
        if part in self._open:
            self._open.move_to_end(part)
            return self._open[part]
        opened = one.open()
        while len(self._open) > KEPT_OPEN:
            self._open.popitem(last=False)  # closed when its last page is gone
        self._open[part] = opened
        return opened


def opened(data: bytes | memoryview, engine_type: str) -> Any:
    """The engine's document. Raises what the engine raises."""
    return pymupdf.Document(stream=data, filetype=engine_type)
