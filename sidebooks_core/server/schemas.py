"""The JSON of our own API: what requests hold, and what answers do. Pages count from 1, boxes are in points.

The description of the API (`openapi`) takes its schemas from here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

ScreenSide = Annotated[int, Meta(ge=1, le=8192)]
BoxPt = tuple[float, float, float, float]
"""x0, y0, x1, y1."""


class Hint(Struct):
    """Where a reader is."""

    session: Annotated[str, Meta(min_length=1, max_length=64)]
    """Names the reader."""
    page: Annotated[int, Meta(ge=1)]
    view_px: tuple[ScreenSide, ScreenSide]
    """Width and height of the screen in pixels."""
    spread: bool = False
    """Two pages are shown side by side."""


class Problem(Struct, kw_only=True):
    """An error."""

    type: str = "about:blank"
    status: int
    detail: str


class DocumentSummary(Struct):
    """A document in the list of all."""

    id: str
    title: str
    name: str
    kind: str
    page_count: int
    direction: str
    image_service: str
    """Of its first page."""
    manifest: str
    pages: str
    folder: str
    """The folder inside the watched one that holds it, such as "2026/June"; empty: the watched one itself, or none."""


class NotServed(Struct):
    """Something in the watched folders that is not served."""

    name: str
    reason: str
    is_locked: bool = False
    """It needs a password."""


class DocumentList(Struct):
    """All documents that are served."""

    documents: list[DocumentSummary]
    not_served: list[NotServed]


class OutlineEntry(Struct):
    """A line of the outline."""

    level: int
    title: str
    page: int | None
    uri: str | None


class AttachedFile(Struct):
    """A file within a document."""

    name: str
    size_bytes: int | None
    media_type: str


class DocumentMetadata(Struct):
    """What a document says of itself. Nobody has checked any of it."""

    title: str
    author: str
    subject: str
    keywords: str
    creator: str
    producer: str
    created: datetime | None
    """ISO 8601, in UTC; without a time zone if the document states none."""
    modified: datetime | None


class ReaderLimits(Struct, kw_only=True):
    """What the reader who asks may do with a document. The server holds to it, whatever a viewer does."""

    may: list[str]
    """Operations, such as "read_text"."""
    pages: list[tuple[int, int]] | None
    """Ranges of pages that may be seen, first and last, from 1. None: all."""
    long_side_px: int | None
    """The longest side of an image of a whole page. None: any."""
    may_download: bool
    may_print: bool
    """The server cannot hinder printing; a viewer should."""
    is_marked: bool
    """Images carry the reader's name."""


class DocumentDetails(DocumentSummary):
    """A document by itself."""

    outline: list[OutlineEntry]
    attachments: list[AttachedFile]
    repaired: list[str]
    original: str | None
    limits: ReaderLimits
    metadata: DocumentMetadata | None
    """None for readers who may not have the file, of which it is a part."""


class PageEntry(Struct):
    """A page in `pages.json`."""

    page: int
    label: str
    width_pt: float
    height_pt: float
    width_px: int
    height_px: int
    levels: list[tuple[int, int, int]]
    """Width, height and side of tiles, in pixels; the coarsest first. Only those that the reader may have."""
    image_service: str
    problems: list[str] | UnsetType = UNSET
    """What of it could not be drawn."""
    is_withheld: bool | UnsetType = UNSET
    """True: the reader may not see the page. It keeps its number and its size."""


class PageList(Struct):
    """Every page of a document, or those that the request names."""

    document: str
    name: str
    title: str
    direction: str
    pages: list[PageEntry]
    may_print: bool = True
    """Whether a viewer should let its reader print."""


class PageRun(Struct):
    """Pages one after the other that have the same size and levels."""

    count: int
    width_pt: float
    height_pt: float
    width_px: int
    height_px: int
    levels: list[tuple[int, int, int]]
    """As in `pages.json`."""
    is_withheld: bool | UnsetType = UNSET
    """True: the reader may not see these pages."""


class LabelRun(Struct):
    """Labels of pages one after the other: each is `text` alone, or `text` with a number behind it that grows by 1."""

    count: int
    text: str
    number: int | None
    """Of the first page. None: all have the same label."""


class PageRuns(Struct):
    """Every page of a document. It grows with the number of runs: scans of many sizes and Roman numbers make many."""

    document: str
    name: str
    title: str
    direction: str
    page_count: int
    runs: list[PageRun]
    labels: list[LabelRun]
    problems: list[tuple[int, list[str]]]
    """Pages, from 1, with what of them could not be drawn."""
    image_service: str
    """The address of a page's image service, with `{page}` for the number of the page, from 1."""
    may_print: bool = True
    """Whether a viewer should let its reader print."""


class Hit(Struct):
    """One place where a text occurs."""

    page: int
    boxes_pt: tuple[BoxPt, ...]
    text: str


class SearchHits(Struct):
    """Where a text occurs."""

    query: str
    hits: list[Hit]
    next: int | UnsetType | None = UNSET
    """Of a search in steps: the page at which the next step begins; null: all pages were searched."""


class PageWords(Struct):
    """The words of a page."""

    words: list[tuple[float, float, float, float, str, int, int]]
    """x0, y0, x1, y1, text, number of the block, number of the line."""


class PageLink(Struct):
    """A link: to a page, or to another place."""

    box_pt: BoxPt
    page: int | None
    uri: str | None


class PageLinks(Struct):
    """The links of a page."""

    links: list[PageLink]


class DocumentsEvent(Struct):
    """The ids of all documents that are served."""

    documents: list[str]


class ShownImage(Struct):
    """An image that a session's reader has for its screen."""

    page: int
    is_coarse: bool
    etag: str
    box_view: tuple[float, float, float, float]
    """Left, top, width, height in pixels of the screen."""


class PageEvent(Struct):
    """What the reader of a session has for its screen."""

    document: str
    page: int
    is_sharp: bool
    resolution: float
    errors: list[str]
    images: list[ShownImage]
