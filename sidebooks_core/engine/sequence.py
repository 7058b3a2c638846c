"""A document whose pages are opened one by one, each as a document of the engine's own. Worker side.

The engine reads some kinds as a whole, and some of their pages wrongly or not at all: comic archives, TIFFs, books with fixed
pages. Here each page knows how it is opened. Nothing is unpacked or converted before it is needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct

from sidebooks_core.documents.model import Direction
from sidebooks_core.engine.mupdf import EngineDocument, EnginePage, Opened

KEPT_OPEN = 2
"""Documents of the engine that are kept beside the newest. The text of the page that was drawn last is often asked for."""


Size = tuple[float, float, tuple[int, int] | None]


class Part(Struct, frozen=True):
    """One page, or the pages of one chapter."""

    open: Callable[[], EngineDocument]
    """Opens the engine's document of this part."""
    place: Callable[[EnginePage], EnginePage] = lambda page: page
    """Turns the engine's page into the page as shown."""
    drawn: Callable[[], bytes | None] | None = None
    """Returns all that decides what is drawn, as bytes; None if that is not known apart from the document."""
    size: Callable[[], Size | None] | None = None
    """Returns (width_pt, height_pt, native_px) of the page as shown; None if the page must be opened for that."""
    first_page: int = 0
    """The number of the first page in the engine's document."""
    chapter: int | None = None
    """The chapter in the engine's document, if this part is a chapter: it then has all pages of the chapter."""
    shared: object = None
    """Parts with the same object share one document, which stays open."""


class OwnDocument:
    """A document of ours that stands in the engine's place. Its answers hold unless a subclass knows more."""

    is_pdf = False
    is_encrypted = False
    is_repaired = False
    needs_pass = 0
    outline = None
    metadata: Mapping[str, str | None] | None = None
    notes: tuple[str, ...] = ()

    @property
    def chapter_count(self) -> int:
        return 1

    @property
    def page_count(self) -> int:
        return 1

    def chapter_page_count(self, chapter: int) -> int:
        return 1


class PageSequence(OwnDocument):
    """A document in parts. Its chapters are its parts. If each part is one page, pages count through."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        title: str = "",
        direction: Direction = "ltr",
        notes: tuple[str, ...] = (),
        is_book: bool = False,
    ) -> None:
        """notes: what is left out of the document or cannot be drawn, in words. is_book: parts may have several pages."""
        self.metadata = {"title": title}
        self.direction = direction
        self.notes = notes
        self.is_book = is_book
        self._parts = parts
        self._open: OrderedDict[int, EngineDocument] = OrderedDict()
        self._shared: dict[int, EngineDocument] = {}

    def share(self, shared: object, document: EngineDocument) -> None:
        """Take an open document for the parts that name `shared`. The sequence closes it."""
        self._shared[id(shared)] = document

    @property
    def chapter_count(self) -> int:
        return len(self._parts)

    @property
    def page_count(self) -> int:
        return sum(self.chapter_page_count(part) for part in range(len(self._parts))) if self.is_book else len(self._parts)

    def chapter_page_count(self, chapter: int) -> int:
        """How many pages a part has. Raises the engine's errors."""
        one = self._parts[chapter]
        return 1 if one.chapter is None else self._document(chapter).chapter_page_count(one.chapter)

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        """The page as shown. page_id: from 0, or (part, page in it). Raises the errors of the engine and of the part."""
        part, page = self._place(page_id) if isinstance(page_id, int) else page_id
        one = self._parts[part]
        document = self._document(part)
        loaded = document.load_page(one.first_page if one.chapter is None else (one.chapter, page))
        return one.place(loaded)

    def drawn(self, index: int) -> bytes | None:
        """All that decides what a page draws, as bytes; None if that is not known. Raises the part's errors."""
        part, _ = self._place(index)
        drawn = self._parts[part].drawn
        return drawn() if drawn is not None else None

    def size(self, index: int) -> Size | None:
        """The size of a page, if its part knows it; None if the page must be loaded for it. Raises the part's errors."""
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

    def _document(self, part: int) -> EngineDocument:
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
            self._open.popitem(last=False)  # closed as soon as its last page is gone
        self._open[part] = opened
        return opened


def opened(data: bytes | memoryview, engine_type: str) -> Opened:
    """Open a document with the engine. Raises the engine's errors."""
    return Opened(stream=data, filetype=engine_type)
