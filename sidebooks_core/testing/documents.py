"""Documents for `FakeEngine`: they say of each page how it looks, what stands on it, and how long it takes."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from sidebooks_core.documents.model import Direction, DocumentInfo, Link, OutlineItem, PageGeometry, Word
from sidebooks_core.errors import UnsupportedDocument
from sidebooks_core.tiling.raster import RasterSpec

_BEGINNING = b"%fake-document\n"

Shade = Annotated[int, Meta(ge=0, le=255)]


class FakePage(Struct, frozen=True, kw_only=True):
    """A page of one colour, or of one that changes from place to place."""

    width_pt: float = 595.0
    height_pt: float = 842.0
    colour: tuple[Shade, Shade, Shade] = (255, 255, 255)
    """Red, green, blue, of sRGB."""
    is_gradient: bool = False
    """Red grows from left to right instead and green from top to bottom, each from 0 to 255."""
    words: tuple[Word, ...] = ()
    links: tuple[Link, ...] = ()
    label: str = ""
    draw_s: float = 0.0
    """How long each raster of it takes to draw, in seconds."""
    error: str = ""
    """Why no raster of it can be drawn (RenderFailed); empty: it can be."""
    is_killer: bool = False
    """Each raster of it costs a worker."""
    problems: tuple[str, ...] = ()
    """What of it cannot be drawn, in words."""

    @property
    def content_id(self) -> str:
        """32 hexadecimal digits: the same for all pages that look the same, however long they take and whatever they cost."""
        seen = replace(self, label="", draw_s=0.0, error="", is_killer=False)
        return blake2b(msgspec.json.encode(seen), digest_size=16).hexdigest()

    def pixels(self, spec: RasterSpec) -> NDArray[np.uint8]:
        """A raster of it: shape (height, width, 3), uint8, sRGB."""
        width_px, height_px = spec.x1_px - spec.x0_px, spec.y1_px - spec.y0_px
        raster = np.empty((height_px, width_px, 3), np.uint8)
        raster[:] = self.colour
        if self.is_gradient:
            x_pt = np.arange(spec.x0_px, spec.x1_px) / spec.scale
            y_pt = np.arange(spec.y0_px, spec.y1_px) / spec.scale
            raster[:, :, 0] = np.clip(x_pt / self.width_pt * 255, 0, 255).astype(np.uint8)
            raster[:, :, 1] = np.clip(y_pt / self.height_pt * 255, 0, 255).astype(np.uint8)[:, np.newaxis]
        return raster


class FakeDocument(Struct, frozen=True, kw_only=True):
    """What a fake engine opens. A service opens its bytes, or a file of them: see `to_bytes` and `write`."""

    pages: tuple[FakePage, ...]
    title: str = ""
    direction: Direction = "ltr"
    outline: tuple[OutlineItem, ...] = ()
    kind: str = "pdf"
    password: str | None = None
    note: str = ""
    """Shown nowhere. Documents with different notes are different documents, of the same pages."""

    @classmethod
    def of_pages(cls, count: int, *, is_gradient: bool = False, draw_s: float = 0.0, note: str = "") -> FakeDocument:
        """A document of so many pages, no two of one colour (of 65,536).

        draw_s: how long each page takes to draw, in seconds. is_gradient, note: see `FakePage` and `note`.
        """
        pages = (FakePage(colour=_colour(page), is_gradient=is_gradient, draw_s=draw_s) for page in range(count))
        return cls(pages=tuple(pages), note=note)

    @classmethod
    def of_bytes(cls, data: bytes, name: str) -> FakeDocument:
        """Raises UnsupportedDocument for what `to_bytes` did not make. name: what messages call it."""
        if not data.startswith(_BEGINNING):
            raise UnsupportedDocument(f"{name} is no document for a fake engine")
        return msgspec.json.decode(data[len(_BEGINNING) :], type=cls)

    def to_bytes(self) -> bytes:
        """The content of a file that a fake engine opens."""
        return _BEGINNING + msgspec.json.encode(self)

    def write(self, path: Path) -> Path:
        """Make such a file. Returns its path."""
        path.write_bytes(self.to_bytes())
        return path

    def slowed(self, draw_s: float) -> FakeDocument:
        """A copy of which each page takes so long to draw, in seconds, and looks the same."""
        return replace(self, pages=tuple(replace(page, draw_s=draw_s) for page in self.pages))

    @property
    def info(self) -> DocumentInfo:
        """What is known of it once it is opened."""
        return DocumentInfo(
            kind=self.kind,
            title=self.title,
            direction=self.direction,
            page_count=len(self.pages),
            outline=self.outline,
            pages=tuple(
                PageGeometry(page.width_pt, page.height_pt, page.label or str(number), None)
                for number, page in enumerate(self.pages, 1)
            ),
            needs_password=self.password is not None,
            repaired=(),
            chapters=(),
        )


def words_of(text: str, *, x_pt: float = 50.0, y_pt: float = 50.0) -> tuple[Word, ...]:
    """A text as the words of one line, which begins at a place in points: 6 pt a character, 12 pt high."""
    words = []
    for word in text.split():
        words.append(Word(x_pt, y_pt, x_pt + 6.0 * len(word), y_pt + 12.0, word, 0, 0))
        x_pt += 6.0 * (len(word) + 1)
    return tuple(words)


def _colour(page: int) -> tuple[int, int, int]:
    """No two alike of 65,536 pages, and neighbours far from each other: an odd factor only changes the order of the numbers."""
    number = page * 40503 % 65536
    return number >> 8, number & 255, 128
