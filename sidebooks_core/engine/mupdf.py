"""The engine, set up for a worker: the only importer of PyMuPDF. Worker side.

PyMuPDF 2 imports a layout analyser at once, which costs each worker a second and 90 MB and is not used here; PyMuPDF prints the
engine's messages to standard output unless told otherwise, which is where a worker's answers go.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sidebooks_core.errors import RenderFailed, SidebooksError
from sidebooks_core.text import ruby_style

os.environ["PYMUPDF_MESSAGE"] = "fd:2"
for _unused in ("pymupdf.layout", "pymupdf4llm"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]  # None makes its import fail, which PyMuPDF expects

import pymupdf  # noqa: E402 - after the lines above, which shape it
from pymupdf import mupdf  # noqa: E402

__all__ = [
    "ENGINE_ERRORS",
    "OpenPdf",
    "as_pdf",
    "forget_resources",
    "forget_unpacked",
    "lacks_colour_links",
    "make_colour_link",
    "mupdf",
    "page_errors",
    "printable",
    "pymupdf",
    "read_from",
    "shrink_store",
    "stop_reading_from",
]

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
mupdf.fz_set_user_css(ruby_style.CSS)

ENGINE_ERRORS = (mupdf.FzErrorBase, RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError)
"""What PyMuPDF raises for documents it does not like: the engine's own errors are only `Exception`s, and its Python layer
stumbles over values that a damaged document has or lacks."""

LONGEST_MESSAGE = 200
"""Characters of a message that are told."""


def as_pdf(handle: Any) -> Any:
    """The engine's own PDF of a document that is one. Raises ValueError where it is closed.

    `OpenPdf` keeps it: the binding takes 20 microseconds to look it up, of the 1,000 that reading a page may take.
    """
    kept = getattr(handle, "kept_pdf", None)
    return pymupdf._as_pdf_document(handle) if kept is None else kept


class OpenPdf(pymupdf.Document):  # type: ignore[misc]  # PyMuPDF has no types
    """A PDF without the outline, which PyMuPDF reads when it opens a document: 0.2 s of some, and no page is drawn with it.

    Not for other kinds: the engine dies of an FB2 whose outline is read late.
    """

    kept_pdf: Any = None
    is_pdf = True

    def __init__(self, stream: Any) -> None:
        """stream: the file's bytes. Raises the engine's errors."""
        super().__init__(stream=stream, filetype="pdf")
        self.kept_pdf = pymupdf._as_pdf_document(self)

    def close(self) -> None:
        """Give the document up."""
        self.kept_pdf = None
        super().close()

    def _loadOutline(self) -> None:  # noqa: N802 - PyMuPDF's name
        return None

    def init_doc(self) -> None:
        """Without the metadata, of which PyMuPDF looks up eleven: a tenth of the time of opening a short document.

        The title is looked up so that what the engine says of it stands among what is mended on opening.
        """
        if self.is_encrypted:
            raise ValueError("still encrypted")
        self._outline = None
        self.metadata = {"title": self._getMetadata("info:Title")}


_read_from: Any = None
"""The PDF whose pages were interpreted last."""


def read_from(handle: Any) -> None:
    """Say so before a page is interpreted; not needed for a display list that is there.

    The engine's store knows a colour space, shading, function or font that stands in line by what is written there, object
    numbers included, and not by its document: in `[/Indexed /DeviceRGB 255 7 0 R]` it would take object 7 of whichever
    document came first, and papers from one scanner or one program are all numbered alike. So what it keeps under such names
    is of one document at a time. Only PDFs have them.
    """
    if handle.is_pdf and handle is not _read_from:
        _forget_read()
        _remember_read(handle)


def stop_reading_from(handle: Any) -> None:
    """Before a document is closed or given up."""
    if handle is _read_from:
        _forget_read()


def _forget_read() -> None:
    if _read_from is not None:
        # Number 0: what no object number names.
        mupdf.pdf_purge_object_from_store(as_pdf(_read_from), 0)
    _remember_read(None)


def _remember_read(handle: Any) -> None:
    global _read_from
    _read_from = handle


_DRAWN_IN = (mupdf.fz_device_rgb, mupdf.fz_device_gray)
_missing_links = list(_DRAWN_IN)
"""What CMYK colours cannot be converted to yet without a pause."""


def shrink_store() -> None:
    """Give back what the engine keeps of closed documents, and with it all conversions between colours."""
    pymupdf.TOOLS.store_shrink(100)
    _missing_links[:] = _DRAWN_IN


def forget_unpacked() -> None:
    """Have images unpacked anew that nobody draws just now: the engine tells what is wrong with one only when it unpacks it."""
    mupdf.fz_shrink_store(0)
    _missing_links[:] = _DRAWN_IN


def forget_resources(handle: Any) -> None:
    """Have a PDF's fonts, images and forms read anew: the engine tells what is wrong with one only when it reads it."""
    if handle.is_pdf:
        mupdf.pdf_empty_store(as_pdf(handle))


def lacks_colour_links() -> bool:
    """Whether there is something for `make_colour_link` to do."""
    return bool(_missing_links)


def make_colour_link() -> None:
    """Have the engine work out one conversion from CMYK, which takes it 25 to 40 ms when a page's first colour needs it.

    It is kept until the store is shrunk. Other profiles than the engine's own are the documents', which come and go.
    """
    device_space = _missing_links.pop(0)()
    with suppress(mupdf.FzErrorBase):  # no memory, say: a page that needs the conversion asks again, and has the error
        mupdf.fz_convert_color(mupdf.fz_device_cmyk(), [0.0] * 4, device_space, mupdf.FzColorspace(), mupdf.FzColorParams())


def printable(message: str) -> str:
    """A message of the engine for telling: at most `LONGEST_MESSAGE` characters, "?" for each that does not print.

    Names of fonts reach messages as they are, terminal escapes included (CVE-2026-40505).
    """
    return "".join(c if c.isprintable() else "?" for c in message[:LONGEST_MESSAGE])


@contextmanager
def page_errors(name: str, page: int, doing: str) -> Iterator[None]:
    """Turn what the engine raises into RenderFailed, with the document and the page named."""
    try:
        yield
    except SidebooksError:
        raise
    except ENGINE_ERRORS as error:
        reason = printable(str(error))
        raise RenderFailed(f"{name}, page {page + 1}: cannot be {doing} ({reason})", page=page) from None
