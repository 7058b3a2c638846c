"""The page tree of a PDF as it is, and rebuilt if it does not hold together. Worker side.

The engine finds a page by the counts in the nodes of the tree. If counts are wrong or missing, it finds other pages, or none.
"""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawObj, RawPdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, items, name

_DEPTH = 200


class PageTree(Struct, frozen=True):
    """The content of a page tree."""

    pages: list[RawObj]
    """The page objects in order. They belong to the document. Objects in the tree that are no pages are included."""
    is_sound: bool
    """Whether each node has as many pages below it as it says."""


def told_count(document: pymupdf.Document) -> int:
    """The number of pages that the document states; 0 if it cannot be read."""
    try:
        return document.page_count
    except ENGINE_ERRORS:
        return 0


def read_tree(document: pymupdf.Document, most: int) -> PageTree:
    """The pages that are there, at most `most` + 1. Raises the engine's errors."""
    root = get(catalog(raw_pdf(document)), "Pages")
    pages: list[RawObj] = []
    is_sound = _is_node(root)
    above: set[int] = set()
    waiting: list[tuple[RawObj, int | None]] = [(root, None)]
    while waiting and len(pages) <= most:
        node, begun = waiting.pop()
        number = mupdf.ll_pdf_to_num(node)
        if begun is not None:  # all below it was read
            above.discard(number)
            is_sound = is_sound and mupdf.ll_pdf_to_int(get(node, "Count")) == len(pages) - begun
        elif not _is_node(node):
            pages.append(node)
            is_sound = is_sound and bool(mupdf.ll_pdf_is_dict(node)) and name(get(node, "Type")) != "Pages"
        elif (number and number in above) or len(above) > _DEPTH:
            is_sound = False
        else:
            above.add(number)
            is_sound = is_sound and _is_node_to_the_engine(node)
            waiting.append((node, len(pages)))
            kids = list(items(get(node, "Kids")))
            told = next((place for place, kid in enumerate(kids) if not _is_plain_page(kid)), len(kids))
            pages += kids[: min(told, most + 1 - len(pages))]
            waiting += [(kid, None) for kid in reversed(kids[told:])]
    return PageTree(pages, is_sound)


def rebuild(document: pymupdf.Document, most: int) -> int:
    """Give the document a tree of the pages that are there, in order, without objects that are no pages. Returns the number of
    pages.

    If no tree leads to any page, all objects that are pages are taken, by number. Nothing changes if there are none. Raises the
    engine's errors.
    """
    pdf = raw_pdf(document)
    pages = [page for page in read_tree(document, most).pages if mupdf.ll_pdf_is_dict(page) and _is_page(page)]
    strays = [] if pages else _stray_pages(pdf, most)
    try:
        pages = pages or strays
        if pages:
            _hang(pdf, pages)
    finally:
        for page in strays:
            mupdf.ll_pdf_drop_obj(page)
    return len(pages)


def _hang(pdf: RawPdf, pages: list[RawObj]) -> None:
    kids = mupdf.ll_pdf_new_array(pdf, len(pages))
    node = mupdf.ll_pdf_new_dict(pdf, 3)
    for page in pages:
        if name(get(page, "Type")) != "Page":
            mupdf.ll_pdf_dict_puts_drop(page, "Type", mupdf.ll_pdf_new_name("Page"))
        mupdf.ll_pdf_array_push(kids, page)
    mupdf.ll_pdf_dict_puts_drop(node, "Type", mupdf.ll_pdf_new_name("Pages"))
    mupdf.ll_pdf_dict_puts_drop(node, "Count", mupdf.ll_pdf_new_int(len(pages)))
    mupdf.ll_pdf_dict_puts_drop(node, "Kids", kids)
    added = mupdf.ll_pdf_add_object(pdf, node)
    mupdf.ll_pdf_drop_obj(node)
    # The pages keep their parents, from which they inherit.
    mupdf.ll_pdf_dict_puts_drop(catalog(pdf), "Pages", added)


def _stray_pages(pdf: RawPdf, most: int) -> list[RawObj]:
    """References to all objects that say that they are pages. The caller drops them."""
    found: list[RawObj] = []
    for number in range(1, mupdf.ll_pdf_xref_len(pdf)):
        reference = mupdf.ll_pdf_new_indirect(pdf, number, 0)
        try:
            is_page = name(get(reference, "Type")) == "Page"
        except mupdf.FzErrorBase:
            is_page = False  # an object that cannot be read
        if is_page and len(found) <= most:
            found.append(reference)
        else:
            mupdf.ll_pdf_drop_obj(reference)
    return found


def _is_plain_page(value: RawObj) -> bool:
    return name(get(value, "Type")) == "Page" and not get(value, "Kids")


def _is_node(value: RawObj) -> bool:
    """Whether it is a node, whatever its type says: no page has kids."""
    has_content = bool(get(value, "Contents"))
    if name(get(value, "Type")) == "Pages":
        return bool(get(value, "Kids")) or not has_content
    return bool(get(value, "Kids")) and not has_content


def _is_node_to_the_engine(value: RawObj) -> bool:
    kind = name(get(value, "Type"))
    return kind == "Pages" or (not kind and bool(get(value, "Kids")) and not get(value, "MediaBox"))


def _is_page(value: RawObj) -> bool:
    return name(get(value, "Type")) == "Page" or any(get(value, key) for key in ("MediaBox", "Contents", "Resources"))
