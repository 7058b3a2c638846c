"""What the engine keeps between pages in its store: fonts, images, colour spaces, conversions of colours. Worker side."""

from __future__ import annotations

from contextlib import suppress

from sidebooks_core.engine.mupdf import EngineDocument, Opened, as_pdf, is_pdf, mupdf, pymupdf

_read_from: Opened | None = None
"""The PDF whose page was interpreted last."""


def read_from(document: EngineDocument) -> None:
    """Tell the store which document is read next. Call it before a page is interpreted; a display list that exists needs no
    call.

    A colour space, shading, function or font that is written in its place has no object number. The store knows it by its text,
    not by its document: `[/Indexed /DeviceRGB 255 7 0 R]` would take object 7 of whichever document came first, and documents
    of one scanner or one program are numbered alike. So the store keeps such things of one document at a time. Only PDFs have
    them.
    """
    if is_pdf(document) and document is not _read_from:
        _forget_read()
        _remember_read(document)


def stop_reading_from(document: EngineDocument) -> None:
    """Call it before a document is closed."""
    if document is _read_from:
        _forget_read()


def _forget_read() -> None:
    if _read_from is not None:
        # Number 0 stands for all that has no object number.
        mupdf.pdf_purge_object_from_store(as_pdf(_read_from), 0)
    _remember_read(None)


def _remember_read(document: Opened | None) -> None:
    global _read_from
    _read_from = document


_DRAWN_IN = (mupdf.fz_device_rgb, mupdf.fz_device_gray)
_missing_links = list(_DRAWN_IN)
"""Colour spaces to which CMYK colours cannot be converted yet without a pause."""


def shrink_store() -> None:
    """Free what the engine keeps of closed documents. It also frees all conversions between colours."""
    pymupdf.TOOLS.store_shrink(100)
    _missing_links[:] = _DRAWN_IN


def forget_unpacked() -> None:
    """Forget unpacked images that are not being drawn. The engine reports a damaged image only when it unpacks it."""
    mupdf.fz_shrink_store(0)
    _missing_links[:] = _DRAWN_IN


def forget_resources(document: EngineDocument) -> None:
    """Forget the fonts, images and forms of a PDF. The engine reports what is wrong with one only when it reads it."""
    if is_pdf(document):
        mupdf.pdf_empty_store(as_pdf(document))


def lacks_colour_links() -> bool:
    """Whether `make_colour_link` has work to do."""
    return bool(_missing_links)


def make_colour_link() -> None:
    """Prepare one conversion from CMYK. The first colour of a page that needs it would otherwise wait 25 to 40 ms.

    The conversion is kept until the store is shrunk. It uses the engine's own profile; profiles of documents come and go with
    them.
    """
    device_space = _missing_links.pop(0)()
    # such as too little memory: a page that needs the conversion tries again, and reports the error
    with suppress(mupdf.FzErrorBase):
        mupdf.fz_convert_color(mupdf.fz_device_cmyk(), [0.0] * 4, device_space, mupdf.FzColorspace(), mupdf.FzColorParams())
