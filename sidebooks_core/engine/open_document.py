"""A document that the engine has open: its pages, their display lists, text and links. Worker side."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from msgspec import Struct

from sidebooks_core.documents import addresses
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Link, Matching, SearchHit, Word
from sidebooks_core.documents.source import Source
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
from sidebooks_core.engine.pdf.forgetting import forget_read_objects
from sidebooks_core.engine.pdf.pages import PageTree
from sidebooks_core.engine.pdf.targets import Targets
from sidebooks_core.engine.store import read_from, stop_reading_from
from sidebooks_core.errors import DamagedDocument, DocumentTooLarge

if TYPE_CHECKING:
    from sidebooks_core.engine.texts import Texts
    from sidebooks_core.text.pages import PageText

_UNREADABLE = PageTree([], is_sound=False, is_plain=False, is_narrow=False)
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

    def forget_read_objects(self) -> None:
        """Let go of what can be read from the file of a PDF again. Call it between jobs."""
        if is_pdf(self._handle):
            if "_targets" in self.__dict__ and self._targets is not None:
                self._targets.forget_names()
            forget_read_objects(self._handle)

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
        """The display list of a page. Raises RenderFailed."""
        return self.read(index)[1]

    def read(self, index: int) -> tuple[EnginePage, pymupdf.DisplayList]:
        """The engine's page, and its display list, annotations and form fields included. Raises RenderFailed."""
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
        return self._texts.words(index)

    def text(self, index: int) -> PageText:
        """The text of a page as it is searched. Raises RenderFailed."""
        return self._texts.text(index)

    def search(self, query: str, first: int, stop: int, matching: Matching) -> list[SearchHit]:
        """Hits on the pages from `first` up to `stop`, which is not searched. Raises RenderFailed."""
        return self._texts.search(query, first, stop, matching)

    @cached_property
    def _texts(self) -> Texts:
        from sidebooks_core.engine.texts import Texts  # not at the start: no image needs it

        return Texts(self, self._origin.limits)

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
