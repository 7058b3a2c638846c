"""Opens a document and answers for its pages. Worker side."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from typing import Any

from sidebooks_core.documents import addresses, archives, epub_package, passwords
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import Attachment, DocumentInfo, Link, OutlineItem, PageGeometry, SearchHit, Word
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.sniffing import (
    ARCHIVE_KINDS,
    ENGINE_TYPES,
    IMAGE_KINDS,
    REFLOWABLE_KINDS,
    foreign,
    sniff,
    unpacked,
)
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import xmp
from sidebooks_core.engine import actual_text, comics, svg
from sidebooks_core.engine.epub import contents as epub_contents
from sidebooks_core.engine.epub import pages as epub_pages
from sidebooks_core.engine.epub import ruby as epub_ruby
from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.engine.fonts import mending as font_mending
from sidebooks_core.engine.forms import appearances as form_appearances
from sidebooks_core.engine.images import pages as image_pages
from sidebooks_core.engine.images import reading as images
from sidebooks_core.engine.messages import count_messages, forget_messages, messages_since, take_warnings
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, OpenPdf, mupdf, page_errors, pymupdf, read_from, stop_reading_from
from sidebooks_core.engine.pdf import attachments as pdf_attachments
from sidebooks_core.engine.pdf import labels as page_labels
from sidebooks_core.engine.pdf import links as pdf_links
from sidebooks_core.engine.pdf import mending
from sidebooks_core.engine.pdf import objects as pdf_objects
from sidebooks_core.engine.pdf import outline as pdf_outline
from sidebooks_core.engine.pdf import pages as pdf_pages
from sidebooks_core.engine.pdf.targets import Targets
from sidebooks_core.engine.sequence import PageSequence
from sidebooks_core.engine.text import EngineText
from sidebooks_core.errors import (
    DamagedDocument,
    DocumentError,
    DocumentTooLarge,
    PasswordRequired,
    RenderFailed,
    SidebooksError,
    UnsupportedDocument,
)
from sidebooks_core.text import folding
from sidebooks_core.text import pages as page_text
from sidebooks_core.text.folded_pages import FoldedPages

FALLBACK_SIZE_PT = (612.0, 792.0)
"""Of a page whose own size cannot be read: US Letter, which the PDF specification's examples use."""
METADATA_BYTES = 1 << 20
"""Most that is read of a PDF's metadata, which name its title at the beginning."""
MEMBER_BYTES = 4 << 20
"""Most that is read of one small member of an archive (package file, comic's description)."""


class OpenDocument:
    """A document that the engine has open, and what is known of it."""

    def __init__(
        self, handle: Any, source: Source, kind: str, name: str, limits: Limits, chapters: tuple[int, ...], needs_password: bool
    ) -> None:
        """Raises DamagedDocument, DocumentTooLarge."""
        self._handle = handle
        self._is_settled = not handle.is_pdf
        """Its layers: describing needs none of them, and to look for all takes as long as to open."""
        self.kind = kind
        self.name = name
        """What messages call it."""
        self._source = source
        self._limits = limits
        self._needs_password = needs_password
        self._folded = FoldedPages()
        self._set_chapters(chapters)

    @property
    def handle(self) -> Any:
        """The engine's document, for all that reads its pages."""
        if not self._is_settled:
            self._is_settled = True
            mending.settle_layers(self._handle, self._source)
        return self._handle

    @cached_property
    def info(self) -> DocumentInfo:
        """What it says of itself: found out for who asks, since drawing needs none of it. Raises DamagedDocument."""
        read_from(self._handle)  # loading a page may draw its form fields
        with _document_errors(self.name, self.kind):
            return self._describe()

    @cached_property
    def _targets(self) -> Targets:
        return Targets(self._handle, self.page_count)

    def page(self, index: int) -> Any:
        """The engine's page, its form fields and notes with their appearances. Raises RenderFailed."""
        read_from(self.handle)
        with page_errors(self.name, index, "read"), _as_page_error(self.name, index):
            return self._completed(index)

    def _completed(self, index: int) -> Any:
        start = count_messages()
        page = self._loaded(index)
        if form_appearances.complete(page):
            forget_messages(start, form_appearances.COMPLAINT)
        return page

    def _loaded(self, index: int) -> Any:
        if not self.chapters or self.kind == "pdf":
            return self.handle.load_page(index)
        # By chapter: another way lays out all chapters before it.
        chapter = next(c for c, start in enumerate(self._chapter_starts[1:]) if index < start)
        return self.handle.load_page((chapter, index - self._chapter_starts[chapter]))

    def display_list(self, index: int) -> Any:
        """All that the page draws, annotations and form fields included. Raises RenderFailed."""
        return self._read(index)[1]

    def _read(self, index: int) -> tuple[Any, Any]:
        """The engine's page, and its display list."""
        read_from(self.handle)
        with page_errors(self.name, index, "read"), _as_page_error(self.name, index):
            if not self.handle.is_pdf:
                return self._listed(index)
            read: tuple[Any, Any] = mending.listed(self.handle, index, lambda: self._listed(index))
            return read

    def _listed(self, index: int) -> tuple[Any, Any]:
        page = self._completed(index)
        start = count_messages()
        listed = page.get_displaylist(annots=1)
        if font_mending.mend(page, messages_since(start)):
            forget_messages(start, font_mending.COMPLAINT_UNTIL_MENDED)
            listed = page.get_displaylist(annots=1)
        return page, page.get_displaylist(annots=1) if fonts.settle(page) else listed

    def words(self, index: int) -> list[Word]:
        """Raises RenderFailed."""
        with self._text(index, "read for its text") as read:
            found = read.words()
        if len(found) > self._limits.page_words:
            what = f"{len(found)} words; the settings allow {self._limits.page_words} (page_words)"
            raise RenderFailed(f"{self.name}, page {index + 1}: {what}", page=index)
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
        page, listed = self._read(index)
        with page_errors(self.name, index, doing):
            yield EngineText(
                listed,
                own_characters=bool(self.handle.is_pdf) and actual_text.is_repeated(page),
                has_styled_ruby=self.kind in REFLOWABLE_KINDS,
            )

    def links(self, index: int) -> list[Link]:
        """Raises RenderFailed."""
        page = self.page(index)
        with page_errors(self.name, index, "read for its links"):
            if self.handle.is_pdf:
                return pdf_links.read_links(self.handle, index, self._targets)
            links = (_link(link, self.page_count) for link in page.get_links())
            return [link for link in links if link.page is not None or link.uri is not None]

    def _describe(self) -> DocumentInfo:
        page_objects = self._page_objects() if self.kind == "pdf" else []
        is_repaired = bool(self._handle.is_pdf and self._handle.is_repaired)
        pages = _geometries(self._handle, self.kind, self.page_count, page_objects)
        most_items, most_levels = self._limits.outline_items, self._limits.outline_depth
        try:
            if self._handle.is_pdf:
                outline, deepest = pdf_outline.read_outline(self._handle, self._targets, most_levels)
            else:
                outline, deepest = _outline(self._handle, self.page_count, self.chapters, most_levels)
        except ENGINE_ERRORS:
            outline, deepest = (), 0  # damaged: the pages are there without it
        if self.kind == "epub":
            own = epub_contents.outline(self._handle, self._source, self.page_count, self.chapters)
            if own:  # else the engine's, which has no text that stands in elements of its own
                deepest = max(item.level for item in own)
                outline = tuple(OutlineItem(min(item.level, most_levels), shown(item.title), item.page) for item in own)
        repaired = ("the file's structure was damaged and was rebuilt", *take_warnings()) if is_repaired else ()
        repaired += tuple(shown(note) for note in getattr(self.handle, "notes", ()))
        if self.kind == "pdf" and self.chapters:
            repaired += (f"the page tree was damaged and was rebuilt of the {self.page_count} pages that are there",)
        if len(outline) > most_items:
            repaired += (f"an outline of {len(outline)} entries was cut; the settings keep {most_items} (outline_items)",)
            outline = outline[:most_items]
        if deepest > most_levels:
            repaired += (
                f"an outline that nests too deep was made flatter; the settings keep {most_levels} levels (outline_depth)",
            )
        return DocumentInfo(
            kind=self.kind,
            title=_title(self._handle),
            direction=_direction(self._handle, self._source, self.kind),
            page_count=self.page_count,
            outline=outline,
            pages=pages,
            needs_password=self._needs_password,
            repaired=repaired,
            chapters=self.chapters,
            attachments=self._attachments(page_objects) if self.kind == "pdf" else (),
        )

    def _attachments(self, page_objects: Sequence[Any]) -> tuple[Attachment, ...]:
        has_pins = pdf_attachments.may_have_pinned(self._source, page_objects)
        return pdf_attachments.read_attachments(self._handle, page_objects if has_pins else ())

    def _page_objects(self) -> list[Any]:
        """The pages of a PDF, whose tree is put right first if that does not hold together; empty where it cannot be read."""
        try:
            tree = pdf_pages.read_tree(self._handle, self._limits.document_pages)
            if tree.is_sound and len(tree.pages) == self.page_count:
                return tree.pages
            page_count = pdf_pages.rebuild(self._handle, self._limits.document_pages)
        except ENGINE_ERRORS:
            return []
        if not page_count:
            return []
        self._set_chapters((page_count,))
        return pdf_pages.read_tree(self._handle, self._limits.document_pages).pages

    def _set_chapters(self, chapters: tuple[int, ...]) -> None:
        self.chapters = chapters
        self.page_count = _page_count(self._handle, self.name, chapters, self._limits)
        self._chapter_starts = list(accumulate(chapters, initial=0))

    def close(self) -> None:
        stop_reading_from(self._handle)
        self._handle.close()


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
        what = foreign(source)
        if what is not None:
            raise UnsupportedDocument(f"{name} is {what}")
        raise UnsupportedDocument(
            f"{name} is none of the kinds that can be opened: PDF, XPS, EPUB, FB2, MOBI, CBZ, SVG, TIFF and other images"
        )
    if kind in ARCHIVE_KINDS:
        _require_members(source, name, limits)
    take_warnings()
    with _document_errors(name, kind):
        handle = _handle(source, kind, name, limits)
        try:
            needs_password = _unlock(handle, kind, password, name)
            read_from(handle)  # laying out may draw
            if handle.is_pdf:
                mending.mend(handle)
            if kind == "pdf" and (chapters or not 1 <= pdf_pages.told_count(handle) <= limits.document_pages):
                page_count = pdf_pages.rebuild(handle, limits.document_pages)
                chapters = (page_count,) if page_count else ()
            if kind in REFLOWABLE_KINDS and not chapters:
                chapters = tuple(handle.chapter_page_count(chapter) for chapter in range(handle.chapter_count))
            return OpenDocument(handle, source, kind, name, limits, chapters, needs_password)
        except BaseException:
            stop_reading_from(handle)
            raise


@contextmanager
def _as_page_error(name: str, index: int) -> Iterator[None]:
    """Raises RenderFailed where a page that is a file of its own cannot be opened."""
    try:
        yield
    except DocumentError as error:
        raise RenderFailed(f"{name}, page {index + 1}: {error}", page=index) from None


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
        what = f"{shown(largest.filename)[:80]!r} in it has {largest.file_size} bytes"
        raise DocumentTooLarge(f"{name}: {what}; the settings allow {limits.member_bytes} (member_bytes)")


def _handle(source: Source, kind: str, name: str, limits: Limits) -> Any:
    if kind in IMAGE_KINDS:
        return image_pages.open_image(source, kind, name, limits)
    if kind == "cbz":
        return comics.open_comic(source, name, limits)
    if kind == "svg":
        return _open_drawing(source, name, limits)
    if kind == "epub":
        return _open_book(source, limits)
    if kind == "pdf":
        return OpenPdf(source.data)
    return pymupdf.Document(stream=source.data, filetype=ENGINE_TYPES.get(kind, kind))


def _open_drawing(source: Source, name: str, limits: Limits) -> Any:
    packed = unpacked(source, limits.member_bytes + 1)
    if packed is not None and len(packed) > limits.member_bytes:
        raise DocumentTooLarge(f"{name} unpacks to more than the settings allow: {limits.member_bytes} bytes (member_bytes)")
    return svg.open_drawing(source.data if packed is None else packed, name, limits)


def _open_book(source: Source, limits: Limits) -> Any:
    """An EPUB: page by page where it has pages of fixed size, or images for pages; else as the engine lays it out."""
    try:
        archive = archives.Archive(source)
    except archives.UNREADABLE:
        package = None
    else:
        package = epub_package.read_package(archive)
    if package is None:  # the engine repairs more than zipfile does
        return pymupdf.Document(stream=source.data, filetype="epub")
    if not package.is_flowing:
        return epub_pages.open_book(source, archive, package, limits)
    return pymupdf.Document(stream=epub_ruby.without_own_sizes(archive, package) or source.data, filetype="epub")


def _unlock(handle: Any, kind: str, password: str | None, name: str) -> bool:
    """Whether a password was needed."""
    if not handle.needs_pass:
        return False
    encryption = pdf_objects.get(mupdf.ll_pdf_trailer(pdf_objects.document(handle)), "Encrypt") if kind == "pdf" else None
    if encryption is not None and _spares_pages(encryption):
        handle.is_encrypted = False
        handle.init_doc()
        return False
    if password is None:
        raise PasswordRequired(f"{name} needs a password")
    revision = mupdf.ll_pdf_to_int(pdf_objects.get(encryption, "R")) if encryption is not None else 0
    if not any(handle.authenticate(form) for form in passwords.forms(password, revision)):
        raise PasswordRequired(f"{name} needs another password: this one does not open it")
    return True


def _spares_pages(encryption: Any) -> bool:
    """Whether streams and strings are not encrypted, but only the files that are attached (ISO 32000-2, 7.6.6)."""
    if mupdf.ll_pdf_to_int(pdf_objects.get(encryption, "V")) < 4:
        return False
    return all(pdf_objects.name(pdf_objects.get(encryption, use)) in ("", "Identity") for use in ("StmF", "StrF"))


def _page_count(handle: Any, name: str, chapters: tuple[int, ...], limits: Limits) -> int:
    page_count: int = sum(chapters) if chapters else handle.page_count
    if page_count < 1:
        raise DamagedDocument(f"{name} has no page that can be read")
    if page_count > limits.document_pages:
        raise DocumentTooLarge(f"{name} has {page_count} pages; the settings allow {limits.document_pages} (document_pages)")
    return page_count


def _title(handle: Any) -> str:
    """What it calls itself, by the older metadata, or else by the newer; empty if it does not."""
    if not handle.is_pdf:
        return shown((handle.metadata or {}).get("title") or "")
    try:
        pdf = pdf_objects.document(handle)
        old = pdf_objects.get(pdf_objects.get(mupdf.ll_pdf_trailer(pdf), "Info"), "Title")
        title = shown(pdf_objects.text(old))
        newer = None if title else pdf_objects.get(pdf_objects.catalog(pdf), "Metadata")
        if newer is not None and mupdf.ll_pdf_is_stream(newer):
            title = shown(xmp.title(pdf_objects.stream(newer, METADATA_BYTES)))
    except ENGINE_ERRORS:
        return ""  # damaged: a document without a title
    return title


def _geometries(handle: Any, kind: str, page_count: int, page_objects: Sequence[Any]) -> tuple[PageGeometry, ...]:
    if kind in REFLOWABLE_KINDS and not isinstance(handle, PageSequence):
        # All pages have the size of the layout; loading each would lay out every chapter again.
        bounds = handle.load_page((0, 0)).rect
        return tuple(PageGeometry(bounds.width, bounds.height, str(i + 1), None) for i in range(page_count))
    try:
        rules = page_labels.read_rules(handle) if handle.is_pdf else []
    except ENGINE_ERRORS:
        rules = []  # damaged: the pages have their numbers
    has_native = kind in IMAGE_KINDS or kind == "cbz"
    pdf = pdf_objects.document(handle) if handle.is_pdf else None
    numbers = [str(index + 1) for index in range(page_count)]
    labels = [shown(page_labels.label(rules, index)) or number for index, number in enumerate(numbers)] if rules else numbers
    if len(page_objects) == page_count and pdf is not None:
        asked = mupdf.fz_rect(), mupdf.fz_matrix()  # once: to make them takes as long as to ask
        return tuple(
            _geometry_of_object(page_object, label, asked) for page_object, label in zip(page_objects, labels, strict=True)
        )
    return tuple(_geometry(handle, pdf, index, label, has_native) for index, label in enumerate(labels))


def _geometry_of_object(page_object: Any, label: str, asked: tuple[Any, Any]) -> PageGeometry:
    """Of a page of a PDF: books have thousands. asked: where the engine writes the answer."""
    try:
        bounds = _bounds(page_object, *asked)
    except ENGINE_ERRORS:
        return PageGeometry(*FALLBACK_SIZE_PT, label, None)  # it fails alone, and when it is drawn
    width_pt, height_pt = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
    if 0 < width_pt < math.inf and 0 < height_pt < math.inf:
        return PageGeometry(width_pt, height_pt, label, None)
    return PageGeometry(*FALLBACK_SIZE_PT, label, None)


def _geometry(handle: Any, pdf: Any, index: int, label: str, has_native: bool) -> PageGeometry:
    width_pt, height_pt = FALLBACK_SIZE_PT
    own_px = None
    try:
        told = handle.size(index) if isinstance(handle, PageSequence) else None
        if told is not None:
            return PageGeometry(told[0], told[1], label, told[2])
        image_page = handle.load_page(index) if has_native or pdf is None else None
        bounds = image_page.rect if image_page is not None else _page_bounds(pdf, index)
        sides_pt = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
        if all(math.isfinite(side) and side > 0 for side in sides_pt):
            width_pt, height_pt = sides_pt
        if has_native:
            own_px = images.native_px(image_page, width_pt, height_pt)
    except (*ENGINE_ERRORS, DocumentError):
        # One bad page fails alone, and when it is drawn: the document has its other pages.
        return PageGeometry(width_pt, height_pt, label, None)
    return PageGeometry(width_pt, height_pt, label, own_px)


def _page_bounds(pdf: Any, index: int) -> Any:
    return _bounds(mupdf.ll_pdf_lookup_page_obj(pdf, index), mupdf.fz_rect(), mupdf.fz_matrix())


def _bounds(page_object: Any, box: Any, to_page: Any) -> Any:
    """A page of a PDF as shown, in points.

    By its boxes alone, as the engine does it once a page is loaded: loading reads annotations too, of all pages of a book.
    """
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
    outline = handle.outline  # owns all of its entries
    waiting = [(1, outline.this.m_internal if outline is not None else None)]
    while waiting:
        level, entry = waiting.pop()
        if not entry:
            continue
        page = _outline_page(handle, entry, chapter_starts)
        is_inside = page is not None and 0 <= page < page_count
        uri = addresses.address(entry.uri) if entry.uri and mupdf.ll_fz_is_external_link(entry.uri) else None
        items.append(OutlineItem(min(level, most_levels), shown(entry.title or ""), page if is_inside else None, uri))
        deepest = max(deepest, level)
        waiting += [(level, entry.next), (level + 1, entry.down)]
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
        preferences = pdf_objects.get(pdf_objects.catalog(pdf_objects.document(handle)), "ViewerPreferences")
        return "rtl" if pdf_objects.name(pdf_objects.get(preferences, "Direction")) == "R2L" else "ltr"
    if kind == "epub":
        package = re.search(rb'full-path\s*=\s*["\']([^"\']+)', _member(source, "META-INF/container.xml"))
        found = package and re.search(
            rb'page-progression-direction\s*=\s*["\'](rtl|ltr)', _member(source, package[1].decode("utf-8", "replace"))
        )
        return "rtl" if found and found[1] == b"rtl" else "ltr"
    return handle.direction if isinstance(handle, PageSequence) else "ltr"


def _member(source: Source, name: str) -> bytes:
    """The beginning of an archive's member; empty without it, and then the document just does not say how it is read."""
    return archives.beginning(source, name, MEMBER_BYTES) or b""


def _link(link: dict[str, Any], page_count: int) -> Link:
    box = link["from"]
    page = link.get("page")
    given, file = link.get("uri"), link.get("file")
    uri = addresses.address(given) if given else addresses.file_address(file) if file else None
    leads_inside = isinstance(page, int) and 0 <= page < page_count and not given and not file
    return Link(box.x0, box.y0, box.x1, box.y1, page if leads_inside else None, uri)
