"""Questions to workers that are not about images: words, links, searches, inspections. The answers are not stored."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future

import msgspec
from msgspec.structs import astuple

from sidebooks_core.documents.annotations import Changes
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import Lettering, Link, Matching, PackedText, SearchHit, Word
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.answers import Answer
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.work import Work, fail, resolve
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.answers import AnnotatedFile, AnnotationsRead, Inspected, Searched
from sidebooks_core.workers.jobs import (
    Annotate,
    DrawLetters,
    Inspect,
    ReadAnnotations,
    ReadLinks,
    ReadText,
    ReadWords,
    Search,
)

SEARCH_SLICE_S = 0.05
ANY_MATCH = Matching()
INSPECT_LONG_SIDE_PX = 2048
ANNOTATE_TIMEOUT_S = 120.0
MOST_ANNOTATED_BYTES = 512 << 20
"""Of a document with annotations; of a PDF, only what comes behind its own bytes is counted."""
LETTERS = DocumentRef(
    token="letters", name="the name of a reader", path=None, file_state=None, trust_domain="letters, and no document"
)
"""Stands for the document of text that is drawn for the host. It has a trust domain of its own: a worker that has seen a
document may have been taken over by it, and must not draw what says who reads."""


class Questions:
    """Equal questions share one answer. Thread-safe.

    Cancelling a future drops the work, if nobody else wants it and no worker has begun it. client: a question takes
    turns in the queue under this name. All raise PageNotFound; other errors come by the future.
    """

    def __init__(self, dispatcher: Dispatcher, timeout_s: float) -> None:
        self._dispatcher = dispatcher
        self._timeout_s = timeout_s

    def words(self, document: Document, page: int, client: str = "") -> Future[tuple[Word, ...]]:
        """The words of a page, their boxes in points as the page is shown."""
        document.require_page(page)
        job = ReadWords(document=document.ref, timeout_s=self._timeout_s, page=page)
        return self._dispatcher.ask(f"words|{document.ref.token}|{page}", Work(job, document.data), Priority.PAGE, client)

    def text(self, document: Document, page: int, priority: Priority = Priority.BULK, client: str = "") -> Future[PackedText]:
        """The text of a page as it is searched, with a box for each character."""
        document.require_page(page)
        job = ReadText(document=document.ref, timeout_s=self._timeout_s, page=page)
        return self._dispatcher.ask(f"text|{document.ref.token}|{page}", Work(job, document.data), priority, client)

    def links(self, document: Document, page: int, client: str = "") -> Future[tuple[Link, ...]]:
        """The links of a page, their boxes in points as the page is shown."""
        document.require_page(page)
        job = ReadLinks(document=document.ref, timeout_s=self._timeout_s, page=page)
        return self._dispatcher.ask(f"links|{document.ref.token}|{page}", Work(job, document.data), Priority.PAGE, client)

    def search(
        self, document: Document, query: str, page: int, stop: int | None = None, *, matching: Matching = ANY_MATCH
    ) -> Future[Searched]:
        """One step of a search: the hits from `page` on, and the page, from 0, that the next step begins at.

        stop: the page that the search ends before; None: it goes on to the last one.

        A step takes a worker for some SEARCH_SLICE_S, or for one page; pages that somebody looks at go before it.
        """
        document.require_page(page)
        text = query.encode("utf-8", "replace").decode()  # what is typed on a command line may be no text
        job = Search(
            document=document.ref,
            timeout_s=self._timeout_s,
            page=page,
            query=text,
            stop=document.page_count if stop is None else stop,
            budget_s=SEARCH_SLICE_S,
            matching=matching,
        )
        rules = "".join(str(int(one)) for one in astuple(matching))
        name = f"search|{document.ref.token}|{page}|{job.stop}|{rules}|{text}"
        return self._dispatcher.ask(name, Work(job, document.data), Priority.NEXT)

    def search_all(self, document: Document, query: str, limit: int, matching: Matching = ANY_MATCH) -> Future[list[SearchHit]]:
        """All steps of a search, one after the other: at most `limit` hits, in page order."""
        found: Answer[list[SearchHit]] = Answer()
        hits: list[SearchHit] = []
        under_way: list[Future[Searched]] = []

        def go_on(page: int) -> None:
            if page >= document.page_count or len(hits) >= limit:
                resolve(found, hits[:limit])
                return
            under_way[:] = [self.search(document, query, page, matching=matching)]
            under_way[0].add_done_callback(take)

        def take(step: Future[Searched]) -> None:
            if found.cancelled():
                return
            try:
                more = step.result()
                hits.extend(more.hits)
                go_on(more.reached)
            except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits gets it
                fail(found, error)

        go_on(0)
        found.add_done_callback(lambda one: under_way[0].cancel() if one.cancelled() and under_way else None)
        return found

    def lettering(self, lines: tuple[str, ...], size_px: int, client: str = "") -> Future[Lettering]:
        """Lines of text as pixels, in letters of a size. A worker draws them that has seen no document."""
        job = DrawLetters(document=LETTERS, timeout_s=self._timeout_s, lines=lines, size_px=size_px)
        name = f"letters|{size_px}|{lines!r}"
        return self._dispatcher.ask(name, Work(job, None), Priority.VISIBLE, client)

    def inspect(self, document: Document, page: int) -> Future[Inspected]:
        """Inspect a page. The page is drawn to measure the time."""
        document.require_page(page)
        job = Inspect(document=document.ref, timeout_s=self._timeout_s, page=page, long_side_px=INSPECT_LONG_SIDE_PX)
        return self._dispatcher.ask(f"inspect|{document.ref.token}|{page}", Work(job, document.data), Priority.BULK)

    def annotate(self, document: Document, changes: Changes, client: str = "") -> Future[AnnotatedFile]:
        """The document as a PDF with other annotations.

        Raises PageNotFound; DocumentTooLarge and what a worker's job raises come by the future.
        """
        for page in {one.page for one in changes.added} | {page for page, _ in changes.removed}:
            document.require_page(page)
        job = Annotate(
            document=document.ref,
            timeout_s=max(self._timeout_s, ANNOTATE_TIMEOUT_S),
            changes=changes,
            most_bytes=MOST_ANNOTATED_BYTES,
        )
        digest = hashlib.sha256(msgspec.msgpack.encode(changes)).hexdigest()
        name = f"annotate|{document.ref.token}|{digest}"
        return self._dispatcher.ask(name, Work(job, document.data), Priority.BULK, client)

    def annotations(self, document: Document, page: int, client: str = "") -> Future[AnnotationsRead]:
        """The annotations of a document from a page on, and the page, from 0, that the next step begins at."""
        document.require_page(page)
        job = ReadAnnotations(
            document=document.ref,
            timeout_s=self._timeout_s,
            page=page,
            stop=document.page_count,
            budget_s=SEARCH_SLICE_S,
        )
        return self._dispatcher.ask(f"annotations|{document.ref.token}|{page}", Work(job, document.data), Priority.BULK, client)
