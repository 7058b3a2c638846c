"""Boxes of Type 3 fonts that are far larger than any glyph. Worker side.

The engine sets up a picture of the box for each glyph of a size that it keeps: gigabytes, or an error and no glyph, where a
program has written units of another font. Without a box it measures what the glyphs draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidebooks_core.engine.mupdf import as_pdf, mupdf, pymupdf
from sidebooks_core.engine.pdf.replacing import replacements


@contextmanager
def opened(document: pymupdf.Document, fonts: Iterable[mupdf.PdfObj]) -> Iterator[None]:
    """Take the boxes from fonts for as long as a page's list is made: the fonts stay as they are loaded."""
    pdf = as_pdf(document)
    with replacements(pdf) as replaced:
        for font in fonts:
            replaced.put(font, "FontBBox", mupdf.pdf_new_rect(pdf, mupdf.FzRect(0, 0, 0, 0)))
        yield
