"""The table of contents of an EPUB, with all its text and the pages to which its entries lead. Worker side."""

from __future__ import annotations

from itertools import accumulate

from sidebooks_core.documents import epub_package
from sidebooks_core.documents.archives import UNREADABLE, Archive
from sidebooks_core.documents.model import OutlineItem
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.mupdf import EngineDocument, mupdf, pymupdf


def outline(document: EngineDocument, source: Source, page_count: int, chapters: tuple[int, ...]) -> list[OutlineItem]:
    """The entries; none if the book has no table that can be read. chapters: how many pages each chapter has."""
    try:
        archive = Archive(source)
    except UNREADABLE:
        return []
    package = epub_package.read_package(archive)
    if package is None:
        return []
    starts = list(accumulate(chapters, initial=0))
    files = {}
    for place, item in reversed(list(enumerate(package.spine))):
        files[item.path] = place
    found = []
    for entry in epub_package.table_of_contents(archive, package):
        page = _page(document, entry, starts, files) if entry.path else None
        is_inside = page is not None and 0 <= page < page_count
        found.append(OutlineItem(entry.level, entry.title, page if is_inside else None))
    return found


def _page(document: EngineDocument, entry: epub_package.Entry, starts: list[int], files: dict[str, int]) -> int | None:
    if not isinstance(document, pymupdf.Document):
        part = files.get(entry.path)
        return starts[part] if part is not None and part < len(starts) else None
    try:
        place, _, _ = mupdf.fz_resolve_link(document.this, f"{entry.path}#{entry.fragment}" if entry.fragment else entry.path)
    except mupdf.FzErrorBase:
        return None
    return starts[place.chapter] + place.page if 0 <= place.chapter < len(starts) and place.page >= 0 else None
