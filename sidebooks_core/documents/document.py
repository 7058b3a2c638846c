"""An open document, as the host sees it: what is known of it, without the engine."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar, get_args, overload

from msgspec import Struct

from sidebooks_core.documents.limits import MOST_PROBLEMS
from sidebooks_core.documents.model import (
    Attachment,
    Direction,
    DocumentInfo,
    DocumentInspection,
    Metadata,
    OutlineItem,
    PageGeometry,
)
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.errors import PageNotFound, RenderFailed, RequestError
from sidebooks_core.tiling.pyramid import Pyramid

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


P = TypeVar("P")


class PageInfo:
    """One page: its size in points, its label, and the digest of all that it draws."""

    __slots__ = ("_geometry", "document", "index")

    def __init__(self, document: Document, index: int) -> None:
        self.document = document
        self.index = index
        """From 0."""
        self._geometry: PageGeometry = document.info.pages[index]

    @property
    def width_pt(self) -> float:
        return self._geometry.width_pt

    @property
    def height_pt(self) -> float:
        return self._geometry.height_pt

    @property
    def label(self) -> str:
        """What the document calls the page, such as "iv"; its number from 1 where it says nothing."""
        return self._geometry.label

    @property
    def native_px(self) -> tuple[int, int] | None:
        """(width, height) in pixels of a page that is one image; None for others."""
        return self._geometry.native_px

    @property
    def content_id(self) -> str:
        """Digest of all that the page draws. Waits for a worker where it is not known yet; may raise RenderFailed."""
        return self.document.content_id(self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PageInfo) and (other.document, other.index) == (self.document, self.index)

    def __hash__(self) -> int:
        return hash((self.document, self.index))

    def __repr__(self) -> str:
        return f"PageInfo(index={self.index}, {self.width_pt:g} x {self.height_pt:g} pt, label={self.label!r})"


class Pages(Sequence[P]):
    """The pages of a document, made when they are asked for."""

    def __init__(self, document: Document, made: Callable[[int], P]) -> None:
        self._document = document
        self._made = made

    def __len__(self) -> int:
        return self._document.page_count

    @overload
    def __getitem__(self, index: int) -> P: ...
    @overload
    def __getitem__(self, index: slice) -> list[P]: ...
    def __getitem__(self, index: int | slice) -> P | list[P]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise _no_such_page(self._document, index)
        index %= len(self)
        return self._made(index)

    def __repr__(self) -> str:
        return f"<{len(self)} pages of {self._document.name!r}>"


class Host(Protocol):
    """What a document needs of the service that has it open."""

    def identify(self, document: Document, page: int) -> None:
        """Learn the content id of a page. Raises RenderFailed, ServiceClosed."""
        ...

    def inspect(self, document: Document) -> DocumentInspection: ...


class ContentIds:
    """What is known of the content ids of a document's pages. Thread-safe; who learns them may outlive the Document."""

    def __init__(self, known: Sequence[str | None]) -> None:
        self._lock = threading.Lock()
        self._known = list(known)
        self._own: set[int] = set()
        """Pages that could not be identified, and have the id of a page of this file alone."""
        self._has_news = False

    @property
    def page_count(self) -> int:
        return len(self._known)

    def of(self, page: int) -> str | None:
        return self._known[page]

    def learn(self, first: int, content_ids: Sequence[str]) -> None:
        """Take note of what a worker found, from page `first` on."""
        with self._lock:
            found = content_ids[: len(self._known) - first]
            for page, content_id in enumerate(found, first):
                if page not in self._own:  # images are kept under the id that it has
                    self._known[page] = content_id
            self._has_news = True

    def learn_own(self, page: int, content_id: str) -> str:
        """A page could not be identified: its id is that of a page of this file alone, unless it has one. Returns its id.

        Such an id is not among the news: the next process tries to identify the page again.
        """
        with self._lock:
            known = self._known[page]
            if known is None:
                known = self._known[page] = content_id
                self._own.add(page)
            return known

    def fill(self, known: Sequence[str | None]) -> None:
        """Take note of what was remembered, where nothing is known."""
        with self._lock:
            self._known = [ours or theirs for ours, theirs in zip(self._known, known, strict=True)]

    def all(self) -> list[str | None]:
        """Page by page."""
        with self._lock:
            return list(self._known)

    def first_unknown(self, start: int = 0) -> int | None:
        """The first page from `start` on whose content id is not known."""
        with self._lock:
            try:
                return self._known.index(None, start)
            except ValueError:
                return None

    def news(self) -> list[str | None] | None:
        """All, page by page, if some were learned since this was last asked; else None."""
        with self._lock:
            has_news, self._has_news = self._has_news, False
            known = [None if page in self._own else content_id for page, content_id in enumerate(self._known)]
            return known if has_news else None


class KnownProblems:
    """What could not be drawn of a document's pages, as far as images of them were made or read so far. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[int, tuple[str, ...]] = {}
        self.version = 0
        """Grows by one when more is known."""

    def learn(self, page: int, problems: tuple[str, ...]) -> None:
        """Add what an image of the page tells; () adds nothing.

        What is known stays, since an image may show a part of the page only. The first MOST_PROBLEMS of a page are kept, since
        a worker may be hostile.
        """
        if not problems:
            return  # most images: no lock is taken
        with self._lock:
            before = self._of.get(page, ())
            known = tuple(dict.fromkeys((*before, *problems)))[:MOST_PROBLEMS]
            if known != before:
                self._of[page] = known
                self.version += 1

    def of(self, page: int) -> tuple[str, ...]:
        """Of one page, from 0; empty where none is known."""
        return self._of.get(page, ())

    def all(self) -> dict[int, tuple[str, ...]]:
        """By page, from 0."""
        with self._lock:
            return dict(self._of)


class Opened(Struct, frozen=True):
    """What is known of a document that was opened."""

    ref: DocumentRef
    info: DocumentInfo
    content_ids: ContentIds
    is_likely_stored: bool
    """Its file had another content before, or it was opened before: most of its pages may be stored. They are identified before
    they are drawn."""


class Document:
    """A document that a service has open. Made by `TileService.open`; safe to use from any thread.

    It is a plain description: its pages are drawn by the service's workers, and it holds no file open in this process.
    """

    def __init__(self, opened: Opened, host: Host, *, data: bytes | None, direction: Direction | None, name: str) -> None:
        if direction is not None and direction not in DIRECTIONS:
            raise RequestError(f"direction must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
        self.ref = opened.ref
        self.info = opened.info
        self.data = data
        self._name = name
        self.withdrawn = threading.Event()
        """Purged since it was opened: what is still found out about it is not stored."""
        self._direction = direction
        self._host = host
        self.content_ids = opened.content_ids
        self.problems = KnownProblems()
        """What could not be drawn of its pages, learned from the images of them that somebody asked for."""
        self.is_likely_stored = opened.is_likely_stored
        """See `Opened`. Also set when that is found out of one of its pages."""
        self._pyramid_of = lru_cache(maxsize=4096)(Pyramid.of_page)  # by size: most pages of a document have the same

    @property
    def id(self) -> str:
        """Digest of the document's bytes: 32 or more characters, safe in a URL."""
        assert self.ref.digest is not None
        return self.ref.digest

    @property
    def trust_domain(self) -> str:
        """The label given at `open`: workers and records are shared only within it."""
        return self.ref.trust_domain

    @property
    def name(self) -> str:
        """What the paper is called, in lists and in messages: what `open` was told, else the file's name with its ending.

        Of bytes without a name: the kind and the beginning of the id.
        """
        return self._name

    @property
    def kind(self) -> str:
        """What it is, by its content: "pdf", "epub", "png" and so on."""
        return self.info.kind

    @property
    def title(self) -> str:
        """The title that the document gives itself, or `name` where it gives none.

        Not what to call a paper in a list: titles are left over from templates, and several papers may have the same.
        """
        return self.info.title or self.name

    @property
    def metadata(self) -> Metadata:
        """What the document says of itself: title, author, dates and the like."""
        return self.info.metadata

    @property
    def page_count(self) -> int:
        return self.info.page_count

    @property
    def pages(self) -> Sequence[PageInfo]:
        return Pages(self, lambda index: PageInfo(self, index))

    @property
    def outline(self) -> tuple[OutlineItem, ...]:
        """The table of contents, in order, each with its level from 1 and its page from 0 (None where it leads nowhere)."""
        return self.info.outline

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that a PDF carries and no page shows: a portfolio's documents, say. Their contents are not read."""
        return self.info.attachments

    @property
    def direction(self) -> Direction:
        """ "ltr" or "rtl": the order in which pages are read, from the document unless `open` was told otherwise."""
        return self._direction or self.info.direction

    def pyramid(self, page: int) -> Pyramid:
        """The levels at which a page can be had. Raises PageNotFound."""
        self.require_page(page)
        geometry = self.info.pages[page]
        return self._pyramid_of(geometry.width_pt, geometry.height_pt, geometry.native_px)

    def content_id(self, page: int) -> str:
        """Digest of all that a page draws. Waits for a worker if it is not known yet. Raises PageNotFound, RenderFailed."""
        self.require_page(page)
        known = self.known_content_id(page)
        if known is None:
            self._host.identify(self, page)
            known = self.known_content_id(page)
        if known is None:
            raise RenderFailed(f"{self.name}, page {page + 1} could not be identified", document_id=self.id, page=page)
        return known

    def inspect(self) -> DocumentInspection:
        """What will be slow or look wrong, page by page. Draws every page once to measure it: seconds for long documents."""
        return self._host.inspect(self)

    def known_content_id(self, page: int) -> str | None:
        """The content id if it is known already."""
        return self.content_ids.of(page)

    def require_page(self, page: int) -> None:
        """Does nothing if the document has the page, from 0. Raises PageNotFound, TypeError."""
        if not isinstance(page, int) or isinstance(page, bool):
            raise TypeError(f"page must be an int, from 0, not {page!r} of type {type(page).__name__}")
        if not 0 <= page < self.page_count:
            raise _no_such_page(self, page)

    def __len__(self) -> int:
        return self.page_count

    @overload
    def __getitem__(self, index: int) -> PageInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PageInfo]: ...
    def __getitem__(self, index: int | slice) -> PageInfo | Sequence[PageInfo]:
        """The same as of `pages`. Raises PageNotFound."""
        return self.pages[index]

    def __iter__(self) -> Iterator[PageInfo]:
        return iter(self.pages)

    def __repr__(self) -> str:
        return f"Document({self.name!r}, {self.page_count} pages, id={self.id})"


def _no_such_page(document: Document, page: int) -> PageNotFound:
    shown = page + 1 if page >= 0 else page
    count = document.page_count
    return PageNotFound(
        f"{document.name} has no page {shown}: its pages are 1 to {count} (0 to {count - 1} in Python)",
        document_id=document.id,
        page=page,
    )
