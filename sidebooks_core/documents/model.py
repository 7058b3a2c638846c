"""What is known of a document, without the engine: frozen values that cross the process border as plain lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from msgspec import Struct, to_builtins
from msgspec.structs import astuple, replace

CONTENT_ID_VERSION = 3
"""Raise with any change to what `content_id` digests, or how: the ids then all change, and what was remembered is forgotten."""
MIN_SCAN_COVERAGE = 0.8
"""Share of a page that one image must cover for the page to count as a scan."""
SLOW_DRAW_S = 0.2
"""From here on a page is listed as heavy: a reader notices."""
LISTED = 5


class _Flat(Struct, frozen=True):
    """A value whose fields are all plain."""

    def to_wire(self) -> list[Any]:
        return list(astuple(self))

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> Self:
        return cls(*wire)


class OutlineItem(_Flat, frozen=True):
    """An entry of the table of contents."""

    level: int
    """From 1."""
    title: str
    page: int | None
    """From 0; None where it leads nowhere in the document."""


class Link(_Flat, frozen=True):
    """A link, its box in points of the page as shown: to a page (from 0), or to an address."""

    x0_pt: float
    y0_pt: float
    x1_pt: float
    y1_pt: float
    page: int | None
    uri: str | None


class Word(_Flat, frozen=True):
    """A word, its box in points of the page as shown, and the numbers of its block on the page and its line in the block."""

    x0_pt: float
    y0_pt: float
    x1_pt: float
    y1_pt: float
    text: str
    block: int
    line: int


class SearchHit(Struct, frozen=True):
    """Where a text was found: one box (x0, y0, x1, y1) in points for each line it runs over, and the text around it."""

    page: int
    boxes: tuple[tuple[float, float, float, float], ...]
    text: str

    def to_wire(self) -> list[Any]:
        return [self.page, [list(box) for box in self.boxes], self.text]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> SearchHit:
        page, boxes, text = wire
        return cls(page, tuple((box[0], box[1], box[2], box[3]) for box in boxes), text)


class PageGeometry(Struct, frozen=True):
    """A page's size in points as shown (rotated, cropped), its label, and its own size in pixels if it is one image."""

    width_pt: float
    height_pt: float
    label: str
    native_px: tuple[int, int] | None

    def to_wire(self) -> list[Any]:
        return [self.width_pt, self.height_pt, self.label, self.native_px]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> PageGeometry:
        width_pt, height_pt, label, native_px = wire
        return cls(width_pt, height_pt, label, (native_px[0], native_px[1]) if native_px else None)


class DocumentInfo(Struct, frozen=True):
    """A document as a whole."""

    kind: str
    title: str
    direction: str
    """"ltr" or "rtl"."""
    page_count: int
    outline: tuple[OutlineItem, ...]
    pages: tuple[PageGeometry, ...]
    needs_password: bool
    repaired: tuple[str, ...]
    """What was damaged and put right on opening, in words."""
    chapters: tuple[int, ...]
    """Pages of each chapter of a reflowable document: with them one chapter is laid out where all would be. Else empty."""

    def to_wire(self) -> list[Any]:
        return [
            self.kind,
            self.title,
            self.direction,
            self.page_count,
            [item.to_wire() for item in self.outline],
            [page.to_wire() for page in self.pages],
            self.needs_password,
            list(self.repaired),
            list(self.chapters),
        ]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> DocumentInfo:
        """Raises KeyError, TypeError or ValueError for what is no description."""
        kind, title, direction, page_count, outline, pages, needs_password, repaired, chapters = wire
        if not isinstance(kind, str) or page_count != len(pages):
            raise ValueError(f"a document of kind {kind!r} with {page_count!r} pages, of which {len(pages)} are described")
        return cls(
            kind,
            title,
            direction,
            page_count,
            tuple(OutlineItem.from_wire(item) for item in outline),
            tuple(PageGeometry.from_wire(page) for page in pages),
            needs_password,
            tuple(repaired),
            tuple(chapters),
        )


class FontUse(_Flat, frozen=True):
    """A font that a page names."""

    name: str
    kind: str
    is_embedded: bool
    collection: str
    """"Japan1" and the like for fonts of an East Asian collection, else empty."""
    replaced_by: str
    """What draws it where it is not embedded, in words; empty where it is."""


class ImageUse(_Flat, frozen=True):
    """An image that a page draws."""

    width_px: int
    height_px: int
    codec: str
    coverage: float
    """Share of the page that it covers, 0 to 1."""


class PageInspection(Struct, frozen=True):
    """What is notable of one page."""

    page: int
    fonts: tuple[FontUse, ...] = ()
    images: tuple[ImageUse, ...] = ()
    warnings: tuple[str, ...] = ()
    """What the engine complained of."""
    draw_s: float | None = None
    """Measured time to draw it, in seconds."""
    error: str | None = None
    """Why it could not be drawn."""

    @property
    def is_scan(self) -> bool:
        """One image covers the page."""
        return any(image.coverage >= MIN_SCAN_COVERAGE for image in self.images)

    def with_draw_time(self, draw_s: float) -> PageInspection:
        return replace(self, draw_s=draw_s)

    @classmethod
    def failed(cls, page: int, error: str) -> PageInspection:
        return cls(page, error=error)

    def to_wire(self) -> list[Any]:
        fonts = [font.to_wire() for font in self.fonts]
        images = [image.to_wire() for image in self.images]
        return [self.page, fonts, images, list(self.warnings), self.draw_s, self.error]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> PageInspection:
        page, fonts, images, warnings, draw_s, error = wire
        return cls(
            page,
            tuple(FontUse.from_wire(font) for font in fonts),
            tuple(ImageUse.from_wire(image) for image in images),
            tuple(warnings),
            draw_s,
            error,
        )


class DocumentInspection(Struct, frozen=True):
    """What will be slow or look wrong in a document."""

    kind: str
    page_count: int
    repaired: tuple[str, ...]
    pages: tuple[PageInspection, ...]

    @classmethod
    def of(cls, info: DocumentInfo, pages: Iterable[PageInspection]) -> DocumentInspection:
        return cls(info.kind, info.page_count, info.repaired, tuple(pages))

    @property
    def fonts_not_embedded(self) -> dict[FontUse, list[int]]:
        """Each font that something else draws, with its pages from 0."""
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
        """The page (from 0) that draws the image of most pixels, and that image."""
        all_images = [(page.page, image) for page in self.pages for image in page.images]
        return max(all_images, key=lambda one: one[1].width_px * one[1].height_px, default=None)

    def to_wire(self) -> dict[str, Any]:
        """As plain data for JSON."""
        plain: dict[str, Any] = to_builtins(self)
        return plain

    def report(self) -> str:
        """For a person; pages count from 1."""
        lines = [f"{self.kind}, {self.page_count} pages"]
        lines += [f"repaired: {what}" for what in self.repaired]
        failed = [page for page in self.pages if page.error is not None]
        lines += [f"page {page.page + 1}: {page.error}" for page in failed]
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
