"""Applies transfer functions, which the engine ignores. Scans may be stored as negatives with them. Worker side.

While the list of a page is made, the colours and images of the page and of its forms are replaced by what the function makes of
them. A message tells of things that are not covered: shadings, inline images, colours in other spaces than the device's,
coloured glyphs, patterns, soft masks and appearances of annotations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawObj, as_pdf, mupdf, pymupdf
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf.replacing import Replacements, replacements
from sidebooks_core.engine.pdf.resources import OF_STREAM, copied, entries
from sidebooks_core.engine.transfer.content import Content, State, TooMuch
from sidebooks_core.engine.transfer.curves import UNCHANGED, Curves, curve_of
from sidebooks_core.engine.transfer.functions import COLOURS, by_colour, function_of
from sidebooks_core.engine.transfer.images import transferred
from sidebooks_core.engine.transfer.names import FORMS_AND_IMAGES, Names, names_in

MOST_FORMS = 500
"""Most forms that are read for one page. A form counts once for each state in which it is drawn."""
MOST_TOKENS = 1_000_000
"""Most tokens that are read for one page and its forms; they take some 5 s. A page with more stays as it is."""
_MOST_PIXELS = 64 << 20
"""Most pixels of the images of one page that need more than another `Decode`."""
DEEPEST = 20
"""Most forms within forms."""
MOST_GLYPHS = 1_000
"""Most glyphs of a font that are looked at. A font with more counts as coloured."""
_BEGINNING_BYTES = 1024
NOT_APPLIED = "a transfer function was not applied to all of the page"


@contextmanager
def applied(document: pymupdf.Document, index: int) -> Iterator[None]:
    """Apply the transfer functions of a page while its list is made. The page is put back afterwards.

    A message of the engine's kind tells if something is not covered.
    """
    pdf = as_pdf(document)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    resources = mupdf.pdf_dict_gets_inheritable(page_object, "Resources")
    with replacements(pdf) as replaced:
        rewriter = _Rewriter(replaced, page_faults.that_set_transfers(document, page_object.m_internal))
        try:
            names = rewriter.names_of(resources, 0)
            rewritten = Content(rewriter, (names,)).rewritten(document[index].read_contents())
            contents = replaced.add_stream(rewritten, mupdf.PdfObj())
            replaced.put(page_object, "Contents", contents)
            replaced.put(page_object, "Resources", names.extended or resources)
        except (*ENGINE_ERRORS, TooMuch):
            rewriter.is_incomplete = True
        if rewriter.is_incomplete:
            mupdf.fz_warn(NOT_APPLIED)
        yield


class _Rewriter(Struct):
    """What the contents of one page share while they are rewritten."""

    replaced: Replacements
    """Objects that are added to the document for the page."""
    setters: frozenset[int]
    """The numbers of forms that may set transfer functions, or draw one that does."""
    tokens_left: int = field(default_factory=lambda: MOST_TOKENS)
    is_incomplete: bool = False
    """Whether something may be drawn without its function."""
    _images: dict[tuple[int, Curves], mupdf.PdfObj | None] = field(default_factory=dict)
    """Stand-ins for images, by their numbers; None: the image stays as it is."""
    _forms: dict[tuple[object, ...], mupdf.PdfObj | None] = field(default_factory=dict)
    """Stand-ins for forms: by number, owner of the names that they use (0: the form itself) and state; for forms that use names
    of their surroundings, also by the owners of these."""
    _names: dict[int, Names] = field(default_factory=dict)
    _curve_by_function: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _same_curves: dict[bytes, Curves] = field(default_factory=lambda: {UNCHANGED.values.tobytes(): UNCHANGED})
    _has_names: dict[int, bool] = field(default_factory=dict)
    """Whether a form may set graphics states or draw other forms."""
    _reaching_out: set[int] = field(default_factory=set)
    """Forms that use names of their surroundings, if some of these set functions."""
    _coloured_fonts: dict[int, bool] = field(default_factory=dict)
    """Whether a font has glyphs with colours of their own, by number, or by address below zero."""
    _forms_left: int = field(default_factory=lambda: MOST_FORMS)
    _pixels_left: int = field(default_factory=lambda: _MOST_PIXELS)

    def names_of(self, resources: mupdf.PdfObj, owner: int) -> Names:
        """The names of a resource dictionary. owner: the number of its form, below zero; 0 for the page."""
        number = mupdf.pdf_to_num(resources) or owner
        if number not in self._names:
            self._names[number] = names_in(resources, number)
        return self._names[number]

    def name_for(self, stand_in: mupdf.PdfObj, names: Names) -> bytes:
        """The name by which content that uses some names can draw a stand-in."""
        if names.extended is None or names.extended_xobjects is None:
            pdf = self.replaced.pdf
            own = copied(pdf, names.resources)
            names.extended_xobjects = copied(pdf, mupdf.pdf_dict_gets(names.resources, FORMS_AND_IMAGES))
            mupdf.pdf_dict_puts(own, FORMS_AND_IMAGES, names.extended_xobjects)
            names.extended = self.replaced.add(own)
        name = f"transferred{mupdf.pdf_to_num(stand_in)}"
        while name.encode() in names.meanings[FORMS_AND_IMAGES]:
            name += "~"
        mupdf.pdf_dict_puts(names.extended_xobjects, name, stand_in)
        return name.encode()

    def curves_of(self, names: Names, name: bytes) -> Curves | None:
        """The curves that a graphics state sets; None if it sets no transfer function."""
        if name not in names.curves:
            names.curves[name] = None  # also if the function cannot be read
            state = names.states.get(name)
            names.curves[name] = self._curves(state) if state is not None else None
        return names.curves[name]

    def _curves(self, state: mupdf.PdfObj) -> Curves | None:
        function = function_of(state.m_internal)
        if function is None:
            return None
        parts = [self._curve(one) for one in by_colour(function)]
        if not parts:
            return UNCHANGED
        made = Curves(np.array(parts if len(parts) == COLOURS else parts * COLOURS))
        return self._same_curves.setdefault(made.values.tobytes(), made)

    def _curve(self, function: RawObj) -> NDArray[np.float64]:
        number = mupdf.ll_pdf_to_num(function)
        if not number:
            return curve_of(function)
        if number not in self._curve_by_function:
            self._curve_by_function[number] = curve_of(function)
        return self._curve_by_function[number]

    def is_coloured(self, font: mupdf.PdfObj) -> bool:
        """Whether glyphs of a font have colours of their own. Such glyphs are not rewritten."""
        # A font that is written in its place has no number, but an address that does not change while the page is rewritten.
        key = mupdf.pdf_to_num(font) or -int(font.m_internal or 0)
        if key not in self._coloured_fonts:
            is_type3 = mupdf.pdf_to_name(mupdf.pdf_dict_gets(font, "Subtype")) == "Type3"
            self._coloured_fonts[key] = is_type3 and _has_coloured_glyphs(mupdf.pdf_dict_gets(font, "CharProcs"))
        return self._coloured_fonts[key]

    def image(self, image: mupdf.PdfObj, curves: Curves, *, has_default_rgb: bool) -> mupdf.PdfObj | None:
        """The stand-in for an image; None: the image stays as it is.

        has_default_rgb: whether RGB colours are read in a space of the document there, as new samples would be.
        """
        if curves is UNCHANGED or mupdf.pdf_to_bool(mupdf.pdf_dict_gets(image, "ImageMask")):
            return None  # a mask is painted with the colour
        key = mupdf.pdf_to_num(image), curves
        if key not in self._images:
            self._images[key] = None  # also if the image cannot be read
            made, pixels = transferred(self.replaced.pdf, image, curves, self._pixels_left)
            self._images[key] = made
            self._pixels_left -= pixels
            self.is_incomplete |= bool(pixels) and has_default_rgb
            if made is not None:
                self.replaced.take_over(made)
        self.is_incomplete |= self._images[key] is None
        return self._images[key]

    def form(self, form: mupdf.PdfObj, place: Content) -> mupdf.PdfObj | None:
        """The stand-in for a form that is drawn at a place; None: the form stays as it is."""
        number = mupdf.pdf_to_num(form)
        resources = mupdf.pdf_dict_gets(form, "Resources")
        has_own = bool(resources.m_internal)
        scope = (self.names_of(resources, -number), *place.scope) if has_own else place.scope
        state = place.state
        is_settable = self._is_settable_from_outside(number, form, scope) if has_own else True
        if has_own and number not in self.setters and number not in self._reaching_out:
            if state.curves is UNCHANGED and not is_settable:
                return None
            # A form that sets no function needs no colours of its place, which are changed there already. So one rewriting
            # serves all places.
            state = State(state.curves, has_coloured_font=state.has_coloured_font)
        here = number, 0 if has_own else scope[0].number, state
        if here in self._forms:
            return self._forms[here]
        within = (*here, *(names.number for names in scope))
        if within in self._forms:
            place.uses_surroundings = True
            return self._forms[within]
        self._forms[within] = None
        made, uses_surroundings = self._rewritten_form(form, (*place.forms, number), scope, state)
        if uses_surroundings and is_settable:
            self._reaching_out.add(number)
            if state != place.state:
                return self.form(form, place)  # the colours of its place count after all
        place.uses_surroundings |= uses_surroundings
        self._forms[within if uses_surroundings else here] = made
        return made

    def _is_settable_from_outside(self, number: int, form: mupdf.PdfObj, scope: tuple[Names, ...]) -> bool:
        """Whether a form, or one that it draws, may set a function by a name of its surroundings."""
        if not any(names.sets_others_than(scope[0]) for names in scope[1:]):
            return False
        if number not in self._has_names:
            data = _data(form)
            self._has_names[number] = b"gs" in data or b"Do" in data
        return self._has_names[number]

    def _rewritten_form(
        self, form: mupdf.PdfObj, forms: tuple[int, ...], scope: tuple[Names, ...], state: State
    ) -> tuple[mupdf.PdfObj | None, bool]:
        """The stand-in, and whether it depends on the names of the form's surroundings."""
        self._forms_left -= 1
        if len(forms) > DEEPEST or self._forms_left < 0:
            self.is_incomplete = True
            return None, False
        before = _data(form)
        content = Content(self, scope, forms, state)
        after = content.rewritten(before)
        if after == before:
            return None, content.uses_surroundings
        described = copied(self.replaced.pdf, form, without=OF_STREAM)
        mupdf.pdf_dict_puts(described, "Resources", scope[0].extended or scope[0].resources)
        return self.replaced.add_stream(after, described), content.uses_surroundings


def _data(stream: mupdf.PdfObj) -> bytes:
    return mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(stream))


def _has_coloured_glyphs(glyphs: mupdf.PdfObj) -> bool:
    """Whether a glyph sets colours. True in doubt, if a glyph cannot be read or there are too many: rather a message too much
    than one too few.
    """
    if mupdf.pdf_dict_len(glyphs) > MOST_GLYPHS:
        return True
    every = {mupdf.pdf_to_num(glyph): glyph for _, glyph in entries(glyphs)}
    try:
        return any(b"d1" not in _beginning(glyph) for glyph in every.values())
    except ENGINE_ERRORS:
        return True


def _beginning(stream: mupdf.PdfObj) -> bytes:
    """The beginning of a glyph. `d0` or `d1`, which come first, tell whether it has colours."""
    opened = mupdf.fz_open_null_filter(mupdf.pdf_open_stream(stream), _BEGINNING_BYTES, 0)
    return mupdf.fz_buffer_extract_copy(mupdf.fz_read_all(opened, _BEGINNING_BYTES))
