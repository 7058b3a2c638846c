"""The outline of a PDF: its bookmarks and their targets. Worker side.

It is read here and not by the engine. The engine takes three times as long, gives up the whole outline for one wrong pointer,
and tells neither the bytes of a title nor all that an entry says of its target.
"""

from __future__ import annotations

from sidebooks_core.documents.model import OutlineItem
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.engine.mupdf import RawObj, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import catalog, get, text
from sidebooks_core.engine.pdf.targets import Targets


def read_outline(document: pymupdf.Document, targets: Targets, most_levels: int) -> tuple[tuple[OutlineItem, ...], int]:
    """The entries, none deeper than `most_levels`, and the depth of the deepest one. Raises the engine's errors."""
    outlines = get(catalog(raw_pdf(document)), "Outlines")
    found: list[OutlineItem] = []
    deepest = 0
    seen: set[int] = set()
    waiting: list[tuple[int, RawObj]] = [(1, get(outlines, "First"))]
    while waiting:
        level, entry = waiting.pop()
        while entry and mupdf.ll_pdf_is_dict(entry):
            number = mupdf.ll_pdf_to_num(entry)
            if number in seen:
                break  # a circle
            if number:
                seen.add(number)
            target = targets.of(entry)
            found.append(OutlineItem(min(level, most_levels), shown(text(get(entry, "Title"))), target.page, target.uri))
            deepest = max(deepest, level)
            following, below = get(entry, "Next"), get(entry, "First")
            if below:
                waiting.append((level, following))
                level, entry = level + 1, below
            else:
                entry = following
    return tuple(found), deepest
