"""Reads objects leniently that the engine cannot read, and puts them into the open document. Worker side."""

from __future__ import annotations

import re

from sidebooks_core.documents.syntax.lenient_objects import rewritten
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, as_pdf, mupdf, parsed, pymupdf

_LOST = re.compile(r"cannot load object \((\d+) 0 R\)")
_LONGEST = 1 << 20
"""Most bytes of an object that are read, without its stream."""
_STREAM = re.compile(rb"[\x00\t\n\f\r ]*stream(?:\r\n|\n|\r)")


def reread_lost(document: pymupdf.Document, messages: list[str]) -> bool:
    """Reread the objects that the engine's messages say it could not load. Returns whether one of them could be read."""
    numbers = dict.fromkeys(int(number) for line in messages for number in _LOST.findall(line))
    return sum(reread(document, number) for number in numbers) > 0  # all of them, not only up to the first


def reread(document: pymupdf.Document, number: int) -> bool:
    """Put an object that the engine cannot read into the document, as far as it can be read. Returns whether it could.

    Not if objects are encrypted or packed into streams: programs that do that make no slips of syntax.
    """
    pdf = as_pdf(document)
    file = document.stream
    if not file or mupdf.pdf_dict_gets(mupdf.pdf_trailer(pdf), "Encrypt").m_internal:
        return False
    if not 0 < number < mupdf.pdf_xref_len(pdf):
        return False
    entry = mupdf.ll_pdf_get_xref_entry_no_null(pdf.m_internal, number)
    if entry is None or entry.type != "n":
        return False
    text = bytes(file[entry.ofs : entry.ofs + _LONGEST])
    header = re.match(rb"[\x00\t\n\f\r ]*%d[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj" % number, text)
    if header is None:
        return False
    read = rewritten(text[header.end() :])
    if read is None:
        return False
    written, length = read
    try:
        found = parsed(pdf, written.decode("latin-1"))
        mupdf.pdf_update_object(pdf, number, found)
        begin = _STREAM.match(text, header.end() + length)
        if begin is not None:
            _add_stream(pdf, number, file, entry.ofs + begin.end())
    except ENGINE_ERRORS:
        return False
    return True


def _add_stream(pdf: mupdf.PdfDocument, number: int, file: bytes | memoryview, start: int) -> None:
    """Add the stream that begins at `start` in the file."""
    found = mupdf.pdf_new_indirect(pdf, number, 0)
    length = mupdf.pdf_dict_get_int(found, mupdf.PDF_ENUM_NAME_Length)
    if not 0 < length <= len(file) - start or not re.match(
        rb"[\x00\t\n\f\r ]*endstream", bytes(file[start + length : start + length + 32])
    ):
        end = re.compile(rb"(?:\r\n|\n|\r)?endstream").search(file, start)
        length = (end.start() if end else len(file)) - start
    data = bytes(file[start : start + length])
    mupdf.pdf_update_stream(pdf, found, mupdf.fz_new_buffer_from_copied_data(data), 1)
