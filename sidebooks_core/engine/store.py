"""What the engine keeps between pages: fonts, images, colour spaces and conversions of colours in its store. Worker side."""

from __future__ import annotations

from contextlib import suppress

from sidebooks_core.engine.mupdf import EngineDocument, Opened, as_pdf, is_pdf, mupdf, pymupdf

_read_from: Opened | None = None
"""The PDF whose pages were interpreted last."""


def read_from(document: EngineDocument) -> None:
    """Say so before a page is interpreted; not needed for a display list that is there.

    The engine's store knows a colour space, shading, function or font that stands in line by what is written there, object
    numbers included, and not by its document: in `[/Indexed /DeviceRGB 255 7 0 R]` it would take object 7 of whichever
    document came first, and papers from one scanner or one program are all numbered alike. So what it keeps under such names
    is of one document at a time. Only PDFs have them.
    """
    if is_pdf(document) and document is not _read_from:
        _forget_read()
        _remember_read(document)


def stop_reading_from(document: EngineDocument) -> None:
    """Before a document is closed or given up."""
    if document is _read_from:
        _forget_read()


def _forget_read() -> None:
    if _read_from is not None:
        # Number 0: what no object number names.
        mupdf.pdf_purge_object_from_store(as_pdf(_read_from), 0)
    _remember_read(None)


def _remember_read(document: Opened | None) -> None:
    global _read_from
    _read_from = document


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


def forget_resources(document: EngineDocument) -> None:
    """Have a PDF's fonts, images and forms read anew: the engine tells what is wrong with one only when it reads it."""
    if is_pdf(document):
        mupdf.pdf_empty_store(as_pdf(document))


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
