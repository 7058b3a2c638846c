"""The door to PyMuPDF: its import, set up for a worker, and the types of its objects. Worker side.

PyMuPDF 2 imports a layout analyser at once. It costs each worker a second and 90 MB and is not used here. PyMuPDF prints the
engine's messages to standard output by default; a worker's answers go there, so messages go to standard error.

PyMuPDF has no types that a checker could use. The stub in `typings/pymupdf` types everything that is called here, from the
headers in PyMuPDF's wheel, so mypy checks each call. `tests/test_engine_stub.py` compares the stub with the installed PyMuPDF.
A stub was chosen over protocols since most calls are plain functions of the binding.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
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
"""What PyMuPDF raises for a damaged document. The engine's own errors derive from `Exception` only, and PyMuPDF's Python layer
fails on values that a damaged document has or lacks."""

LONGEST_MESSAGE = 200
"""Most characters of a message that a user is told."""

RawObj: TypeAlias = "mupdf.pdf_obj | None"
"""An object of a PDF on the binding's lower level: a plain pointer, which the document owns. None is the null object.

All functions `ll_pdf_…` accept null, and answer as they do for an object of another kind."""
RawPdf: TypeAlias = "mupdf.pdf_document"
"""A PDF on the binding's lower level. It is valid while its document is open."""


class EnginePage(Protocol):
    """A page as it is shown: the engine's own, or one that is placed or drawn in another way."""

    @property
    def rect(self) -> pymupdf.Rect:
        """Its box, in points."""

    def get_displaylist(self, annots: int = 1) -> pymupdf.DisplayList:
        """A list of all that the page draws. Raises the engine's errors."""

    def get_image_info(self) -> list[pymupdf.ImageInfo]:
        """The images on the page, in the order in which they are drawn."""

    def get_links(self) -> list[pymupdf.LinkInfo]:
        """The links on the page."""


class EngineDocument(Protocol):
    """An open document: the engine's own, or one of ours that stands in its place."""

    notes: tuple[str, ...]
    """What is left out of the document or cannot be drawn, in words."""

    @property
    def metadata(self) -> Mapping[str, str | None] | None:
        """The document's own words about itself; only the title is used."""

    @property
    def is_encrypted(self) -> bool:
        """Whether the document still needs a password."""

    @property
    def is_pdf(self) -> bool:
        """Only a document of the engine's can be a PDF. The function `is_pdf` tells a type checker so."""

    @property
    def is_repaired(self) -> bool:
        """Whether the structure was damaged and was rebuilt."""

    @property
    def needs_pass(self) -> int:
        """Not 0 if the document is encrypted and has no password yet."""

    @property
    def outline(self) -> pymupdf.Outline | None:
        """The first entry of the outline."""

    @property
    def chapter_count(self) -> int:
        """How many chapters are laid out one by one; 1 for a document without chapters."""

    @property
    def page_count(self) -> int:
        """How many pages the document has."""

    def chapter_page_count(self, chapter: int) -> int:
        """How many pages a chapter has."""

    def load_page(self, page_id: int | tuple[int, int]) -> EnginePage:
        """A page, by its number from 0, or by its chapter and its number in it. Raises the engine's errors."""

    def close(self) -> None:
        """Close the document."""


class Opened(pymupdf.Document):
    """A document that the engine has open."""

    notes: tuple[str, ...] = ()


class OpenPdf(Opened):
    """A PDF that is opened without its outline. PyMuPDF reads the outline on opening, which takes up to 0.2 s and helps to draw
    no page.

    For PDFs only: the engine dies of an FB2 whose outline is read late.
    """

    kept_pdf: mupdf.PdfDocument | None = None
    before_page: Callable[[OpenPdf, int], None] | None = None
    """Called before a page is loaded, with the document and the page's number."""
    is_pdf = True
    outline = None

    def __init__(self, stream: bytes | memoryview) -> None:
        """stream: the file's bytes. Raises the engine's errors."""
        super().__init__(stream=stream, filetype="pdf")
        self.kept_pdf = mupdf.PdfDocument(self.this)

    def load_page(self, page_id: int | tuple[int, int]) -> pymupdf.Page:
        """A page, by its number from 0, or by its chapter and its number in it. Raises the engine's errors."""
        if self.before_page is not None and isinstance(page_id, int):
            self.before_page(self, page_id)
        return super().load_page(page_id)

    def close(self) -> None:
        """Close the document."""
        self.kept_pdf = None
        super().close()

    def init_doc(self) -> None:
        """Read no metadata but the title. PyMuPDF reads eleven fields: a tenth of the time to open a short document.

        The title is read so that the engine's messages about it are there when the document is mended on opening.
        """
        if self.is_encrypted:
            raise ValueError("still encrypted")
        try:
            title = mupdf.fz_lookup_metadata2(self.this, "info:Title")
        except mupdf.FzErrorBase:
            title = ""  # there is no title
        self.metadata = {"title": title}


def is_pdf(document: EngineDocument) -> TypeGuard[Opened]:
    """Whether a document is a PDF."""
    return document.is_pdf


def require_pdf(document: EngineDocument) -> Opened:
    """The document itself, typed as a PDF. Raises ValueError if it is no PDF."""
    if not is_pdf(document):
        raise ValueError("no PDF")
    return document


def as_pdf(document: pymupdf.Document) -> mupdf.PdfDocument:
    """The engine's own PDF of a document that is one. Raises ValueError if the document is closed or is no PDF.

    `OpenPdf` keeps it: the binding takes 20 microseconds to look it up, and reading a page may take only 1,000.
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
    """The PDF of an open document, for the binding's lower level."""
    # An owner of it, such as `as_pdf` returns, takes ten times as long to make.
    return mupdf.ll_pdf_specifics(document.this.m_internal)


def as_pdf_page(page: pymupdf.Page) -> mupdf.PdfPage:
    """The engine's own page of a PDF."""
    return mupdf.pdf_page_from_fz_page(page.this)


def owned(value: RawObj) -> mupdf.PdfObj:
    """Wrap a plain pointer in an object that owns it: the object then outlives changes of its document."""
    return mupdf.PdfObj(mupdf.ll_pdf_keep_obj(value))


def parsed(pdf: mupdf.PdfDocument, text: str) -> mupdf.PdfObj:
    """Parse an object that is written as in a PDF file. Raises the engine's errors."""
    return pymupdf.JM_pdf_obj_from_str(pdf, text)


def sanitizing(choices: mupdf.PdfSanitizeFilterOptions2, *, changes: bool) -> mupdf.PdfFilterOptions:
    """Options to go through the content of a page. choices: decides about each thing in the content. changes: write the content
    anew.

    Only a private function of PyMuPDF makes the object that hands our choices to the engine's filter. It is used here alone.
    """
    return pymupdf._make_PdfFilterOptions(recurse=1, no_update=int(not changes), sanitize=1, sopts=choices)


def library_path() -> str | None:
    """The library file with the engine's C functions; None if it cannot be told.

    It is the module below the binding, whose name the binding does not publish.
    """
    found = importlib.util.find_spec("pymupdf._mupdf")
    return found.origin if found is not None else None


def printable(message: str) -> str:
    """A message of the engine, fit to be shown: at most `LONGEST_MESSAGE` characters, "?" for each character that does not
    print.

    Messages contain names of fonts as they are in the document, terminal escapes included (CVE-2026-40505).
    """
    return "".join(c if c.isprintable() else "?" for c in message[:LONGEST_MESSAGE])
