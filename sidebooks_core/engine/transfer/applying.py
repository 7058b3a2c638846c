"""Transfer functions, which the engine does not look at: scans may be kept as negatives with them. Worker side.

The colours and images of a page and of its forms are given the values that the function makes of them, for as long as the
page's list is made. What is not reached is told as a complaint of the engine: shadings, inline images, colours of other
spaces than the device's, coloured glyphs, patterns, soft masks and the appearances of annotations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from sidebooks_core.documents.syntax.content_tokens import inline_image, token
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, as_pdf, mupdf, pymupdf
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf.resources import OF_STREAM, copied, entries, new_stream
from sidebooks_core.engine.transfer.curves import UNCHANGED, Colour, Curves, curve_of, operator_of
from sidebooks_core.engine.transfer.images import transferred

_OF_OPERANDS = b"/(<[]>+-.0123456789"
_OF_NUMBERS = b"+-.0123456789"
_OF_SPACE = b"\x00\t\n\f\r %"
"""First bytes of operands; of numbers; of white space and comments. All other words are operators, or `true` and the like."""
_COMPONENTS = {b"g": 1, b"G": 1, b"rg": 3, b"RG": 3, b"k": 4, b"K": 4}
_MOST_FORMS = 500
"""Forms that are read for one page; a form counts for each state that it is drawn in."""
_MOST_TOKENS = 1_000_000
"""That are read for one page, its forms' included; a page with more stays as it is. They take some 5 s."""
_MOST_PIXELS = 64 << 20
"""Of the images of one page that cannot be had by another `Decode`."""
_DEEPEST = 20
"""Forms within forms."""
_MOST_GLYPHS = 1_000
"""Of a font; one with more counts as coloured."""
_BEGINNING_BYTES = 1024
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_DIGITS = re.compile(rb"[+-]*+(?:\d++\.?+\d*+|\.\d++)")
_PATHS = re.compile(
    rb"(?:(?:[+\-.0-9]++[\x00\t\n\f\r ]++)*+(?:re|[mlcvyhwMiJjnSsFW]|[fBb]\*?|W\*|cm)[\x00\t\n\f\r ]++)++",
)
"""Operators without names and colours: most of a map. They are passed at once, since token by token takes ten times as long."""
NOT_APPLIED = "a transfer function was not applied to all of the page"


class _TooMuch(Exception):
    """There are more than _MOST_TOKENS."""


@contextmanager
def applied(document: pymupdf.Document, index: int) -> Iterator[None]:
    """Apply the transfer functions of a page while its list is made; the page is put back afterwards.

    What they are not applied to is told as a complaint of the engine.
    """
    pdf = as_pdf(document)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    resources = mupdf.pdf_dict_gets_inheritable(page_object, "Resources")
    rewriter = _Rewriter(pdf, page_faults.that_set_transfers(document, page_object.m_internal))
    before = {key: mupdf.pdf_dict_gets(page_object, key) for key in ("Contents", "Resources")}
    try:
        try:
            names = rewriter.names_of(resources, 0)
            contents = rewriter.add(_Content(rewriter, (names,)).rewritten(document[index].read_contents()), mupdf.PdfObj())
            mupdf.pdf_dict_puts(page_object, "Contents", contents)
            mupdf.pdf_dict_puts(page_object, "Resources", names.extended or resources)
        except (*ENGINE_ERRORS, _TooMuch):
            rewriter.is_incomplete = True
        if rewriter.is_incomplete:
            mupdf.fz_warn(NOT_APPLIED)
        yield
    finally:
        for key, value in before.items():
            if value.m_internal:
                mupdf.pdf_dict_puts(page_object, key, value)
            else:
                mupdf.pdf_dict_dels(page_object, key)
        for added in rewriter.added:
            mupdf.pdf_delete_object(pdf, mupdf.pdf_to_num(added))  # the list has what it needs of it


class _State(Struct, frozen=True):
    """The part of a graphics state that counts here."""

    curves: Curves = UNCHANGED
    fill: Colour | None = (b"g", (0.0,))
    stroke: Colour | None = (b"G", (0.0,))
    """As the content gives them; None: in another space than the device's."""
    has_coloured_font: bool = False


class _Names(Struct):
    """What the names of a resource dictionary mean: as bytes, since they need not be text."""

    resources: mupdf.PdfObj
    number: int
    """Of the dictionary; of the form that it is written in, below zero; 0: the page's."""
    xobjects: dict[bytes, mupdf.PdfObj]
    states: dict[bytes, mupdf.PdfObj]
    fonts: dict[bytes, mupdf.PdfObj]
    has_default_rgb: bool
    """Red, green and blue are read in a space of the document."""
    curves: dict[bytes, Curves | None] = field(default_factory=dict)
    """What graphics states set, as far as it was asked for; None: they set no transfer function."""
    is_coloured: dict[bytes, bool] = field(default_factory=dict)
    """Whether fonts have glyphs with colours of their own, as far as it was asked for."""
    extended: mupdf.PdfObj | None = None
    """A copy of the resources, by reference, with XObjects that stand for others, too; None: nothing stands for another."""
    extended_xobjects: mupdf.PdfObj | None = None
    _setting: list[bytes] | None = None
    """The names of graphics states that may set functions, once it was asked for."""

    def sets_others_than(self, inner: _Names) -> bool:
        """Whether a graphics state may set a function here, by a name that means nothing in other names."""
        if self._setting is None:
            self._setting = [name for name, state in self.states.items() if _has_function(state)]
        return any(name not in inner.states for name in self._setting)


class _Rewriter(Struct):
    """What the contents of one page share while they are rewritten."""

    pdf: mupdf.PdfDocument
    setters: frozenset[int]
    """The numbers of forms that may set transfer functions, or draw one that does."""
    added: list[mupdf.PdfObj] = field(default_factory=list)
    """Streams added to the document. Who made the rewriter deletes them."""
    tokens_left: int = field(default_factory=lambda: _MOST_TOKENS)
    is_incomplete: bool = False
    """Something may be drawn without its function."""
    _images: dict[tuple[int, Curves], mupdf.PdfObj | None] = field(default_factory=dict)
    """What stands for images, by their numbers; None: they stay as they are."""
    _forms: dict[tuple[object, ...], mupdf.PdfObj | None] = field(default_factory=dict)
    """Likewise for forms, by their number, the owner of the names that they use (0: themselves), and the state there; of forms
    that use names of their surroundings, by the owners of these as well."""
    _names: dict[int, _Names] = field(default_factory=dict)
    _curve_by_function: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _same_curves: dict[bytes, Curves] = field(default_factory=lambda: {UNCHANGED.values.tobytes(): UNCHANGED})
    _has_names: dict[int, bool] = field(default_factory=dict)
    """Of forms, whether they may set graphics states or draw others."""
    _reaching_out: set[int] = field(default_factory=set)
    """Forms that use names of their surroundings, among which some set functions."""
    _coloured_fonts: dict[int, bool] = field(default_factory=dict)
    _forms_left: int = field(default_factory=lambda: _MOST_FORMS)
    _pixels_left: int = field(default_factory=lambda: _MOST_PIXELS)

    def add(self, data: bytes, described: mupdf.PdfObj) -> mupdf.PdfObj:
        """Add a stream to the document, with the entries of a dictionary."""
        new = new_stream(self.pdf, data, described)
        self.added.append(new)
        return new

    def names_of(self, resources: mupdf.PdfObj, owner: int) -> _Names:
        """owner: below zero the number of the form that the resources belong to; 0: they are the page's."""
        number = mupdf.pdf_to_num(resources) or owner
        if number not in self._names:
            xobjects, states, fonts, spaces = (
                _named(mupdf.pdf_dict_gets(resources, kind)) for kind in ("XObject", "ExtGState", "Font", "ColorSpace")
            )
            self._names[number] = _Names(resources, number, xobjects, states, fonts, b"DefaultRGB" in spaces)
        return self._names[number]

    def name_for(self, stand_in: mupdf.PdfObj, names: _Names) -> bytes:
        """The name by which content that uses some names can draw a stand-in."""
        if names.extended is None or names.extended_xobjects is None:
            own = copied(self.pdf, names.resources)
            names.extended_xobjects = copied(self.pdf, mupdf.pdf_dict_gets(names.resources, "XObject"))
            mupdf.pdf_dict_puts(own, "XObject", names.extended_xobjects)
            names.extended = mupdf.pdf_add_object(self.pdf, own)
            self.added.append(names.extended)
        name = f"transferred{mupdf.pdf_to_num(stand_in)}"
        while name.encode() in names.xobjects:
            name += "~"
        mupdf.pdf_dict_puts(names.extended_xobjects, name, stand_in)
        return name.encode()

    def curves_of(self, names: _Names, name: bytes) -> Curves | None:
        """What a graphics state sets; None: no transfer function."""
        if name not in names.curves:
            names.curves[name] = None  # also if the function cannot be read
            state = names.states.get(name)
            names.curves[name] = self._curves(state) if state is not None else None
        return names.curves[name]

    def _curves(self, state: mupdf.PdfObj) -> Curves | None:
        found = page_faults.transfer_function(state.m_internal)
        if found is None:
            return None
        function = mupdf.PdfObj(mupdf.ll_pdf_keep_obj(found))
        if not mupdf.pdf_is_array(function):
            parts = [self._curve(function)] * 4
        elif mupdf.pdf_array_len(function) == 4:
            parts = [self._curve(mupdf.pdf_array_get(function, place)) for place in range(4)]
        else:
            return UNCHANGED
        made = Curves(np.array(parts))
        return self._same_curves.setdefault(made.values.tobytes(), made)

    def _curve(self, function: mupdf.PdfObj) -> NDArray[np.float64]:
        number = mupdf.pdf_to_num(function)
        if not number:
            return curve_of(function)
        if number not in self._curve_by_function:
            self._curve_by_function[number] = curve_of(function)
        return self._curve_by_function[number]

    def is_coloured(self, names: _Names, name: bytes) -> bool:
        """Whether glyphs of a font have colours of their own: such glyphs are not rewritten."""
        if name not in names.is_coloured:
            font = names.fonts.get(name)
            names.is_coloured[name] = font is not None and self.is_font_coloured(font)
        return names.is_coloured[name]

    def is_font_coloured(self, font: mupdf.PdfObj) -> bool:
        """The same of a font."""
        if mupdf.pdf_to_name(mupdf.pdf_dict_gets(font, "Subtype")) != "Type3":
            return False
        number = mupdf.pdf_to_num(font)
        if not number:
            return _has_coloured_glyphs(mupdf.pdf_dict_gets(font, "CharProcs"))
        if number not in self._coloured_fonts:
            self._coloured_fonts[number] = _has_coloured_glyphs(mupdf.pdf_dict_gets(font, "CharProcs"))
        return self._coloured_fonts[number]

    def image(self, image: mupdf.PdfObj, curves: Curves, *, has_default_rgb: bool) -> mupdf.PdfObj | None:
        """What stands for an image; None: it stays as it is.

        has_default_rgb: where it is drawn, red, green and blue are read in a space of the document: so new samples would be.
        """
        if curves is UNCHANGED or mupdf.pdf_to_bool(mupdf.pdf_dict_gets(image, "ImageMask")):
            return None  # a mask is painted with the colour
        key = mupdf.pdf_to_num(image), curves
        if key not in self._images:
            self._images[key] = None  # also if it cannot be read
            made, pixels = transferred(self.pdf, image, curves, self._pixels_left)
            self._images[key] = made
            self._pixels_left -= pixels
            self.is_incomplete |= bool(pixels) and has_default_rgb
            if made is not None:
                self.added.append(made)
        self.is_incomplete |= self._images[key] is None
        return self._images[key]

    def form(self, form: mupdf.PdfObj, place: _Content) -> mupdf.PdfObj | None:
        """What stands for a form that is drawn at a place; None: it stays as it is."""
        number = mupdf.pdf_to_num(form)
        resources = mupdf.pdf_dict_gets(form, "Resources")
        has_own = bool(resources.m_internal)
        scope = (self.names_of(resources, -number), *place.scope) if has_own else place.scope
        state = place.state
        is_settable = self._is_settable_from_outside(number, form, scope) if has_own else True
        if has_own and number not in self.setters and number not in self._reaching_out:
            if state.curves is UNCHANGED and not is_settable:
                return None
            # A form that sets no function needs no colours of its place, which were changed there: one rewriting for all.
            state = _State(state.curves, has_coloured_font=state.has_coloured_font)
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

    def _is_settable_from_outside(self, number: int, form: mupdf.PdfObj, scope: tuple[_Names, ...]) -> bool:
        """Whether a form, or one that it draws, may set a function by a name of its surroundings."""
        if not any(names.sets_others_than(scope[0]) for names in scope[1:]):
            return False
        if number not in self._has_names:
            data = _data(form)
            self._has_names[number] = b"gs" in data or b"Do" in data
        return self._has_names[number]

    def _rewritten_form(
        self, form: mupdf.PdfObj, forms: tuple[int, ...], scope: tuple[_Names, ...], state: _State
    ) -> tuple[mupdf.PdfObj | None, bool]:
        """What stands for it, and whether that depends on the names of its surroundings."""
        self._forms_left -= 1
        if len(forms) > _DEEPEST or self._forms_left < 0:
            self.is_incomplete = True
            return None, False
        before = _data(form)
        content = _Content(self, scope, forms, state)
        after = content.rewritten(before)
        if after == before:
            return None, content.uses_surroundings
        described = copied(self.pdf, form, without=OF_STREAM)
        mupdf.pdf_dict_puts(described, "Resources", scope[0].extended or scope[0].resources)
        return self.add(after, described), content.uses_surroundings


class _Content(Struct):
    """A content stream that is rewritten, and where it stands."""

    rewriter: _Rewriter
    scope: tuple[_Names, ...]
    """Its own names, and those of its surroundings outwards: the engine looks there for a name that is missing."""
    forms: tuple[int, ...] = ()
    """The numbers of the forms that it lies in, from the page inwards, its own the last."""
    state: _State = _State()
    """Of graphics, as far as it was read."""
    uses_surroundings: bool = False
    """It, or a form that it draws, uses a name that is not its own."""
    _stack: list[_State] = field(default_factory=list)
    _has_gone_back: bool = False
    _out: list[bytes] = field(default_factory=list)
    _operands: list[bytes] = field(default_factory=list)
    _name_at: int = 0
    """Where in `_out` the last operand is that is a name."""

    def rewritten(self, data: bytes) -> bytes:
        """The content with the functions applied. Raises _TooMuch."""
        rewriter = self.rewriter
        position = 0
        begun_at = 0  # where the entries of an inline image begin; 0: outside of one
        while position < len(data):
            start = position
            if not self._operands and (paths := _PATHS.match(data, position)):
                self._out.append(paths[0])
                position = paths.end()
                continue
            word, position = token(data, position)
            rewriter.tokens_left -= 1
            if rewriter.tokens_left < 0:
                raise _TooMuch
            if word[:1] in _OF_OPERANDS:
                self._operands.append(word)
                if word[:1] == b"/":
                    self._name_at = len(self._out)
            elif word[:1] not in _OF_SPACE:
                if word == b"BI":
                    begun_at = position
                elif word == b"ID" and begun_at:
                    image = inline_image(data, begun_at, position)
                    position, begun_at = image.stop, 0
                    if not image.is_mask:
                        self._note_unreached()
                    rewriter.is_incomplete |= not image.is_ended
                    word = data[start:position]
                elif word in _OPERATORS:
                    try:
                        word = _OPERATORS[word](self, word)
                    except ENGINE_ERRORS:  # what it names cannot be read: the rest of the page need not suffer
                        rewriter.is_incomplete = True
                self._operands.clear()
            self._out.append(word)
        return b"".join(self._out)

    def _holder(self, kind: str, name: bytes) -> _Names | None:
        """The names in which a name means something. kind: the field that holds such names."""
        for names in self.scope:
            if name in getattr(names, kind):
                return names
            self.uses_surroundings |= len(self.scope) > 1
        return None

    def _note_unreached(self) -> None:
        """What stands here is drawn as it is."""
        self.rewriter.is_incomplete |= self.state.curves is not UNCHANGED

    def _push(self, word: bytes) -> bytes:
        self._stack.append(self.state)
        return word

    def _pop(self, word: bytes) -> bytes:
        if self._stack:
            self.state = self._stack.pop()
            return word
        # One too many: the engine goes back to its first colours, once, and not within a form.
        if self.forms or self._has_gone_back:
            return word
        self._has_gone_back = True
        self.state = _State(self.state.curves)
        return word if self.state.curves is UNCHANGED else self._with_colours(word)

    def _colour(self, word: bytes) -> bytes:
        count = _COMPONENTS[word]
        # As in the engine: the first ones, and zero for what is missing.
        colour = word, (*_numbers(self._operands), *[0.0] * count)[:count]
        self._remember(word, colour)
        curves = self.state.curves
        if curves is UNCHANGED:
            return word
        if word in b"kK" and any(names.has_default_rgb for names in self.scope):
            self._note_unreached()  # what the curves make of inks would be read in that space
        return word + b" " + operator_of(colour, curves)

    def _other_colour(self, word: bytes) -> bytes:
        self._note_unreached()
        self._remember(word, None)
        return word

    def _remember(self, word: bytes, colour: Colour | None) -> None:
        self.state = replace(self.state, **{"stroke" if word.isupper() else "fill": colour})

    def _set_state(self, word: bytes) -> bytes:
        name = _name(self._operands)
        names = self._holder("states", name)
        if names is None:
            return word
        font = mupdf.pdf_dict_gets(names.states[name], "Font")
        if font.m_internal:
            is_coloured = self.rewriter.is_font_coloured(mupdf.pdf_array_get(font, 0))
            self.state = replace(self.state, has_coloured_font=is_coloured)
        curves = self.rewriter.curves_of(names, name)
        if curves is None or curves is self.state.curves:
            return word
        self.state = replace(self.state, curves=curves)
        return self._with_colours(word)

    def _with_colours(self, word: bytes) -> bytes:
        """The colours of the state, as its curves make them, behind an operator."""
        colours = [colour for colour in (self.state.fill, self.state.stroke) if colour is not None]
        if len(colours) < 2:
            self._note_unreached()
        return b" ".join((word, *(operator_of(colour, self.state.curves) for colour in colours)))

    def _set_font(self, word: bytes) -> bytes:
        name = _name(self._operands)
        names = self._holder("fonts", name)
        is_coloured = names is not None and self.rewriter.is_coloured(names, name)
        self.state = replace(self.state, has_coloured_font=is_coloured)
        return word

    def _show(self, word: bytes) -> bytes:
        if self.state.has_coloured_font:
            self._note_unreached()
        return word

    def _shade(self, word: bytes) -> bytes:
        self._note_unreached()
        return word

    def _draw(self, word: bytes) -> bytes:
        name = _name(self._operands)
        names = self._holder("xobjects", name)
        if names is None:
            return word  # the engine says that it is missing
        drawn = names.xobjects[name]
        if mupdf.pdf_to_num(drawn) in self.forms:
            # The engine refuses a form within itself, and would not know it in what stands for it.
            self.rewriter.is_incomplete = True
            self._out[self._name_at] = b""
            return b""
        stand_in = self._stand_in(mupdf.pdf_to_name(mupdf.pdf_dict_gets(drawn, "Subtype")), drawn)
        if stand_in is not None:
            self._out[self._name_at] = b"/" + self.rewriter.name_for(stand_in, self.scope[0])
        return word

    def _stand_in(self, subtype: str, drawn: mupdf.PdfObj) -> mupdf.PdfObj | None:
        if subtype == "Form":
            return self.rewriter.form(drawn, self)
        if subtype != "Image":
            return None
        has_default_rgb = any(names.has_default_rgb for names in self.scope)
        return self.rewriter.image(drawn, self.state.curves, has_default_rgb=has_default_rgb)


_OPERATORS: dict[bytes, Callable[[_Content, bytes], bytes]] = {
    b"q": _Content._push,
    b"Q": _Content._pop,
    **dict.fromkeys(_COMPONENTS, _Content._colour),
    **dict.fromkeys((b"cs", b"CS", b"sc", b"SC", b"scn", b"SCN"), _Content._other_colour),
    b"gs": _Content._set_state,
    b"Tf": _Content._set_font,
    **dict.fromkeys((b"Tj", b"TJ", b"'", b'"'), _Content._show),
    b"sh": _Content._shade,
    b"Do": _Content._draw,
}
"""What is written for an operator: itself, as a rule."""


def _named(dictionary: mupdf.PdfObj) -> dict[bytes, mupdf.PdfObj]:
    return {mupdf.pdf_to_name(key).encode("utf-8", "surrogateescape"): value for key, value in entries(dictionary)}


def _name(operands: list[bytes]) -> bytes:
    """The last name among operands: as in the engine, whatever else there is."""
    word = next((word for word in reversed(operands) if word[:1] == b"/"), b"")
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), word[1:]) if word[:1] == b"/" else b""


def _data(stream: mupdf.PdfObj) -> bytes:
    return mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(stream))


def _has_function(state: mupdf.PdfObj) -> bool:
    return page_faults.transfer_function(state.m_internal) is not None


def _has_coloured_glyphs(glyphs: mupdf.PdfObj) -> bool:
    """True in doubt, if a glyph cannot be read or there are many: too much is told then, never too little."""
    if mupdf.pdf_dict_len(glyphs) > _MOST_GLYPHS:
        return True
    every = {mupdf.pdf_to_num(glyph): glyph for _, glyph in entries(glyphs)}
    try:
        return any(b"d1" not in _beginning(glyph) for glyph in every.values())
    except ENGINE_ERRORS:
        return True


def _beginning(stream: mupdf.PdfObj) -> bytes:
    """As much of a glyph as tells what it is: `d0` or `d1` come first in it."""
    opened = mupdf.fz_open_null_filter(mupdf.pdf_open_stream(stream), _BEGINNING_BYTES, 0)
    return mupdf.fz_buffer_extract_copy(mupdf.fz_read_all(opened, _BEGINNING_BYTES))


def _numbers(operands: list[bytes]) -> list[float]:
    """Those that are not in an array or a dictionary."""
    found = []
    depth = 0
    for one in operands:
        depth += (one in (b"[", b"<<")) - (one in (b"]", b">>"))
        if not depth and one[:1] in _OF_NUMBERS:
            found.append(_number(one))
    return found


def _number(operand: bytes) -> float:
    """As far as it is one: `0.5-1` is 0.5."""
    digits = _DIGITS.match(operand)
    if digits is None:
        return 0.0
    value = float(digits[0].lstrip(b"+-"))
    return -value if b"-" in digits[0] else value
