"""A document that the engine has open: its pages, their display lists, text and links. Worker side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate

from msgspec import Struct

from sidebooks_core.documents import addresses
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Link, Matching, SearchHit, Word
from sidebooks_core.documents.sniffing import REFLOWABLE_KINDS
from sidebooks_core.documents.source import Source
from sidebooks_core.engine import actual_text
from sidebooks_core.engine.description import Subject, describe
from sidebooks_core.engine.engine_errors import document_errors, file_errors, page_errors
from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.engine.fonts import mending as font_mending
from sidebooks_core.engine.forms import appearances as form_appearances
from sidebooks_core.engine.messages import count_messages, forget_messages, messages_since
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EngineDocument, EnginePage, is_pdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import links as pdf_links
from sidebooks_core.engine.pdf import mending
from sidebooks_core.engine.pdf import pages as pdf_pages
from sidebooks_core.engine.pdf.pages import PageTree
from sidebooks_core.engine.pdf.targets import Targets
from sidebooks_core.engine.store import read_from, stop_reading_from
from sidebooks_core.engine.text import EngineText
from sidebooks_core.errors import DamagedDocument, DocumentTooLarge, RenderFailed
from sidebooks_core.text import folding
from sidebooks_core.text import pages as page_text
from sidebooks_core.text.folded_pages import FoldedPages
from sidebooks_core.text.matching import Finder

_UNREADABLE = PageTree([], is_sound=False, is_plain=False, is_narrow=False)
CHARS_PER_WORD = 4
"""A page may have so many characters for each word that it may have."""

MOST_LISTED_AHEAD = 4000
"""All pages of a PDF with so many at most are listed before anybody asks. It takes up to 0.1 ms for each page, so a reader who
comes meanwhile waits 0.4 s at most. Who never meets a link to a page does not need the list."""


class Origin(Struct, frozen=True):
    """What a document was opened from."""

    source: Source
    kind: str
    """The kind of file, such as "pdf"."""
    limits: Limits
    needs_password: bool
    """Whether the document needed a password."""
    was_mended: bool = False
    """Whether objects of a PDF were mended on opening."""


class OpenDocument:
    """An open document, and what is known of it."""

    def __init__(self, handle: EngineDocument, origin: Origin, name: str, chapters: tuple[int, ...]) -> None:
        """chapters: how many pages each chapter has; empty for a document that is not laid out by chapters.

        Raises DamagedDocument, DocumentTooLarge.
        """
        self._handle = handle
        self._is_settled = not handle.is_pdf
        """Whether its layers are judged. A description does not need them, and to look for all of them takes as long as to
        open."""
        self._origin = origin
        self.name = name
        """The name in messages."""
        self._folded = FoldedPages()
        self._set_chapters(chapters)

    @property
    def kind(self) -> str:
        """The kind of file, such as "pdf"."""
        return self._origin.kind

    @property
    def handle(self) -> EngineDocument:
        """The engine's document, for all code that reads its pages."""
        if not self._is_settled:
            self._is_settled = True
            if is_pdf(self._handle):
                mending.settle_layers(self._handle, self._origin.source)
        return self._handle

    @cached_property
    def info(self) -> DocumentInfo:
        """The description of the document. It is made on demand, since drawing does not need it. Raises DamagedDocument."""
        read_from(self._handle)  # loading a page may draw its form fields
        with document_errors(self.name, self.kind):
            tree = self._page_tree()
            has_true_counts = tree.has_true_counts and not self.chapters and not self._origin.was_mended
            subject = Subject(
                self._handle,
                self._origin.source,
                self.kind,
                self._origin.limits,
                self._origin.needs_password,
                self.page_count,
                self.chapters,
                tree.pages,
                has_true_counts,
                self._targets,
            )
            return describe(subject, lambda: self.handle.notes)

    @cached_property
    def _targets(self) -> Targets | None:
        """Tells where the links and the outline of a PDF lead; None for other kinds."""
        return Targets(self._handle, self.page_count) if is_pdf(self._handle) else None

    def page(self, index: int) -> EnginePage:
        """The engine's page, with appearances for its form fields and notes. Raises RenderFailed."""
        read_from(self.handle)
        with page_errors(self.name, index, "read"), file_errors(self.name, index):
            return self._completed(index)

    def find_last_page(self) -> None:
        """Do what the engine does at the first look at a late page of a PDF, and at the first page with links to pages. Raises
        the engine's errors.
        """
        if is_pdf(self.handle) and self.page_count:
            if self.page_count <= MOST_LISTED_AHEAD:
                pdf_pages.list_ahead(self.handle)
            mupdf.ll_pdf_lookup_page_obj(raw_pdf(self.handle), self.page_count - 1)

    def _completed(self, index: int) -> EnginePage:
        start = count_messages()
        page = self._loaded(index)
        if form_appearances.complete(page):
            forget_messages(start, form_appearances.COMPLAINT)
        return page

    def _loaded(self, index: int) -> EnginePage:
        if not self.chapters or self.kind == "pdf":
            return self.handle.load_page(index)
        # By chapter: otherwise the engine lays out all chapters before it.
        chapter = next(c for c, start in enumerate(self._chapter_starts[1:]) if index < start)
        return self.handle.load_page((chapter, index - self._chapter_starts[chapter]))

    def display_list(self, index: int) -> pymupdf.DisplayList:
        """The display list of a page, annotations and form fields included. Raises RenderFailed."""
        return self._read(index)[1]

    def _read(self, index: int) -> tuple[EnginePage, pymupdf.DisplayList]:
        """The engine's page, and its display list."""
        read_from(self.handle)
        with page_errors(self.name, index, "read"), file_errors(self.name, index):
            handle = self.handle
            if not is_pdf(handle):
                return self._listed(index)
            return mending.listed(handle, index, lambda: self._listed(index))

    def _listed(self, index: int) -> tuple[EnginePage, pymupdf.DisplayList]:
        page = self._completed(index)
        start = count_messages()
        listed = page.get_displaylist(annots=1)
        if font_mending.mend(page, messages_since(start)):
            forget_messages(start, font_mending.COMPLAINT_UNTIL_MENDED)
            listed = page.get_displaylist(annots=1)
        return page, page.get_displaylist(annots=1) if fonts.settle(page) else listed

    def words(self, index: int) -> list[Word]:
        """The words of a page. Raises RenderFailed."""
        with self._text(index, "read for its text") as read:
            found = read.words()
        if len(found) > self._origin.limits.page_words:
            what = f"{len(found)} words; the settings allow {self._origin.limits.page_words} (page_words)"
            raise RenderFailed(f"{self.name}, page {index + 1}: {what}", page=index)
        return found

    def text(self, index: int) -> page_text.PageText:
        """The text of a page as it is searched. Raises RenderFailed."""
        with self._text(index, "read for its text") as read:
            found = page_text.page_text(read.lines())
        most = CHARS_PER_WORD * self._origin.limits.page_words
        if len(found.written.text) > most:
            what = f"{len(found.written.text)} characters; the settings allow {most} ({CHARS_PER_WORD} times page_words)"
            raise RenderFailed(f"{self.name}, page {index + 1}: {what}", page=index)
        return found

    def search(self, query: str, first: int, stop: int, matching: Matching) -> list[SearchHit]:
        """Hits on the pages from `first` up to `stop`, which is not searched. Raises RenderFailed."""
        hits: list[SearchHit] = []
        finder = Finder.of(query, matching)
        if finder is None:
            return hits
        for index in range(first, stop):
            known = self._folded.get(index)
            if known is not None and not known.may_match(finder):
                continue
            with self._text(index, "searched") as read:
                if known is None and not self._may_be_on(index, read, finder):
                    continue
                found = page_text.page_text(read.lines())
                self._folded.keep(index, page_text.folded(found))
                hits.extend(page_text.search(found, finder, index))
        return hits

    def _may_be_on(self, index: int, read: EngineText, finder: Finder) -> bool:
        """Whether a query may occur on a page. Cheaper than to read the page character by character."""
        glanced, is_in_order = read.glance()
        folded = folding.fold(glanced)
        if is_in_order:
            whole = page_text.Folded(folded, None)
            self._folded.keep(index, whole)
            return whole.may_match(finder)
        return finder.needed <= set(finder.folded(folded))

    @contextmanager
    def _text(self, index: int, doing: str) -> Iterator[EngineText]:
        """The text of a page. Raises the engine's errors as RenderFailed."""
        page, listed = self._read(index)
        with page_errors(self.name, index, doing):
            yield EngineText(
                listed,
                own_characters=isinstance(page, pymupdf.Page) and page.parent.is_pdf and actual_text.is_repeated(page),
                has_styled_ruby=self.kind in REFLOWABLE_KINDS,
            )

    def links(self, index: int) -> list[Link]:
        """The links of a page. Raises RenderFailed."""
        page = self.page(index)
        with page_errors(self.name, index, "read for its links"):
            if is_pdf(self._handle) and self._targets is not None:
                return pdf_links.read_links(self._handle, index, self._targets)
            links = (_link(link, self.page_count) for link in page.get_links())
            return [link for link in links if link.page is not None or link.uri is not None]

    def _page_tree(self) -> PageTree:
        """The page tree of a PDF; one without pages if it cannot be read. A tree that does not hold together is rebuilt
        first.
        """
        handle, most = self._handle, self._origin.limits.document_pages
        if self.kind != "pdf" or not is_pdf(handle):
            return _UNREADABLE
        try:
            tree = pdf_pages.read_tree(handle, most)
            if tree.is_sound and len(tree.pages) == self.page_count:
                return tree
            page_count = pdf_pages.rebuild(handle, most)
        except ENGINE_ERRORS:
            return _UNREADABLE
        if not page_count:
            return _UNREADABLE
        self._set_chapters((page_count,))
        return pdf_pages.read_tree(handle, most)

    def _set_chapters(self, chapters: tuple[int, ...]) -> None:
        self.chapters = chapters
        self.page_count = _page_count(self._handle, self.name, chapters, self._origin.limits)
        self._chapter_starts = list(accumulate(chapters, initial=0))

    def close(self) -> None:
        stop_reading_from(self._handle)
        self._handle.close()


def _page_count(handle: EngineDocument, name: str, chapters: tuple[int, ...], limits: Limits) -> int:
    page_count = sum(chapters) if chapters else handle.page_count
    if page_count < 1:
        raise DamagedDocument(f"{name} has no page that can be read")
    if page_count > limits.document_pages:
        raise DocumentTooLarge(f"{name} has {page_count} pages; the settings allow {limits.document_pages} (document_pages)")
    return page_count


def _link(link: pymupdf.LinkInfo, page_count: int) -> Link:
    box = link["from"]
    page = link.get("page")
    given, file = link.get("uri"), link.get("file")
    uri = addresses.address(given) if given else addresses.file_address(file) if file else None
    leads_inside = isinstance(page, int) and 0 <= page < page_count and not given and not file
    return Link(box.x0, box.y0, box.x1, box.y1, page if leads_inside else None, uri)
