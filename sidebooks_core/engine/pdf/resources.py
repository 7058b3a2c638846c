"""The resource dictionaries that a page of a PDF draws with, its own and those of its forms. Worker side."""

from __future__ import annotations

from collections.abc import Iterator

from sidebooks_core.engine.mupdf import mupdf

_MOST = 2_000
"""Dictionaries of one page that are looked into."""
OF_STREAM = ("Filter", "DecodeParms", "Length")
"""Entries that say how a stream is kept."""


def entries(dictionary: mupdf.PdfObj) -> Iterator[tuple[mupdf.PdfObj, mupdf.PdfObj]]:
    """Keys and values, as the engine's objects; references are not followed."""
    for index in range(mupdf.pdf_dict_len(dictionary)):
        yield mupdf.pdf_dict_get_key(dictionary, index), mupdf.pdf_dict_get_val(dictionary, index)


def copied(pdf: mupdf.PdfDocument, dictionary: mupdf.PdfObj, *, without: tuple[str, ...] = ()) -> mupdf.PdfObj:
    """A new dictionary with the same entries, but some."""
    made = mupdf.pdf_new_dict(pdf, 16)
    for key, value in entries(dictionary):
        if mupdf.pdf_to_name(key) not in without:
            mupdf.pdf_dict_put(made, key, value)
    return made


def new_stream(pdf: mupdf.PdfDocument, data: bytes, described: mupdf.PdfObj) -> mupdf.PdfObj:
    """Add a stream to a document, with the entries of a dictionary. Returns a reference."""
    return mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(data), described, 0)


def of_page(page_object: mupdf.PdfObj) -> Iterator[mupdf.PdfObj]:
    """Each resource dictionary once: of the page, of the appearances of its annotations, and of the forms, patterns and Type 3
    fonts that these name by number. Soft masks, and what is written in place, are left out."""
    waiting = [mupdf.pdf_dict_gets_inheritable(page_object, "Resources")]
    annotations = mupdf.pdf_dict_gets(page_object, "Annots")
    for index in range(min(_MOST, mupdf.pdf_array_len(annotations))):
        shown = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(mupdf.pdf_array_get(annotations, index), "AP"), "N")
        states = [shown] if mupdf.pdf_is_stream(shown) else [state for _, state in entries(shown)]
        waiting += [mupdf.pdf_dict_gets(state, "Resources") for state in states]
    seen: set[int] = set()
    left = _MOST
    while waiting and left:
        resources = waiting.pop()
        if not mupdf.pdf_is_dict(resources):
            continue
        left -= 1
        yield resources
        for category in ("XObject", "Pattern", "Font"):
            for _, value in entries(mupdf.pdf_dict_gets(resources, category)):
                number = mupdf.pdf_to_num(value)
                if number and number not in seen:
                    seen.add(number)
                    inner = mupdf.pdf_dict_gets(value, "Resources")
                    if inner.m_internal:
                        waiting.append(inner)
