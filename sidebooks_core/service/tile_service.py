"""The facade: documents are opened, and their tiles, text and readers had from here. Its parts are put together in `assembly`.

Everything is thread-safe and synchronous, with futures; an application with asyncio wraps the futures.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from msgspec.structs import replace

from sidebooks_core.assembly import Parts, PoolMaker, assemble
from sidebooks_core.documents import document as described
from sidebooks_core.documents.model import Direction, DocumentInspection, PageInspection
from sidebooks_core.errors import PageError, ServiceClosed, SidebooksError, require_numbers, require_numbers_in, require_type
from sidebooks_core.images.keeping import own_id
from sidebooks_core.library.remembered import Given, source_of
from sidebooks_core.reading.reader import DEADLINE_S, ReaderOptions
from sidebooks_core.service.asking import Asking
from sidebooks_core.service.core import require_document, spread_rule
from sidebooks_core.service.filling import Filling
from sidebooks_core.service.imaging import Imaging
from sidebooks_core.service.opened import Document, Reader
from sidebooks_core.service.options import Opening
from sidebooks_core.settings import Settings
from sidebooks_core.statistics import Statistics
from sidebooks_core.stores.protocol import TileStore
from sidebooks_core.tiling.spreads import SpreadRule
from sidebooks_core.tiling.viewport import Fit

CLOSE_FLUSH_S = 2.0
"""How long closing waits for what was shown and is not identified yet, and again for bytes on their way to disk. What is not
written is made again."""


OPENERS = 4
"""Threads that wait for documents to open, see `submit_open`."""


class TileService(Imaging, Asking, Filling):
    """Opens documents and serves their tiles. One per application; `close()` it, or use it in a `with` block.

    Making one starts `settings.workers` processes and returns before they are ready. Any method may be called from any
    thread. After `close()` they raise ServiceClosed, and so do requests that were still waiting.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: TileStore | Sequence[TileStore] | None = None,
        pool: PoolMaker | None = None,
    ) -> None:
        """store: keeps images instead of the disk cache; several are tiers, the fastest first. See
        `sidebooks_core.testing.StoreContract`. What is known of documents and readers lies in `cache_dir` all the same.

        pool: makes the workers, for tests without processes; see `sidebooks_core.testing.FakeEngine`.
        """
        require_type(settings, (Settings, type(None)), "settings", "a Settings")
        self.settings = settings or Settings()
        self._process_id = os.getpid()
        self.parts: Parts = assemble(self.settings, store, pool)
        """For protocols that are built on tiles, such as the HTTP server."""
        self._documents: weakref.WeakValueDictionary[tuple[str, ...], Document] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()
        self._closed = False
        self._openers: ThreadPoolExecutor | None = None
        self._close_at_exit = partial(_close_if_alive, weakref.WeakMethod(self.close))
        atexit.register(self._close_at_exit)

    def open(
        self,
        source: Given,
        password: str | None = None,
        *,
        name: str | None = None,
        direction: Direction | None = None,
        trust_domain: str = "",
    ) -> Document:
        """Open a document from a path, its bytes, or a binary file object; its kind is told by its content.

        A file object is read as a whole, from its beginning if it can seek, and is not needed afterwards; a path is better for
        a large file, which is then not kept in memory. Opening an unchanged path again is cheap: what is known of it is stored.
        name: what the paper is called, instead of its file's name. direction: "ltr" or "rtl" instead of what the document says.
        trust_domain: documents with different labels never share a worker process or a record of the cache, so that a document
        that takes over its worker cannot reach those of another label.
        Raises FileNotFoundError, UnsupportedDocument, DamagedDocument, PasswordRequired, DocumentTooLarge, RequestError,
        ServiceClosed.
        """
        self.require_open()
        require_type(password, (str, type(None)), "password", "a text")
        require_type(trust_domain, str, "trust_domain", "a text")
        given = source_of(source, self.settings.document_bytes, name)
        opened = self.parts.opener.open(given, password, trust_domain)
        called = given.name or f"{opened.info.kind} {str(opened.ref.digest)[:8]}"
        handle = (str(opened.ref.digest), opened.ref.token, repr(direction), called)
        with self._lock:
            document = self._documents.get(handle)
            if document is None:
                document = Document(opened, self, data=given.data, direction=direction, name=called)
                self._documents[handle] = document
            document.withdrawn.clear()
        return document

    def submit_open(
        self,
        source: Given,
        password: str | None = None,
        **options: Unpack[Opening],
    ) -> Future[Document]:
        """The same without waiting: a thread waits. Cancelling the future helps if no thread has begun."""
        self.require_open()
        with self._lock:
            self.require_open()
            if self._openers is None:
                self._openers = ThreadPoolExecutor(OPENERS, "sidebooks-open")
            return self._openers.submit(self.open, source, password, **options)

    def reader(
        self,
        document: described.Document,
        view_px: tuple[int, int],
        spread: bool | SpreadRule = False,
        *,
        fit: Fit = "page",
        deadline_s: float = DEADLINE_S,
        resume: bool | str = False,
    ) -> Reader:
        """A reading of a document on a screen of `view_px` (width, height) pixels. `close()` it.

        spread: two pages side by side; a `SpreadRule` says which go together. fit: the whole page, or its whole width.
        deadline_s: within which a turn returns, in seconds. resume: begin at the page that was read last, not at the first.
        A text is the reader's name: each name has a page of its own in each document. The position is saved while the reader
        reads and when it closes, if it has turned.
        Raises RequestError, ServiceClosed.
        """
        require_document(self, document)
        require_numbers_in(view_px, "view_px", "(width, height) in pixels")
        require_numbers(deadline_s=deadline_s)
        options = ReaderOptions(rule=spread_rule(spread), fit=fit, deadline_s=deadline_s, resume=resume)
        return self.parts.readers.open_as(Reader, document, view_px, options)

    def inspect(self, document: described.Document, progress: Callable[[int, int], None] | None = None) -> DocumentInspection:
        """What will be slow or look wrong, page by page; draws every page once to measure it.

        progress: told (pages done, pages in all). A page that fails is reported in its place. Raises ServiceClosed.
        """
        require_document(self, document)
        futures = [self.parts.questions.inspect(document, page) for page in range(document.page_count)]
        pages = []
        for page, future in enumerate(futures):
            try:
                found = future.result()
                pages.append(replace(found.page, draw_s=found.draw_s))
            except PageError as error:
                pages.append(PageInspection(page, error=str(error)))
            if progress is not None:
                progress(page + 1, document.page_count)
        info = document.info
        return DocumentInspection(info.kind, info.page_count, info.repaired, tuple(pages), info.attachments)

    def purge(self, document: described.Document, *, positions: bool = False) -> int:
        """Remove everything stored of a document, pages that other documents share included. Returns records and facts removed.

        What is being drawn of it meanwhile goes to its requests and is stored nowhere.
        positions: also forget where each reader left off; else a reader of the document begins there the next time. A reader
        that is still open stores its position again when it closes.
        """
        require_document(self, document)
        document.withdrawn.set()
        keeper = self.parts.images.keeper
        removed = self.parts.facts.forget(document.id, lasting=positions) + keeper.store.purge(document.id)
        pages = range(document.page_count)
        removed += keeper.purge(own_id(document, page) for page in pages)  # of those that could not be identified
        removed += keeper.purge(one for page in pages if (one := document.known_content_id(page)) is not None)
        for page in [page for page in pages if document.known_content_id(page) is None]:
            try:
                removed += keeper.purge([document.content_id(page)])
            except ServiceClosed:
                raise
            except SidebooksError:
                continue  # images of it are stored under its own id, if at all
        keeper.store.scrub()
        return removed

    def statistics(self) -> Statistics:
        """A snapshot of what this service did so far."""
        parts, keeper = self.parts, self.parts.images.keeper
        queued, in_flight = parts.dispatcher.counts()
        stored, counters = keeper.store.statistics(), keeper.counters
        return Statistics(
            renders=counters.renders,
            memory_hits=counters.memory_hits,
            disk_hits=counters.disk_hits,
            misses=counters.misses,
            joins=parts.dispatcher.joins,
            drops=parts.dispatcher.drops,
            failures=parts.dispatcher.failures,
            worker_deaths=parts.pool.deaths,
            queued=queued,
            in_flight=in_flight,
            prefetched_bytes=counters.prefetched_bytes,
            prefetch_wasted_bytes=keeper.not_shown_bytes(),
            memory_bytes=stored.memory.bytes,
            disk_bytes=stored.disk.bytes if stored.disk else 0,
            disk_damaged=stored.disk.damaged if stored.disk else 0,
            disk_write_failures=stored.disk.write_failures if stored.disk else 0,
            dropped_writes=stored.dropped_writes,
            latency=counters.latency(),
        )

    def worker_process_ids(self) -> list[int]:
        """Of the processes that draw, for those who watch over memory and CPU."""
        return self.parts.pool.process_ids()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """End the workers, whatever they do, and fail what waits with ServiceClosed. Safe to call again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            openers = self._openers
        if openers is not None:
            openers.shutdown(wait=False)  # each that waits finds the service closed, and says so
        atexit.unregister(self._close_at_exit)
        if os.getpid() == self._process_id:  # a fork has copies only: threads, workers and files belong to the parent
            self.parts.close(CLOSE_FLUSH_S, list(self._documents.values()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.settings.workers} workers, {len(self._documents)} documents"
        return f"<TileService: {state}>"

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or os.getpid() != self._process_id or sys.is_finalizing():
            return  # it was closed, or not made whole; or this is a fork; or no thread begins any more
        told = f"{self!r} was not closed: use it in a `with` block"
        # Not in this thread: whatever thread the collector runs in may hold a lock of these parts, or be one of theirs.
        threading.Thread(target=self.close, name="sidebooks-close", daemon=True).start()
        warnings.warn(told, ResourceWarning, source=self, stacklevel=2)

    def require_open(self) -> None:
        """Raises ServiceClosed, also in a process that was forked from the one that made this."""
        if self._closed:
            raise ServiceClosed("the service is closed")
        if os.getpid() != self._process_id:
            raise ServiceClosed("the service belongs to the process that made it: make one after the fork")


def _close_if_alive(close: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = close()
    if method is not None:
        method()
