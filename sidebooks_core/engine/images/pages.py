"""Image files as documents: opened by the engine if it reads them right, else turned, or converted by Pillow. Worker side."""

from __future__ import annotations

import io
import struct
from functools import lru_cache, partial
from typing import BinaryIO, cast

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.sniffing import CONVERTED_KINDS, ENGINE_TYPES
from sidebooks_core.documents.source import Source, Viewed
from sidebooks_core.documents.syntax import tiff
from sidebooks_core.engine.images import reading as images
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, Opened
from sidebooks_core.engine.placed_pages import QUARTER_TURNS, turned
from sidebooks_core.engine.sequence import PageSequence, Part, Size, opened
from sidebooks_core.errors import DamagedDocument, UnsupportedDocument

MOST_CHUNKS = 100_000
"""Most chunks of a PNG that are searched for Exif."""
_PT_PER_PX = 0.75
"""96 pixels an inch, as the engine takes for images that state no resolution."""
_PNG_HEAD = 8
_TIFF_COMPRESSIONS = {6: "old JPEG", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}


def open_image(source: Source, kind: str, name: str, limits: Limits) -> EngineDocument:
    """Open an image file: as the engine's document, or as a sequence in its place.

    Raises DamagedDocument, DocumentTooLarge, UnsupportedDocument, and the engine's errors.
    """
    if kind in CONVERTED_KINDS:
        return opened(*images.converted(_file(source), kind, name, limits.image_pixels))
    if kind == "tiff":
        return _open_tiff(source, name, limits)
    if kind == "gif" and images.is_animated(_file(source), name):
        return opened(*images.converted(_file(source), kind, name, limits.image_pixels))
    document = opened(source.data, ENGINE_TYPES.get(kind, kind))
    if kind == "png":
        orientation = png_orientation(source.data)
        if orientation != 1:
            return PageSequence([Part(lambda: document, place=partial(turned, orientation=orientation))])
    return document


def size(data: bytes, kind: str | None, name: str) -> Size | None:
    """(width_pt, height_pt, native_px) of an image file of one page, as `open_image` shows it. The image is not unpacked.

    None if the file must be opened to find out. Raises DamagedDocument, and the engine's errors.
    """
    if kind in CONVERTED_KINDS:
        width_px, height_px = images.upright_px(io.BytesIO(data), str(kind), name)
        return width_px * _PT_PER_PX, height_px * _PT_PER_PX, (width_px, height_px)
    if kind == "jpeg" or (kind == "png" and png_orientation(data) == 1):
        return images.engine_size(data)
    return None


def _open_tiff(source: Source, name: str, limits: Limits) -> EngineDocument:
    found = tiff.pages(source.data, limits.document_pages + 1)
    if not found and tiff.is_big(source.data):  # the engine would make a blank page of it
        raise DamagedDocument(f"{name} is a BigTIFF whose directory cannot be read")
    open_it = partial(opened, source.data, "tiff")
    if len(found) < 2 and all(page.is_engines and page.orientation == 1 for page in found):
        return open_it()
    parts = []
    for number, page in enumerate(found):
        if page.is_engines:
            place = partial(turned, orientation=page.orientation)
            size = partial(_size_of_blank, page.blank, page.orientation)
            parts.append(Part(open_it, place=place, size=size, first_page=number, shared=source))
        else:
            parts.append(Part(partial(_converted_tiff, source, name, limits, number)))
    sequence = PageSequence(parts, notes=_tiff_notes(found))
    first = next((number for number, page in enumerate(found) if not page.is_engines), None)
    if first is not None:
        _require_drawable(sequence, first, found[first], name)
        return sequence
    are_upright = all(page.orientation == 1 for page in found)
    try:
        document = open_it()
    except ENGINE_ERRORS:
        if are_upright:
            raise
        # Its directories may go in a circle, where ours end. Pillow reads its pages one by one.
        return PageSequence([Part(partial(_converted_tiff, source, name, limits, number)) for number in range(len(found))])
    if document.page_count != len(found) and are_upright:
        return document  # the engine reads directories that cannot be read here, or the other way about
    sequence.share(source, document)
    return sequence


@lru_cache(maxsize=16)
def _size_of_blank(blank: bytes, orientation: int) -> Size:
    """The size of a page of a TIFF as shown. The pages of most files have one size."""
    width_pt, height_pt, native_px = images.engine_size(blank)
    if orientation not in QUARTER_TURNS:
        return width_pt, height_pt, native_px
    return height_pt, width_pt, native_px and (native_px[1], native_px[0])


def _converted_tiff(source: Source, name: str, limits: Limits, number: int) -> Opened:
    return opened(*images.converted(_file(source), "tiff", name, limits.image_pixels, number))


def _require_drawable(sequence: PageSequence, number: int, page: tiff.TiffPage, name: str) -> None:
    """Try one page, since the kinds that Pillow unpacks depend on how it was built. Raises UnsupportedDocument."""
    try:
        sequence.load_page(number)
    except DamagedDocument as error:
        packed = _TIFF_COMPRESSIONS.get(page.compression, f"compression {page.compression}")
        kind = "BigTIFF" if page.is_big else "TIFF"
        raise UnsupportedDocument(f"{name} is a {kind} of a kind that cannot be drawn ({packed}: {error})") from None


def _tiff_notes(found: list[tiff.TiffPage]) -> tuple[str, ...]:
    measured = [number + 1 for number, page in enumerate(found) if page.sample_format != 1]
    if not measured:
        return ()
    which = ", ".join(map(str, measured[:12])) + (" …" if len(measured) > 12 else "")
    return (f"numbers that are no colours are shown from black (the least) to white (the greatest): page {which}",)


def png_orientation(data: bytes | memoryview) -> int:
    """The orientation in the Exif chunk of a PNG (PNG 3, 11.3.4.5); 1 without one."""
    place = _PNG_HEAD
    for _ in range(MOST_CHUNKS):
        if place + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"eXIf":
            found = tiff.pages(bytes(data[place + 8 : place + 8 + length]).removeprefix(b"Exif\0\0"), 1)
            return found[0].orientation if found else 1
        if name == b"IEND":
            break
        place += length + 12
    return 1


def _file(source: Source) -> BinaryIO:
    return cast(BinaryIO, Viewed(source))
