"""The page tree of a PDF as it is, and rebuilt if it does not hold together. Worker side.

The engine lists all pages when it first looks for one, and reads each page object for this: 25 to 200 ms for 600 to 2,400 pages
of real documents. It can also find a page by the counts in the nodes, and then reads only the nodes on the way: 1 ms. If counts
are wrong or missing, it finds other pages, or none. So a document is described by the list, and the description tells whether
other workers may go by the counts.
"""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.engine.mupdf import ENGINE_ERRORS, OpenPdf, RawObj, RawPdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, items, name

_DEPTH = 200
_WIDEST = 64
"""Most pages of a node that the engine goes through to find a page by the counts: it reads each page object among the kids."""
_KIDS = 16
"""The kids of a node into which a wider root is divided."""


class PageTree(Struct, frozen=True):
    """The content of a page tree."""

    pages: list[RawObj]
    """The page objects in order. They belong to the document. Objects in the tree that are no pages are included."""
    is_sound: bool
    """Whether each node has as many pages below it as it says."""
    is_plain: bool
    """Whether each node says that it is a node and has pages, and all else says that it is a page and has no kids."""
    is_narrow: bool
    """Whether no node has many pages among its kids, except a root that `find_by_counts` divides."""

    @property
    def has_true_counts(self) -> bool:
        """Whether the engine finds the same pages by the counts as by its list, and reads few others on the way."""
        return self.is_sound and self.is_plain and self.is_narrow


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
    is_sound = is_plain = _is_node(root)
    is_narrow = True
    above: set[int] = set()
    waiting: list[tuple[RawObj, int | None]] = [(root, None)]
    while waiting and len(pages) <= most:
        node, begun = waiting.pop()
        number = mupdf.ll_pdf_to_num(node)
        if begun is not None:  # all below it was read
            above.discard(number)
            is_plain = is_plain and len(pages) > begun
            is_sound = is_sound and mupdf.ll_pdf_to_int(get(node, "Count")) == len(pages) - begun
        elif not _is_node(node):
            pages.append(node)
            is_plain = is_plain and _is_plain_page(node)
            is_sound = is_sound and bool(mupdf.ll_pdf_is_dict(node)) and name(get(node, "Type")) != "Pages"
        elif (number and number in above) or len(above) > _DEPTH:
            is_sound = False
        else:
            above.add(number)
            is_plain = is_plain and name(get(node, "Type")) == "Pages"
            is_sound = is_sound and _is_node_to_the_engine(node)
            kids = list(items(get(node, "Kids")))
            is_narrow = is_narrow and (_has_few_pages(kids) or (not waiting and _is_divided(root, len(kids))))
            waiting.append((node, len(pages)))
            told = next((place for place, kid in enumerate(kids) if not _is_plain_page(kid)), len(kids))
            pages += kids[: min(told, most + 1 - len(pages))]
            waiting += [(kid, None) for kid in reversed(kids[told:])]
    return PageTree(pages, is_sound, is_plain, is_narrow)


def find_by_counts(document: OpenPdf) -> None:
    """Have the engine find pages by the counts in the nodes, for a document whose tree has true counts. Raises the engine's
    errors.

    A wide root is divided, since the engine goes through the kids before a page one by one. With counts that are wrong, other
    pages are found, or none.
    """
    pdf = raw_pdf(document)
    mupdf.ll_pdf_set_page_tree_cache(pdf, 0)
    document.before_page = find_by_list_if_linked
    root = get(catalog(pdf), "Pages")
    kids = get(root, "Kids")
    count = mupdf.ll_pdf_array_len(kids)
    if _is_divided(root, count):
        _divide(pdf, kids, count)


def find_by_list(document: pymupdf.Document) -> None:
    """Have the engine list all pages at its next look-up: for look-ups of a page's number. By the counts, the engine takes what
    is no page for the first page, and trusts what pages say of their parents.
    """
    mupdf.ll_pdf_set_page_tree_cache(raw_pdf(document), 1)
    if isinstance(document, OpenPdf):
        document.before_page = None


def list_ahead(document: pymupdf.Document) -> None:
    """Have the engine list all pages at its next look-up, if it would do so at the first page with links to pages."""
    if isinstance(document, OpenPdf) and document.before_page is not None:
        find_by_list(document)


def find_by_list_if_linked(document: OpenPdf, index: int) -> None:
    """Have the engine list all pages if a page has links to pages: to load it, the engine looks up the number of each target.
    Links by name are not looked up then. Raises the engine's errors.
    """
    page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), index)
    if any(_names_page(annotation) for annotation in items(get(page_object, "Annots"))):
        find_by_list(document)


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
    for page in pages:
        if name(get(page, "Type")) != "Page":
            mupdf.ll_pdf_dict_puts_drop(page, "Type", mupdf.ll_pdf_new_name("Page"))
        mupdf.ll_pdf_array_push(kids, page)
    _set_root(pdf, _node(pdf, kids, len(pages)))


def _node(pdf: RawPdf, kids: RawObj, count: int) -> RawObj:
    """A node of a page tree. The caller gives its hold on the kids away, and drops the node."""
    node = mupdf.ll_pdf_new_dict(pdf, 3)
    mupdf.ll_pdf_dict_puts_drop(node, "Type", mupdf.ll_pdf_new_name("Pages"))
    mupdf.ll_pdf_dict_puts_drop(node, "Count", mupdf.ll_pdf_new_int(count))
    mupdf.ll_pdf_dict_puts_drop(node, "Kids", kids)
    return node


def _set_root(pdf: RawPdf, node: RawObj) -> None:
    """Hang a node into the document as the root of its page tree, and drop it. The pages keep their parents, from which they
    inherit.
    """
    added = mupdf.ll_pdf_add_object(pdf, node)
    mupdf.ll_pdf_drop_obj(node)
    mupdf.ll_pdf_dict_puts_drop(catalog(pdf), "Pages", added)


def _is_divided(root: RawObj, kids: int) -> bool:
    """Whether a root with so many kids is divided. For true counts: each kid has one page then."""
    return kids > _WIDEST and kids == mupdf.ll_pdf_to_int(get(root, "Count"))


def _has_few_pages(kids: list[RawObj]) -> bool:
    return len(kids) <= _WIDEST or sum(map(_is_plain_page, kids)) <= _WIDEST


def _divide(pdf: RawPdf, kids: RawObj, count: int) -> None:
    """Give the document a root with few kids below each node. kids: of the root as it is; each has one page."""
    divided = mupdf.ll_pdf_new_array(pdf, -(-count // _KIDS))
    for start in range(0, count, _KIDS):
        stop = min(start + _KIDS, count)
        some = mupdf.ll_pdf_new_array(pdf, stop - start)
        for place in range(start, stop):
            mupdf.ll_pdf_array_push(some, mupdf.ll_pdf_array_get(kids, place))
        mupdf.ll_pdf_array_push_drop(divided, _node(pdf, some, stop - start))
    _set_root(pdf, _node(pdf, divided, count))


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


def _names_page(annotation: RawObj) -> bool:
    """Whether an annotation is a link whose destination names a page, wherever the engine looks for one."""
    if name(get(annotation, "Subtype")) != "Link":
        return False
    more = get(annotation, "AA")
    actions = (get(annotation, "A"), get(more, "U"), get(more, "D"))
    destinations = (get(annotation, "Dest"), *(get(action, "D") for action in actions))
    return any(mupdf.ll_pdf_is_array(destination) for destination in destinations)


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
