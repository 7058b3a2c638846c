"""Replaces entries in the objects of an open PDF while the list of a page is made, and puts them back. Worker side.

The list keeps what it needs of the replacements. Identity reads the document as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.engine.pdf.resources import new_stream


class Replacements:
    """The entries that are replaced and the objects that are added, until `undo`."""

    def __init__(self, pdf: mupdf.PdfDocument) -> None:
        self.pdf = pdf
        self._replaced: list[tuple[mupdf.PdfObj, mupdf.PdfObj, mupdf.PdfObj]] = []
        self._added: list[int] = []

    def put(self, holder: mupdf.PdfObj, key: mupdf.PdfObj | str, value: mupdf.PdfObj) -> None:
        """Set an entry of a dictionary. Raises the engine's errors."""
        name = mupdf.pdf_new_name(key) if isinstance(key, str) else key
        self._replaced.append((holder, name, mupdf.pdf_dict_get(holder, name)))
        mupdf.pdf_dict_put(holder, name, value)

    def add(self, value: mupdf.PdfObj) -> mupdf.PdfObj:
        """Add an object to the document. Returns a reference. Raises the engine's errors."""
        return self._noted(mupdf.pdf_add_object(self.pdf, value))

    def add_stream(self, data: bytes, described: mupdf.PdfObj) -> mupdf.PdfObj:
        """Add a stream with the entries of a dictionary. Returns a reference. Raises the engine's errors."""
        return self._noted(new_stream(self.pdf, data, described))

    def take_over(self, added: mupdf.PdfObj) -> None:
        """Let `undo` delete an object that was added elsewhere."""
        self._noted(added)

    def undo(self) -> None:
        """Put all back as it was, the last change first: an entry that was replaced twice has its first value again."""
        for holder, key, before in reversed(self._replaced):
            if before.m_internal:
                mupdf.pdf_dict_put(holder, key, before)
            else:
                mupdf.pdf_dict_del(holder, key)
        for number in self._added:
            mupdf.pdf_delete_object(self.pdf, number)

    def _noted(self, reference: mupdf.PdfObj) -> mupdf.PdfObj:
        self._added.append(mupdf.pdf_to_num(reference))
        return reference


@contextmanager
def replacements(pdf: mupdf.PdfDocument) -> Iterator[Replacements]:
    """Replacements that are undone at the end of the block."""
    made = Replacements(pdf)
    try:
        yield made
    finally:
        made.undo()
