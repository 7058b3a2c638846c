"""What a page of a PDF draws with: its resources, and those of what they name. Worker side.

`walk` is the one way through them for all that looks at a page as a whole. `faults` alone goes its own way: it looks at each
object once for a document, and at where it is drawn.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from sidebooks_core.engine.mupdf import RawObj, mupdf
from sidebooks_core.engine.pdf.objects import get, items

DRAWN_CATEGORIES = ("XObject", "Pattern", "Font")
"""What may have resources of its own: forms, tiling patterns, Type 3 fonts."""
SOFT_MASKS = "ExtGState"
"""The category of graphics states, some of which have a soft mask; the form that it is made of has resources."""
OF_STREAM = ("Filter", "DecodeParms", "Length")
"""Entries that say how a stream is kept."""


class Entry(NamedTuple):
    """One entry of a resource dictionary."""

    names: RawObj
    """The dictionary that it stands in: one category of the resources."""
    place: int
    """Its number in that dictionary."""
    category: str
    value: RawObj
    number: int
    """Of the object; 0 for one that is written in its place."""
    is_new: bool
    """It was not met before on this walk, as far as its number tells."""
    inner: RawObj
    """The resources of its own, if they were looked for."""


def of_page(page_object: RawObj) -> RawObj:
    """The resources of a page, its own or those it inherits."""
    return mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")


def appearances(annotation: RawObj) -> Iterator[RawObj]:
    """The streams that show an annotation: its normal appearance, in each of its states."""
    shown = get(get(annotation, "AP"), "N")
    if shown and mupdf.ll_pdf_is_stream(shown):
        yield shown
    else:
        yield from values(shown)


def of_annotations(page_object: RawObj, most: int) -> Iterator[RawObj]:
    """The resources of the appearances of a page's annotations, of the first so many."""
    for place, annotation in enumerate(items(get(page_object, "Annots"))):
        if place >= most:
            return
        for shown in appearances(annotation):
            if inner := get(shown, "Resources"):
                yield inner


def walk(
    starts: Iterable[RawObj],
    categories: tuple[str, ...] = DRAWN_CATEGORIES,
    *,
    most: int,
    in_place: bool = False,
    leaves: Container[int] = (),
) -> Iterator[Entry]:
    """The entries of some resource dictionaries, and of those that belong to the entries, at most so many.

    An object that is named twice is handed out twice and followed once. in_place: what is written in its place is followed,
    too. leaves: numbers of objects that are known to have no resources; they may be added meanwhile.
    """
    waiting = list(starts)
    seen: set[int] = set()
    while waiting:
        resources = waiting.pop()
        for category in categories:
            names = get(resources, category)
            for place, value in enumerate(values(names)):
                most -= 1
                if most < 0:
                    return
                number = mupdf.ll_pdf_to_num(value)
                is_new = number not in seen
                inner = None
                if number:
                    seen.add(number)
                if is_new and (number or in_place) and number not in leaves:
                    owner = get(get(value, "SMask"), "G") if category == SOFT_MASKS else value
                    inner = get(owner, "Resources")
                    if inner:
                        waiting.append(inner)
                yield Entry(names, place, category, value, number, is_new, inner)


def values(dictionary: RawObj) -> Iterator[RawObj]:
    """Of a dictionary; none of what is no dictionary. References are not followed."""
    for place in range(mupdf.ll_pdf_dict_len(dictionary) if dictionary else 0):
        yield mupdf.ll_pdf_dict_get_val(dictionary, place)


def entries(dictionary: mupdf.PdfObj) -> Iterator[tuple[mupdf.PdfObj, mupdf.PdfObj]]:
    """Keys and values, as objects that own what they wrap; references are not followed."""
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
