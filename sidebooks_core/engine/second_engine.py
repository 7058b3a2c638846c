"""Unpacks images that the engine cannot unpack, with PDFium if it is installed. Worker side.

For JBIG2 only. The engine lacks intermediate regions, which encoders that refine regions write; PDFium has them
(docs/explanation/decisions/0013-second-engine.md). PDFium is loaded when a page needs it.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

import numpy as np

from sidebooks_core.engine.mupdf import ENGINE_ERRORS, as_pdf, mupdf, pymupdf

MOST_PIXELS = 48 << 20


def unpacked(handle: pymupdf.Document, number: int) -> bytes | None:
    """The samples of a JBIG2 image as the engine would have them: one bit each, rows padded to bytes, 0 is black.

    None if PDFium is not installed, for images of other kinds, and for images that PDFium cannot unpack either.
    """
    if "JBIG2" not in handle.xref_get_key(number, "Filter")[1]:
        return None
    pdfium = find_pdfium()
    if pdfium is None:
        return None
    try:
        width_px, height_px = (int(handle.xref_get_key(number, key)[1]) for key in ("Width", "Height"))
        if not 0 < width_px * height_px <= MOST_PIXELS:
            return None
        alone = _alone(handle, number, width_px, height_px)
    except ENGINE_ERRORS:
        return None
    try:
        with pdfium.PdfDocument(alone) as document:
            drawn = document[0].render(scale=1, grayscale=True).to_numpy()
    except (pdfium.PdfiumError, ValueError):
        return None
    grey = drawn.reshape(drawn.shape[0], -1)[:, :width_px]
    if grey.shape != (height_px, width_px) or grey.min() == grey.max():
        return None  # PDFium draws nothing of an image that it cannot unpack
    return np.packbits(grey > 127, axis=1).tobytes()


def _alone(handle: pymupdf.Document, number: int, width_px: int, height_px: int) -> bytes:
    """A document of one page that shows only this image, one pixel a point. It is not encrypted."""
    with pymupdf.Document() as made:
        page = made.new_page(width=width_px, height=height_px)
        source = mupdf.pdf_new_indirect(as_pdf(handle), number, 0)
        grafted = mupdf.pdf_graft_object(as_pdf(made), source)
        image = mupdf.pdf_to_num(grafted)
        for key in ("SMask", "Mask", "Decode", "Metadata", "Alternates", "OC"):
            made.xref_set_key(image, key, "null")
        if made.xref_get_key(image, "ImageMask")[1] != "true":
            made.xref_set_key(image, "ColorSpace", "/DeviceGray")  # whatever the bits stand for
        content = made.get_new_xref()
        made.update_object(content, "<< >>")
        made.update_stream(content, b"%d 0 0 %d 0 0 cm /I Do" % (width_px, height_px), compress=0)
        made.xref_set_key(page.xref, "Contents", f"{content} 0 R")
        made.xref_set_key(page.xref, "Resources", f"<< /XObject << /I {image} 0 R >> >>")
        return made.tobytes()


@lru_cache(maxsize=1)
def find_pdfium() -> ModuleType | None:
    """The module of PDFium; None if it is not installed."""
    try:
        return importlib.import_module("pypdfium2")
    except (ImportError, OSError):
        return None
