"""What a page of a PDF draws with that the engine does wrong. Worker side.

Two kinds: boxes of Type 3 fonts that are too large (`glyph_boxes`), and transfer functions (`transfer`). Each object is
looked at once, however many pages lead to it.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_UNCHANGED = ("Identity", "Default")
"""Transfer functions by name, which leave colours as they are."""


class Faults(Struct, frozen=True):
    """What there is to mend of a page while its list is made."""

    large_fonts: tuple[int, ...] = ()
    """The numbers of its Type 3 fonts with boxes that are too large."""
    transfers: bool = False
    """Its content, or that of a form, may set transfer functions."""
    transfers_elsewhere: bool = False
    """A pattern, a glyph or the look of an annotation may."""

    def __or__(self, other: Faults) -> Faults:
        return Faults(
            tuple(dict.fromkeys((*self.large_fonts, *other.large_fonts))),
            self.transfers or other.transfers,
            self.transfers_elsewhere or other.transfers_elsewhere,
        )


NO_FAULTS = Faults()


class _Seen(Struct, frozen=True):
    """What is known of a font, form, pattern or annotation."""

    faults: Faults
    """Its own. A font does not know its number: `large_fonts` is (0,)."""
    inner: tuple[int, ...]
    """The numbers of what it draws with."""


_NOTHING = _Seen(NO_FAULTS, ())


class _Known(Struct):
    """What is known of one document, which is the same whichever page led to it."""

    objects: dict[int, _Seen] = field(default_factory=dict)
    """By the number of an object: what that object says."""
    faults: dict[int, Faults] = field(default_factory=dict)
    """By the number of resources, which pages share: what they lead to."""


_known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


def faults_of(handle: Any, page_object: Any) -> Faults:
    """What there is to mend of a page. page_object: of the binding's lower level."""
    known = _known.get(handle)
    if known is None:
        known = _known[handle] = _Known()
    resources = mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")
    number = mupdf.ll_pdf_to_num(resources)
    faults = known.faults.get(number)
    if faults is None:
        faults = Faults(transfers=_sets_transfers(resources)) | _reached(handle, _listed(resources, known), known)
        if number:
            known.faults[number] = faults
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    if not annotations:
        return faults
    reached: list[int] = []
    for index in range(min(_MOST, mupdf.ll_pdf_array_len(annotations))):
        annotation = mupdf.ll_pdf_array_get(annotations, index)
        number = mupdf.ll_pdf_to_num(annotation)
        if not number:
            seen = _look(annotation)
            faults |= seen.faults
            reached += seen.inner
            continue
        if number not in known.objects:
            known.objects[number] = _look(annotation)
        if known.objects[number] is not _NOTHING:
            reached.append(number)
    return faults | _reached(handle, reached, known) if reached else faults


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


def _reached(handle: Any, numbers: list[int], known: _Known) -> Faults:
    """What there is to mend of objects and of what they draw with."""
    reached = dict.fromkeys(numbers)
    faults = NO_FAULTS
    waiting = list(reached)
    for number in waiting:  # it grows meanwhile
        seen = known.objects.get(number)
        if seen is None:
            owner = mupdf.pdf_new_indirect(as_pdf(handle), number, 0)
            seen = known.objects[number] = _look(owner.m_internal)
        if seen.faults is not NO_FAULTS:
            own = seen.faults
            faults |= Faults((number,) if own.large_fonts else (), own.transfers, own.transfers_elsewhere)
        for inner in seen.inner:
            if inner not in reached and len(reached) < _MOST:
                reached[inner] = None
                waiting.append(inner)
    return faults


def _look(value: Any) -> _Seen:
    subtype = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype"))
    if subtype in _DRAWS_NOTHING_ELSE:
        return _NOTHING
    is_too_large = False
    if subtype == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        is_too_large = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
    resources = list(_resources(value))
    inner = tuple(number for one in resources for number in _named(one))
    sets_transfers = any(_sets_transfers(one) for one in resources)
    if not (is_too_large or sets_transfers):
        return _Seen(NO_FAULTS, inner) if inner else _NOTHING
    is_form = subtype == "Form"
    return _Seen(Faults((0,) if is_too_large else (), sets_transfers and is_form, sets_transfers and not is_form), inner)


def _resources(value: Any) -> Iterator[Any]:
    """Of a font, form, pattern or annotation."""
    own = mupdf.ll_pdf_dict_gets(value, "Resources")
    if own:
        yield own
    look = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets(value, "AP"), "N")
    if look:
        for state in (look,) if mupdf.ll_pdf_is_stream(look) else _values(look):
            of_state = mupdf.ll_pdf_dict_gets(state, "Resources")
            if of_state:
                yield of_state


def _named(resources: Any) -> Iterator[int]:
    for category in _CATEGORIES:
        for value in _values(mupdf.ll_pdf_dict_gets(resources, category)):
            number = mupdf.ll_pdf_to_num(value)
            if number:
                yield number


def _sets_transfers(resources: Any) -> bool:
    for state in _values(mupdf.ll_pdf_dict_gets(resources, "ExtGState")) if resources else ():
        function = mupdf.ll_pdf_dict_gets(state, "TR2") or mupdf.ll_pdf_dict_gets(state, "TR")
        if function and mupdf.ll_pdf_to_name(function) not in _UNCHANGED:
            return True
    return False


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary)):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
