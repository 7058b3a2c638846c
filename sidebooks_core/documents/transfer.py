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
from sidebooks_core.documents.engine import ENGINE_ERRORS, as_pdf, mupdf
from sidebooks_core.documents.lenient_content import INLINE_END, token
from sidebooks_core.documents.resources import OF_STREAM, copied, entries
from sidebooks_core.documents.transfer_curves import UNCHANGED, Colour, Curves, curve_of, operator_of
from sidebooks_core.documents.transfer_images import transferred

_COMPONENTS = {b"g": 1, b"G": 1, b"rg": 3, b"RG": 3, b"k": 4, b"K": 4}
_MOST_FORMS = 500
"""Forms that are read for one page; a form counts for each state that it is drawn in."""
_MOST_BYTES_AGAIN = 2 << 20
"""Bytes, unpacked, of forms that are read again for another state. To read so many takes some 5 s."""
_DEEPEST = 20
"""Forms within forms."""
_MOST_GLYPHS = 1_000
"""Of a font; one with more counts as coloured."""
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
NOT_APPLIED = "a transfer function was not applied to all of the page"


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
            content = _Content(rewriter, rewriter.names_of(resources, 0))
            contents = rewriter.add(content.rewritten(handle[index].read_contents()), mupdf.PdfObj())
            own = rewriter.with_stand_ins(resources, content.stand_ins)
        except ENGINE_ERRORS:
            mupdf.fz_warn(NOT_APPLIED)
        else:
            if rewriter.is_incomplete:
                mupdf.fz_warn(NOT_APPLIED)
            mupdf.pdf_dict_puts(page_object, "Contents", contents)
            mupdf.pdf_dict_puts(page_object, "Resources", own)
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


class _Rewriter(Struct):
    """What the contents of one page share while they are rewritten."""

    handle: Any
    pdf: Any
    added: list[Any] = field(default_factory=list)
    """Streams added to the document. Who made the rewriter deletes them."""
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
    _read_forms: list[int] = field(default_factory=list)
    """The numbers of the forms that were read, one for each time."""
    _bytes_again: int = 0

    def add(self, data: bytes, described: Any) -> Any:
        """Add a stream to the document, with the entries of a dictionary."""
        new = mupdf.pdf_add_stream(self.pdf, mupdf.fz_new_buffer_from_copied_data(data), described, 0)
        self.added.append(new)
        return new

    def names_of(self, resources: Any, owner: int) -> _Names:
        """owner: below zero the number of the form that the resources belong to; 0: they are the page's."""
        number = mupdf.pdf_to_num(resources) or owner
        if number not in self._names:
            named = (_named(mupdf.pdf_dict_gets(resources, kind)) for kind in ("XObject", "ExtGState", "Font"))
            self._names[number] = _Names(resources, number, *named)
        return self._names[number]

    def with_stand_ins(self, resources: Any, stand_ins: dict[str, Any]) -> Any:
        """A copy of resources that names some XObjects in addition."""
        own = copied(self.pdf, resources)
        xobjects = copied(self.pdf, mupdf.pdf_dict_gets(resources, "XObject"))
        for name, added in stand_ins.items():
            mupdf.pdf_dict_puts(xobjects, name, added)
        mupdf.pdf_dict_puts(own, "XObject", xobjects)
        return own

    def curves_of(self, names: _Names, name: bytes) -> Curves | None:
        """What a graphics state sets; None: no transfer function."""
        if name not in names.curves:
            names.curves[name] = None  # also if the function cannot be read
            state = names.states.get(name)
            names.curves[name] = self._curves(state) if state is not None else None
        return names.curves[name]

    def _curves(self, state: Any) -> Curves | None:
        function = mupdf.pdf_dict_gets(state, "TR2")
        if not function.m_internal:
            function = mupdf.pdf_dict_gets(state, "TR")
        if not function.m_internal:
            return None
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

    def is_coloured(self, font: Any) -> bool:
        """Whether glyphs of a font have colours of their own: such glyphs are not rewritten."""
        if mupdf.pdf_to_name(mupdf.pdf_dict_gets(font, "Subtype")) != "Type3":
            return False
        number = mupdf.pdf_to_num(font)
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
            self._images[key] = made = transferred(self.pdf, image, curves)
            self.added += [made] if made is not None else []
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
        if len(forms) > _DEEPEST or len(self._read_forms) >= _MOST_FORMS or self._bytes_again >= _MOST_BYTES_AGAIN:
            self.is_incomplete = True
            return None
        before = _data(form)
        self._bytes_again += len(before) if forms[-1] in self._read_forms else 0
        self._read_forms.append(forms[-1])
        content = _Content(self, names, forms, state)
        after = content.rewritten(before)
        if after == before:
            return None
        described = copied(self.pdf, form, without=OF_STREAM)
        mupdf.pdf_dict_puts(described, "Resources", self.with_stand_ins(names.resources, content.stand_ins))
        return self.add(after, described)


class _Content(Struct):
    """A content stream that is rewritten, and where it stands."""

    rewriter: _Rewriter
    names: _Names
    forms: tuple[int, ...] = ()
    """The numbers of the forms that it lies in, from the page inwards, its own the last."""
    state: _State = _State()
    """Of graphics, as far as it was read."""
    stand_ins: dict[str, Any] = field(default_factory=dict)
    """What it draws with in addition, by names that its resources do not have."""
    _stack: list[_State] = field(default_factory=list)
    _out: list[bytes] = field(default_factory=list)
    _operands: list[bytes] = field(default_factory=list)
    _operand_at: int = 0
    """Where in `_out` the last operand is."""

    def rewritten(self, data: bytes) -> bytes:
        """The content with the functions applied. Raises the engine's errors."""
        position = 0
        while position < len(data):
            start = position
            word, position = token(data, position)
            if word[:1] in b"/(<[]>+-.0123456789":
                self._operands.append(word)
                self._operand_at = len(self._out)
            elif word[:1] not in b"\x00\t\n\f\r %":
                if word == b"ID":
                    end = INLINE_END.search(data, position)
                    position = end.end() if end else len(data)
                    self._note_unreached()
                    word = data[start:position]
                elif word in _OPERATORS:
                    try:
                        word = _OPERATORS[word](self, word)
                    except ENGINE_ERRORS:  # what it names cannot be read: the rest of the page need not suffer
                        self.rewriter.is_incomplete = True
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
        curves = self.rewriter.curves_of(self.names, _name(self._operands))
        if curves is None or curves is self.state.curves:
            return word
        self.state = replace(self.state, curves=curves)
        colours = [colour for colour in (self.state.fill, self.state.stroke) if colour is not None]
        if len(colours) < 2:
            self._note_unreached()
        return b" ".join((word, *(operator_of(colour, curves) for colour in colours)))

    def _set_font(self, word: bytes) -> bytes:
        font = self.names.fonts.get(_name(self._operands[:-1]))
        self.state = replace(self.state, has_coloured_font=font is not None and self.rewriter.is_coloured(font))
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
            self._out[self._operand_at] = b""
            return b""
        stand_in = self._stand_in(mupdf.pdf_to_name(mupdf.pdf_dict_gets(drawn, "Subtype")), drawn)
        if stand_in is not None:
            name = f"transferred{mupdf.pdf_to_num(stand_in)}"
            while name.encode() in self.names.xobjects:
                name += "~"
            self.stand_ins[name] = stand_in
            self._out[self._operand_at] = b"/" + name.encode()
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
    """What the last operand names, if it is a name."""
    word = operands[-1] if operands else b""
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
    try:
        return float(operand)
    except ValueError:
        return 0.0
