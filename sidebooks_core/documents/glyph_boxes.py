"""Boxes of Type 3 fonts that are far larger than any glyph. Worker side.

The engine sets up a picture of the box for each glyph of a size that it keeps: gigabytes, or an error and no glyph, where a
program has written units of another font. Without a box it measures what the glyphs draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct

from sidebooks_core.documents.engine import mupdf, pymupdf

_LARGEST = 8.0
"""Sides of a box, in units of the text, from which it is not believed; glyphs have up to 2."""
_MOST = 2_000
"""Objects of one page that are looked at."""


class _Seen(Struct, frozen=True):
    """What is known of a font, form, pattern or annotation."""

    is_too_large: bool
    """It is a font with such a box."""
    inner: tuple[int, ...]
    """The numbers of what it draws with."""


_seen: WeakKeyDictionary[Any, dict[int, _Seen]] = WeakKeyDictionary()
"""Of each document, by the number of an object: what that object says, which is the same whichever page led to it."""


@contextmanager
def opened(handle: Any, index: int) -> Iterator[None]:
    """Take such boxes from the fonts of a page, for as long as its list is made: the fonts stay as they are loaded."""
    taken: list[tuple[Any, Any]] = []
    pdf = pymupdf._as_pdf_document(handle)
    try:
        for number in _fonts(pdf, mupdf.ll_pdf_lookup_page_obj(pdf.m_internal, index), _seen.setdefault(handle, {})):
            font = mupdf.pdf_new_indirect(pdf, number, 0)
            taken.append((font, mupdf.pdf_dict_gets(font, "FontBBox")))
            mupdf.pdf_dict_puts(font, "FontBBox", mupdf.pdf_new_rect(pdf, mupdf.FzRect(0, 0, 0, 0)))
        yield
    finally:
        for font, box in taken:
            mupdf.pdf_dict_puts(font, "FontBBox", box)


def _fonts(pdf: Any, page_object: Any, known: dict[int, _Seen]) -> list[int]:
    """The numbers of the fonts of a page that have such boxes."""
    reached = dict.fromkeys(_named(mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")))
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    for index in range(min(_MOST, mupdf.ll_pdf_array_len(annotations))):
        annotation = mupdf.ll_pdf_array_get(annotations, index)
        number = mupdf.ll_pdf_to_num(annotation)
        reached.update(dict.fromkeys((number,) if number else _drawn_with(annotation)))
    found = []
    waiting = list(reached)
    for number in waiting:  # it grows meanwhile
        seen = known.get(number)
        if seen is None:
            seen = known[number] = _look(pdf, number)
        if seen.is_too_large:
            found.append(number)
        for inner in seen.inner:
            if inner not in reached and len(reached) < _MOST:
                reached[inner] = None
                waiting.append(inner)
    return found


def _look(pdf: Any, number: int) -> _Seen:
    owner = mupdf.pdf_new_indirect(pdf, number, 0)
    value = owner.m_internal
    is_too_large = False
    if mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype")) == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        is_too_large = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
    return _Seen(is_too_large, tuple(_drawn_with(value)))


def _drawn_with(value: Any) -> Iterator[int]:
    """The numbers of what a font, form, pattern or annotation draws with."""
    yield from _named(mupdf.ll_pdf_dict_gets(value, "Resources"))
    look = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets(value, "AP"), "N")
    if look:
        for state in (look,) if mupdf.ll_pdf_is_stream(look) else _values(look):
            yield from _named(mupdf.ll_pdf_dict_gets(state, "Resources"))


def _named(resources: Any) -> Iterator[int]:
    if not resources:
        return
    for category in ("Font", "XObject", "Pattern"):
        for value in _values(mupdf.ll_pdf_dict_gets(resources, category)):
            number = mupdf.ll_pdf_to_num(value)
            if number:
                yield number


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary)):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
