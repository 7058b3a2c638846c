"""Rewrites a content stream: its colours, images and forms become what transfer functions make of them. Worker side."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.documents.syntax.content_tokens import inline_image, token
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, mupdf
from sidebooks_core.engine.transfer.curves import UNCHANGED, Colour, Curves, operator_of
from sidebooks_core.engine.transfer.names import FONTS, FORMS_AND_IMAGES, STATES, Names

_OF_OPERANDS = b"/(<[]>+-.0123456789"
_OF_NUMBERS = b"+-.0123456789"
_OF_SPACE = b"\x00\t\n\f\r %"
"""First bytes of operands; of numbers; of white space and comments. All other words are operators, or `true` and the like."""
_COMPONENTS = {b"g": 1, b"G": 1, b"rg": 3, b"RG": 3, b"k": 4, b"K": 4}
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_DIGITS = re.compile(rb"[+-]*+(?:\d++\.?+\d*+|\.\d++)")
_PATHS = re.compile(
    rb"(?:(?:[+\-.0-9]++[\x00\t\n\f\r ]++)*+(?:re|[mlcvyhwMiJjnSsFW]|[fBb]\*?|W\*|cm)[\x00\t\n\f\r ]++)++",
)
"""Operators without names and colours: most of a map. They are passed at once, since token by token takes ten times as long."""


class TooMuch(Exception):
    """A page has more content than is rewritten."""


class State(Struct, frozen=True):
    """The part of a graphics state that matters here."""

    curves: Curves = UNCHANGED
    fill: Colour | None = (b"g", (0.0,))
    stroke: Colour | None = (b"G", (0.0,))
    """Colours as the content gives them; None: in another space than the device's."""
    has_coloured_font: bool = False


class StandIns(Protocol):
    """Finds stand-ins for images and forms of a page, and knows its fonts and graphics states."""

    tokens_left: int
    """How many more tokens of the page's contents may be read."""
    is_incomplete: bool
    """Whether something may be drawn without its function."""

    def curves_of(self, names: Names, name: bytes) -> Curves | None:
        """The curves that a graphics state sets; None if it sets no transfer function."""

    def is_coloured(self, font: mupdf.PdfObj) -> bool:
        """Whether glyphs of a font have colours of their own. Such glyphs are not rewritten."""

    def image(self, image: mupdf.PdfObj, curves: Curves, *, has_default_rgb: bool) -> mupdf.PdfObj | None:
        """The stand-in for an image; None: the image stays as it is."""

    def form(self, form: mupdf.PdfObj, place: Content) -> mupdf.PdfObj | None:
        """The stand-in for a form that is drawn at a place; None: the form stays as it is."""

    def name_for(self, stand_in: mupdf.PdfObj, names: Names) -> bytes:
        """The name by which content that uses some names can draw a stand-in."""


class Content(Struct):
    """A content stream that is rewritten, and its place."""

    rewriter: StandIns
    scope: tuple[Names, ...]
    """Its own names, then those of its surroundings outwards. The engine looks there for a name that is missing."""
    forms: tuple[int, ...] = ()
    """The numbers of the forms around it, from the page inwards; its own is the last."""
    state: State = State()
    """The graphics state at the place that is read."""
    uses_surroundings: bool = False
    """Whether it, or a form that it draws, uses a name that is not its own."""
    _stack: list[State] = field(default_factory=list)
    _has_gone_back: bool = False
    _out: list[bytes] = field(default_factory=list)
    _operands: list[bytes] = field(default_factory=list)
    _name_at: int = 0
    """The place in `_out` of the last operand that is a name."""

    def rewritten(self, data: bytes) -> bytes:
        """The content with the functions applied. Raises TooMuch."""
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
                raise TooMuch
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
                    except ENGINE_ERRORS:  # the named object cannot be read: the rest of the page need not suffer
                        rewriter.is_incomplete = True
                self._operands.clear()
            self._out.append(word)
        return b"".join(self._out)

    def _found(self, category: str, name: bytes) -> tuple[Names, mupdf.PdfObj] | None:
        """The meaning of a name, and the names that have it; None if it has none."""
        for names in self.scope:
            meaning = names.meanings[category].get(name)
            if meaning is not None:
                return names, meaning
            self.uses_surroundings |= len(self.scope) > 1
        return None

    def _note_unreached(self) -> None:
        """Note that something is drawn here as it is."""
        self.rewriter.is_incomplete |= self.state.curves is not UNCHANGED

    def push(self, word: bytes) -> bytes:
        self._stack.append(self.state)
        return word

    def pop(self, word: bytes) -> bytes:
        if self._stack:
            self.state = self._stack.pop()
            return word
        # One restore too many: the engine returns to its first colours, once, and not within a form.
        if self.forms or self._has_gone_back:
            return word
        self._has_gone_back = True
        self.state = State(self.state.curves)
        return word if self.state.curves is UNCHANGED else self._with_colours(word)

    def set_colour(self, word: bytes) -> bytes:
        count = _COMPONENTS[word]
        # As in the engine: the first numbers, and zero for missing ones.
        colour = word, (*_numbers(self._operands), *[0.0] * count)[:count]
        self._remember(word, colour)
        curves = self.state.curves
        if curves is UNCHANGED:
            return word
        if word in b"kK" and any(names.has_default_rgb for names in self.scope):
            self._note_unreached()  # the curves would turn inks into RGB, which is read in that space
        return word + b" " + operator_of(colour, curves)

    def set_other_colour(self, word: bytes) -> bytes:
        self._note_unreached()
        self._remember(word, None)
        return word

    def _remember(self, word: bytes, colour: Colour | None) -> None:
        self.state = replace(self.state, **{"stroke" if word.isupper() else "fill": colour})

    def set_state(self, word: bytes) -> bytes:
        name = _name(self._operands)
        found = self._found(STATES, name)
        if found is None:
            return word
        names, graphics_state = found
        font = mupdf.pdf_dict_gets(graphics_state, "Font")
        if font.m_internal:
            is_coloured = self.rewriter.is_coloured(mupdf.pdf_array_get(font, 0))
            self.state = replace(self.state, has_coloured_font=is_coloured)
        curves = self.rewriter.curves_of(names, name)
        if curves is None or curves is self.state.curves:
            return word
        self.state = replace(self.state, curves=curves)
        return self._with_colours(word)

    def _with_colours(self, word: bytes) -> bytes:
        """An operator, and after it the colours of the state as its curves make them."""
        colours = [colour for colour in (self.state.fill, self.state.stroke) if colour is not None]
        if len(colours) < 2:
            self._note_unreached()
        return b" ".join((word, *(operator_of(colour, self.state.curves) for colour in colours)))

    def set_font(self, word: bytes) -> bytes:
        found = self._found(FONTS, _name(self._operands))
        is_coloured = found is not None and self.rewriter.is_coloured(found[1])
        self.state = replace(self.state, has_coloured_font=is_coloured)
        return word

    def show(self, word: bytes) -> bytes:
        if self.state.has_coloured_font:
            self._note_unreached()
        return word

    def shade(self, word: bytes) -> bytes:
        self._note_unreached()
        return word

    def draw(self, word: bytes) -> bytes:
        found = self._found(FORMS_AND_IMAGES, _name(self._operands))
        if found is None:
            return word  # the engine tells that it is missing
        drawn = found[1]
        if mupdf.pdf_to_num(drawn) in self.forms:
            # The engine refuses a form within itself. It would not recognise the form in a stand-in.
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


_OPERATORS: dict[bytes, Callable[[Content, bytes], bytes]] = {
    b"q": Content.push,
    b"Q": Content.pop,
    **dict.fromkeys(_COMPONENTS, Content.set_colour),
    **dict.fromkeys((b"cs", b"CS", b"sc", b"SC", b"scn", b"SCN"), Content.set_other_colour),
    b"gs": Content.set_state,
    b"Tf": Content.set_font,
    **dict.fromkeys((b"Tj", b"TJ", b"'", b'"'), Content.show),
    b"sh": Content.shade,
    b"Do": Content.draw,
}
"""What each operator is replaced by. Mostly by itself."""


def _name(operands: list[bytes]) -> bytes:
    """The last name among the operands, as in the engine, whatever else there is."""
    word = next((word for word in reversed(operands) if word[:1] == b"/"), b"")
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), word[1:]) if word[:1] == b"/" else b""


def _numbers(operands: list[bytes]) -> list[float]:
    """The numbers that are not in an array or a dictionary."""
    found = []
    depth = 0
    for one in operands:
        depth += (one in (b"[", b"<<")) - (one in (b"]", b">>"))
        if not depth and one[:1] in _OF_NUMBERS:
            found.append(_number(one))
    return found


def _number(operand: bytes) -> float:
    """The leading number of an operand: `0.5-1` is 0.5."""
    digits = _DIGITS.match(operand)
    if digits is None:
        return 0.0
    value = float(digits[0].lstrip(b"+-"))
    return -value if b"-" in digits[0] else value
