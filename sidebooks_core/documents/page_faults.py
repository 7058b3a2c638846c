"""Finds what the engine would draw wrong on a page of a PDF, before its list is made. Worker side.

Two kinds: boxes of Type 3 fonts that are too large (`glyph_boxes`), and transfer functions (`transfer`). Each object is
looked at once, however many pages lead to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct, field

from sidebooks_core.documents.engine import as_pdf, mupdf

_LARGEST = 8.0
"""Sides of a box, in units of the text, from which it is not believed; glyphs have up to 2."""
_MOST = 2_000
"""Objects of one page that are looked at."""
_NO_RESOURCES = frozenset(("Image", "Type0", "Type1", "MMType1", "TrueType", "Link", "Popup"))
"""Subtypes without resources to look into: images, fonts of other types, and the annotations that the engine leaves out."""
_CATEGORIES = ("Font", "XObject", "Pattern")
_DEEPEST = 20
"""Dictionaries written within one another."""
_UNCHANGED = ("Identity", "Default")
"""Transfer functions by name, which leave colours as they are."""


class Faults(Struct, frozen=True):
    """What there is to mend of a page while its list is made."""

    large_fonts: tuple[int, ...] = ()
    """The numbers of its Type 3 fonts with boxes that are too large."""
    transfers: bool = False
    """Its content, or that of a form that it draws, may set transfer functions."""
    transfers_elsewhere: bool = False
    """A pattern, a glyph, a soft mask, the look of an annotation, or a form that one of these draws, may."""


class _Seen(Struct, frozen=True):
    """What one font, form, pattern, annotation or resource dictionary says."""

    has_large_box: bool = False
    sets_transfers: bool = False
    sets_elsewhere: bool = False
    """A font or pattern that is written in place does."""
    is_content: bool = False
    """It is a form or a page's resources: not what draws elsewhere, as a pattern does."""
    inner: tuple[int, ...] = ()
    """The numbers of what it draws with."""
    inner_elsewhere: tuple[int, ...] = ()
    """Likewise, for soft masks."""


_NOTHING = _Seen()


class _Known(Struct):
    """What is known of one document, which is the same whichever page led to it."""

    objects: dict[int, _Seen] = field(default_factory=dict)
    """By the number of an object."""
    resources: dict[int, _Seen] = field(default_factory=dict)
    """By the number of a resource dictionary: what any owner of it says."""
    states: dict[int, tuple[bool, int]] = field(default_factory=dict)
    """By the number of a graphics state: whether it sets a transfer function, and the number of its soft mask, or 0."""
    faults: dict[int, Faults] = field(default_factory=dict)
    """What resources, which pages share, lead to, by their number; what a form leads to, by its number below zero."""


_known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()


def faults_of(handle: Any, page_object: Any) -> Faults:
    """What there is to mend of a page. page_object: of the binding's lower level."""
    known = _known_of(handle)
    resources = mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")
    number = mupdf.ll_pdf_to_num(resources)
    faults = known.faults.get(number)
    if faults is None:
        faults = _Walk(handle, known).over([_of_resources(known, resources)], is_elsewhere=False)
        if number:
            known.faults[number] = faults
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    if not annotations:
        return faults
    looks = (mupdf.ll_pdf_array_get(annotations, index) for index in range(min(_MOST, mupdf.ll_pdf_array_len(annotations))))
    seen = [_seen(known, look) for look in looks]
    if all(one is _NOTHING for one in seen):
        return faults
    of_looks = _Walk(handle, known).over(seen, is_elsewhere=True)
    return Faults(
        tuple(dict.fromkeys((*faults.large_fonts, *of_looks.large_fonts))),
        faults.transfers,
        faults.transfers_elsewhere or of_looks.transfers_elsewhere,
    )


def form_sets_transfers(handle: Any, form: Any) -> bool:
    """Whether a form, or one that it draws, may set transfer functions. form: of the binding's lower level."""
    known = _known_of(handle)
    key = -mupdf.ll_pdf_to_num(form)
    if key not in known.faults:
        known.faults[key] = _Walk(handle, known).over([_seen(known, form)], is_elsewhere=False)
    return known.faults[key].transfers


def forget(handle: Any) -> None:
    """Look anew at a document of which objects were replaced."""
    _known.pop(handle, None)


def _known_of(handle: Any) -> _Known:
    known = _known.get(handle)
    if known is None:
        known = _known[handle] = _Known()
    return known


class _Walk(Struct):
    """Through the objects that others draw with."""

    handle: Any
    known: _Known
    large_fonts: dict[int, None] = field(default_factory=dict)
    transfers: bool = False
    transfers_elsewhere: bool = False
    _reached: set[tuple[int, bool]] = field(default_factory=set)
    _waiting: list[tuple[int, bool]] = field(default_factory=list)
    """Numbers of objects, and whether they are drawn elsewhere than in content."""

    def over(self, starts: Iterable[_Seen], *, is_elsewhere: bool) -> Faults:
        """What there is to mend of these and of all that they lead to."""
        for seen in starts:
            self._note(seen, is_elsewhere=is_elsewhere)
        left = _MOST
        for number, is_elsewhere in self._waiting:  # it grows meanwhile
            seen = self.known.objects.get(number) or self._looked_at(number)
            if seen is _NOTHING:
                continue
            if seen.has_large_box:
                self.large_fonts[number] = None
            self._note(seen, is_elsewhere=is_elsewhere)
            left -= 1
            if not left:
                break
        return Faults(tuple(self.large_fonts), self.transfers, self.transfers_elsewhere)

    def _looked_at(self, number: int) -> _Seen:
        owner = mupdf.pdf_new_indirect(as_pdf(self.handle), number, 0)
        seen = self.known.objects[number] = _look(self.known, owner.m_internal)
        return seen

    def _note(self, seen: _Seen, *, is_elsewhere: bool) -> None:
        is_elsewhere = is_elsewhere or not seen.is_content
        self.transfers |= seen.sets_transfers and not is_elsewhere
        self.transfers_elsewhere |= seen.sets_elsewhere or (seen.sets_transfers and is_elsewhere)
        for numbers, is_inner_elsewhere in ((seen.inner, is_elsewhere), (seen.inner_elsewhere, True)):
            for number in numbers:
                way = number, is_inner_elsewhere
                if way not in self._reached:
                    self._reached.add(way)
                    self._waiting.append(way)


def _seen(known: _Known, value: Any) -> _Seen:
    """What an object says, which may be written in place."""
    number = mupdf.ll_pdf_to_num(value)
    if not number:
        return _look(known, value)
    seen = known.objects.get(number)
    if seen is None:
        seen = known.objects[number] = _look(known, value)
    return seen


def _look(known: _Known, value: Any, depth: int = 0) -> _Seen:
    """What one object says. value: a font, form, pattern or annotation, of the binding's lower level."""
    subtype = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype"))
    if subtype in _NO_RESOURCES:
        return _NOTHING
    has_large_box = False
    if subtype == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        has_large_box = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
    said = [_of_resources(known, resources, depth) for resources in _resources(value)]
    if not has_large_box and all(one is _NOTHING for one in said):
        return _NOTHING
    return _Seen(
        has_large_box,
        any(one.sets_transfers for one in said),
        any(one.sets_elsewhere for one in said),
        subtype == "Form",
        tuple(number for one in said for number in one.inner),
        tuple(number for one in said for number in one.inner_elsewhere),
    )


def _of_resources(known: _Known, resources: Any, depth: int = 0) -> _Seen:
    """What a page says that owns a resource dictionary."""
    key = mupdf.ll_pdf_to_num(resources)
    seen = known.resources.get(key)
    if seen is None:
        seen = _read_resources(known, resources, depth)
        if key:
            known.resources[key] = seen
    return seen


def _read_resources(known: _Known, resources: Any, depth: int) -> _Seen:
    sets_transfers = sets_elsewhere = False
    inner: list[int] = []
    inner_elsewhere: list[int] = []
    for state in _values(mupdf.ll_pdf_dict_gets(resources, "ExtGState")):
        sets_one, mask = _of_state(known, state)
        sets_transfers |= sets_one
        inner_elsewhere += (mask,) if mask else ()
    for category in _CATEGORIES:
        for value in _values(mupdf.ll_pdf_dict_gets(resources, category)):
            number = mupdf.ll_pdf_to_num(value)
            if not number:  # a font or pattern that is written in place
                seen = _look(known, value, depth + 1) if depth < _DEEPEST else _NOTHING
                sets_elsewhere |= seen.sets_transfers or seen.sets_elsewhere
                inner_elsewhere += seen.inner + seen.inner_elsewhere
            elif number in known.objects:
                inner += (number,) if known.objects[number] is not _NOTHING else ()
            elif mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype")) in _NO_RESOURCES:
                known.objects[number] = _NOTHING
            else:
                inner.append(number)
    if not (sets_transfers or sets_elsewhere or inner or inner_elsewhere):
        return _NOTHING
    return _Seen(False, sets_transfers, sets_elsewhere, True, tuple(inner), tuple(inner_elsewhere))


def _of_state(known: _Known, state: Any) -> tuple[bool, int]:
    number = mupdf.ll_pdf_to_num(state)
    said = known.states.get(number)
    if said is None:
        function = mupdf.ll_pdf_dict_gets(state, "TR2") or mupdf.ll_pdf_dict_gets(state, "TR")
        mask = mupdf.ll_pdf_dict_gets(state, "SMask")
        said = (
            bool(function and mupdf.ll_pdf_to_name(function) not in _UNCHANGED),
            mupdf.ll_pdf_to_num(mupdf.ll_pdf_dict_gets(mask, "G")) if mask else 0,
        )
        if number:
            known.states[number] = said
    return said


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


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary) if dictionary else 0):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
