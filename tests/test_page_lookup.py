"""The engine finds a late page of a long PDF without reading all pages before it, and finds the same pages as by its list."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, is_pdf, mupdf, raw_pdf, require_pdf
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.pdf import pages
from sidebooks_core.errors import SidebooksError

PAGES = 60
PER_NODE = 8


def tree_of(count: int) -> bytes:
    """A document of pages that say their numbers, in a tree of two levels."""
    with pymupdf.open() as made:
        for number in range(count):
            made.new_page().insert_text((72, 72), f"page {number}")
        root = made.xref_get_key(made.pdf_catalog(), "Pages")[1].split()[0]
        leaves = [made[number].xref for number in range(count)]
        nodes = []
        for start in range(0, count, PER_NODE):
            kids = leaves[start : start + PER_NODE]
            node = made.get_new_xref()
            listed = " ".join(f"{one} 0 R" for one in kids)
            made.update_object(node, f"<</Type/Pages/Parent {root} 0 R/Count {len(kids)}/Kids[{listed}]>>")
            for one in kids:
                made.xref_set_key(one, "Parent", f"{node} 0 R")
            nodes.append(f"{node} 0 R")
        made.xref_set_key(int(root), "Kids", f"[{' '.join(nodes)}]")
        content: bytes = made.tobytes(use_objstms=1)
        return content


def opened(content: bytes) -> OpenDocument:
    return open_document(Source(content), password=None, name="x", limits=Limits())


def numbers(document: OpenDocument) -> list[int | None]:
    """The object number of each page, as the engine finds it. None: it finds none."""
    pdf = raw_pdf(require_pdf(document.handle))
    found: list[int | None] = []
    for index in range(document.page_count):
        try:
            found.append(mupdf.ll_pdf_to_num(mupdf.ll_pdf_lookup_page_obj(pdf, index)))
        except ENGINE_ERRORS:
            found.append(None)
    return found


def test_a_late_page_is_found_without_a_list_of_all() -> None:
    document = opened(tree_of(PAGES))
    assert [word.text for word in document.words(PAGES - 1)] == ["page", f"{PAGES - 1}"]
    assert not raw_pdf(require_pdf(document.handle)).fwd_page_map
    document.close()


def test_a_tree_that_was_rebuilt_is_one_node_and_is_listed() -> None:
    document = opened(with_wrong_count())
    assert len(document.info.pages) == PAGES
    assert document.chapters == (PAGES,)
    assert [word.text for word in document.words(PAGES - 1)] == ["page", f"{PAGES - 1}"]
    assert raw_pdf(require_pdf(document.handle)).fwd_page_map
    document.close()


def with_wrong_count() -> bytes:
    with pymupdf.open(stream=tree_of(PAGES), filetype="pdf") as made:
        root = int(made.xref_get_key(made.pdf_catalog(), "Pages")[1].split()[0])
        made.xref_set_key(root, "Count", f"{PAGES + 10}")
        content: bytes = made.tobytes()
        return content


def test_both_ways_lead_to_the_same_pages(corpus: Path) -> None:
    different, compared = [], 0
    for path in sorted(corpus.parent.rglob("*.pdf")):
        try:
            one, other = opened(path.read_bytes()), opened(path.read_bytes())
        except SidebooksError:
            continue  # it has no pages
        try:
            if one.kind != "pdf" or not is_pdf(one.handle) or one.info.chapters:
                continue
            pages.find_by_list(require_pdf(other.handle))
            compared += 1
            if numbers(one) != numbers(other):
                different.append(path.name)
        finally:
            one.close()
            other.close()
    assert different == []
    assert compared > 50
