"""Tells what will be slow on a page, or look wrong. Worker side."""

from __future__ import annotations

from sidebooks_core.documents.model import FontUse, ImageUse, PageInspection
from sidebooks_core.documents.syntax.predefined_maps import collection_of_encoding
from sidebooks_core.engine.engine_errors import page_errors
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.mupdf import EnginePage, is_pdf, pymupdf
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.fonts.choice import replacement
from sidebooks_core.fonts.discovery import FontSet

_SERIF = 2
_FORCE_BOLD = 1 << 18
"""Bits in the flags of a font descriptor (ISO 32000-1, table 123)."""


def inspect_page(document: OpenDocument, page: int, font_set: FontSet) -> PageInspection:
    """The fonts, the images and the engine's messages of one page. Raises RenderFailed."""
    take_warnings()
    document.display_list(page)  # first, since it mends the fonts that can be mended
    loaded = document.page(page)
    handle = document.handle
    with page_errors(document.name, page, "inspected"):
        fonts = _fonts(handle, page, font_set) if is_pdf(handle) else ()
        images = _images(document, loaded, page)
    return PageInspection(page, fonts, images, take_warnings())


def _fonts(document: pymupdf.Document, page: int, font_set: FontSet) -> tuple[FontUse, ...]:
    found: dict[FontUse, None] = {}
    for xref, extension, kind, name, _, encoding, *_ in document.get_page_fonts(page, full=True):
        is_embedded = extension not in ("n/a", "") or kind == "Type3"
        descendant = _reference(document, xref, "DescendantFonts")
        collection = _value(document, descendant or xref, "CIDSystemInfo/Ordering").strip("()")
        if collection == "Identity":
            collection = ""
        elif not collection and descendant is not None:
            collection = collection_of_encoding(encoding)
        replaced_by = ""
        if not is_embedded:
            flags_text = _value(document, descendant or xref, "FontDescriptor/Flags")
            flags = int(flags_text) if flags_text.isdigit() else 0
            replaced_by = replacement(
                font_set, name, collection or None, serif=bool(flags & _SERIF), bold=bool(flags & _FORCE_BOLD)
            )
        found[FontUse(_printable(name), kind, is_embedded, collection, replaced_by)] = None
    return tuple(found)


def _images(document: OpenDocument, loaded: EnginePage, page: int) -> tuple[ImageUse, ...]:
    geometry = document.info.pages[page]
    area_pt2 = geometry.width_pt * geometry.height_pt
    codecs: dict[tuple[int, int], str] = {}
    handle = document.handle
    if is_pdf(handle):
        for _, _, width_px, height_px, _, _, _, _, codec, *_ in handle.get_page_images(page, full=True):
            codecs[width_px, height_px] = codec or "uncompressed"
    found: dict[ImageUse, None] = {}
    for one in loaded.get_image_info():
        x0, y0, x1, y1 = one["bbox"]
        size_px = int(one["width"]), int(one["height"])
        coverage = min(1.0, max(0.0, (x1 - x0) * (y1 - y0)) / area_pt2)
        codec = codecs.get(size_px, "inline" if is_pdf(handle) else document.kind)
        found[ImageUse(*size_px, codec, round(coverage, 3))] = None
    return tuple(found)


def _reference(document: pymupdf.Document, xref: int, key: str) -> int | None:
    """The number of the first object to which an entry refers."""
    kind, value = document.xref_get_key(xref, key)
    if kind == "xref":
        value = document.xref_object(int(value.split()[0]))
    numbers = value.strip("[] \n").split()
    return int(numbers[0]) if kind in ("array", "xref") and numbers and numbers[0].isdigit() else None


def _value(document: pymupdf.Document, xref: int, path: str) -> str:
    kind, value = document.xref_get_key(xref, path)
    return "" if kind == "null" else str(value)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)
