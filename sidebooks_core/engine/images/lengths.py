"""Finds images on a page of a PDF that are cut short without a message of the engine. Worker side.

Every page that is drawn is looked at. So only names and filters are read, through the engine's plain functions, and each image
once for a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sidebooks_core.documents.syntax import jbig2
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, RawObj, as_pdf, is_pdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import resources
from sidebooks_core.engine.pdf.objects import get, items, name

MOST_ENTRIES = 500
"""Most images, forms, patterns and annotations of one page that are looked at."""
MOST_BYTES = 64 << 20
"""Most bytes of a stream that is looked into."""
_JBIG2 = "JBIG2Decode"


class CutImages:
    """The cut images of one document."""

    def __init__(self, document: EngineDocument) -> None:
        self._document = document
        self._known: dict[int, bool] = {}
        """Whether an image is cut, by its number. Forms and patterns are not in it."""

    def of_page(self, page: int) -> frozenset[int]:
        """The numbers of a page's images that are cut, those of forms, patterns and stamps included.

        The engine's messages about objects that only this reads are dropped.
        """
        if not is_pdf(self._document):
            return frozenset()
        try:
            found = frozenset(self._cut(self._document, page))
        except ENGINE_ERRORS:
            found = frozenset()  # damaged: drawing the page tells of it
        take_messages()
        return found

    def _cut(self, document: pymupdf.Document, page: int) -> Iterator[int]:
        page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), page)
        starts = (resources.of_page(page_object), *_of_stamps(page_object))
        for entry in resources.walk(starts, ("XObject", "Pattern"), most=MOST_ENTRIES, leaves=self._known):
            number = entry.number
            if not number or not entry.is_new or entry.inner:
                continue
            is_cut = self._known.get(number)
            if is_cut is None:
                is_cut = self._known[number] = _is_jbig2(entry.value) and _is_cut(document, number, entry.value)
            if is_cut:
                yield number


def _is_cut(document: pymupdf.Document, number: int, image: RawObj) -> bool:
    """Whether a JBIG2 image is cut."""
    try:
        packed = mupdf.pdf_load_compressed_stream(as_pdf(document), number, MOST_BYTES)
        if packed.m_internal.params.type != mupdf.FZ_IMAGE_JBIG2:
            return False  # another filter comes first
        data = mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(packed.m_internal.buffer))
        height_px = mupdf.ll_pdf_to_int(get(image, "Height"))
        return jbig2.is_cut(mupdf.fz_buffer_extract_copy(data), _shared(document, image), height_px)
    except ENGINE_ERRORS:
        return False  # the engine tells of it when the image is drawn


def _shared(document: pymupdf.Document, image: RawObj) -> bytes:
    """The part that the image shares with others; empty if there is none."""
    shared = get(_last(get(image, "DecodeParms") or get(image, "DP")), "JBIG2Globals")
    return (document.xref_stream(mupdf.ll_pdf_to_num(shared)) or b"") if shared else b""


def _is_jbig2(image: RawObj) -> bool:
    return name(_last(get(image, "Filter") or get(image, "F"))) == _JBIG2


def _last(value: RawObj) -> RawObj:
    """The last item of an array; another value as it is."""
    return mupdf.ll_pdf_array_get(value, mupdf.ll_pdf_array_len(value) - 1) if mupdf.ll_pdf_is_array(value) else value


def _of_stamps(page_object: RawObj) -> Iterator[RawObj]:
    """The resources of the appearances of a page's stamps."""
    for annotation in islice(items(get(page_object, "Annots")), MOST_ENTRIES // 10):
        if name(get(annotation, "Subtype")) == "Stamp":
            for shown in resources.appearances(annotation):
                yield get(shown, "Resources")
