"""Streams without a byte that have a filter. Worker side.

Nothing of them is lost, but the engine says that their data is cut short. qpdf writes blank pages and empty appearances so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidebooks_core.engine.mupdf import RawObj, mupdf, owned, pymupdf
from sidebooks_core.engine.pdf.objects import get, items


@contextmanager
def unfiltered(document: pymupdf.Document, streams: Iterable[RawObj]) -> Iterator[bool]:
    """Take the filters off those of some streams that have no byte, for a while. Gives whether there were any.

    In a file that was repaired, a stream may have lost its bytes: there nothing is done.
    """
    filters = {} if document.is_repaired else {mupdf.ll_pdf_to_num(one): one for one in streams if _is_empty(document, one)}
    taken = [(owned(one), owned(get(one, "Filter"))) for one in filters.values()]
    for one, _ in taken:
        mupdf.pdf_dict_dels(one, "Filter")
    try:
        yield bool(taken)
    finally:
        for one, before in taken:
            mupdf.pdf_dict_puts(one, "Filter", before)


def _is_empty(document: pymupdf.Document, one: RawObj) -> bool:
    if not mupdf.ll_pdf_is_stream(one) or get(one, "Filter") is None or mupdf.ll_pdf_to_int(get(one, "Length")):
        return False
    return document.xref_stream_raw(mupdf.ll_pdf_to_num(one)) == b""


def contents(page_object: RawObj) -> list[RawObj]:
    """The parts of a page's content."""
    found = get(page_object, "Contents")
    if found is None:
        return []
    return [found] if mupdf.ll_pdf_is_stream(found) else list(items(found))
