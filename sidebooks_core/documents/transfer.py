"""Transfer functions, which the engine does not look at: scans may be kept as negatives with them. Worker side.

The colours and images of a page and of its forms are given the values that the function makes of them, for as long as the
page's list is made. What this does not reach (shadings, patterns, inline images, colours of other spaces, the looks of
annotations) is told as a complaint of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from sidebooks_core.documents.engine import ENGINE_ERRORS, as_pdf, mupdf, pymupdf
from sidebooks_core.documents.lenient_content import INLINE_END, token
from sidebooks_core.documents.resources import entries

Curves = tuple[tuple[float, ...], ...]
"""Of red, green, blue and grey: 256 values from 0 to 1."""

_MOST_PIXELS = 64 << 20
"""Of an image that a curve is applied to."""
_COMPONENTS = {b"g": 1, b"G": 1, b"rg": 3, b"RG": 3, b"k": 4, b"K": 4}
_OTHER_COLOURS = frozenset((b"cs", b"CS", b"sc", b"SC", b"scn", b"SCN"))
_SUFFIX = "~transferred"
_MOST_FORMS = 500
"""Forms of one page that are rewritten."""
_DEEPEST = 20
"""Forms within forms."""
_OF_STREAM = ("Filter", "DecodeParms", "Length")
"""Entries that say how a stream is kept."""


@contextmanager
def applied(handle: Any, index: int, *, is_elsewhere: bool) -> Iterator[None]:
    """Rewrite a page for the time being. is_elsewhere: functions may be set in what is not rewritten, too."""
    pdf = as_pdf(handle)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    before = mupdf.pdf_dict_gets(page_object, "Contents")
    resources = mupdf.pdf_dict_gets_inheritable(page_object, "Resources")
    pool = mupdf.pdf_dict_gets(resources, "XObject")
    rewriter = _Rewriter(pdf)
    made: dict[str, Any] = {}
    try:
        try:
            content, made = rewriter.rewritten(handle[index].read_contents(), _Place(resources), _State())
        except ENGINE_ERRORS as error:
            mupdf.fz_warn(f"a transfer function was not applied ({error})")
        else:
            if rewriter.is_incomplete or is_elsewhere:
                mupdf.fz_warn("a transfer function was not applied to all of the page")
            for name, added in made.items():
                mupdf.pdf_dict_puts(pool, name, added)
            mupdf.pdf_dict_puts(page_object, "Contents", rewriter.add(content, mupdf.PdfObj()))
        yield
    finally:
        mupdf.pdf_dict_puts(page_object, "Contents", before)
        for name in made:
            mupdf.pdf_dict_dels(pool, name)
        for added in rewriter.added:
            mupdf.pdf_delete_object(pdf, mupdf.pdf_to_num(added))  # the list has what it needs of it


def _curves(state: Any) -> Curves | None:
    """None: the state says nothing of it. Without a change, an empty tuple."""
    function = mupdf.pdf_dict_gets(state, "TR2")
    if not function.m_internal:
        function = mupdf.pdf_dict_gets(state, "TR")
    if not function.m_internal:
        return None
    if mupdf.pdf_is_array(function):
        parts = [_curve(mupdf.pdf_array_get(function, index)) for index in range(mupdf.pdf_array_len(function))]
        curves = tuple(parts) if len(parts) == 4 else ()
    else:
        curves = (_curve(function),) * 4
    return () if all(curve == _STRAIGHT for curve in curves) else curves


_STRAIGHT = tuple(index / 255 for index in range(256))


def _curve(function: Any) -> tuple[float, ...]:
    if mupdf.pdf_is_name(function):
        return _STRAIGHT
    loaded = mupdf.ll_pdf_load_function(function.m_internal, 1, 1)
    given = mupdf.new_floats(1)
    values = []
    try:
        for value in _STRAIGHT:
            mupdf.floats_setitem(given, 0, value)
            values.append(min(1.0, max(0.0, float(mupdf.ll_pdf_eval_function(loaded, given, 1, 1)))))
    finally:
        mupdf.delete_floats(given)
        mupdf.ll_pdf_drop_function(loaded)
    return tuple(values)


class _State(Struct, frozen=True):
    """The part of a graphics state that counts here."""

    curves: Curves = ()
    fill: tuple[bytes, tuple[float, ...]] | None = (b"g", (0.0,))
    stroke: tuple[bytes, tuple[float, ...]] | None = (b"G", (0.0,))
    """Operator and values before the function; None for a colour of another space."""


class _Place(Struct, frozen=True):
    """Content that is rewritten."""

    resources: Any
    forms: tuple[int, ...] = ()
    """Their numbers, from the page to the form whose content it is."""


class _Rewriter(Struct):
    pdf: Any
    added: list[Any] = field(default_factory=list)
    """Objects of the document, for the time being."""
    is_incomplete: bool = False
    _made: dict[tuple[int, _State], Any] = field(default_factory=dict)
    """What stands for an image or a form, by its number and what holds when it is drawn: of that, images need the curves."""
    _curves: dict[int, Curves | None] = field(default_factory=dict)

    def add(self, data: bytes, described: Any) -> Any:
        """A stream."""
        new = mupdf.pdf_add_stream(self.pdf, mupdf.fz_new_buffer_from_copied_data(data), described, 0)
        self.added.append(new)
        return new

    def rewritten(self, data: bytes, place: _Place, state: _State) -> tuple[bytes, dict[str, Any]]:
        """Content, and what it draws with in addition, by name. state: what holds at its start."""
        out: list[bytes] = []
        operands: list[bytes] = []
        stack: list[_State] = []
        pool = mupdf.pdf_dict_gets(place.resources, "XObject")
        states = mupdf.pdf_dict_gets(place.resources, "ExtGState")
        made: dict[str, Any] = {}
        position = 0
        while position < len(data):
            start = position
            word, position = token(data, position)
            if word[:1] in b"\x00\t\n\f\r %":
                out.append(word)
                continue
            if word[:1] in b"/(<[]>+-.0123456789":
                operands.append(word)
                out.append(word)
                continue
            if word == b"ID":
                end = INLINE_END.search(data, position)
                position = end.end() if end else len(data)
                self.is_incomplete |= bool(state.curves)
                word = data[start:position]
            elif word == b"q":
                stack.append(state)
            elif word == b"Q":
                state = stack.pop() if stack else state
            elif word in _COMPONENTS and len(operands) >= _COMPONENTS[word]:
                colour = word, tuple(_number(one) for one in operands[-_COMPONENTS[word] :])
                is_stroke = word.isupper()
                state = _State(state.curves, state.fill if is_stroke else colour, colour if is_stroke else state.stroke)
                if state.curves:
                    word = word + b" " + _operator(colour, state.curves)
            elif word in _OTHER_COLOURS:
                self.is_incomplete |= bool(state.curves)
                is_stroke = word.isupper()
                state = _State(state.curves, state.fill if is_stroke else None, None if is_stroke else state.stroke)
            elif word == b"gs" and operands:
                curves = self._curves_of(states, operands[-1])
                if curves is not None and curves != state.curves:
                    state = _State(curves, state.fill, state.stroke)
                    self.is_incomplete |= bool(curves) and (state.fill is None or state.stroke is None)
                    colours = [_operator(colour, curves) for colour in (state.fill, state.stroke) if colour is not None]
                    word = b" ".join([word, *colours])
            elif word == b"Do" and operands:
                old = operands[-1][1:].decode("latin-1")
                drawn = mupdf.pdf_dict_gets(pool, old)
                other = self._drawn(drawn, place, state)
                if other is not None:
                    new = f"{old}{_SUFFIX}{mupdf.pdf_to_num(other)}"
                    made[new] = other
                    _replace_last(out, operands[-1], b"/" + new.encode("latin-1"))
            elif word == b"sh":
                self.is_incomplete |= bool(state.curves)
            out.append(word)
            operands.clear()
        return b"".join(out), made

    def _curves_of(self, states: Any, name: bytes) -> Curves | None:
        value = mupdf.pdf_dict_gets(states, name[1:].decode("latin-1"))
        number = mupdf.pdf_to_num(value)
        if not number:
            return _curves(value)
        if number not in self._curves:
            self._curves[number] = _curves(value)
        return self._curves[number]

    def _drawn(self, drawn: Any, place: _Place, state: _State) -> Any | None:
        """What stands for an image or a form; None: it stays as it is."""
        number = mupdf.pdf_to_num(drawn)
        subtype = mupdf.pdf_to_name(mupdf.pdf_dict_gets(drawn, "Subtype"))
        if subtype == "Form":
            key = number, state
        elif subtype == "Image" and state.curves and not mupdf.pdf_to_bool(mupdf.pdf_dict_gets(drawn, "ImageMask")):
            key = number, _State(state.curves)
        else:
            return None  # a mask is painted with the colour
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self._form(drawn, place, state) if subtype == "Form" else self._image(drawn, state.curves)
        return self._made[key]

    def _image(self, image: Any, curves: Curves) -> Any | None:
        made = _transferred(self.pdf, image, curves)
        if made is None:
            self.is_incomplete = True
        else:
            self.added.append(made)
        return made

    def _form(self, form: Any, place: _Place, state: _State) -> Any | None:
        number = mupdf.pdf_to_num(form)
        if number in place.forms:
            return None  # drawn within itself, which the engine refuses
        if len(place.forms) >= _DEEPEST or len(self._made) > _MOST_FORMS:
            self.is_incomplete |= bool(state.curves)
            return None
        resources = mupdf.pdf_dict_gets(form, "Resources")
        if not resources.m_internal:
            resources = place.resources
        before = bytes(mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(form)))
        content, made = self.rewritten(before, _Place(resources, (*place.forms, number)), state)
        if content == before:
            return None
        described = _copy(self.pdf, form, without=_OF_STREAM)
        own = _copy(self.pdf, resources)
        pool = _copy(self.pdf, mupdf.pdf_dict_gets(resources, "XObject"))
        for name, added in made.items():
            mupdf.pdf_dict_puts(pool, name, added)
        mupdf.pdf_dict_puts(own, "XObject", pool)
        mupdf.pdf_dict_puts(described, "Resources", own)
        return self.add(content, described)


def _copy(pdf: Any, dictionary: Any, *, without: tuple[str, ...] = ()) -> Any:
    made = mupdf.pdf_new_dict(pdf, 16)
    for key, value in entries(dictionary):
        if mupdf.pdf_to_name(key) not in without:
            mupdf.pdf_dict_put(made, key, value)
    return made


def _replace_last(out: list[bytes], old: bytes, new: bytes) -> None:
    place = len(out) - 1 - out[::-1].index(old)
    out[place] = new


def _number(operand: bytes) -> float:
    try:
        return float(operand)
    except ValueError:
        return 0.0


def _operator(colour: tuple[bytes, tuple[float, ...]], curves: Curves) -> bytes:
    operator, values = colour
    if not curves:
        mapped: tuple[float, ...] = values
    elif len(values) == 1:
        mapped = (_value(curves[3], values[0]),)
    elif len(values) == 3:
        mapped = tuple(_value(curve, value) for curve, value in zip(curves, values, strict=False))
    else:
        # The device is a screen: inks become its colours first (ISO 32000-2, 10.1), as in PDFium and poppler.
        operator = b"RG" if operator == b"K" else b"rg"
        mapped = tuple(_value(curve, value) for curve, value in zip(curves, _on_screen(values), strict=False))
    return b" ".join(b"%.5f" % value for value in mapped) + b" " + operator


def _on_screen(inks: tuple[float, ...]) -> tuple[float, ...]:
    """Cyan, magenta, yellow and black as red, green and blue, all from 0 to 1, by the engine's profiles."""
    pixmap = pymupdf.Pixmap(pymupdf.csCMYK, pymupdf.IRect(0, 0, 1, 1), 0)
    pixmap.set_pixel(0, 0, tuple(round(255 * min(1.0, max(0.0, ink))) for ink in inks))
    return tuple(value / 255 for value in pymupdf.Pixmap(pymupdf.csRGB, pixmap).pixel(0, 0))


def _value(curve: tuple[float, ...], value: float) -> float:
    return float(np.interp(value, _STRAIGHT, curve))


def _transferred(pdf: Any, image: Any, curves: Curves) -> Any | None:
    """A new image; None for one that is too large or in inks."""
    loaded = mupdf.pdf_load_image(pdf, image)
    space = loaded.colorspace()
    count = mupdf.fz_colorspace_n(space) if space.m_internal else 0
    if count not in (1, 3) or loaded.w() * loaded.h() > _MOST_PIXELS:
        return None
    used = (curves[3],) if count == 1 else curves[:3]
    written = _copy(pdf, image)
    if not mupdf.fz_colorspace_is_indexed(space) and all(_is_line(curve) for curve in used):
        decode = mupdf.pdf_dict_gets(image, "Decode")
        ends = (
            [mupdf.pdf_array_get_real(decode, place) for place in range(2 * count)] if decode.m_internal else [0.0, 1.0] * count
        )
        mapped = mupdf.pdf_new_array(pdf, 2 * count)
        for place, end in enumerate(ends):
            curve = used[place // 2]
            mupdf.pdf_array_push_real(mapped, curve[0] + (curve[-1] - curve[0]) * end)
        mupdf.pdf_dict_puts(written, "Decode", mapped)
        return mupdf.pdf_add_stream(pdf, mupdf.pdf_load_raw_stream(image), written, 1)
    pixels = _pixels(loaded)
    tables = [
        np.round(np.asarray(curve) * 255).astype(np.uint8) for curve in (used if pixels.shape[2] == count else curves[:3])
    ]
    data = np.stack([table[pixels[..., place]] for place, table in enumerate(tables)], axis=-1).tobytes()
    for gone in ("Filter", "DecodeParms", "Decode"):
        mupdf.pdf_dict_dels(written, gone)
    mupdf.pdf_dict_puts(written, "BitsPerComponent", mupdf.pdf_new_int(8))
    mupdf.pdf_dict_puts(written, "ColorSpace", mupdf.pdf_new_name("DeviceGray" if len(tables) == 1 else "DeviceRGB"))
    return mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(data), written, 0)


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Of an image, (height, width, 1 or 3): grey, or RGB."""
    pixmap = pymupdf.Pixmap(mupdf.fz_get_unscaled_pixmap_from_image(image))
    if pixmap.alpha:
        pixmap = pymupdf.Pixmap(pixmap, 0)
    if pixmap.n not in (1, 3):
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pixmap)
    rows: NDArray[np.uint8] = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)
    return rows[:, : pixmap.width * pixmap.n].reshape(pixmap.height, pixmap.width, pixmap.n)


def _is_line(curve: tuple[float, ...]) -> bool:
    line = np.linspace(curve[0], curve[-1], len(curve))
    return bool(np.abs(line - np.asarray(curve)).max() < 1e-3)
