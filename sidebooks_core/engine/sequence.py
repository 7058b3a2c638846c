"""A document whose pages are opened one by one, each as a document of the engine's own. Worker side.

The engine reads some kinds as a whole, and some of their pages not or not right: comic archives, TIFFs, books with fixed pages.
Here each page says how it is opened, and nothing is unpacked or converted before it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct

from sidebooks_core.engine.mupdf import EngineDocument, EnginePage, Opened

KEPT_OPEN = 2
"""Documents of the engine that are kept beside the newest: the page that was drawn last is often asked for its text."""


Size = tuple[float, float, tuple[int, int] | None]


class Part(Struct, frozen=True):
    """One page, or the pages of one chapter."""

    open: Callable[[], EngineDocument]
    """Makes the engine's document of it."""
    place: Callable[[EnginePage], EnginePage] = lambda page: page
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


class OwnDocument:
    """A document that stands in the engine's place: what it answers unless a kind of such documents has more to say."""

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
    """Its chapters are its parts; where each is one page, pages count through."""

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
        self._open: OrderedDict[int, EngineDocument] = OrderedDict()
        self._shared: dict[int, EngineDocument] = {}

    @property
    def chapter_count(self) -> int:
        return len(self._parts)

    @property
    def page_count(self) -> int:
        return sum(self.chapter_page_count(part) for part in range(len(self._parts))) if self.is_book else len(self._parts)

    def chapter_page_count(self, chapter: int) -> int:
        """Of a part. Raises what the engine raises."""
        one = self._parts[chapter]
        return 1 if one.chapter is None else self._document(chapter).chapter_page_count(one.chapter)

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        """The page as shown. page_id: from 0, or (part, page in it). Raises what the engine and the part raise."""
        part, page = self._place(page_id) if isinstance(page_id, int) else page_id
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
            self._open.popitem(last=False)  # closed when its last page is gone
        self._open[part] = opened
        return opened


def opened(data: bytes | memoryview, engine_type: str) -> Opened:
    """The engine's document. Raises what the engine raises."""
    return Opened(stream=data, filetype=engine_type)
