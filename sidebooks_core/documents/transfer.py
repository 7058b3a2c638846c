"""Transfer functions, which the engine does not look at: scans may be kept as negatives with them. Worker side.

The colours and images of a page are given the values that the function makes of them, for as long as the page's list is made.
What this does not reach (shadings, forms, inline images, colours of other spaces) is told as a complaint of the engine.
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

_IDENTITY = ("Identity", "Default")
_MOST_PIXELS = 64 << 20
"""Of an image that a curve is applied to."""
_COMPONENTS = {b"g": 1, b"G": 1, b"rg": 3, b"RG": 3, b"k": 4, b"K": 4}
_OTHER_COLOURS = frozenset((b"cs", b"CS", b"sc", b"SC", b"scn", b"SCN"))
_SUFFIX = "~transferred"


@contextmanager
def applied(handle: Any, index: int) -> Iterator[None]:
    """Rewrite a page that sets transfer functions, for the time being."""
    pdf = as_pdf(handle)
    if not are_set(mupdf.ll_pdf_lookup_page_obj(pdf.m_internal, index)):
        yield
        return
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    before = mupdf.pdf_dict_gets(page_object, "Contents")
    images = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets_inheritable(page_object, "Resources"), "XObject")
    made: dict[str, Any] = {}
    new = None
    try:
        try:
            rewriter = _rewriter(pdf, page_object, images)
            content = rewriter.rewritten(handle[index].read_contents())
        except ENGINE_ERRORS as error:
            mupdf.fz_warn(f"a transfer function was not applied ({error})")
        else:
            if rewriter.is_incomplete:
                mupdf.fz_warn("a transfer function was not applied to all of the page")
            made = rewriter.made
            for name, image in made.items():
                mupdf.pdf_dict_puts(images, name, image)
            new = mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(content), mupdf.PdfObj(), 0)
            mupdf.pdf_dict_puts(page_object, "Contents", new)
        yield
    finally:
        mupdf.pdf_dict_puts(page_object, "Contents", before)
        for name in made:
            mupdf.pdf_dict_dels(images, name)
        for added in (*made.values(), *([new] if new is not None else [])):
            mupdf.pdf_delete_object(pdf, mupdf.pdf_to_num(added))  # the list has what it needs of it


def _rewriter(pdf: Any, page_object: Any, images: Any) -> _Rewriter:
    resources = mupdf.pdf_dict_gets_inheritable(page_object, "Resources")
    curves = {
        mupdf.pdf_to_name(name).encode(): _curves(state) for name, state in entries(mupdf.pdf_dict_gets(resources, "ExtGState"))
    }
    return _Rewriter(pdf, curves, images)


def are_set(page_object: Any) -> bool:
    """Whether a page may set transfer functions. page_object: of the binding's lower level."""
    states = mupdf.ll_pdf_dict_gets(mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources"), "ExtGState")
    for index in range(mupdf.ll_pdf_dict_len(states) if states else 0):
        state = mupdf.ll_pdf_dict_get_val(states, index)
        function = mupdf.ll_pdf_dict_gets(state, "TR2") or mupdf.ll_pdf_dict_gets(state, "TR")
        if function and mupdf.ll_pdf_to_name(function) not in _IDENTITY:
            return True
    return False


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


class _Rewriter(Struct):
    pdf: Any
    curves: dict[bytes, Curves | None]
    images: Any
    made: dict[str, Any] = field(default_factory=dict)
    """Images to be added, by name."""
    is_incomplete: bool = False
    _of_image: dict[tuple[bytes, Curves], bytes | None] = field(default_factory=dict)

    def rewritten(self, data: bytes) -> bytes:
        out: list[bytes] = []
        operands: list[bytes] = []
        state, stack = _State(), []
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
                curves = self.curves.get(operands[-1][1:])
                if curves is not None and curves != state.curves:
                    state = _State(curves, state.fill, state.stroke)
                    self.is_incomplete |= bool(curves) and (state.fill is None or state.stroke is None)
                    colours = [_operator(colour, curves) for colour in (state.fill, state.stroke) if colour is not None]
                    word = b" ".join([word, *colours])
            elif word == b"Do" and operands and state.curves:
                name = self._image(operands[-1], state.curves)
                if name is not None:
                    _replace_last(out, operands[-1], name)
            elif word == b"sh":
                self.is_incomplete |= bool(state.curves)
            out.append(word)
            operands.clear()
        return b"".join(out)

    def _image(self, name: bytes, curves: Curves) -> bytes | None:
        """The name of the image with the curves applied; None for what stays as it is."""
        key = name, curves
        if key not in self._of_image:
            image = mupdf.pdf_dict_gets(self.images, name[1:].decode("latin-1"))
            self._of_image[key] = None
            if mupdf.pdf_to_bool(mupdf.pdf_dict_gets(image, "ImageMask")):
                return None  # painted with the colour
            made = _transferred(self.pdf, image, curves)
            if made is None:
                self.is_incomplete = True
            else:
                new = f"{name[1:].decode('latin-1')}{_SUFFIX}{len(self.made)}"
                self.made[new] = made
                self._of_image[key] = b"/" + new.encode("latin-1")
        return self._of_image[key]


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
    """A new image; None for a form, and for an image that is too large or in inks."""
    if mupdf.pdf_to_name(mupdf.pdf_dict_gets(image, "Subtype")) != "Image":
        return None
    loaded = mupdf.pdf_load_image(pdf, image)
    space = loaded.colorspace()
    count = mupdf.fz_colorspace_n(space) if space.m_internal else 0
    if count not in (1, 3) or loaded.w() * loaded.h() > _MOST_PIXELS:
        return None
    used = (curves[3],) if count == 1 else curves[:3]
    written = mupdf.pdf_new_dict(pdf, 16)
    for key, value in entries(image):
        mupdf.pdf_dict_put(written, key, value)
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
