"""Finds what the engine would draw wrongly on a page of a PDF, before the display list is made. Worker side.

It finds two faults: boxes of Type 3 fonts that are too large (`glyph_boxes`), and transfer functions (`transfer`). It looks at
each object once for a document, however many pages lead to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from weakref import WeakKeyDictionary

from msgspec import Struct, field

from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawObj, as_pdf, mupdf, owned, pymupdf
from sidebooks_core.engine.pdf.resources import values as values_of
from sidebooks_core.engine.transfer.curves import STRAIGHT, curve_of
from sidebooks_core.engine.transfer.functions import by_colour, function_of

_LARGEST = 8.0
"""A box with a longer side, in units of the text, is not believed. Glyphs have sides of up to 2."""
MOST_OBJECTS = 10_000
"""Most objects of one page that are looked at. For forms that name others this takes some 0.45 s, once for a document."""
_NO_RESOURCES = frozenset(("Image", "Type0", "Type1", "MMType1", "TrueType", "Link", "Popup"))
"""Subtypes without resources to look into: images, other types of fonts, and annotations that the engine leaves out."""
_CATEGORIES = ("Font", "XObject", "Pattern")
DEEPEST = 20
"""Most dictionaries that are written one within another."""
_HIDDEN = 1 << 1 | 1 << 5
"""Flags of an annotation that is not shown on a screen (ISO 32000-2, 12.5.3): Hidden, NoView."""


class Faults(Struct, frozen=True):
    """What is to be mended while the list of a page is made."""

    large_fonts: tuple[mupdf.PdfObj, ...] = ()
    """The Type 3 fonts of the page with boxes that are too large."""
    transfers: bool = False
    """Whether the page's content, or that of a form that it draws, may set transfer functions."""
    transfers_elsewhere: bool = False
    """Whether something else may set transfer functions: a pattern, a glyph, a soft mask, the appearance of an annotation, a
    form that one of these draws, or an object that was not looked at since there are too many."""


class _Finding(Struct, frozen=True, eq=False):
    """What one font, form, pattern, annotation or resource dictionary contributes."""

    large_font: mupdf.PdfObj | None = None
    """The object itself, if it is a font with a box that is too large."""
    sets_transfers: bool = False
    is_content: bool = False
    """Whether it is a form or the resources of a page. A pattern, for one, draws elsewhere."""
    inner: tuple[int, ...] = ()
    """The numbers of the objects that it draws with."""
    inner_elsewhere: tuple[int, ...] = ()
    """The same for soft masks."""
    parts: tuple[_Finding, ...] = ()
    """Its resources, their categories, and the objects that are written in place there."""
    enclosing: tuple[int, ...] = ()
    """The numbers of resources or categories that it names and lies in: they were being read when it was read."""


_NOTHING = _Finding()
_IN_DOUBT = _Finding(sets_transfers=True)
"""For objects that are nested too deep. In doubt the user is told."""


class _Known(Struct):
    """What is known of one document. It does not depend on the page that led to it."""

    objects: dict[int, _Finding] = field(default_factory=dict)
    """Findings by the number of an object."""
    pages: dict[int, Faults] = field(default_factory=dict)
    """Faults by the number of a page's object."""
    resources: dict[int, _Finding] = field(default_factory=dict)
    """Findings by the number of a resource dictionary, or of a category in it."""
    being_read: set[int] = field(default_factory=set)
    """The numbers of resource dictionaries and categories that are being read."""
    functions: dict[int, bool] = field(default_factory=dict)
    """Whether a function changes anything, by its number."""
    states: dict[int, tuple[bool, int]] = field(default_factory=dict)
    """For each graphics state by its number: whether it sets a transfer function, and the number of its soft mask, or 0."""
    faults: dict[int, Faults] = field(default_factory=dict)
    """The faults to which resources lead, by their number. Pages share resources."""


_known: WeakKeyDictionary[pymupdf.Document, _Known] = WeakKeyDictionary()


def faults_of(document: pymupdf.Document, page_object: RawObj) -> Faults:
    """The faults of a page."""
    known = _known_of(document)
    number = mupdf.ll_pdf_to_num(page_object)
    faults = known.pages.get(number)
    if faults is None:
        faults = _of_page(document, known, page_object)
        if number:
            known.pages[number] = faults
    return faults


def _of_page(document: pymupdf.Document, known: _Known, page_object: RawObj) -> Faults:
    resources = mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")
    number = mupdf.ll_pdf_to_num(resources)
    faults = known.faults.get(number)
    if faults is None:
        faults = _Walk(document, known).over([_of_resources(known, resources)], is_elsewhere=False)
        if number:
            known.faults[number] = faults
    annotations = mupdf.ll_pdf_dict_gets(page_object, "Annots")
    count = mupdf.ll_pdf_array_len(annotations) if annotations else 0
    every = (_of_annotation(known, mupdf.ll_pdf_array_get(annotations, index)) for index in range(count))
    findings = _without_nothing(every)
    if not findings:
        return faults
    of_annotations = _Walk(document, known).over(findings, is_elsewhere=True)
    return Faults(
        faults.large_fonts + of_annotations.large_fonts,
        faults.transfers,
        faults.transfers_elsewhere or of_annotations.transfers_elsewhere,
    )


def that_set_transfers(document: pymupdf.Document, page_object: RawObj) -> frozenset[int]:
    """The numbers of the objects, among those that a page draws with, that may set transfer functions or lead to such objects.

    For a page that `faults_of` has looked at. The time grows with the number of objects, not with the number of ways to them.
    """
    known = _known_of(document)
    first = _of_resources(known, mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources"))
    findings: dict[int, _Finding] = {id(first): first}
    """By identity."""
    led_from: dict[int, list[int]] = {}
    """From a finding to those that lead to it."""
    numbers: dict[int, list[int]] = {}
    """The numbers of objects, by the identity of their findings."""
    waiting = [first]
    for finding in waiting:  # the list grows meanwhile
        objects = [(number, known.objects.get(number, _NOTHING)) for number in finding.inner]
        for number, one in objects:
            numbers.setdefault(id(one), []).append(number)
        within = (known.resources.get(number, _NOTHING) for number in finding.enclosing)
        for one in (*finding.parts, *within, *(one for _, one in objects)):
            led_from.setdefault(id(one), []).append(id(finding))
            if id(one) not in findings:
                findings[id(one)] = one
                waiting.append(one)
    reached = [key for key, finding in findings.items() if finding.sets_transfers]
    setting = set(reached)
    for key in reached:  # the list grows meanwhile
        new = set(led_from.get(key, ())) - setting
        setting |= new
        reached.extend(new)
    return frozenset(number for key in setting for number in numbers.get(key, ()))


def forget(document: pymupdf.Document) -> None:
    """Forget a document whose objects were replaced, so that it is looked at anew."""
    _known.pop(document, None)


def _known_of(document: pymupdf.Document) -> _Known:
    known = _known.get(document)
    if known is None:
        known = _known[document] = _Known()
    return known


class _Walk(Struct):
    """A walk through the objects that others draw with."""

    document: pymupdf.Document
    known: _Known
    large_fonts: dict[int, mupdf.PdfObj] = field(default_factory=dict)
    """By the identity of the finding."""
    transfers: bool = False
    transfers_elsewhere: bool = False
    _noted: set[tuple[int, bool]] = field(default_factory=set)
    _reached: set[tuple[int, bool]] = field(default_factory=set)
    _waiting: list[tuple[int, bool]] = field(default_factory=list)
    """Numbers of objects, and whether they are drawn elsewhere than in content."""

    def over(self, starts: Iterable[_Finding], *, is_elsewhere: bool) -> Faults:
        """The faults of these findings, and of all to which they lead."""
        for finding in starts:
            self._note(finding, is_elsewhere=is_elsewhere)
        left = MOST_OBJECTS
        for number, is_this_elsewhere in self._waiting:  # the list grows meanwhile
            finding = self.known.objects.get(number) or self._read(number)
            if finding is _NOTHING:
                continue
            if not left:
                self.transfers_elsewhere = True  # in doubt the user is told
                break
            left -= 1
            self._note(finding, is_elsewhere=is_this_elsewhere)
        return Faults(tuple(self.large_fonts.values()), self.transfers, self.transfers_elsewhere)

    def _read(self, number: int) -> _Finding:
        owner = mupdf.pdf_new_indirect(as_pdf(self.document), number, 0)
        finding = self.known.objects[number] = _read_object(self.known, owner.m_internal)
        return finding

    def _note(self, finding: _Finding, *, is_elsewhere: bool) -> None:
        is_elsewhere = is_elsewhere or not finding.is_content
        if (id(finding), is_elsewhere) in self._noted:
            return
        self._noted.add((id(finding), is_elsewhere))
        if finding.large_font is not None:
            self.large_fonts[id(finding)] = finding.large_font
        self.transfers |= finding.sets_transfers and not is_elsewhere
        self.transfers_elsewhere |= finding.sets_transfers and is_elsewhere
        for numbers, is_inner_elsewhere in ((finding.inner, is_elsewhere), (finding.inner_elsewhere, True)):
            for number in numbers:
                way = number, is_inner_elsewhere
                if way not in self._reached:
                    self._reached.add(way)
                    self._waiting.append(way)
        for part in finding.parts:
            self._note(part, is_elsewhere=is_elsewhere)
        for number in finding.enclosing:
            self._note(self.known.resources.get(number, _NOTHING), is_elsewhere=is_elsewhere)


def _of_annotation(known: _Known, annotation: RawObj) -> _Finding:
    """The finding of the appearance that the engine draws for an annotation: a stream, or the stream for its state."""
    # Links are told apart first: a page may have tens of thousands.
    if mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(annotation, "Subtype")) in _NO_RESOURCES:
        return _NOTHING
    if _HIDDEN & mupdf.ll_pdf_to_int(mupdf.ll_pdf_dict_gets(annotation, "F")):
        return _NOTHING
    shown = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets(annotation, "AP"), "N")
    if shown and not mupdf.ll_pdf_is_stream(shown):
        shown = mupdf.ll_pdf_dict_get(shown, mupdf.ll_pdf_dict_gets(annotation, "AS"))
    number = mupdf.ll_pdf_to_num(shown)
    finding = known.objects.get(number) if shown else _NOTHING
    if finding is None:
        finding = _read_object(known, shown)
        if number:
            known.objects[number] = finding
    return finding


def _read_object(known: _Known, value: RawObj, depth: int = 0) -> _Finding:
    """Read a font, a form or a pattern."""
    subtype = mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype"))
    if subtype in _NO_RESOURCES:
        return _NOTHING
    large_font = None
    if subtype == "Type3":
        box = mupdf.ll_pdf_to_rect(mupdf.ll_pdf_dict_gets(value, "FontBBox"))
        shown = mupdf.ll_fz_transform_rect(box, mupdf.ll_pdf_to_matrix(mupdf.ll_pdf_dict_gets(value, "FontMatrix")))
        if max(shown.x1 - shown.x0, shown.y1 - shown.y0) > _LARGEST:
            large_font = owned(value)
    state = mupdf.ll_pdf_dict_gets(value, "ExtGState")  # of a pattern that is a shading
    sets_transfers = bool(state) and _of_state(known, state)[0]
    resources = mupdf.ll_pdf_dict_gets(value, "Resources")
    parts = _without_nothing((_of_resources(known, resources, depth),)) if resources else ()
    if large_font is None and not sets_transfers and not parts:
        return _NOTHING
    return _Finding(large_font, sets_transfers, is_content=subtype == "Form", parts=parts)


def _of_resources(known: _Known, resources: RawObj, depth: int = 0) -> _Finding:
    """The finding of a resource dictionary. A dictionary with a number is read once, whatever it belongs to. So are its
    categories.
    """
    return _read_once(known, resources, lambda: _read_resources(known, resources, depth))


def _read_once(known: _Known, dictionary: RawObj, read: Callable[[], _Finding]) -> _Finding:
    number = mupdf.ll_pdf_to_num(dictionary)
    if not number:
        return read()
    if number in known.being_read:
        return _Finding(is_content=True, enclosing=(number,))
    finding = known.resources.get(number)
    if finding is None:
        known.being_read.add(number)
        try:
            finding = known.resources[number] = read()
        finally:
            known.being_read.discard(number)
    return finding


def _read_resources(known: _Known, resources: RawObj, depth: int) -> _Finding:
    states = mupdf.ll_pdf_dict_gets(resources, "ExtGState")
    found = [_read_once(known, states, lambda: _read_states(known, states))] if states else []
    for category in _CATEGORIES:
        values = mupdf.ll_pdf_dict_gets(resources, category)
        if values:
            found.append(_read_once(known, values, partial(_read_category, known, values, depth)))
    parts = _without_nothing(found)
    return _Finding(is_content=True, parts=parts) if parts else _NOTHING


def _read_states(known: _Known, states: RawObj) -> _Finding:
    told = [_of_state(known, state) for state in values_of(states)]
    sets_transfers = any(sets_one for sets_one, _ in told)
    masks = tuple(mask for _, mask in told if mask)
    if not sets_transfers and not masks:
        return _NOTHING
    return _Finding(sets_transfers=sets_transfers, is_content=True, inner_elsewhere=masks)


def _read_category(known: _Known, values: RawObj, depth: int) -> _Finding:
    inner: list[int] = []
    in_place: list[_Finding] = []
    for value in values_of(values):
        number = mupdf.ll_pdf_to_num(value)
        if not number:  # a font or a pattern
            in_place.append(_read_object(known, value, depth + 1) if depth < DEEPEST else _IN_DOUBT)
        elif number in known.objects:
            inner += (number,) if known.objects[number] is not _NOTHING else ()
        elif mupdf.ll_pdf_to_name(mupdf.ll_pdf_dict_gets(value, "Subtype")) in _NO_RESOURCES:
            known.objects[number] = _NOTHING
        else:
            inner.append(number)
    parts = _without_nothing(in_place)
    return _Finding(is_content=True, inner=tuple(inner), parts=parts) if inner or parts else _NOTHING


def _without_nothing(findings: Iterable[_Finding]) -> tuple[_Finding, ...]:
    return tuple(finding for finding in findings if finding is not _NOTHING)


def _of_state(known: _Known, state: RawObj) -> tuple[bool, int]:
    """Whether a graphics state sets a function that changes colours, and the number of its soft mask, or 0."""
    number = mupdf.ll_pdf_to_num(state)
    told = known.states.get(number)
    if told is None:
        mask = mupdf.ll_pdf_dict_gets(state, "SMask")
        form = mupdf.ll_pdf_dict_gets(mask, "G") if mask else None
        told = _changes_colours(known, function_of(state)), mupdf.ll_pdf_to_num(form) if form else 0
        if number:
            known.states[number] = told
    return told


def _changes_colours(known: _Known, function: RawObj) -> bool:
    """Whether a transfer function changes colours. In doubt it does."""
    return function is not None and any(_is_curve(known, one) for one in by_colour(function))


def _is_curve(known: _Known, function: RawObj) -> bool:
    """Whether a function changes any value. In doubt it does."""
    if mupdf.ll_pdf_is_name(function):
        return False
    number = mupdf.ll_pdf_to_num(function)
    if number in known.functions:
        return known.functions[number]
    try:
        is_curve = curve_of(function) is not STRAIGHT
    except ENGINE_ERRORS:
        is_curve = True
    if number:
        known.functions[number] = is_curve
    return is_curve
