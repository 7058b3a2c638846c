"""Describes a document: its pages and their sizes, title, outline, direction of reading, attachments. Worker side."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import accumulate

from msgspec import Struct

from sidebooks_core.documents import addresses
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import Attachment, Direction, DocumentInfo, OutlineItem, PageGeometry
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.sniffing import IMAGE_KINDS, REFLOWABLE_KINDS
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.images import reading as images
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.metadata import package_of, read_metadata
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, RawObj, RawPdf, is_pdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import attachments as pdf_attachments
from sidebooks_core.engine.pdf import labels as page_labels
from sidebooks_core.engine.pdf import objects as pdf_objects
from sidebooks_core.engine.pdf import outline as pdf_outline
from sidebooks_core.engine.pdf.targets import Targets
from sidebooks_core.engine.sequence import PageSequence
from sidebooks_core.errors import DocumentError

FALLBACK_SIZE_PT = (612.0, 792.0)
"""Size of a page whose own size cannot be read: US Letter, as in the examples of the PDF specification."""


class Subject(Struct, frozen=True):
    """An open document, and what is known of it before it is described."""

    handle: EngineDocument
    source: Source
    kind: str
    limits: Limits
    needs_password: bool
    page_count: int
    chapters: tuple[int, ...]
    """How many pages each chapter has. Empty for a document that is not laid out by chapters; a PDF has one chapter if its page
    tree was rebuilt."""
    page_objects: Sequence[RawObj] = ()
    """The pages of a PDF in order; empty if they cannot be read."""
    has_true_counts: bool = False
    """Whether the engine finds the pages of a PDF by the counts in its page tree as well, and nothing was mended."""
    targets: Targets | None = None
    """Tells where the outline of a PDF leads."""


def describe(subject: Subject, notes: Callable[[], tuple[str, ...]]) -> DocumentInfo:
    """The description of a document. Raises the engine's errors.

    notes: tells what is left out of the document, in words. It is called late: its layers must be judged first.
    """
    handle, limits = subject.handle, subject.limits
    is_repaired = handle.is_pdf and handle.is_repaired
    pages = _geometries(subject)
    outline, deepest = _whole_outline(subject)
    repaired = ("the file's structure was damaged and was rebuilt", *take_warnings()) if is_repaired else ()
    repaired += tuple(shown(note) for note in notes())
    if subject.kind == "pdf" and subject.chapters:
        repaired += (f"the page tree was damaged and was rebuilt of the {subject.page_count} pages that are there",)
    if len(outline) > limits.outline_items:
        kept = limits.outline_items
        repaired += (f"an outline of {len(outline)} entries was cut; the settings keep {kept} (outline_items)",)
        outline = outline[:kept]
    if deepest > limits.outline_depth:
        kept = limits.outline_depth
        repaired += (f"an outline that nests too deep was made flatter; the settings keep {kept} levels (outline_depth)",)
    metadata = read_metadata(handle, subject.source, subject.kind)
    return DocumentInfo(
        kind=subject.kind,
        title=metadata.title,
        direction=_direction(subject),
        page_count=subject.page_count,
        outline=outline,
        pages=pages,
        needs_password=subject.needs_password,
        repaired=repaired,
        chapters=subject.chapters,
        attachments=_attachments(handle, subject),
        has_true_counts=subject.has_true_counts and not (handle.is_pdf and handle.is_repaired),
        metadata=metadata,
    )


def _attachments(handle: EngineDocument, subject: Subject) -> tuple[Attachment, ...]:
    if subject.kind != "pdf" or not is_pdf(handle):
        return ()
    has_pins = pdf_attachments.may_have_pinned(subject.source, subject.page_objects)
    return pdf_attachments.read_attachments(handle, subject.page_objects if has_pins else ())


def _whole_outline(subject: Subject) -> tuple[tuple[OutlineItem, ...], int]:
    """All entries, none deeper than the limits allow, and the depth of the deepest entry in the document."""
    handle, most_levels = subject.handle, subject.limits.outline_depth
    outline: tuple[OutlineItem, ...] = ()
    deepest = 0
    try:
        if is_pdf(handle) and subject.targets is not None:
            outline, deepest = pdf_outline.read_outline(handle, subject.targets, most_levels)
        elif isinstance(handle, pymupdf.Document):
            outline, deepest = _outline(handle, subject)
    except ENGINE_ERRORS:
        pass  # damaged: the pages are there without it
    if subject.kind == "epub":
        from sidebooks_core.engine.epub import contents as epub_contents

        own = epub_contents.outline(handle, subject.source, subject.page_count, subject.chapters)
        if own:  # else the engine's, which lacks text in elements of its own
            deepest = max(item.level for item in own)
            outline = tuple(OutlineItem(min(item.level, most_levels), shown(item.title), item.page) for item in own)
    return outline, deepest


def _geometries(subject: Subject) -> tuple[PageGeometry, ...]:
    handle, kind, page_count = subject.handle, subject.kind, subject.page_count
    if kind in REFLOWABLE_KINDS and not isinstance(handle, PageSequence):
        # All pages have the size of the layout. To load each page would lay out every chapter again.
        bounds = handle.load_page((0, 0)).rect
        return tuple(PageGeometry(bounds.width, bounds.height, str(i + 1), None) for i in range(page_count))
    try:
        rules = page_labels.read_rules(handle) if is_pdf(handle) else []
    except ENGINE_ERRORS:
        rules = []  # damaged: the pages are called by their numbers
    has_native = kind in IMAGE_KINDS or kind == "cbz"
    pdf = raw_pdf(handle) if is_pdf(handle) else None
    numbers = [str(index + 1) for index in range(page_count)]
    labels = [shown(page_labels.label(rules, index)) or number for index, number in enumerate(numbers)] if rules else numbers
    if len(subject.page_objects) == page_count and pdf is not None:
        asked = mupdf.fz_rect(), mupdf.fz_matrix()  # made once: to make them takes as long as to ask
        return tuple(
            _geometry_of_object(page_object, label, asked)
            for page_object, label in zip(subject.page_objects, labels, strict=True)
        )
    return tuple(_geometry(handle, pdf, index, label, has_native) for index, label in enumerate(labels))


def _geometry_of_object(page_object: RawObj, label: str, asked: tuple[mupdf.fz_rect, mupdf.fz_matrix]) -> PageGeometry:
    """The geometry of a page of a PDF. asked: memory in which the engine writes its answer."""
    try:
        bounds = _bounds(page_object, *asked)
    except ENGINE_ERRORS:
        return PageGeometry(*FALLBACK_SIZE_PT, label, None)  # this page alone fails, when it is drawn
    width_pt, height_pt = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
    if 0 < width_pt < math.inf and 0 < height_pt < math.inf:
        return PageGeometry(width_pt, height_pt, label, None)
    return PageGeometry(*FALLBACK_SIZE_PT, label, None)


def _geometry(handle: EngineDocument, pdf: RawPdf | None, index: int, label: str, has_native: bool) -> PageGeometry:
    width_pt, height_pt = FALLBACK_SIZE_PT
    own_px = None
    try:
        told = handle.size(index) if isinstance(handle, PageSequence) else None
        if told is not None:
            return PageGeometry(told[0], told[1], label, told[2])
        bounds: pymupdf.Rect | mupdf.fz_rect
        if pdf is None or has_native:
            page = handle.load_page(index)
            bounds = page.rect
        else:
            page = None
            bounds = _page_bounds(pdf, index)
        sides_pt = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
        if all(math.isfinite(side) and side > 0 for side in sides_pt):
            width_pt, height_pt = sides_pt
        if page is not None and has_native:
            own_px = images.native_px(page, width_pt, height_pt)
    except (*ENGINE_ERRORS, DocumentError):
        # One bad page fails alone, when it is drawn. The document has its other pages.
        return PageGeometry(width_pt, height_pt, label, None)
    return PageGeometry(width_pt, height_pt, label, own_px)


def _page_bounds(pdf: RawPdf, index: int) -> mupdf.fz_rect:
    return _bounds(mupdf.ll_pdf_lookup_page_obj(pdf, index), mupdf.fz_rect(), mupdf.fz_matrix())


def _bounds(page_object: RawObj, box: mupdf.fz_rect, to_page: mupdf.fz_matrix) -> mupdf.fz_rect:
    """The box of a page of a PDF as shown, in points.

    It is computed from the page's boxes alone, as the engine does for a loaded page. To load a page reads its annotations too,
    and a book has thousands of pages.
    """
    mupdf.ll_pdf_page_obj_transform(page_object, box, to_page)
    return mupdf.ll_fz_transform_rect(box, to_page)


def _outline(handle: pymupdf.Document, subject: Subject) -> tuple[tuple[OutlineItem, ...], int]:
    """The entries, none deeper than the limits allow, and the depth of the deepest entry.

    The outline is walked here. PyMuPDF's reader would have the engine read it a second time, and gives up some hundreds of
    levels down. An object for each entry would take longer than the engine takes to read it.
    """
    most_levels = subject.limits.outline_depth
    chapter_starts = list(accumulate(subject.chapters, initial=0))
    items = []
    deepest = 0
    outline = handle.outline  # it owns all of its entries
    waiting: list[tuple[int, mupdf.fz_outline | None]] = [(1, outline.this.m_internal if outline is not None else None)]
    while waiting:
        level, entry = waiting.pop()
        if not entry:
            continue
        page = _outline_page(handle, entry, chapter_starts)
        is_inside = page is not None and 0 <= page < subject.page_count
        uri = addresses.address(entry.uri) if entry.uri and mupdf.ll_fz_is_external_link(entry.uri) else None
        items.append(OutlineItem(min(level, most_levels), shown(entry.title or ""), page if is_inside else None, uri))
        deepest = max(deepest, level)
        waiting += [(level, entry.next), (level + 1, entry.down)]
    return tuple(items), deepest


def _outline_page(handle: pymupdf.Document, entry: mupdf.fz_outline, chapter_starts: list[int]) -> int | None:
    """The page to which an entry leads, from 0. None or a number out of range: it leads nowhere in the document."""
    if not entry.uri or mupdf.ll_fz_is_external_link(entry.uri):
        return None
    chapter, page = entry.page.chapter, entry.page.page
    if page < 0:
        try:
            place, _, _ = mupdf.fz_resolve_link(handle.this, entry.uri)
        except mupdf.FzErrorBase:
            return None
        chapter, page = place.chapter, place.page
    return chapter_starts[chapter] + page if 0 <= chapter < len(chapter_starts) and page >= 0 else None


def _direction(subject: Subject) -> Direction:
    handle, source = subject.handle, subject.source
    if subject.kind == "pdf" and is_pdf(handle):
        preferences = pdf_objects.get(pdf_objects.catalog(raw_pdf(handle)), "ViewerPreferences")
        return "rtl" if pdf_objects.name(pdf_objects.get(preferences, "Direction")) == "R2L" else "ltr"
    if subject.kind == "epub":
        package = package_of(source) or b""
        found = re.search(rb'page-progression-direction\s*=\s*["\'](rtl|ltr)', package)
        return "rtl" if found and found[1] == b"rtl" else "ltr"
    return handle.direction if isinstance(handle, PageSequence) else "ltr"
