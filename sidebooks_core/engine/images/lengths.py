"""Finds the images of a PDF's page that are cut short without a word from the engine. Worker side.

Every page that is drawn is looked at, so this reads little of it: names and filters, through the engine's plain functions,
and each image once for a document.
"""

from __future__ import annotations

from sidebooks_core.documents.syntax import jbig2
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, RawObj, as_pdf, is_pdf, mupdf, pymupdf, raw_pdf

MOST_ENTRIES = 500
"""Images, forms, patterns and annotations of one page that are looked at."""
MOST_BYTES = 64 << 20
"""Of a stream that is looked into."""
_JBIG2 = "JBIG2Decode"


class CutImages:
    """Of one document."""

    def __init__(self, document: EngineDocument) -> None:
        self._document = document
        self._known: dict[int, bool] = {}
        """By the number of an image: whether it is cut. Forms and patterns are not in it."""

    def of_page(self, page: int) -> frozenset[int]:
        """The numbers of its images that are cut, those of forms, patterns and stamps included.

        What the engine says of objects that only this reads is forgotten.
        """
        if not is_pdf(self._document):
            return frozenset()
        try:
            found = frozenset(self._cut(self._document, page))
        except ENGINE_ERRORS:
            found = frozenset()  # damaged: who draws it is told
        take_messages()
        return found

    def _cut(self, document: pymupdf.Document, page: int) -> set[int]:
        page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), page)
        waiting = [mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources"), *_of_stamps(page_object)]
        seen: set[int] = set()
        found: set[int] = set()
        left = MOST_ENTRIES
        while waiting and left > 0:
            resources = waiting.pop()
            for category in ("XObject", "Pattern"):
                entries = mupdf.ll_pdf_dict_gets(resources, category)
                count = min(left, mupdf.ll_pdf_dict_len(entries)) if entries else 0
                left -= count
                for index in range(count):
                    value = mupdf.ll_pdf_dict_get_val(entries, index)
                    number = mupdf.ll_pdf_to_num(value)
                    if not number or number in seen:
                        continue
                    seen.add(number)
                    is_cut = self._known.get(number)
                    if is_cut is None:
                        inner = mupdf.ll_pdf_dict_gets(value, "Resources")
                        if inner:
                            waiting.append(inner)
                            continue
                        is_cut = self._known[number] = _is_jbig2(value) and self._look_into(document, number, value)
                    if is_cut:
                        found.add(number)
        return found

    def _look_into(self, document: pymupdf.Document, number: int, image: RawObj) -> bool:
        """Whether a JBIG2 image is cut."""
        try:
            packed = mupdf.pdf_load_compressed_stream(as_pdf(document), number, MOST_BYTES)
            if packed.m_internal.params.type != mupdf.FZ_IMAGE_JBIG2:
                return False  # something else is done to it first
            data = mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(packed.m_internal.buffer))
            height_px = mupdf.ll_pdf_to_int(mupdf.ll_pdf_dict_gets(image, "Height"))
            return jbig2.is_cut(mupdf.fz_buffer_extract_copy(data), _shared(document, image), height_px)
        except ENGINE_ERRORS:
            return False  # the engine tells of it when it is drawn


def _shared(document: pymupdf.Document, image: RawObj) -> bytes:
    parameters = mupdf.ll_pdf_dict_gets(image, "DecodeParms") or mupdf.ll_pdf_dict_gets(image, "DP")
    if parameters and mupdf.ll_pdf_is_array(parameters):
        parameters = mupdf.ll_pdf_array_get(parameters, mupdf.ll_pdf_array_len(parameters) - 1)
    shared = mupdf.ll_pdf_dict_gets(parameters, "JBIG2Globals") if parameters else None
    return (document.xref_stream(mupdf.ll_pdf_to_num(shared)) or b"") if shared else b""


def _is_jbig2(image: RawObj) -> bool:
    filters = mupdf.ll_pdf_dict_gets(image, "Filter") or mupdf.ll_pdf_dict_gets(image, "F")
    if not filters:
        return False
    if mupdf.ll_pdf_is_array(filters):
        filters = mupdf.ll_pdf_array_get(filters, mupdf.ll_pdf_array_len(filters) - 1)
    return bool(filters) and mupdf.ll_pdf_to_name(filters) == _JBIG2


def _of_stamps(page_object: RawObj) -> list[RawObj]:
    """The resources that the appearances of a page's stamps draw with."""
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    found: list[RawObj] = []
    for index in range(min(MOST_ENTRIES // 10, mupdf.ll_pdf_array_len(annotations)) if annotations else 0):
        annotation = mupdf.ll_pdf_array_get(annotations, index)
        kind = mupdf.ll_pdf_dict_gets(annotation, "Subtype")
        if not kind or mupdf.ll_pdf_to_name(kind) != "Stamp":
            continue
        appearances = mupdf.ll_pdf_dict_gets(annotation, "AP")
        shown = mupdf.ll_pdf_dict_gets(appearances, "N") if appearances else None
        resources = mupdf.ll_pdf_dict_gets(shown, "Resources") if shown else None
        if resources:
            found.append(resources)
    return found
