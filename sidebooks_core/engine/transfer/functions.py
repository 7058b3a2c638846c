"""Tells which transfer functions a graphics state sets (ISO 32000-2, 10.5). Worker side."""

from __future__ import annotations

from sidebooks_core.engine.mupdf import RawObj, mupdf
from sidebooks_core.engine.pdf.objects import get, items

COLOURS = 4
"""Red, green, blue and grey. An array of functions has one for each; another array sets none."""


def function_of(state: RawObj) -> RawObj:
    """The transfer function of a graphics state, which may be an array or a name; None if it sets none."""
    for key in ("TR2", "TR"):
        function = get(state, key)
        # Null, text and numbers set nothing.
        if function and (mupdf.ll_pdf_is_name(function) or mupdf.ll_pdf_is_dict(function) or mupdf.ll_pdf_is_array(function)):
            return function
    return None


def by_colour(function: RawObj) -> tuple[RawObj, ...]:
    """One function for all colours, or those of red, green, blue and grey. None for an array that does not have four."""
    if not mupdf.ll_pdf_is_array(function):
        return (function,)
    found = tuple(items(function))
    return found if len(found) == COLOURS else ()
