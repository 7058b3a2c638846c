"""Transfer functions, which the engine does not look at: scans may be kept as negatives with them. Worker side.

The colours and images of a page and of its forms are given the values that the function makes of them, for as long as the
page's list is made. What is not reached is told as a complaint of the engine: shadings, inline images, colours of other
spaces than the device's, coloured glyphs, patterns, soft masks and the appearances of annotations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from sidebooks_core.documents import page_faults
from sidebooks_core.documents.content_tokens import inline_image, token
from sidebooks_core.documents.engine import ENGINE_ERRORS, as_pdf, mupdf
from sidebooks_core.documents.resources import OF_STREAM, copied, entries, new_stream
from sidebooks_core.documents.transfer_curves import UNCHANGED, Colour, Curves, curve_of, operator_of
from sidebooks_core.documents.transfer_images import transferred

_OF_OPERANDS = b"/(<[]>+-.0123456789"
_OF_SPACE = b"\x00\t\n\f\r %"
"""First bytes of operands; of white space and comments. All other words are operators, or `true` and the like."""
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
def applied(handle: Any, index: int) -> Iterator[None]:
    """Apply the transfer functions of a page while its list is made; the page is put back afterwards.

    What they are not applied to is told as a complaint of the engine.
    """
    pdf = as_pdf(handle)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    resources = mupdf.pdf_dict_gets_inheritable(page_object, "Resources")
    rewriter = _Rewriter(handle, pdf)
    before = {key: mupdf.pdf_dict_gets(page_object, key) for key in ("Contents", "Resources")}
    try:
        try:
            names = rewriter.names_of(resources, 0)
            contents = rewriter.add(_Content(rewriter, names).rewritten(handle[index].read_contents()), mupdf.PdfObj())
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

    resources: Any
    number: int
    """Of the dictionary; of the form that it is written in, below zero; 0: the page's."""
    xobjects: dict[bytes, Any]
    states: dict[bytes, Any]
    fonts: dict[bytes, Any]
    curves: dict[bytes, Curves | None] = field(default_factory=dict)
    """What graphics states set, as far as it was asked for; None: they set no transfer function."""
    is_coloured: dict[bytes, bool] = field(default_factory=dict)
    """Whether fonts have glyphs with colours of their own, as far as it was asked for."""
    extended: Any = None
    """A copy of the resources, by reference, with XObjects that stand for others, too; None: nothing stands for another."""
    extended_xobjects: Any = None


class _Rewriter(Struct):
    """What the contents of one page share while they are rewritten."""

    handle: Any
    pdf: Any
    added: list[Any] = field(default_factory=list)
    """Streams added to the document. Who made the rewriter deletes them."""
    tokens_left: int = field(default_factory=lambda: _MOST_TOKENS)
    is_incomplete: bool = False
    """Something may be drawn without its function."""
    _images: dict[tuple[int, Curves], Any | None] = field(default_factory=dict)
    """What stands for images, by their numbers; None: they stay as they are."""
    _forms: dict[tuple[int, int, _State], Any | None] = field(default_factory=dict)
    """Likewise for forms, by their number, the owner of the names that they use (0: themselves), and the state there."""
    _names: dict[int, _Names] = field(default_factory=dict)
    _curve_by_function: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _same_curves: dict[bytes, Curves] = field(default_factory=lambda: {UNCHANGED.values.tobytes(): UNCHANGED})
    _coloured_fonts: dict[int, bool] = field(default_factory=dict)
    _forms_left: int = field(default_factory=lambda: _MOST_FORMS)
    _pixels_left: int = field(default_factory=lambda: _MOST_PIXELS)

    def add(self, data: bytes, described: Any) -> Any:
        """Add a stream to the document, with the entries of a dictionary."""
        new = new_stream(self.pdf, data, described)
        self.added.append(new)
        return new

    def names_of(self, resources: Any, owner: int) -> _Names:
        """owner: below zero the number of the form that the resources belong to; 0: they are the page's."""
        number = mupdf.pdf_to_num(resources) or owner
        if number not in self._names:
            named = (_named(mupdf.pdf_dict_gets(resources, kind)) for kind in ("XObject", "ExtGState", "Font"))
            self._names[number] = _Names(resources, number, *named)
        return self._names[number]

    def name_for(self, stand_in: Any, names: _Names) -> bytes:
        """The name by which content that uses some names can draw a stand-in."""
        if names.extended is None:
            own, names.extended_xobjects = (
                copied(self.pdf, names.resources),
                copied(self.pdf, mupdf.pdf_dict_gets(names.resources, "XObject")),
            )
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

    def _curves(self, state: Any) -> Curves | None:
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

    def _curve(self, function: Any) -> NDArray[np.float64]:
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

    def is_font_coloured(self, font: Any) -> bool:
        """The same of a font."""
        if mupdf.pdf_to_name(mupdf.pdf_dict_gets(font, "Subtype")) != "Type3":
            return False
        number = mupdf.pdf_to_num(font)
        if not number:
            return _has_coloured_glyphs(mupdf.pdf_dict_gets(font, "CharProcs"))
        if number not in self._coloured_fonts:
            self._coloured_fonts[number] = _has_coloured_glyphs(mupdf.pdf_dict_gets(font, "CharProcs"))
        return self._coloured_fonts[number]

    def image(self, image: Any, curves: Curves) -> Any | None:
        """What stands for an image; None: it stays as it is."""
        if curves is UNCHANGED or mupdf.pdf_to_bool(mupdf.pdf_dict_gets(image, "ImageMask")):
            return None  # a mask is painted with the colour
        key = mupdf.pdf_to_num(image), curves
        if key not in self._images:
            self._images[key] = None  # also if it cannot be read
            self._images[key], pixels = transferred(self.pdf, image, curves, self._pixels_left)
            self._pixels_left -= pixels
            if self._images[key] is not None:
                self.added.append(self._images[key])
        self.is_incomplete |= self._images[key] is None
        return self._images[key]

    def form(self, form: Any, place: _Content) -> Any | None:
        """What stands for a form that is drawn at a place; None: it stays as it is."""
        number = mupdf.pdf_to_num(form)
        resources = mupdf.pdf_dict_gets(form, "Resources")
        has_own = bool(resources.m_internal)
        state = place.state
        if has_own and not page_faults.form_sets_transfers(self.handle, form.m_internal):
            if state.curves is UNCHANGED:
                return None
            # A form that sets no function needs no colours of its place, which were changed there: one rewriting for all.
            state = _State(state.curves, has_coloured_font=state.has_coloured_font)
        key = number, 0 if has_own else place.names.number, state
        if key not in self._forms:
            self._forms[key] = None
            names = self.names_of(resources, -number) if has_own else place.names
            self._forms[key] = self._rewritten_form(form, names, (*place.forms, number), state)
        return self._forms[key]

    def _rewritten_form(self, form: Any, names: _Names, forms: tuple[int, ...], state: _State) -> Any | None:
        self._forms_left -= 1
        if len(forms) > _DEEPEST or self._forms_left < 0:
            self.is_incomplete = True
            return None
        before = _data(form)
        after = _Content(self, names, forms, state).rewritten(before)
        if after == before:
            return None
        described = copied(self.pdf, form, without=OF_STREAM)
        mupdf.pdf_dict_puts(described, "Resources", names.extended or names.resources)
        return self.add(after, described)


class _Content(Struct):
    """A content stream that is rewritten, and where it stands."""

    rewriter: _Rewriter
    names: _Names
    forms: tuple[int, ...] = ()
    """The numbers of the forms that it lies in, from the page inwards, its own the last."""
    state: _State = _State()
    """Of graphics, as far as it was read."""
    _stack: list[_State] = field(default_factory=list)
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

    def _note_unreached(self) -> None:
        """What stands here is drawn as it is."""
        self.rewriter.is_incomplete |= self.state.curves is not UNCHANGED

    def _push(self, word: bytes) -> bytes:
        self._stack.append(self.state)
        return word

    def _pop(self, word: bytes) -> bytes:
        self.state = self._stack.pop() if self._stack else self.state
        return word

    def _colour(self, word: bytes) -> bytes:
        count = _COMPONENTS[word]
        if len(self._operands) < count:
            return word
        colour = word, tuple(_number(one) for one in self._operands[-count:])
        self._remember(word, colour)
        curves = self.state.curves
        return word if curves is UNCHANGED else word + b" " + operator_of(colour, curves)

    def _other_colour(self, word: bytes) -> bytes:
        self._note_unreached()
        self._remember(word, None)
        return word

    def _remember(self, word: bytes, colour: Colour | None) -> None:
        self.state = replace(self.state, **{"stroke" if word.isupper() else "fill": colour})

    def _set_state(self, word: bytes) -> bytes:
        name = _name(self._operands)
        font = mupdf.pdf_dict_gets(self.names.states[name], "Font") if name in self.names.states else None
        if font is not None and font.m_internal:
            is_coloured = self.rewriter.is_font_coloured(mupdf.pdf_array_get(font, 0))
            self.state = replace(self.state, has_coloured_font=is_coloured)
        curves = self.rewriter.curves_of(self.names, name)
        if curves is None or curves is self.state.curves:
            return word
        self.state = replace(self.state, curves=curves)
        colours = [colour for colour in (self.state.fill, self.state.stroke) if colour is not None]
        if len(colours) < 2:
            self._note_unreached()
        return b" ".join((word, *(operator_of(colour, curves) for colour in colours)))

    def _set_font(self, word: bytes) -> bytes:
        self.state = replace(self.state, has_coloured_font=self.rewriter.is_coloured(self.names, _name(self._operands)))
        return word

    def _show(self, word: bytes) -> bytes:
        if self.state.has_coloured_font:
            self._note_unreached()
        return word

    def _shade(self, word: bytes) -> bytes:
        self._note_unreached()
        return word

    def _draw(self, word: bytes) -> bytes:
        drawn = self.names.xobjects.get(_name(self._operands))
        if drawn is None:
            return word  # the engine says that it is missing
        if mupdf.pdf_to_num(drawn) in self.forms:
            # The engine refuses a form within itself, and would not know it in what stands for it.
            self.rewriter.is_incomplete = True
            self._out[self._name_at] = b""
            return b""
        stand_in = self._stand_in(mupdf.pdf_to_name(mupdf.pdf_dict_gets(drawn, "Subtype")), drawn)
        if stand_in is not None:
            self._out[self._name_at] = b"/" + self.rewriter.name_for(stand_in, self.names)
        return word

    def _stand_in(self, subtype: str, drawn: Any) -> Any | None:
        if subtype == "Form":
            return self.rewriter.form(drawn, self)
        return self.rewriter.image(drawn, self.state.curves) if subtype == "Image" else None


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


def _named(dictionary: Any) -> dict[bytes, Any]:
    return {mupdf.pdf_to_name(key).encode("utf-8", "surrogateescape"): value for key, value in entries(dictionary)}


def _name(operands: list[bytes]) -> bytes:
    """The last name among operands: as in the engine, whatever else there is."""
    word = next((word for word in reversed(operands) if word[:1] == b"/"), b"")
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), word[1:]) if word[:1] == b"/" else b""


def _data(stream: Any) -> bytes:
    return bytes(mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(stream)))


def _has_coloured_glyphs(glyphs: Any) -> bool:
    """True in doubt, if a glyph cannot be read or there are many: too much is told then, never too little."""
    if mupdf.pdf_dict_len(glyphs) > _MOST_GLYPHS:
        return True
    try:
        return any(b"d0" in _data(glyph) for _, glyph in entries(glyphs))  # as a part of another word, too
    except ENGINE_ERRORS:
        return True


def _number(operand: bytes) -> float:
    """As far as it is one: `0.5-1` is 0.5."""
    digits = _DIGITS.match(operand)
    if digits is None:
        return 0.0
    value = float(digits[0].lstrip(b"+-"))
    return -value if b"-" in digits[0] else value
