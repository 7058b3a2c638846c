"""What is known of a document, without an engine: frozen values that cross the process border and are kept in the cache.

msgspec checks them by the types below when they are read: other types and numbers out of range are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct, to_builtins

from sidebooks_core.documents.limits import LETTERING_SIDE_PX, METADATA_CHARS

CONTENT_ID_VERSION = 6
"""Raise it with any change to what `content_id` digests, or how. All ids then change, and what was remembered is forgotten."""
MIN_SCAN_COVERAGE = 0.8
"""Share of a page that one image must cover for the page to count as a scan."""
SLOW_DRAW_S = 0.2
"""Time to draw, in seconds, from which a page is listed as heavy: a reader notices it."""
LISTED = 5

Points = Annotated[float, Meta(ge=-3.5e38, le=3.5e38)]
"""A finite coordinate within the range of the engine's numbers of 32 bits."""
Line = Annotated[str, Meta(max_length=METADATA_CHARS)]
Side = Annotated[float, Meta(gt=0, le=3.5e38)]
Whole = Annotated[int, Meta(ge=0)]


Direction = Literal["ltr", "rtl"]
"""The order in which pages are read: left to right, or right to left."""


class OutlineItem(Struct, frozen=True):
    """An entry of the table of contents."""

    level: int
    """From 1."""
    title: str
    page: Whole | None
    """The page, from 0; None if the entry leads nowhere in the document."""
    uri: str | None = None
    """The address outside of the document, if it leads there: see `Link`."""


class Link(Struct, frozen=True):
    """A link to a page (from 0) or to an address. Its box is in points of the page as shown.

    An address is a URI that runs no script (follow only schemes that you know), or the name of another file as people write it,
    with a place in it: `資料.pdf#page=7`. Names come from the document: never open one as a path unchecked.
    """

    x0_pt: Points
    y0_pt: Points
    x1_pt: Points
    y1_pt: Points
    page: Whole | None
    uri: str | None


class Word(Struct, frozen=True):
    """A word. Its box is in points of the page as shown. Then the numbers of its block on the page and of its line in the
    block.
    """

    x0_pt: Points
    y0_pt: Points
    x1_pt: Points
    y1_pt: Points
    text: str
    block: int
    line: int


class PackedStream(Struct, frozen=True):
    """The characters of a page in one order, with their boxes and lines, as bytes: see `text/packing.py`."""

    text: str
    boxes: bytes
    """Four int32 numbers for each character, little-endian."""
    lines: bytes
    """One int32 number for each character."""

    @property
    def is_complete(self) -> bool:
        """Whether it has one box and one line for each character."""
        return len(self.boxes) == 16 * len(self.text) and len(self.lines) == 4 * len(self.text)


class PackedText(Struct, frozen=True):
    """The text of a page as it is searched. read: as it is read aloud, if the page has ruby."""

    written: PackedStream
    read: PackedStream | None


class Lettering(Struct, frozen=True, forbid_unknown_fields=True):
    """Text as pixels, cut to its edges."""

    width_px: Annotated[int, Meta(ge=1, le=LETTERING_SIDE_PX)]
    height_px: Annotated[int, Meta(ge=1, le=LETTERING_SIDE_PX)]
    ink: bytes
    """A byte for each pixel, row by row: 0 where there is no ink, 255 where all is ink."""


class SearchHit(Struct, frozen=True):
    """A place where a text was found: a box (x0, y0, x1, y1) in points for each line that it covers, and the text around it."""

    page: int
    boxes: tuple[tuple[Points, Points, Points, Points], ...]
    text: str


class Matching(Struct, frozen=True, kw_only=True):
    """What counts as a match of a search, beside what always does."""

    old_forms: bool = False
    """Old and new forms of characters (國 and 国, 髙 and 高) are one."""
    whole_words: bool = False
    """A match begins and ends where words do: see `text/matching.py`."""
    match_case: bool = False
    """Capital and small letters differ."""


class MatchOptions(TypedDict, total=False):
    """The same, as the arguments of a search."""

    old_forms: bool
    whole_words: bool
    match_case: bool


class PageGeometry(Struct, frozen=True, gc=False):
    """A page's size in points as shown (rotated, cropped), its label, and its size in pixels if it is one image."""

    width_pt: Side
    height_pt: Side
    label: str
    native_px: tuple[Whole, Whole] | None


class Attachment(Struct, frozen=True):
    """A file that a PDF carries: embedded in it, in a portfolio, or pinned to a page."""

    name: str
    """The last part, if the document gives a path."""
    size_bytes: Whole | None
    """As the document states it; None if it states none."""
    media_type: str
    """As the document states it, or by the ending of the name."""


class Metadata(Struct, frozen=True):
    """What a document says of itself. A text is empty, and a date None, where it says nothing. Nobody has checked any of it."""

    title: Line = ""
    author: Line = ""
    """Several are parted by commas."""
    subject: Line = ""
    keywords: Line = ""
    creator: Line = ""
    """The program in which it was written."""
    producer: Line = ""
    """The program that made the file; of an EPUB, its publisher."""
    created: datetime | None = None
    """In UTC; without a time zone if the document states none."""
    modified: datetime | None = None


class DocumentInfo(Struct, frozen=True):
    """A document as a whole."""

    kind: str
    title: str
    direction: Direction
    """"ltr" or "rtl"."""
    page_count: Whole
    outline: tuple[OutlineItem, ...]
    pages: tuple[PageGeometry, ...]
    needs_password: bool
    repaired: tuple[str, ...]
    """What was damaged and was put right on opening, in words."""
    chapters: tuple[Whole, ...]
    """Found on opening and needed by the next one: the page counts of the chapters of a document that flows, which is then laid
    out by chapters; or of a PDF whose page tree was rebuilt. Else empty."""
    attachments: tuple[Attachment, ...] = ()
    has_true_counts: bool = False
    """Found on opening and used by the next one: a PDF without damage, whose page tree counts its pages rightly. The engine
    then finds a page by these counts. A hostile worker may lie; then others find wrong pages of this document, or none, in its
    trust domain. Such a worker could as well draw wrong pages."""
    metadata: Metadata = Metadata()


class FontUse(Struct, frozen=True):
    """A font that a page names."""

    name: str
    kind: str
    is_embedded: bool
    collection: str
    """"Japan1" and the like for fonts of an East Asian collection, else empty."""
    replaced_by: str
    """The font that replaces it if it is not embedded, in words; else empty."""


class ImageUse(Struct, frozen=True):
    """An image that a page draws."""

    width_px: Whole
    height_px: Whole
    codec: str
    coverage: Annotated[float, Meta(ge=0, le=1e9)]
    """Share of the page that the image covers, 0 to 1."""


class PageInspection(Struct, frozen=True):
    """What is notable of one page."""

    page: Whole
    fonts: tuple[FontUse, ...] = ()
    images: tuple[ImageUse, ...] = ()
    warnings: tuple[str, ...] = ()
    """The engine's messages about the page."""
    draw_s: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    """Measured time to draw the page, in seconds."""
    error: str | None = None
    """Why the page could not be drawn."""
    problems: tuple[str, ...] = ()
    """What of the page could not be drawn, in words. Messages that no reader needs are left out."""

    @property
    def is_scan(self) -> bool:
        """Whether one image covers the page."""
        return any(image.coverage >= MIN_SCAN_COVERAGE for image in self.images)


class DocumentInspection(Struct, frozen=True):
    """What will be slow in a document, or look wrong."""

    kind: str
    page_count: int
    repaired: tuple[str, ...]
    pages: tuple[PageInspection, ...]
    attachments: tuple[Attachment, ...] = ()
    """Files that the document carries and no page shows."""

    @property
    def fonts_not_embedded(self) -> dict[FontUse, list[int]]:
        """Each font that is replaced, with its pages from 0."""
        found: dict[FontUse, list[int]] = {}
        for page in self.pages:
            for font in page.fonts:
                if not font.is_embedded:
                    found.setdefault(font, []).append(page.page)
        return found

    @property
    def heaviest(self) -> list[PageInspection]:
        """The pages that took longest to draw, the slowest first."""
        drawn = [page for page in self.pages if page.draw_s is not None]
        return sorted(drawn, key=lambda page: page.draw_s or 0, reverse=True)[:LISTED]

    @property
    def largest_image(self) -> tuple[int, ImageUse] | None:
        """The page (from 0) with the image of most pixels, and that image."""
        all_images = [(page.page, image) for page in self.pages for image in page.images]
        return max(all_images, key=lambda one: one[1].width_px * one[1].height_px, default=None)

    def to_wire(self) -> dict[str, object]:
        """As plain data for JSON."""
        plain: dict[str, object] = to_builtins(self)
        return plain

    def report(self) -> str:
        """A report for a person. Pages count from 1."""
        lines = [f"{self.kind}, {self.page_count} pages"]
        lines += [f"repaired: {what}" for what in self.repaired]
        for attached in self.attachments:
            size = "" if attached.size_bytes is None else f", {attached.size_bytes} bytes"
            lines.append(f"attached file: {attached.name} ({attached.media_type}{size})")
        failed = [page for page in self.pages if page.error is not None]
        lines += [f"page {page.page + 1}: {page.error}" for page in failed]
        for page in self.pages:
            lines += [f"page {page.page + 1}: {problem}" for problem in page.problems]
        for font, pages in self.fonts_not_embedded.items():
            collection = f", {font.collection}" if font.collection else ""
            lines.append(
                f"font not embedded: {font.name} ({font.kind}{collection}), drawn with {font.replaced_by}; {_pages(pages)}"
            )
        scans = [page for page in self.pages if page.is_scan]
        for codec in sorted({image.codec for page in scans for image in page.images}):
            with_codec = [page.page for page in scans if any(image.codec == codec for image in page.images)]
            lines.append(f"scans, {codec}: {_pages(with_codec)}")
        if self.largest_image is not None:
            where, image = self.largest_image
            lines.append(f"largest image: {image.width_px} x {image.height_px} px, {image.codec}, page {where + 1}")
        for page in self.heaviest:
            note = " (slow)" if (page.draw_s or 0) >= SLOW_DRAW_S else ""
            lines.append(f"heaviest: page {page.page + 1}, {(page.draw_s or 0) * 1000:.0f} ms{note}")
        for page in self.pages:
            lines += [f"page {page.page + 1}: the engine says: {warning}" for warning in page.warnings[:LISTED]]
        return "\n".join(lines)


def _pages(pages: Sequence[int]) -> str:
    shown = ", ".join(str(page + 1) for page in pages[:12])
    return f"page {shown}" if len(pages) == 1 else f"pages {shown}{' …' if len(pages) > 12 else ''} ({len(pages)})"
