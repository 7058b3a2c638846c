"""What the engine keeps between pages in its store: fonts, images, colour spaces, conversions of colours. Worker side."""

from __future__ import annotations

import re
from collections.abc import Callable
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


MUCH_BYTES = 16 << 20
"""If so much can be freed of what the engine counts, `forget_old` leaves what was used last."""
_LISTED = re.compile(rb"store\[\*\]\[refs=(\d+)\]\[size=(\d+)\]")
_BOUND_AND_SIZE = re.compile(rb"max=(\d+), size=(\d+)")


def forget_old() -> None:
    """Free unpacked images and fonts that no display list holds, but for little that was used last. It takes 1 to 2 ms.

    The engine counts the bytes of images, but of a font only its description. So all goes if it counts little.
    """
    for device in _DRAWN_IN:
        if device not in _missing_links:
            _link(device)  # used last, so it stays: it takes 25 to 40 ms to make
    listed = listing()
    told = _BOUND_AND_SIZE.search(listed)
    free_bytes = sum(int(size) for refs, size in _LISTED.findall(listed) if refs == b"1")
    # The percents that the engine takes are of its bound, not of what it has.
    percent = 1 + 100 * (int(told[2]) - free_bytes) // int(told[1]) if told is not None else 100
    if free_bytes < MUCH_BYTES or percent >= 100:
        forget_unpacked()
    else:
        mupdf.fz_shrink_store(percent)


def listing() -> bytes:
    """What the engine tells of its store: a line for each thing, the last used first, and a line with its bound and size."""
    buffer = mupdf.FzBuffer(1 << 12)
    out = mupdf.FzOutput(buffer)
    mupdf.fz_debug_store(out)
    out.fz_close_output()
    return mupdf.fz_buffer_extract_copy(buffer)


def forget_unpacked() -> None:
    """Forget images and fonts that no display list holds. The engine reports a damaged image only when it unpacks it."""
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
    _link(_missing_links.pop(0))


def _link(device: Callable[[], mupdf.FzColorspace]) -> None:
    """Use a conversion. The store makes it if it lacks it."""
    # such as too little memory: a page that needs the conversion tries again, and reports the error
    with suppress(mupdf.FzErrorBase):
        mupdf.fz_convert_color(mupdf.fz_device_cmyk(), [0.0] * 4, device(), mupdf.FzColorspace(), mupdf.FzColorParams())
