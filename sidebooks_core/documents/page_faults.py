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
_MOST = 20_000
"""Objects of one page that are looked at. They take some 0.2 s, once for each document."""
_NO_RESOURCES = frozenset(("Image", "Type0", "Type1", "MMType1", "TrueType", "Link", "Popup"))
"""Subtypes without resources to look into: images, fonts of other types, and the annotations that the engine leaves out."""
_CATEGORIES = ("Font", "XObject", "Pattern")
_DEEPEST = 20
"""Dictionaries written within one another."""
_LEAVE_COLOURS = ("Identity", "Default")
"""Transfer functions by name, which leave colours as they are."""


class Faults(Struct, frozen=True):
    """What there is to mend of a page while its list is made."""

    large_fonts: tuple[int, ...] = ()
    """The numbers of its Type 3 fonts with boxes that are too large. Fonts written in place have none and are not mended."""
    transfers: bool = False
    """Its content, or that of a form that it draws, may set transfer functions."""
    transfers_elsewhere: bool = False
    """What else the page draws with may: a pattern, a glyph, a soft mask, the appearance of an annotation, a form that one of
    these draws, or what was not looked at since there is too much of it."""


class _Finding(Struct, frozen=True):
    """What one font, form, pattern, annotation or resource dictionary says."""

    has_large_box: bool = False
    sets_transfers: bool = False
    sets_elsewhere: bool = False
    """What is written in it sets a transfer function and is no content: a font, a pattern, the state of a shading."""
    is_content: bool = False
    """It is a form or a page's resources: not what draws elsewhere, as a pattern does."""
    inner: tuple[int, ...] = ()
    """The numbers of what it draws with."""
    inner_elsewhere: tuple[int, ...] = ()
    """Likewise, for soft masks."""


_NOTHING = _Finding()
_TOO_DEEP = _Finding(sets_elsewhere=True)
"""In doubt it is told."""


class _Known(Struct):
    """What is known of one document, which is the same whichever page led to it."""

    objects: dict[int, _Finding] = field(default_factory=dict)
    """By the number of an object."""
    resources: dict[int, _Finding] = field(default_factory=dict)
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
    count = mupdf.ll_pdf_array_len(annotations)
    findings = [_finding_of(known, mupdf.ll_pdf_array_get(annotations, index)) for index in range(min(_MOST, count))]
    if count <= _MOST and all(one is _NOTHING for one in findings):
        return faults
    of_annotations = _Walk(handle, known).over(findings, is_elsewhere=True)
    return Faults(
        tuple(dict.fromkeys((*faults.large_fonts, *of_annotations.large_fonts))),
        faults.transfers,
        faults.transfers_elsewhere or of_annotations.transfers_elsewhere or count > _MOST,
    )


def form_sets_transfers(handle: Any, form: Any) -> bool:
    """Whether a form, or one that it draws, may set transfer functions. form: of the binding's lower level."""
    known = _known_of(handle)
    key = -mupdf.ll_pdf_to_num(form)
    if key not in known.faults:
        known.faults[key] = _Walk(handle, known).over([_finding_of(known, form)], is_elsewhere=False)
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

    def over(self, starts: Iterable[_Finding], *, is_elsewhere: bool) -> Faults:
        """What there is to mend of these and of all that they lead to."""
        for finding in starts:
            self._note(finding, is_elsewhere=is_elsewhere)
        left = _MOST
        for number, is_this_elsewhere in self._waiting:  # it grows meanwhile
            finding = self.known.objects.get(number) or self._read(number)
            if finding is _NOTHING:
                continue
            if not left:
                self.transfers_elsewhere = True  # in doubt it is told
                break
            left -= 1
            if finding.has_large_box:
                self.large_fonts[number] = None
            self._note(finding, is_elsewhere=is_this_elsewhere)
        return Faults(tuple(self.large_fonts), self.transfers, self.transfers_elsewhere)

    def _read(self, number: int) -> _Finding:
        owner = mupdf.pdf_new_indirect(as_pdf(self.handle), number, 0)
        finding = self.known.objects[number] = _read_object(self.known, owner.m_internal)
        return finding

    def _note(self, finding: _Finding, *, is_elsewhere: bool) -> None:
        is_elsewhere = is_elsewhere or not finding.is_content
        self.transfers |= finding.sets_transfers and not is_elsewhere
        self.transfers_elsewhere |= finding.sets_elsewhere or (finding.sets_transfers and is_elsewhere)
        for numbers, is_inner_elsewhere in ((finding.inner, is_elsewhere), (finding.inner_elsewhere, True)):
            for number in numbers:
                way = number, is_inner_elsewhere
                if way not in self._reached:
                    self._reached.add(way)
                    self._waiting.append(way)


def _finding_of(known: _Known, value: Any) -> _Finding:
    """What an object says, which may be written in place."""
    number = mupdf.ll_pdf_to_num(value)
    if not number:
        return _read_object(known, value)
    finding = known.objects.get(number)
    if finding is None:
        finding = known.objects[number] = _read_object(known, value)
    return finding


def _read_object(known: _Known, value: Any, depth: int = 0) -> _Finding:
    """Read one object. value: a font, form, pattern or annotation, of the binding's lower level."""
    subtype = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype"))
    if subtype in _NO_RESOURCES:
        return _NOTHING
    has_large_box = False
    if subtype == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        has_large_box = max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST
    state = mupdf.ll_pdf_dict_gets(value, "ExtGState")  # of a pattern that is a shading
    sets_own = bool(state) and _of_state(known, state)[0]
    findings = [_of_resources(known, resources, depth) for resources in _resources(value)]
    if not has_large_box and not sets_own and all(one is _NOTHING for one in findings):
        return _NOTHING
    return _Finding(
        has_large_box,
        sets_transfers=any(one.sets_transfers for one in findings),
        sets_elsewhere=sets_own or any(one.sets_elsewhere for one in findings),
        is_content=subtype == "Form",
        inner=tuple(number for one in findings for number in one.inner),
        inner_elsewhere=tuple(number for one in findings for number in one.inner_elsewhere),
    )


def _of_resources(known: _Known, resources: Any, depth: int = 0) -> _Finding:
    """What a resource dictionary leads to, whoever owns it. Read once if it has a number."""
    key = mupdf.ll_pdf_to_num(resources)
    finding = known.resources.get(key)
    if finding is None:
        finding = _read_resources(known, resources, depth)
        if key:
            known.resources[key] = finding
    return finding


def _read_resources(known: _Known, resources: Any, depth: int) -> _Finding:
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
                finding = _read_object(known, value, depth + 1) if depth < _DEEPEST else _TOO_DEEP
                sets_elsewhere |= finding.sets_transfers or finding.sets_elsewhere
                inner_elsewhere += finding.inner + finding.inner_elsewhere
            elif number in known.objects:
                inner += (number,) if known.objects[number] is not _NOTHING else ()
            elif mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype")) in _NO_RESOURCES:
                known.objects[number] = _NOTHING
            else:
                inner.append(number)
    if not (sets_transfers or sets_elsewhere or inner or inner_elsewhere):
        return _NOTHING
    return _Finding(
        sets_transfers=sets_transfers,
        sets_elsewhere=sets_elsewhere,
        is_content=True,
        inner=tuple(inner),
        inner_elsewhere=tuple(inner_elsewhere),
    )


def _of_state(known: _Known, state: Any) -> tuple[bool, int]:
    number = mupdf.ll_pdf_to_num(state)
    told = known.states.get(number)
    if told is None:
        function = mupdf.ll_pdf_dict_gets(state, "TR2") or mupdf.ll_pdf_dict_gets(state, "TR")
        mask = mupdf.ll_pdf_dict_gets(state, "SMask")
        told = (
            bool(function and mupdf.ll_pdf_to_name(function) not in _LEAVE_COLOURS),
            mupdf.ll_pdf_to_num(mupdf.ll_pdf_dict_gets(mask, "G")) if mask else 0,
        )
        if number:
            known.states[number] = told
    return told


def _resources(value: Any) -> Iterator[Any]:
    """Of a font, form, pattern or annotation."""
    own = mupdf.ll_pdf_dict_gets(value, "Resources")
    if own:
        yield own
    appearance = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets(value, "AP"), "N")
    if appearance:
        for state in (appearance,) if mupdf.ll_pdf_is_stream(appearance) else _values(appearance):
            of_state = mupdf.ll_pdf_dict_gets(state, "Resources")
            if of_state:
                yield of_state


def _values(dictionary: Any) -> Iterator[Any]:
    for index in range(mupdf.ll_pdf_dict_len(dictionary) if dictionary else 0):
        yield mupdf.ll_pdf_dict_get_val(dictionary, index)
