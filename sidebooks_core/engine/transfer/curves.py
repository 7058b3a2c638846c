"""What transfer functions make of colours. Worker side."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from sidebooks_core.engine.mupdf import RawObj, mupdf, pymupdf

Colour = tuple[bytes, tuple[float, ...]]
"""An operator that sets a colour, and its operands."""

STRAIGHT = np.linspace(0, 1, 256)
"""The curve that leaves values as they are."""
_QUARTER_STEP = 1e-3
"""A quarter of a step of 8 bits, which nobody sees."""


class Curves(Struct, frozen=True, eq=False):
    """What transfer functions make of colours. Equal functions are the same object."""

    values: NDArray[np.float64] = field(default_factory=lambda: np.tile(STRAIGHT, (4, 1)))
    """Values of red, green, blue and grey: shape (4, 256), from 0 to 1."""


UNCHANGED = Curves()


def curve_of(function: RawObj) -> NDArray[np.float64]:
    """The curve of a function of a PDF: 256 values from 0 to 1. STRAIGHT itself if the function changes nothing.

    Raises the engine's errors.
    """
    if mupdf.ll_pdf_is_name(function):
        return STRAIGHT
    loaded = mupdf.ll_pdf_load_function(function, 1, 1)
    given = mupdf.new_floats(1)
    values = []
    try:
        for value in STRAIGHT:
            mupdf.floats_setitem(given, 0, float(value))
            values.append(mupdf.ll_pdf_eval_function(loaded, given, 1, 1))
    finally:
        mupdf.delete_floats(given)
        mupdf.ll_pdf_drop_function(loaded)
    curve = np.clip(np.nan_to_num(values), 0, 1)
    return STRAIGHT if np.abs(curve - STRAIGHT).max() < _QUARTER_STEP else curve


def operator_of(colour: Colour, curves: Curves) -> bytes:
    """An operator with operands that sets a colour as the curves make it."""
    operator, values = colour
    if curves is UNCHANGED:
        mapped: tuple[float, ...] = values
    elif len(values) == 1:
        mapped = (_value(curves.values[3], values[0]),)
    elif len(values) == 3:
        mapped = tuple(map(_value, curves.values[:3], values))
    else:
        # The device is a screen: inks are turned into its colours first (ISO 32000-2, 10.1), as in PDFium and poppler.
        operator = b"RG" if operator == b"K" else b"rg"
        mapped = tuple(map(_value, curves.values[:3], _on_screen(values)))
    return b" ".join(b"%.5f" % value for value in mapped) + b" " + operator


def _on_screen(inks: tuple[float, ...]) -> tuple[float, ...]:
    """Red, green and blue of cyan, magenta, yellow and black, all from 0 to 1, by the engine's profiles."""
    pixmap = pymupdf.Pixmap(pymupdf.csCMYK, pymupdf.IRect(0, 0, 1, 1), 0)
    pixmap.set_pixel(0, 0, tuple(round(255 * min(1.0, max(0.0, ink))) for ink in inks))
    return tuple(value / 255 for value in pymupdf.Pixmap(pymupdf.csRGB, pixmap).pixel(0, 0))


def _value(curve: NDArray[np.float64], value: float) -> float:
    return float(np.interp(value, STRAIGHT, curve))


def is_line(curve: NDArray[np.float64]) -> bool:
    """Whether a curve is straight, whatever its ends."""
    line = np.linspace(curve[0], curve[-1], len(curve))
    return bool(np.abs(line - curve).max() < _QUARTER_STEP)
