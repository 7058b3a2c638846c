"""Strings and lists in the objects of a PDF, read through the engine. Worker side.

It uses the plain functions of the binding. Objects that own what they wrap cost several times as much, and an outline has
thousands of entries. Returned objects belong to the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sidebooks_core.documents.syntax import pdf_text
from sidebooks_core.engine.mupdf import RawObj, RawPdf, mupdf

_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}

_ODD = re.compile("[\x1b\x80-\x9f\ufffd]")
"""Characters that show that bytes were decoded wrongly, such as marks of a language: see `pdf_text.decoded`."""
_UNICODE_MARKS = ("\udcfe\udcff", "\udcff\udcfe", "\udcef\udcbb\udcbf")
"""How the binding shows the bytes at the beginning of a Unicode string."""

get = mupdf.ll_pdf_dict_gets
"""(dictionary, key): the value, which may be a reference. None if there is no such key, or if the first is no dictionary."""


def catalog(pdf: RawPdf) -> RawObj:
    return get(mupdf.ll_pdf_trailer(pdf), "Root")


def items(array: RawObj) -> Iterator[RawObj]:
    """The items of an array; none if it is no array."""
    for place in range(mupdf.ll_pdf_array_len(array)):
        yield mupdf.ll_pdf_array_get(array, place)


def name(value: RawObj) -> str:
    """A name without its slash; empty if it is no name."""
    return mupdf.ll_pdf_to_name(value)


def raw(value: RawObj) -> bytes:
    """The bytes of a string or a name; empty if it is neither."""
    if mupdf.ll_pdf_is_name(value):
        return name(value).encode("utf-8", "surrogateescape")
    beginning = mupdf.ll_pdf_to_str_buf(value).encode("utf-8", "surrogateescape")
    if len(beginning) == mupdf.ll_pdf_to_str_len(value):
        return beginning
    return _written(
        mupdf.ll_pdf_sprint_obj(None, 0, mupdf.ll_pdf_resolve_indirect(value), 1, 1)[0].encode("utf-8", "surrogateescape")
    )


def stream(value: RawObj, most: int) -> bytes:
    """The decoded bytes of a stream, at most `most`. Raises the engine's errors."""
    opened = mupdf.ll_pdf_open_stream(value)
    try:
        limited = mupdf.ll_fz_open_null_filter(opened, most, 0)
        try:
            buffer = mupdf.ll_fz_read_all(limited, 1024)
        finally:
            mupdf.ll_fz_drop_stream(limited)
    finally:
        mupdf.ll_fz_drop_stream(opened)
    try:
        return mupdf.ll_fz_buffer_to_bytes_internal(buffer, 0)
    finally:
        mupdf.ll_fz_drop_buffer(buffer)


def text(value: RawObj) -> str:
    """The text of a text string; empty if it is no string."""
    found = mupdf.ll_pdf_to_text_string(value)
    if found.isascii():
        # a byte for each character, or two and the mark of the encoding
        if mupdf.ll_pdf_to_str_len(value) in (len(found), 2 * len(found) + 2):
            return found
    elif (
        not pdf_text.DOC_CHARACTERS.issuperset(found)
        or (mupdf.ll_pdf_to_str_len(value) == 2 * len(found) + 2 and not _ODD.search(found))
    ) and mupdf.ll_pdf_to_str_buf(value).startswith(_UNICODE_MARKS):
        return found
    # The engine takes bytes that happen to be valid UTF-8 for UTF-8, and stops at a byte without a character in PDFDocEncoding.
    return pdf_text.decoded(raw(value))


def _written(printed: bytes) -> bytes:
    """The bytes of a string that the engine printed: in hexadecimal digits, or between parentheses."""
    if printed.startswith(b"<"):
        return bytes.fromhex(printed[1:-1].decode("ascii"))
    return _ESCAPE.sub(_unescaped, printed[1:-1])


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8) & 0xFF]) if code[:1].isdigit() else _ESCAPED.get(code, code)
