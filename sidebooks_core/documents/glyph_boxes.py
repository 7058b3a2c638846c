"""Boxes of Type 3 fonts that are far larger than any glyph. Worker side.

The engine sets up a picture of the box for each glyph of a size that it keeps: gigabytes, or an error and no glyph, where a
program has written units of another font. Without a box it measures what the glyphs draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct, field

from sidebooks_core.documents.engine import as_pdf, mupdf

_LARGEST = 8.0
"""Sides of a box, in units of the text, from which it is not believed; glyphs have up to 2."""
_MOST = 2_000
"""Objects of one page that are looked at."""


_DRAWS_NOTHING_ELSE = frozenset(("Image", "Type0", "Type1", "MMType1", "TrueType", "Link", "Popup"))
"""Subtypes of what draws with no such font: images, other fonts, and the annotations that the engine leaves out."""
_CATEGORIES = ("Font", "XObject", "Pattern")


class _Seen(Struct, frozen=True):
    """What is known of a font, form, pattern or annotation."""

    is_too_large: bool
    """It is a font with such a box."""
    inner: tuple[int, ...]
    """The numbers of what it draws with."""


_NOTHING = _Seen(False, ())


class _Known(Struct):
    """What is known of one document, which is the same whichever page led to it."""

    objects: dict[int, _Seen] = field(default_factory=dict)
    """By the number of an object: what that object says."""
    fonts: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By the number of resources, which pages share: the fonts with such boxes that they lead to."""


_known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


@contextmanager
def opened(handle: Any, index: int) -> Iterator[None]:
    """Take such boxes from the fonts of a page, for as long as its list is made: the fonts stay as they are loaded."""
    taken: list[tuple[Any, Any]] = []
    pdf = as_pdf(handle)
    try:
        for number in found(handle, mupdf.ll_pdf_lookup_page_obj(pdf.m_internal, index)):
            font = mupdf.pdf_new_indirect(pdf, number, 0)
            taken.append((font, mupdf.pdf_dict_gets(font, "FontBBox")))
            mupdf.pdf_dict_puts(font, "FontBBox", mupdf.pdf_new_rect(pdf, mupdf.FzRect(0, 0, 0, 0)))
        yield
    finally:
        for font, box in taken:
            mupdf.pdf_dict_puts(font, "FontBBox", box)


def found(handle: Any, page_object: Any) -> tuple[int, ...]:
    """The numbers of the fonts of a page that have such boxes. page_object: of the binding's lower level."""
    known = _known.get(handle)
    if known is None:
        known = _known[handle] = _Known()
    resources = mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")
    number = mupdf.ll_pdf_to_num(resources)
    fonts = known.fonts.get(number)
    if fonts is None:
        fonts = _fonts(handle, _listed(resources, known), known)
        if number:
            known.fonts[number] = fonts
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    if not annotations:
        return fonts
    reached: list[int] = []
    for index in range(min(_MOST, mupdf.ll_pdf_array_len(annotations))):
        annotation = mupdf.ll_pdf_array_get(annotations, index)
        number = mupdf.ll_pdf_to_num(annotation)
        if not number:
            reached += _look(annotation).inner
            continue
        if number not in known.objects:
            known.objects[number] = _look(annotation)
        if known.objects[number] is not _NOTHING:
            reached.append(number)
    return tuple(dict.fromkeys((*fonts, *_fonts(handle, reached, known)))) if reached else fonts


def forget(handle: Any) -> None:
    """Look anew at a document of which objects were replaced."""
    _known.pop(handle, None)


def _listed(resources: Any, known: _Known) -> list[int]:
    """The numbers of what resources name and what may lead to such a font. All are known then."""
    reached = []
    for category in _CATEGORIES if resources else ():
        named = mupdf.ll_pdf_dict_gets(resources, category)
        for index in range(mupdf.ll_pdf_dict_len(named) if named else 0):
            value = mupdf.ll_pdf_dict_get_val(named, index)
            number = mupdf.ll_pdf_to_num(value)
            if not number:
                continue
            seen = known.objects.get(number)
            if seen is None:
                seen = known.objects[number] = _look(value)
            if seen is not _NOTHING:
                reached.append(number)
    return reached


def _fonts(handle: Any, numbers: list[int], known: _Known) -> tuple[int, ...]:
    """The numbers of the fonts with such boxes among objects and what they draw with."""
    reached = dict.fromkeys(numbers)
    fonts = []
    waiting = list(reached)
    for number in waiting:  # it grows meanwhile
        seen = known.objects.get(number)
        if seen is None:
            owner = mupdf.pdf_new_indirect(as_pdf(handle), number, 0)
            seen = known.objects[number] = _look(owner.m_internal)
        if seen.is_too_large:
            fonts.append(number)
        for inner in seen.inner:
            if inner not in reached and len(reached) < _MOST:
                reached[inner] = None
                waiting.append(inner)
    return tuple(fonts)


def _look(value: Any) -> _Seen:
    subtype = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype"))
    if subtype in _DRAWS_NOTHING_ELSE:
        return _NOTHING
    is_too_large = False
    if subtype == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        is_too_large = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
    inner = tuple(_drawn_with(value))
    return _Seen(is_too_large, inner) if is_too_large or inner else _NOTHING


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
    for category in _CATEGORIES:
        for value in _values(mupdf.ll_pdf_dict_gets(resources, category)):
            number = mupdf.ll_pdf_to_num(value)
            if number:
                yield number


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary)):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
