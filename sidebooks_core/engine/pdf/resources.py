"""The resources with which a page of a PDF draws, and those of the objects that they name. Worker side.

All code that looks at a page as a whole goes through them by `walk`. Only `faults` has a way of its own: it looks at each
object once for a document, and notes where an object is drawn.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from sidebooks_core.engine.mupdf import RawObj, mupdf
from sidebooks_core.engine.pdf.objects import get, items

DRAWN_CATEGORIES = ("XObject", "Pattern", "Font")
"""Categories of objects that may have resources of their own: forms, tiling patterns, Type 3 fonts."""
SOFT_MASKS = "ExtGState"
"""The category of graphics states. A state may have a soft mask, which is made of a form with resources."""
OF_STREAM = ("Filter", "DecodeParms", "Length")
"""Entries that say how a stream is stored."""


class Entry(NamedTuple):
    """One entry of a resource dictionary."""

    names: RawObj
    """The dictionary that has the entry: one category of the resources."""
    place: int
    """Its place in that dictionary, from 0."""
    category: str
    value: RawObj
    number: int
    """The number of the object; 0 for an object that is written in its place."""
    is_new: bool
    """Whether the object was not met before on this walk. An object without a number always counts as new."""
    inner: RawObj
    """The object's own resources, if they were looked for."""


def of_page(page_object: RawObj) -> RawObj:
    """The resources of a page, its own or inherited ones."""
    return mupdf.ll_pdf_dict_gets_inheritable(page_object, "Resources")


def appearances(annotation: RawObj) -> Iterator[RawObj]:
    """The streams that show an annotation: its normal appearance, in each of its states."""
    shown = get(get(annotation, "AP"), "N")
    if shown and mupdf.ll_pdf_is_stream(shown):
        yield shown
    else:
        yield from values(shown)


def of_annotations(page_object: RawObj, most: int) -> Iterator[RawObj]:
    """The resources of the appearances of a page's annotations, of the first `most` annotations."""
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
    """The entries of some resource dictionaries, and of the resources of these entries, at most `most`.

    An object that is named twice is yielded twice and followed once. A dictionary that several objects share is listed once:
    many programs give all forms of a page the page's own resources. in_place: objects that are written in their place are
    followed, too. leaves: numbers of objects that are known to have no resources; numbers may be added during the walk.
    """
    waiting = list(starts)
    seen: set[int] = set()
    listed: set[tuple[int, str]] = set()
    while waiting:
        resources = waiting.pop()
        if _is_listed(resources, "", listed):
            continue
        for category in categories:
            names = get(resources, category)
            if _is_listed(names, category, listed):
                continue
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


def _is_listed(dictionary: RawObj, category: str, listed: set[tuple[int, str]]) -> bool:
    """Whether a dictionary was listed before on this walk; one that is written in its place never was. Notes it."""
    number = mupdf.ll_pdf_to_num(dictionary) if dictionary else 0
    key = (number, category)
    if not number or key not in listed:
        listed.add(key)
        return False
    return True


def values(dictionary: RawObj) -> Iterator[RawObj]:
    """The values of a dictionary; none if it is no dictionary. References are not followed."""
    for place in range(mupdf.ll_pdf_dict_len(dictionary) if dictionary else 0):
        yield mupdf.ll_pdf_dict_get_val(dictionary, place)


def entries(dictionary: mupdf.PdfObj) -> Iterator[tuple[mupdf.PdfObj, mupdf.PdfObj]]:
    """Keys and values, as objects that own what they wrap. References are not followed."""
    for index in range(mupdf.pdf_dict_len(dictionary)):
        yield mupdf.pdf_dict_get_key(dictionary, index), mupdf.pdf_dict_get_val(dictionary, index)


def copied(pdf: mupdf.PdfDocument, dictionary: mupdf.PdfObj, *, without: tuple[str, ...] = ()) -> mupdf.PdfObj:
    """A new dictionary with the same entries, except some."""
    made = mupdf.pdf_new_dict(pdf, 16)
    for key, value in entries(dictionary):
        if mupdf.pdf_to_name(key) not in without:
            mupdf.pdf_dict_put(made, key, value)
    return made


def new_stream(pdf: mupdf.PdfDocument, data: bytes, described: mupdf.PdfObj) -> mupdf.PdfObj:
    """Add a stream with the entries of a dictionary to a document. Returns a reference."""
    return mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(data), described, 0)
