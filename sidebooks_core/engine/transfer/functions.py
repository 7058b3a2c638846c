"""Which transfer functions a graphics state sets (ISO 32000-2, 10.5). Worker side."""

from __future__ import annotations

from sidebooks_core.engine.mupdf import RawObj, mupdf
from sidebooks_core.engine.pdf.objects import get, items

COLOURS = 4
"""Red, green, blue and grey, which an array of functions has one each for; another array sets none."""


def function_of(state: RawObj) -> RawObj:
    """What a graphics state sets, which may be an array or a name; None: nothing."""
    for key in ("TR2", "TR"):
        function = get(state, key)
        # Not what is missing (null), and no text or number, which sets nothing either.
        if function and (mupdf.ll_pdf_is_name(function) or mupdf.ll_pdf_is_dict(function) or mupdf.ll_pdf_is_array(function)):
            return function
    return None


def by_colour(function: RawObj) -> tuple[RawObj, ...]:
    """One function for all colours, or those of red, green, blue and grey; none of an array that does not have four."""
    if not mupdf.ll_pdf_is_array(function):
        return (function,)
    found = tuple(items(function))
    return found if len(found) == COLOURS else ()
