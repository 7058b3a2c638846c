"""Objects that the engine cannot read are read leniently and put into the open document. Worker side."""

from __future__ import annotations

import re
from typing import Any

from sidebooks_core.documents.syntax.lenient_objects import rewritten
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, mupdf, pymupdf

_LOST = re.compile(r"cannot load object \((\d+) 0 R\)")
_LONGEST = 1 << 20
"""Bytes of an object that are looked at, its stream left aside."""
_STREAM = re.compile(rb"[\x00\t\n\f\r ]*stream(?:\r\n|\n|\r)")


def reread_lost(handle: Any, messages: list[str]) -> bool:
    """Read what messages of the engine say it could not; whether there was any that could be."""
    numbers = dict.fromkeys(int(number) for line in messages for number in _LOST.findall(line))
    return sum(reread(handle, number) for number in numbers) > 0  # each of them


def reread(handle: Any, number: int) -> bool:
    """Put an object that the engine cannot read into the document as far as it can be read; whether it could.

    Not where objects are encrypted or packed into streams: there nothing breaks the rules by a slip of the pen.
    """
    pdf = pymupdf._as_pdf_document(handle)
    if not handle.stream or mupdf.pdf_dict_gets(mupdf.pdf_trailer(pdf), "Encrypt").m_internal:
        return False
    if not 0 < number < mupdf.pdf_xref_len(pdf):
        return False
    entry = mupdf.ll_pdf_get_xref_entry_no_null(pdf.m_internal, number)
    if entry is None or entry.type != "n":
        return False
    text = bytes(handle.stream[entry.ofs : entry.ofs + _LONGEST])
    header = re.match(rb"[\x00\t\n\f\r ]*%d[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj" % number, text)
    if header is None:
        return False
    read = rewritten(text[header.end() :])
    if read is None:
        return False
    written, length = read
    try:
        found = pymupdf.JM_pdf_obj_from_str(pdf, written.decode("latin-1"))
        mupdf.pdf_update_object(pdf, number, found)
        begin = _STREAM.match(text, header.end() + length)
        if begin is not None:
            _add_stream(handle, pdf, number, entry.ofs + begin.end())
    except ENGINE_ERRORS:
        return False
    return True


def _add_stream(handle: Any, pdf: Any, number: int, start: int) -> None:
    found = mupdf.pdf_new_indirect(pdf, number, 0)
    length = mupdf.pdf_dict_get_int(found, mupdf.PDF_ENUM_NAME_Length)
    if not 0 < length <= len(handle.stream) - start or not re.match(
        rb"[\x00\t\n\f\r ]*endstream", bytes(handle.stream[start + length : start + length + 32])
    ):
        end = re.compile(rb"(?:\r\n|\n|\r)?endstream").search(handle.stream, start)
        length = (end.start() if end else len(handle.stream)) - start
    data = bytes(handle.stream[start : start + length])
    mupdf.pdf_update_stream(pdf, found, mupdf.fz_new_buffer_from_copied_data(data), 1)
