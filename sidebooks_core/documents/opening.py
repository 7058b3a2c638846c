"""Opens a document and answers for its pages. Worker side."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from typing import Any

from sidebooks_core.documents import actual_text, archives, folding, fonts, images, page_labels, page_text
from sidebooks_core.documents.engine import (
    ENGINE_ERRORS,
    mupdf,
    page_errors,
    pymupdf,
    read_from,
    stop_reading_from,
    take_warnings,
)
from sidebooks_core.documents.folded_pages import FoldedPages
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Link, OutlineItem, PageGeometry, SearchHit, Word
from sidebooks_core.documents.sniffing import ARCHIVE_KINDS, CONVERTED_KINDS, ENGINE_TYPES, IMAGE_KINDS, REFLOWABLE_KINDS, sniff
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.text import EngineText
from sidebooks_core.errors import (
    DamagedDocument,
    DocumentTooLarge,
    PasswordRequired,
    RenderFailed,
    SidebooksError,
    UnsupportedDocument,
)

FALLBACK_SIZE_PT = (612.0, 792.0)
"""Of a page whose own size cannot be read: US Letter, which the PDF specification's examples use."""
MEMBER_BYTES = 4 << 20
"""Most that is read of one small member of an archive (package file, comic's description)."""


class OpenDocument:
    """A document that the engine has open, and what is known of it."""

    def __init__(
        self, handle: Any, source: Source, kind: str, name: str, limits: Limits, chapters: tuple[int, ...], needs_password: bool
    ) -> None:
        """Raises DamagedDocument, DocumentTooLarge."""
        self.handle = handle
        self.kind = kind
        self.chapters = chapters
        self.page_count = _page_count(handle, name, chapters, limits)
        self._source = source
        self._name = name
        self._limits = limits
        self._needs_password = needs_password
        self._chapter_starts = list(accumulate(chapters, initial=0))
        self._folded = FoldedPages()

    @cached_property
    def info(self) -> DocumentInfo:
        """What it says of itself: found out for who asks, since drawing needs none of it. Raises DamagedDocument."""
        read_from(self.handle)  # loading a page may draw its form fields
        with _document_errors(self._name, self.kind):
            return _describe(
                self.handle, self._source, self.kind, self.page_count, self.chapters, self._limits, self._needs_password
            )

    def page(self, index: int) -> Any:
        """The engine's page. Raises RenderFailed."""
        read_from(self.handle)
        with page_errors(self._name, index, "read"):
            if not self.chapters:
                return self.handle.load_page(index)
            # By chapter: another way lays out all chapters before it.
            chapter = next(c for c, start in enumerate(self._chapter_starts[1:]) if index < start)
            return self.handle.load_page((chapter, index - self._chapter_starts[chapter]))

    def display_list(self, index: int) -> Any:
        """All that the page draws, annotations and form fields included. Raises RenderFailed."""
        return self._listed(self.page(index), index)

    def _listed(self, page: Any, index: int) -> Any:
        with page_errors(self._name, index, "read"):
            listed = page.get_displaylist(annots=1)
            return page.get_displaylist(annots=1) if fonts.settle(page) else listed

    def words(self, index: int) -> list[Word]:
        """Raises RenderFailed."""
        with self._text(index, "read for its text") as read:
            found = read.words()
        if len(found) > self._limits.page_words:
            what = f"{len(found)} words; the settings allow {self._limits.page_words} (page_words)"
            raise RenderFailed(f"{self._name}, page {index + 1}: {what}", page=index)
        return found

    def search(self, query: str, first: int, stop: int, *, old_forms: bool = False) -> list[SearchHit]:
        """Hits on the pages from `first` to `stop` (excluded). Raises RenderFailed."""
        hits: list[SearchHit] = []
        pattern = folding.query_pattern(query, old_forms=old_forms)
        if pattern is None:
            return hits
        needed = folding.needed(query, old_forms=old_forms)
        for index in range(first, stop):
            known = self._folded.get(index)
            if known is not None and not known.may_match(pattern, old_forms=old_forms):
                continue
            with self._text(index, "searched") as read:
                if known is None and not self._may_be_on(index, read, pattern, needed, old_forms=old_forms):
                    continue
                found = page_text.page_text(read.lines())
                self._folded.keep(index, page_text.folded(found))
                hits.extend(page_text.search(found, pattern, index, old_forms=old_forms))
        return hits

    def _may_be_on(
        self, index: int, read: EngineText, pattern: re.Pattern[str], needed: frozenset[str], *, old_forms: bool
    ) -> bool:
        """Whether a query may occur on a page, told without reading it character by character."""
        glanced, is_in_order = read.glance()
        folded = folding.fold(glanced)
        if is_in_order:
            whole = page_text.Folded(folded, None)
            self._folded.keep(index, whole)
            return whole.may_match(pattern, old_forms=old_forms)
        return needed <= set(folding.fold_old_forms(folded) if old_forms else folded)

    @contextmanager
    def _text(self, index: int, doing: str) -> Iterator[EngineText]:
        """A page's text; the engine's errors are raised as RenderFailed."""
        page = self.page(index)
        listed = self._listed(page, index)
        with page_errors(self._name, index, doing):
            yield EngineText(
                listed,
                own_characters=bool(self.handle.is_pdf) and actual_text.is_repeated(page),
                has_styled_ruby=self.kind in REFLOWABLE_KINDS,
            )

    def links(self, index: int) -> list[Link]:
        """Raises RenderFailed."""
        page = self.page(index)
        with page_errors(self._name, index, "read for its links"):
            return [_link(link, self.page_count) for link in page.get_links()]

    def close(self) -> None:
        stop_reading_from(self.handle)
        self.handle.close()


def open_document(
    source: Source, *, password: str | None, name: str, limits: Limits, chapters: tuple[int, ...] = ()
) -> OpenDocument:
    """Open as what the content says it is; the source stays open as long as the document.

    chapters: what an earlier opening found; a reflowable document is then not laid out as a whole.
    Raises OSError, UnsupportedDocument, DamagedDocument, PasswordRequired, DocumentTooLarge.
    """
    if not len(source):
        raise DamagedDocument(f"{name} is empty")
    kind = sniff(source)
    if kind is None:
        raise UnsupportedDocument(
            f"{name} is none of the kinds that can be opened: PDF, XPS, EPUB, FB2, MOBI, CBZ, SVG, TIFF and other images"
        )
    if kind in ARCHIVE_KINDS:
        _require_members(source, name, limits)
    take_warnings()
    with _document_errors(name, kind):
        handle = _handle(source, kind, name, limits)
        try:
            needs_password = _unlock(handle, password, name)
            read_from(handle)  # laying out may draw
            if kind in REFLOWABLE_KINDS and not chapters:
                chapters = tuple(handle.chapter_page_count(chapter) for chapter in range(handle.chapter_count))
            return OpenDocument(handle, source, kind, name, limits, chapters, needs_password)
        except BaseException:
            stop_reading_from(handle)
            raise


@contextmanager
def _document_errors(name: str, kind: str) -> Iterator[None]:
    """Raises what the engine raises as UnsupportedDocument or DamagedDocument."""
    try:
        yield
    except SidebooksError:
        raise
    except ENGINE_ERRORS as error:
        reason = "; ".join(take_warnings()[-2:]) or str(error.__cause__ or error)
        if "encryption" in reason or "crypt" in reason:
            raise UnsupportedDocument(f"{name} is encrypted in a way that a password does not open ({reason})") from None
        raise DamagedDocument(f"{name} cannot be read as {kind} ({reason})") from None


def _require_members(source: Source, name: str, limits: Limits) -> None:
    """By what the archive says of itself; one that lies meets the worker's bound of memory."""
    largest = max(archives.members(source) or (), key=lambda member: member.file_size, default=None)
    if largest is not None and largest.file_size > limits.member_bytes:
        what = f"{_clean(largest.filename)[:80]!r} in it has {largest.file_size} bytes"
        raise DocumentTooLarge(f"{name}: {what}; the settings allow {limits.member_bytes} (member_bytes)")


def _handle(source: Source, kind: str, name: str, limits: Limits) -> Any:
    data = images.converted(source, kind, name, limits.image_pixels) if kind in CONVERTED_KINDS else source.data
    opened = _Pdf if kind == "pdf" else pymupdf.Document
    return opened(stream=data, filetype=ENGINE_TYPES.get(kind, kind))


class _Pdf(pymupdf.Document):  # type: ignore[misc]  # PyMuPDF has no types
    """Without the outline, which PyMuPDF reads when it opens a document: 0.2 s of some, and no page is drawn with it.

    Not of other kinds: the engine dies of an FB2 whose outline is read late.
    """

    def _loadOutline(self) -> None:  # noqa: N802 - PyMuPDF's name
        return None


def _unlock(handle: Any, password: str | None, name: str) -> bool:
    """Whether a password was needed."""
    if not handle.needs_pass:
        return False
    if password is None:
        raise PasswordRequired(f"{name} needs a password")
    # Standards differ in whether a password is composed before it is digested.
    if not any(handle.authenticate(form) for form in dict.fromkeys((password, unicodedata.normalize("NFKC", password)))):
        raise PasswordRequired(f"{name} needs another password: this one does not open it")
    return True


def _page_count(handle: Any, name: str, chapters: tuple[int, ...], limits: Limits) -> int:
    page_count: int = sum(chapters) if chapters else handle.page_count
    if page_count < 1:
        raise DamagedDocument(f"{name} has no page that can be read")
    if page_count > limits.document_pages:
        raise DocumentTooLarge(f"{name} has {page_count} pages; the settings allow {limits.document_pages} (document_pages)")
    return page_count


def _describe(
    handle: Any,
    source: Source,
    kind: str,
    page_count: int,
    chapters: tuple[int, ...],
    limits: Limits,
    needs_password: bool,
) -> DocumentInfo:
    metadata = handle.metadata or {}
    is_repaired = bool(handle.is_pdf and handle.is_repaired)
    pages = _geometries(handle, kind, page_count)
    outline, deepest = _outline(handle, page_count, chapters, limits.outline_depth)
    repaired = ("the file's structure was damaged and was rebuilt", *take_warnings()) if is_repaired else ()
    if len(outline) > limits.outline_items:
        repaired += (f"an outline of {len(outline)} entries was cut; the settings keep {limits.outline_items} (outline_items)",)
        outline = outline[: limits.outline_items]
    if deepest > limits.outline_depth:
        repaired += (
            f"an outline that nests too deep was made flatter; the settings keep {limits.outline_depth} levels (outline_depth)",
        )
    return DocumentInfo(
        kind=kind,
        title=_clean(metadata.get("title") or ""),
        direction=_direction(handle, source, kind),
        page_count=page_count,
        outline=outline,
        pages=pages,
        needs_password=needs_password,
        repaired=repaired,
        chapters=chapters,
    )


def _geometries(handle: Any, kind: str, page_count: int) -> tuple[PageGeometry, ...]:
    if kind in REFLOWABLE_KINDS:
        # All pages have the size of the layout; loading each would lay out every chapter again.
        bounds = handle.load_page((0, 0)).rect
        return tuple(PageGeometry(bounds.width, bounds.height, str(i + 1), None) for i in range(page_count))
    try:
        rules = page_labels.read_rules(handle) if handle.is_pdf else []
    except ENGINE_ERRORS:
        rules = []  # damaged: the pages have their numbers
    has_native = kind in IMAGE_KINDS or kind == "cbz"
    pdf = pymupdf._as_pdf_document(handle) if handle.is_pdf else None  # once: through the binding it costs as much as a page
    return tuple(
        _geometry(handle, pdf, index, _clean(page_labels.label(rules, index)) or str(index + 1), has_native)
        for index in range(page_count)
    )


def _geometry(handle: Any, pdf: Any, index: int, label: str, has_native: bool) -> PageGeometry:
    width_pt, height_pt = FALLBACK_SIZE_PT
    own_px = None
    try:
        image_page = handle.load_page(index) if has_native or pdf is None else None
        bounds = _bounds(pdf, index) if image_page is None else image_page.rect
        sides_pt = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
        if all(math.isfinite(side) and side > 0 for side in sides_pt):
            width_pt, height_pt = sides_pt
        if has_native:
            own_px = images.native_px(image_page, width_pt, height_pt)
    except ENGINE_ERRORS:
        # One bad page fails alone, and when it is drawn: the document has its other pages.
        return PageGeometry(width_pt, height_pt, label, None)
    return PageGeometry(width_pt, height_pt, label, own_px)


def _bounds(pdf: Any, index: int) -> Any:
    """A page of a PDF as shown, in points.

    By its boxes alone, as the engine does it once a page is loaded: loading reads annotations too, of all pages of a book.
    """
    page_object = mupdf.ll_pdf_lookup_page_obj(pdf.m_internal, index)
    box, to_page = mupdf.fz_rect(), mupdf.fz_matrix()
    mupdf.ll_pdf_page_obj_transform(page_object, box, to_page)
    return mupdf.ll_fz_transform_rect(box, to_page)


def _outline(handle: Any, page_count: int, chapters: tuple[int, ...], most_levels: int) -> tuple[tuple[OutlineItem, ...], int]:
    """The entries, none deeper than `most_levels`, and how deep they were.

    Walked here: PyMuPDF's reader has the engine read the outline a second time, and gives up some hundreds of levels down;
    an object for each entry would take longer than the engine takes to read it.
    """
    chapter_starts = list(accumulate(chapters, initial=0))
    items = []
    deepest = 0
    outline = pymupdf.Document._loadOutline(handle) if handle.is_pdf else handle.outline  # owns all of its entries
    waiting = [(1, outline.this.m_internal if outline is not None else None)]
    try:
        while waiting:
            level, entry = waiting.pop()
            if not entry:
                continue
            page = _outline_page(handle, entry, chapter_starts)
            is_inside = page is not None and 0 <= page < page_count
            items.append(OutlineItem(min(level, most_levels), _clean(entry.title or ""), page if is_inside else None))
            deepest = max(deepest, level)
            waiting += [(level, entry.next), (level + 1, entry.down)]
    except ENGINE_ERRORS:
        return (), 0  # damaged: the pages are there without it
    return tuple(items), deepest


def _outline_page(handle: Any, entry: Any, chapter_starts: list[int]) -> int | None:
    """Where an entry leads, as a page from 0; None or out of range: nowhere in the document."""
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


def _direction(handle: Any, source: Source, kind: str) -> str:
    if kind == "pdf":
        _, value = handle.xref_get_key(handle.pdf_catalog(), "ViewerPreferences/Direction")
        return "rtl" if value == "/R2L" else "ltr"
    if kind == "epub":
        package = re.search(rb'full-path\s*=\s*["\']([^"\']+)', _member(source, "META-INF/container.xml"))
        found = package and re.search(
            rb'page-progression-direction\s*=\s*["\'](rtl|ltr)', _member(source, package[1].decode("utf-8", "replace"))
        )
        return "rtl" if found and found[1] == b"rtl" else "ltr"
    if kind == "cbz":
        return "rtl" if b"<Manga>YesAndRightToLeft</Manga>" in _member(source, "ComicInfo.xml") else "ltr"
    return "ltr"


def _member(source: Source, name: str) -> bytes:
    """The beginning of an archive's member; empty without it, and then the document just does not say how it is read."""
    return archives.beginning(source, name, MEMBER_BYTES) or b""


def _link(link: dict[str, Any], page_count: int) -> Link:
    box = link["from"]
    page = link.get("page")
    uri = link.get("uri") or link.get("file")
    leads_inside = isinstance(page, int) and 0 <= page < page_count and uri is None
    return Link(box.x0, box.y0, box.x1, box.y1, page if leads_inside else None, _clean(uri) if uri else None)


def _clean(value: str) -> str:
    """Printable, and without lone surrogates, which no encoding takes."""
    if value.isprintable():  # no surrogate is
        return value.strip()
    encodable = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in encodable if c.isprintable() or c == " ").strip()
