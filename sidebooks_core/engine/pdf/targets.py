"""The targets of the links and bookmarks of a PDF: one of its pages, or an address outside. Worker side.

The engine looks names up as Unicode, and in only one of the two places that hold them. It turns names that it does not find,
and pages of other files, into addresses that say less than the document. So destinations and actions (ISO 32000-2, 12.3.2 and
12.6) are read here.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct

from sidebooks_core.documents import addresses
from sidebooks_core.documents.syntax import pdf_text
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, RawObj, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, items, name, raw, text
from sidebooks_core.engine.pdf.pages import find_by_list

_DEPTH = 10
"""Most names that lead to names, and most actions that follow one another."""
_TREE_DEPTH = 32
MOST_NAMES = 200_000
"""Most named destinations that are searched for one that is not in its place."""
_FILE_KEYS = ("UF", "F", "Unix", "DOS", "Mac")


class Target(Struct, frozen=True):
    """A page of the document, from 0, or an address outside. Neither: it leads nowhere."""

    page: int | None = None
    uri: str | None = None


NOWHERE = Target()


class Targets:
    """Tells where the entries of one open PDF lead."""

    def __init__(self, document: pymupdf.Document, page_count: int) -> None:
        self._document = document
        self._pdf = raw_pdf(document)
        self._page_count = page_count
        self._by_text: dict[str, RawObj] | None = None
        self._has_tree = False

    def forget_names(self) -> None:
        """Let go of the objects that names lead to. The next look-up by text reads them again."""
        self._by_text = None

    def _load_tree(self) -> None:
        self._has_tree = True
        find_by_list(self._document)
        with suppress(mupdf.FzErrorBase):  # without it the number of a page is found by its parents, which takes longer
            mupdf.ll_pdf_load_page_tree(self._pdf)

    def of(self, entry: RawObj, page: int | None = None) -> Target:
        """The target of an annotation or an outline item: by its destination, or else by its action.

        page: the page with the entry, from 0; None if it is on no page.
        """
        try:
            return self._of(entry, page)
        except ENGINE_ERRORS:
            return NOWHERE  # damaged: the page or the outline has its other entries

    def _of(self, entry: RawObj, page: int | None) -> Target:
        destination = get(entry, "Dest")
        if destination:
            found = self._of_destination(destination)
            if found is not None:
                return Target(found)
        action = get(entry, "A") or get(get(entry, "AA"), "U") or get(get(entry, "AA"), "D")
        return self._of_action(action, page, _DEPTH) if action else NOWHERE

    def _of_action(self, action: RawObj, page: int | None, depth: int) -> Target:
        found = self._of_one_action(action, page)
        if found != NOWHERE or not depth:
            return found
        following = get(action, "Next")
        for one in items(following) if mupdf.ll_pdf_is_array(following) else filter(None, [following]):
            found = self._of_action(one, page, 0 if mupdf.ll_pdf_is_array(following) else depth - 1)
            if found != NOWHERE:
                return found
        return NOWHERE

    def _of_one_action(self, action: RawObj, page: int | None) -> Target:
        match name(get(action, "S")):
            case "GoTo":
                return Target(self._of_destination(get(action, "D")))
            case "GoToR" | "GoToE":
                return Target(uri=self._in_other_file(action))
            case "Launch":
                file = get(action, "F") or get(get(action, "Win"), "F")
                return Target(uri=_file(file, ""))
            case "URI":
                return self._of_uri(text(get(action, "URI")))
            case "Named":
                return Target(self._of_known_name(name(get(action, "N")), page))
        return NOWHERE

    def _of_uri(self, uri: str) -> Target:
        uri = uri.strip()
        if uri.startswith("#"):  # a place in this document, as a browser understands it
            key, _, value = uri[1:].partition("=")
            if key.lower() == "page" and value.isdecimal():
                return Target(self._inside(int(value) - 1))
            return Target(self._page_of(self._by_name(value if key == "nameddest" else uri[1:]), _DEPTH))
        return Target(uri=addresses.address(uri, text(get(get(catalog(self._pdf), "URI"), "Base"))))

    def _of_known_name(self, known: str, page: int | None) -> int | None:
        last = self._page_count - 1
        if known in ("FirstPage", "LastPage"):
            return 0 if known == "FirstPage" else last
        if page is None or known not in ("NextPage", "PrevPage"):
            return None
        return min(page + 1, last) if known == "NextPage" else max(page - 1, 0)

    def _in_other_file(self, action: RawObj) -> str | None:
        destination = get(action, "D")
        fragment = ""
        if mupdf.ll_pdf_is_array(destination):
            first = mupdf.ll_pdf_array_get(destination, 0)
            if mupdf.ll_pdf_is_number(first):
                fragment = addresses.fragment_of_page(max(0, mupdf.ll_pdf_to_int(first)))
        elif destination and not mupdf.ll_pdf_is_dict(destination):
            fragment = addresses.fragment_of_name(pdf_text.decoded(raw(destination)))
        file = get(action, "F")
        if not file:  # embedded in this one
            embedded = get(get(action, "T"), "N")
            return addresses.file_address(text(embedded), fragment) if embedded else None
        return _file(file, fragment)

    def _of_destination(self, destination: RawObj) -> int | None:
        return self._page_of(destination, _DEPTH)

    def _page_of(self, destination: RawObj, depth: int) -> int | None:
        if not destination or depth < 0:
            return None
        if mupdf.ll_pdf_is_array(destination):
            return self._number(mupdf.ll_pdf_array_get(destination, 0))
        if mupdf.ll_pdf_is_dict(destination):
            inner = get(destination, "D")
            # Some writers name the page itself, without a way to show it.
            return self._page_of(inner, depth - 1) if inner else self._number(destination)
        if mupdf.ll_pdf_is_name(destination) or mupdf.ll_pdf_is_string(destination):
            return self._page_of(self._named(destination), depth - 1)
        if mupdf.ll_pdf_is_int(destination):
            return self._number(destination)
        return None

    def _number(self, page: RawObj) -> int | None:
        """The number of the page that a destination names, from 0."""
        if mupdf.ll_pdf_is_number(page):
            return self._inside(mupdf.ll_pdf_to_int(page))
        if not mupdf.ll_pdf_is_dict(page):
            return None
        if not self._has_tree:
            self._load_tree()
        try:
            return self._inside(mupdf.ll_pdf_lookup_page_number(self._pdf, page))
        except mupdf.FzErrorBase:
            return None  # a page tree that is damaged on the way

    def _inside(self, page: int) -> int | None:
        return page if 0 <= page < self._page_count else None

    def _named(self, wanted: RawObj) -> RawObj:
        """The destination of a name: by its kind from the dictionary or the tree, else by its text from either."""
        root = catalog(self._pdf)
        asked = raw(wanted)
        if mupdf.ll_pdf_is_name(wanted):
            found = mupdf.ll_pdf_dict_get(get(root, "Dests"), wanted)
        elif b"\0" in asked:  # There the engine stops reading, and all UTF-16 names of Latin letters would be one.
            found = None
        else:
            tree_name = mupdf.ll_pdf_new_name("Dests")
            try:
                found = mupdf.ll_pdf_lookup_name(self._pdf, tree_name, wanted)
            finally:
                mupdf.ll_pdf_drop_obj(tree_name)
        return found or self._by_name(pdf_text.decoded(asked))

    def _by_name(self, wanted: str) -> RawObj:
        """Look a name up by its text, whatever its encoding, and even if the tree is out of order."""
        if self._by_text is None:
            self._by_text = self._all_names()
        return self._by_text.get(wanted)

    def _all_names(self) -> dict[str, RawObj]:
        root = catalog(self._pdf)
        found: dict[str, RawObj] = {}
        old = get(root, "Dests")
        for place in range(min(mupdf.ll_pdf_dict_len(old), MOST_NAMES)):
            key = raw(mupdf.ll_pdf_dict_get_key(old, place))
            found.setdefault(pdf_text.decoded(key), mupdf.ll_pdf_dict_get_val(old, place))
        for key_object, destination in name_tree(get(get(root, "Names"), "Dests"), MOST_NAMES):
            found.setdefault(pdf_text.decoded(raw(key_object)), destination)
        return found


def name_tree(root: RawObj, most: int) -> list[tuple[RawObj, RawObj]]:
    """The names and values of a name tree (ISO 32000-2, 7.9.6) in its order, at most `most`."""
    found: list[tuple[RawObj, RawObj]] = []
    waiting: list[tuple[RawObj, int]] = [(root, 0)]
    seen: set[int] = set()
    while waiting and len(found) < most:
        node, depth = waiting.pop()
        number = mupdf.ll_pdf_to_num(node)
        if not node or number in seen or depth > _TREE_DEPTH:
            continue
        if number:
            seen.add(number)
        entries = get(node, "Names")
        found += [
            (mupdf.ll_pdf_array_get(entries, place), mupdf.ll_pdf_array_get(entries, place + 1))
            for place in range(0, mupdf.ll_pdf_array_len(entries) - 1, 2)
        ]
        waiting += [(kid, depth + 1) for kid in reversed(list(items(get(node, "Kids"))))]
    return found[:most]


def file_name(file: RawObj) -> str:
    """The name of the file in a file specification; empty if it has none."""
    if mupdf.ll_pdf_is_string(file):
        return text(file)
    return next((found for key in _FILE_KEYS if (found := text(get(file, key)))), "")


def _file(file: RawObj, fragment: str) -> str | None:
    called = file_name(file)
    if name(get(file, "FS")) == "URL":
        found = addresses.address(called)
        return f"{found}#{fragment}" if found and fragment and "#" not in found else found
    return addresses.file_address(called, fragment) if called else None
