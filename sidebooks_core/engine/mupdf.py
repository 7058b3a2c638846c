"""The door to PyMuPDF: its import, set up for a worker, and the types of its objects. Worker side.

PyMuPDF 2 imports a layout analyser at once, which costs each worker a second and 90 MB and is not used here. PyMuPDF prints the
engine's messages to standard output unless told otherwise, which is where a worker's answers go.

PyMuPDF has no types that a checker could use. The stub in `typings/pymupdf` has those of all that is called here, taken from
the headers in PyMuPDF's wheel, so mypy checks each call; `tests/test_engine_stub.py` compares the stub with the installed
PyMuPDF. A stub was chosen over protocols since most calls are plain functions of the binding.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Protocol, TypeAlias, TypeGuard

from sidebooks_core.text import ruby_style

os.environ["PYMUPDF_MESSAGE"] = "fd:2"
for _unused in ("pymupdf.layout", "pymupdf4llm"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]  # None makes its import fail, which PyMuPDF expects

import pymupdf  # noqa: E402 - after the lines above, which shape it
from pymupdf import mupdf  # noqa: E402

__all__ = [
    "ENGINE_ERRORS",
    "EngineDocument",
    "EnginePage",
    "OpenPdf",
    "Opened",
    "RawObj",
    "RawPdf",
    "as_pdf",
    "as_pdf_page",
    "is_pdf",
    "library_path",
    "mupdf",
    "owned",
    "parsed",
    "printable",
    "pymupdf",
    "raw_pdf",
    "require_pdf",
    "sanitizing",
]

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
mupdf.fz_set_user_css(ruby_style.CSS)

ENGINE_ERRORS = (mupdf.FzErrorBase, RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError)
"""What PyMuPDF raises for documents it does not like: the engine's own errors are only `Exception`s, and its Python layer
stumbles over values that a damaged document has or lacks."""

LONGEST_MESSAGE = 200
"""Characters of a message that are told."""

RawObj: TypeAlias = "mupdf.pdf_obj | None"
"""An object of a PDF by the binding's lower level: a plain pointer, which the document owns; None is the null object.

All functions `ll_pdf_…` take null, and answer as for an object of another kind."""
RawPdf: TypeAlias = "mupdf.pdf_document"
"""A PDF by the binding's lower level: good while its document is open."""


class EnginePage(Protocol):
    """A page as it is shown: one of the engine's, or one that is placed or drawn in another way."""

    @property
    def rect(self) -> pymupdf.Rect:
        """Its box, in points."""

    def get_displaylist(self, annots: int = 1) -> pymupdf.DisplayList:
        """All that it draws. Raises the engine's errors."""

    def get_image_info(self) -> list[pymupdf.ImageInfo]:
        """The images on it, in the order in which they are drawn."""

    def get_links(self) -> list[pymupdf.LinkInfo]:
        """The links on it."""


class EngineDocument(Protocol):
    """An open document: one of the engine's, or one of our own that stands in its place."""

    notes: tuple[str, ...]
    """What of the document is left out or cannot be drawn, in words."""

    @property
    def metadata(self) -> Mapping[str, str | None] | None:
        """What it says of itself: its title."""

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is still to be given."""

    @property
    def is_pdf(self) -> bool:
        """Only a document of the engine's can be one; `is_pdf` tells a type checker so."""

    @property
    def is_repaired(self) -> bool:
        """Whether its structure was damaged and is rebuilt."""

    @property
    def needs_pass(self) -> int:
        """Not 0: it is encrypted, and no password was given yet."""

    @property
    def outline(self) -> pymupdf.Outline | None:
        """The first entry of its outline."""

    @property
    def chapter_count(self) -> int:
        """How many parts it has that are laid out one by one; 1 where it has none."""

    @property
    def page_count(self) -> int:
        """How many pages it has."""

    def chapter_page_count(self, chapter: int) -> int:
        """How many pages a chapter has."""

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        """A page, by its number from 0 or by chapter and number in it. Raises the engine's errors."""

    def close(self) -> None:
        """Give the document up."""


class Opened(pymupdf.Document):
    """A document that the engine has open."""

    notes: tuple[str, ...] = ()


class OpenPdf(Opened):
    """A PDF without the outline, which PyMuPDF reads when it opens a document: 0.2 s of some, and no page is drawn with it.

    Not for other kinds: the engine dies of an FB2 whose outline is read late.
    """

    kept_pdf: mupdf.PdfDocument | None = None
    is_pdf = True
    outline = None

    def __init__(self, stream: bytes | memoryview) -> None:
        """stream: the file's bytes. Raises the engine's errors."""
        super().__init__(stream=stream, filetype="pdf")
        self.kept_pdf = mupdf.PdfDocument(self.this)

    def close(self) -> None:
        """Give the document up."""
        self.kept_pdf = None
        super().close()

    def init_doc(self) -> None:
        """Without the metadata, of which PyMuPDF looks up eleven: a tenth of the time of opening a short document.

        The title is looked up so that what the engine says of it stands among what is mended on opening.
        """
        if self.is_encrypted:
            raise ValueError("still encrypted")
        try:
            title = mupdf.fz_lookup_metadata2(self.this, "info:Title")
        except mupdf.FzErrorBase:
            title = ""  # it has none
        self.metadata = {"title": title}


def is_pdf(document: EngineDocument) -> TypeGuard[Opened]:
    """Whether a document is a PDF."""
    return document.is_pdf


def require_pdf(document: EngineDocument) -> Opened:
    """The document itself. Raises ValueError if it is no PDF."""
    if not is_pdf(document):
        raise ValueError("no PDF")
    return document


def as_pdf(document: pymupdf.Document) -> mupdf.PdfDocument:
    """The engine's own PDF of a document that is one. Raises ValueError if the document is closed or no PDF.

    `OpenPdf` keeps it: the binding takes 20 microseconds to look it up, of the 1,000 that reading a page may take.
    """
    if isinstance(document, OpenPdf) and document.kept_pdf is not None:
        return document.kept_pdf
    if document.is_closed:
        raise ValueError("document closed")
    pdf = mupdf.PdfDocument(document.this)
    if not pdf.m_internal:
        raise ValueError("no PDF")
    return pdf


def raw_pdf(document: pymupdf.Document) -> RawPdf:
    """The engine's PDF of an open document that is one, for the binding's lower level."""
    # An owner of it, as `as_pdf` has, takes ten times as long to make.
    return mupdf.ll_pdf_specifics(document.this.m_internal)


def as_pdf_page(page: pymupdf.Page) -> mupdf.PdfPage:
    """The engine's own page of a PDF."""
    return mupdf.pdf_page_from_fz_page(page.this)


def owned(value: RawObj) -> mupdf.PdfObj:
    """An object that owns what a plain pointer leads to: it outlives its document's changes."""
    return mupdf.PdfObj(mupdf.ll_pdf_keep_obj(value))


def parsed(pdf: mupdf.PdfDocument, text: str) -> mupdf.PdfObj:
    """An object of a PDF from what is written of it. Raises the engine's errors."""
    return pymupdf.JM_pdf_obj_from_str(pdf, text)


def sanitizing(choices: mupdf.PdfSanitizeFilterOptions2, *, changes: bool) -> mupdf.PdfFilterOptions:
    """How to go through a page's content. choices: asked of each thing in it. changes: the content is written anew.

    PyMuPDF alone makes the object that hands our choices to the engine's filter, in a function that it does not publish.
    """
    return pymupdf._make_PdfFilterOptions(recurse=1, no_update=int(not changes), sanitize=1, sopts=choices)


def library_path() -> str | None:
    """The file that has the engine's functions as C has them; None where it cannot be told.

    It is the module beneath the binding, which the binding does not publish.
    """
    found = importlib.util.find_spec("pymupdf._mupdf")
    return found.origin if found is not None else None


def printable(message: str) -> str:
    """A message of the engine for telling: at most `LONGEST_MESSAGE` characters, "?" for each that does not print.

    Names of fonts reach messages as they are, terminal escapes included (CVE-2026-40505).
    """
    return "".join(c if c.isprintable() else "?" for c in message[:LONGEST_MESSAGE])
