"""Objects that hold a word are found by the bytes of the file, wherever they are."""

from __future__ import annotations

import mmap

import pymupdf
import pytest

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import byte_search
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.pdf import object_search

WORD = b"OCMD"


def holders(data: bytes) -> list[int]:
    source = Source(data)
    opened = open_document(source, password=None, name="x", limits=Limits())
    try:
        return object_search.numbers_of_holders(opened.handle, source, WORD)
    finally:
        opened.close()


def written(*, packed: bool) -> tuple[bytes, set[bytes]]:
    """A PDF with a membership beside others, and its marks."""
    with pymupdf.open() as document:
        for _ in range(3):
            document.new_page()
        for mark in (b"/One", b"/Two", b"/Other"):
            number = document.get_new_xref()
            kind = "OCG" if mark == b"/Other" else "OCMD"
            document.update_object(number, f"<</Type/{kind}/Mark{mark.decode()}>>")
            document.xref_set_key(document.pdf_catalog(), mark.decode()[1:], f"{number} 0 R")
        return document.tobytes(use_objstms=int(packed), deflate=True), {b"/One", b"/Two"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("is_named", [False, True])
def test_the_holders_of_a_word_are_found_and_few_others(packed: bool, is_named: bool) -> None:
    data, marks = written(packed=packed)
    assert (b"/ObjStm" in data) == packed
    if not is_named:
        data = data.replace(b"/ObjStm", b"/ObjXyz")  # the engine does not ask for it
    found = holders(data)
    with pymupdf.open(stream=data) as document:
        said = [document.xref_object(number).encode() for number in found]
    assert {mark for mark in marks if any(mark in text for text in said)} == marks
    if is_named:
        assert len(found) == len(marks)


def test_a_mapping_is_searched_as_bytes_are() -> None:
    data = bytes(range(256)) * 9000 + b"needle" + bytes(5000) + b"needle"
    with mmap.mmap(-1, len(data)) as mapped:
        mapped[:] = data
        view = memoryview(mapped)
        try:
            for first, stop in (
                (0, len(data)),
                (data.index(b"needle") + 1, len(data)),
                (0, 100),
                (7, 7),
                (len(data) - 5, len(data)),
            ):
                assert byte_search.find(view, b"needle", first, stop) == data.find(b"needle", first, stop)
                assert byte_search.find_in_parts(view, b"needle", first, stop) == data.find(b"needle", first, stop)
                assert byte_search.last_place(view, b"needle", first, stop) == data.rfind(b"needle", first, stop)
            assert len(list(byte_search.places(view, b"needle"))) == data.count(b"needle") == 2
        finally:
            view.release()
