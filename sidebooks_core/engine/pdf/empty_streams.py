"""Streams without a byte that have a filter. Worker side.

Nothing of them is lost, but the engine says that their data is cut short. qpdf writes blank pages and empty appearances so.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core.engine.mupdf import RawObj, mupdf, pymupdf
from sidebooks_core.engine.pdf.objects import get, items


def unfilter(document: pymupdf.Document, streams: Iterable[RawObj | None]) -> bool:
    """Take the filters off those of some streams that have no byte. Returns whether there were any.

    They stay without: no byte of them is read otherwise. In a file that was repaired, a stream may have lost its bytes.
    """
    if document.is_repaired:
        return False
    found = False
    for one in streams:
        if one is None or not mupdf.ll_pdf_is_stream(one) or get(one, "Filter") is None:
            continue
        if mupdf.ll_pdf_to_int(get(one, "Length")) == 0 and document.xref_stream_raw(mupdf.ll_pdf_to_num(one)) == b"":
            mupdf.ll_pdf_dict_dels(one, "Filter")
            found = True
    return found


def contents(page_object: RawObj) -> list[RawObj]:
    """The parts of a page's content."""
    found = get(page_object, "Contents")
    if found is None:
        return []
    return [found] if mupdf.ll_pdf_is_stream(found) else list(items(found))
