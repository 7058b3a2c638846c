"""Documents and pages as applications have them: with their service, so that a page gives its image and its text itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Unpack, overload

from sidebooks_core.documents import document as described
from sidebooks_core.documents.model import Direction, DocumentInspection, Link, MatchOptions, SearchHit, Word
from sidebooks_core.encoding.formats import ImageFormat
from sidebooks_core.images.tile import Tile
from sidebooks_core.reading import reader as described_reader

if TYPE_CHECKING:
    from sidebooks_core.service.tile_service import TileService


class PageInfo(described.PageInfo):
    """One page: its size in points, its label, the digest of all that it draws; its image, words and links."""

    __slots__ = ("_service",)
    document: Document

    def __init__(self, document: Document, index: int, service: TileService) -> None:
        super().__init__(document, index)
        self._service = service

    def image(
        self,
        *,
        width_px: int | None = None,
        height_px: int | None = None,
        fit_px: tuple[int, int] | None = None,
        image_format: ImageFormat | None = None,
    ) -> Tile:
        """The whole page: see `TileService.page_image`."""
        return self._service.page_image(
            self.document,
            self.index,
            width_px=width_px,
            height_px=height_px,
            fit_px=fit_px,
            image_format=image_format,
        )

    def words(self) -> tuple[Word, ...]:
        """The words with their boxes: see `TileService.text`."""
        return self._service.text(self.document, self.index)

    def text(self) -> str:
        """The words as a text: lines end with a line break, and an empty line stands between blocks.

        Words that no space parts in the page, as in Japanese, are parted by none. Raises what `TileService.text` raises.
        """
        return joined(self.words())

    def links(self) -> tuple[Link, ...]:
        """The links with their boxes: see `TileService.links`."""
        return self._service.links(self.document, self.index)


class Document(described.Document):
    """A document that a service has open. Made by `TileService.open`; safe to use from any thread.

    It is a plain description: its pages are drawn by the service's workers, and it holds no file open in this process.
    `len()` is the number of its pages, `document[3]` is the fourth, `document[-1]` the last, and a loop goes through them.
    """

    def __init__(
        self,
        opened: described.Opened,
        service: TileService,
        *,
        data: bytes | None,
        direction: Direction | None,
        name: str,
    ) -> None:
        super().__init__(opened, _Host(service), data=data, direction=direction, name=name)
        self._service = service

    @property
    def pages(self) -> Sequence[PageInfo]:
        """All pages, in order. They are made when they are asked for."""
        return _Pages(self, self._service)

    @overload
    def __getitem__(self, index: int) -> PageInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PageInfo]: ...
    def __getitem__(self, index: int | slice) -> PageInfo | Sequence[PageInfo]:
        """The same as of `pages`. Raises PageNotFound."""
        return self.pages[index]

    def __iter__(self) -> Iterator[PageInfo]:
        return iter(self.pages)

    def search(self, query: str, *, limit: int = 1000, **matching: Unpack[MatchOptions]) -> list[SearchHit]:
        """Where a text occurs: see `TileService.search`."""
        return self._service.search(self, query, limit=limit, **matching)


class Reader(described_reader.Reader):
    """A reader of a document. Made by `TileService.reader`; safe to use from any thread; `close()` it, or use `with`."""

    __slots__ = ()
    document: Document


class _Pages(described.Pages[PageInfo]):
    def __init__(self, document: Document, service: TileService) -> None:
        super().__init__(document, lambda index: PageInfo(document, index, service))


class _Host:
    """What a document asks of its service."""

    def __init__(self, service: TileService) -> None:
        self._service = service

    def identify(self, document: described.Document, page: int) -> None:
        self._service.require_open()
        self._service.parts.images.identify(document, page).result()

    def inspect(self, document: described.Document) -> DocumentInspection:
        return self._service.inspect(document)


def joined(words: Sequence[Word]) -> str:
    """Words as a text. Two words of a line are parted by a space if there is a gap between them."""
    parts: list[str] = []
    before: Word | None = None
    for word in words:
        if before is not None:
            parts.append(_between(before, word))
        parts.append(word.text)
        before = word
    return "".join(parts)


def _between(before: Word, word: Word) -> str:
    if word.block != before.block:
        return "\n\n"
    if word.line != before.line:
        return "\n"
    gap_pt = max(word.x0_pt - before.x1_pt, word.y0_pt - before.y1_pt)
    letter_pt = min(word.x1_pt - word.x0_pt, word.y1_pt - word.y0_pt)
    return " " if gap_pt > LEAST_GAP * letter_pt else ""


LEAST_GAP = 0.1
"""Of a letter's size: words that are nearer belong together. A space is a quarter of it."""
