"""Boxes of Type 3 fonts that are far larger than any glyph. Worker side.

The engine makes a picture of the size of the box for each glyph that it keeps. If a program wrote the box in units of another
font, that takes gigabytes, or fails without a glyph. Without a box the engine measures what the glyphs draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidebooks_core.engine.mupdf import as_pdf, mupdf, pymupdf
from sidebooks_core.engine.pdf.replacing import replacements


@contextmanager
def opened(document: pymupdf.Document, fonts: Iterable[mupdf.PdfObj]) -> Iterator[None]:
    """Take the boxes from some fonts while the list of a page is made. The engine keeps the fonts as it loads them."""
    pdf = as_pdf(document)
    with replacements(pdf) as replaced:
        for font in fonts:
            replaced.put(font, "FontBBox", mupdf.pdf_new_rect(pdf, mupdf.FzRect(0, 0, 0, 0)))
        yield
