"""The links of a page of a PDF. Worker side."""

from __future__ import annotations

import math

from sidebooks_core.documents.model import Link
from sidebooks_core.engine.mupdf import mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import layers
from sidebooks_core.engine.pdf.objects import get, items, name
from sidebooks_core.engine.pdf.targets import NOWHERE, Targets


def read_links(document: pymupdf.Document, page: int, targets: Targets) -> list[Link]:
    """The links that lead somewhere, in the order of the page. Boxes are in points of the page as shown. Raises the engine's
    errors.
    """
    page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), page)
    box, to_page = mupdf.fz_rect(), mupdf.fz_matrix()
    mupdf.ll_pdf_page_obj_transform(page_object, box, to_page)
    found = []
    for annotation in items(get(page_object, "Annots")):
        if name(get(annotation, "Subtype")) != "Link" or layers.is_hidden(document, get(annotation, "OC")):
            continue
        target = targets.of(annotation, page)
        rect = get(annotation, "Rect")
        if target == NOWHERE or not rect:
            continue
        shown = mupdf.ll_fz_transform_rect(mupdf.ll_pdf_to_rect(rect), to_page)
        sides = (shown.x0, shown.y0, shown.x1, shown.y1)
        if all(map(math.isfinite, sides)):
            found.append(Link(*sides, target.page, target.uri))
    return found
