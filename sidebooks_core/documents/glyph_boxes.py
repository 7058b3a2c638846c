"""Boxes of Type 3 fonts that are far larger than any glyph. Worker side.

The engine sets up a picture of the box for each glyph of a size that it keeps: gigabytes, or an error and no glyph, where a
program has written units of another font. Without a box it measures what the glyphs draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sidebooks_core.documents.engine import mupdf, pymupdf

_LARGEST = 8.0
"""Sides of a box, in units of the text, from which it is not believed; glyphs have up to 2."""
_MOST = 2_000
"""Objects of one page that are looked at for the first time."""

_judged: WeakKeyDictionary[Any, dict[int, tuple[int, ...]]] = WeakKeyDictionary()
"""Of each document: by the number of a font, form, pattern or annotation, the fonts with such boxes in it."""


@contextmanager
def opened(handle: Any, index: int) -> Iterator[None]:
    """Take such boxes from the fonts of a page, for as long as its list is made: the fonts stay as they are loaded."""
    taken: list[tuple[Any, Any]] = []
    pdf = pymupdf._as_pdf_document(handle)
    known = _judged.setdefault(handle, {})
    try:
        for number in sorted(_Look(pdf, known).page(mupdf.ll_pdf_lookup_page_obj(pdf.m_internal, index))):
            font = mupdf.pdf_new_indirect(pdf, number, 0)
            taken.append((font, mupdf.pdf_dict_gets(font, "FontBBox")))
            mupdf.pdf_dict_puts(font, "FontBBox", mupdf.pdf_new_rect(pdf, mupdf.FzRect(0, 0, 0, 0)))
        yield
    finally:
        for font, box in taken:
            mupdf.pdf_dict_puts(font, "FontBBox", box)


class _Look:
    """Through one page, by what the engine lends: most is known from the pages before."""

    def __init__(self, pdf: Any, known: dict[int, tuple[int, ...]]) -> None:
        self._pdf = pdf
        self._known = known
        self._left = _MOST

    def page(self, page_object: Any) -> set[int]:
        """The numbers of the fonts."""
        found = self._resources(mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources"))
        annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
        for index in range(mupdf.ll_pdf_array_len(annotations)):
            found.update(self._judged(mupdf.ll_pdf_array_get(annotations, index), self._annotation))
        return found

    def _resources(self, resources: Any) -> set[int]:
        found: set[int] = set()
        for category, judge in (("Font", self._font), ("XObject", self._form), ("Pattern", self._form)):
            for value in _values(mupdf.ll_pdf_dict_gets(resources, category)):
                found.update(self._judged(value, judge))
        return found

    def _judged(self, value: Any, judge: Any) -> tuple[int, ...]:
        number = mupdf.ll_pdf_to_num(value)
        known = self._known.get(number)
        if known is None:
            self._left -= 1
            if not number or self._left < 0:
                return ()
            self._known[number] = ()  # while it is looked into: it may lead back to itself
            known = self._known[number] = tuple(judge(value, number))
        return known

    def _font(self, font: Any, number: int) -> set[int]:
        if mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(font, "Subtype")) != "Type3":
            return set()
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(font, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(font, "FontMatrix")))
        is_too_large = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
        inner = self._resources(mupdf.ll_pdf_dict_gets(font, "Resources"))
        return inner | {number} if is_too_large else inner

    def _form(self, form: Any, number: int) -> set[int]:
        return self._resources(mupdf.ll_pdf_dict_gets(form, "Resources"))

    def _annotation(self, annotation: Any, number: int) -> set[int]:
        look = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets(annotation, "AP"), "N")
        if mupdf.ll_pdf_is_stream(look):
            return self._form(look, 0)
        return {font for state in _values(look) for font in self._form(state, 0)}


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary)):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
