"""The meanings of names in a content stream, while transfer functions are applied. Worker side."""

from __future__ import annotations

from msgspec import Struct, field

from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.engine.pdf.resources import entries
from sidebooks_core.engine.transfer.curves import Curves
from sidebooks_core.engine.transfer.functions import function_of

FORMS_AND_IMAGES, STATES, FONTS = "XObject", "ExtGState", "Font"
"""Categories of names that are looked up."""

Meanings = dict[bytes, mupdf.PdfObj]


class Names(Struct):
    """The meanings of the names of a resource dictionary. Names are bytes, since they need not be text."""

    resources: mupdf.PdfObj
    number: int
    """The number of the dictionary; below zero: of the form in which it is written; 0: it is the page's."""
    meanings: dict[str, Meanings]
    """By category."""
    has_default_rgb: bool
    """Whether RGB colours are read in a space of the document."""
    curves: dict[bytes, Curves | None] = field(default_factory=dict)
    """The curves that graphics states set, as far as they were asked for; None: no transfer function."""
    extended: mupdf.PdfObj | None = None
    """A reference to a copy of the resources that also names stand-ins; None: there is no stand-in."""
    extended_xobjects: mupdf.PdfObj | None = None
    _setting: list[bytes] | None = None
    """The names of graphics states that may set functions, once they were asked for."""

    @property
    def states(self) -> Meanings:
        """The graphics states by name."""
        return self.meanings[STATES]

    def sets_others_than(self, inner: Names) -> bool:
        """Whether a graphics state here may set a function, under a name that means nothing in `inner`."""
        if self._setting is None:
            self._setting = [name for name, state in self.states.items() if function_of(state.m_internal) is not None]
        return any(name not in inner.states for name in self._setting)


def names_in(resources: mupdf.PdfObj, number: int) -> Names:
    """The names of a resource dictionary. number: as `Names.number`."""
    meanings = {category: _named(mupdf.pdf_dict_gets(resources, category)) for category in (FORMS_AND_IMAGES, STATES, FONTS)}
    spaces = _named(mupdf.pdf_dict_gets(resources, "ColorSpace"))
    return Names(resources, number, meanings, b"DefaultRGB" in spaces)


def _named(dictionary: mupdf.PdfObj) -> Meanings:
    return {mupdf.pdf_to_name(key).encode("utf-8", "surrogateescape"): value for key, value in entries(dictionary)}
