"""Finds the objects of a PDF that may hold a word, by the bytes of the file. Worker side.

The objects are not read: to ask the engine for the entries of a cross-reference table takes longer than to open the document.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress

from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax.byte_search import find, last_place, places
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawPdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import get

_PACK = b"/ObjStm"
_STREAM_TABLE = b"/XRef"
_HEADER = re.compile(rb"(?<!\d)(\d{1,9})[\0\t\n\f\r ]+\d{1,9}[\0\t\n\f\r ]*\Z")
_HEADER_BYTES = 64
_NUMBER = re.compile(rb"\d+")


def numbers_of_holders(document: pymupdf.Document, source: Source, word: bytes) -> list[int]:
    """The numbers of objects that may hold a word, each once, in order. Every object that holds the word is among them.

    Objects that are superseded, or belong to a file inside this one, may be among them, too. Raises the engine's errors.
    """
    pdf = raw_pdf(document)
    apart = _owners(source, word)
    packs = _owners(source, _PACK)
    if packs == [] and find(source.data, _STREAM_TABLE, 0, len(source)) >= 0:
        packs = None  # packed under another name
    if apart is None or packs is None:
        return _all_numbers(pdf, word, is_in_file=apart != [])
    found = dict.fromkeys(apart)
    for pack in packs:
        with suppress(*ENGINE_ERRORS):  # damaged: nothing in it can be drawn
            found.update(dict.fromkeys(_packed_holders(pdf, pack, word)))
    return sorted(number for number in found if 0 < number < mupdf.ll_pdf_xref_len(pdf))


def _owners(source: Source, word: bytes) -> list[int] | None:
    """The numbers of the objects in whose bytes the word stands; None if the number of one of them cannot be told."""
    found: list[int] = []
    done = 0
    for place in places(source.data, word):
        number = _number_before(source, done, place)
        if number is not None:
            found.append(number)
        elif not found:
            return None
        done = place
    return found


def _number_before(source: Source, first: int, place: int) -> int | None:
    """The number of the last object that begins between two places."""
    stop = place
    while (begin := last_place(source.data, b"obj", first, stop)) >= 0:
        header = _HEADER.search(bytes(source.data[max(0, begin - _HEADER_BYTES) : begin]))
        if header is not None:
            return int(header[1])
        stop = begin
    return None


def _packed_holders(pdf: RawPdf, pack: int, word: bytes) -> Iterator[int]:
    """The numbers of objects in an object stream that may hold the word (ISO 32000-2, 7.5.7)."""
    data = _stream(pdf, pack)
    place = data.find(word)
    if place < 0:
        return
    reference = mupdf.ll_pdf_new_indirect(pdf, pack, 0)
    try:
        first = mupdf.ll_pdf_to_int(get(reference, "First"))
    finally:
        mupdf.ll_pdf_drop_obj(reference)
    listed = [int(number) for number in _NUMBER.findall(data[:first])]
    begins = sorted(zip((first + offset for offset in listed[1::2]), listed[::2], strict=False))
    while place >= 0:
        held = bisect_right(begins, place, key=lambda begin: begin[0]) - 1
        if held >= 0:
            yield begins[held][1]
        place = data.find(word, place + 1)


def _all_numbers(pdf: RawPdf, word: bytes, *, is_in_file: bool) -> list[int]:
    """The same by the cross-reference table. is_in_file: the word stands in the file as it is."""
    found: list[int] = []
    packed: dict[int, list[int]] = {}
    for number in range(1, mupdf.ll_pdf_xref_len(pdf)):
        entry = mupdf.ll_pdf_get_xref_entry_no_null(pdf, number)
        if entry is None:
            continue
        if entry.type == "n" and is_in_file:
            found.append(number)
        elif entry.type == "o":
            packed.setdefault(entry.ofs, []).append(number)
    for pack, numbers in packed.items():
        with suppress(*ENGINE_ERRORS):
            if word in _stream(pdf, pack):
                found += numbers
    return sorted(found)


def _stream(pdf: RawPdf, number: int) -> bytes:
    """The content of a stream, decrypted and decoded. Raises the engine's errors."""
    buffer = mupdf.ll_pdf_load_stream_number(pdf, number)
    try:
        return mupdf.ll_fz_buffer_to_bytes_internal(buffer, 0)
    finally:
        mupdf.ll_fz_drop_buffer(buffer)
