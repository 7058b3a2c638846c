"""The meeting place: request -> key -> memory -> disk -> join what is under way -> queue -> worker -> both caches.

Everything is thread-safe and synchronous, with futures; whoever uses asyncio wraps the futures.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import (
    CONTENT_ID_VERSION,
    DocumentInspection,
    Link,
    PageInspection,
    SearchHit,
    Word,
)
from sidebooks_core.encoding.tileset import RecordUnreadable, unpack_tile
from sidebooks_core.errors import (
    PageError,
    RenderFailed,
    RequestError,
    ServiceClosed,
    SidebooksError,
)
from sidebooks_core.fonts.discovery import discover
from sidebooks_core.images import requests as rasters
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.finding import Records
from sidebooks_core.images.flights import Work
from sidebooks_core.images.prerendering import PrerenderReport, ProgressCallback, prerender
from sidebooks_core.images.tile import Tile
from sidebooks_core.images.tile_making import tile_of
from sidebooks_core.keys import RenderProfile
from sidebooks_core.library.facts import Facts
from sidebooks_core.library.identification import Identification
from sidebooks_core.library.opening import Opener
from sidebooks_core.library.positions import Positions
from sidebooks_core.library.remembered import Given, Registry, source_of
from sidebooks_core.reading.loop import ReaderLoop
from sidebooks_core.reading.reader import DEADLINE_S, Reader
from sidebooks_core.reading.view import fitted_specs
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings
from sidebooks_core.statistics import Statistics
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.protocol import TileStore
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule
from sidebooks_core.tiling.viewport import Fit
from sidebooks_core.workers.answers import InspectAnswer, SearchAnswer
from sidebooks_core.workers.bulk import BulkRun, mark_host
from sidebooks_core.workers.jobs import Job, WorkerConfig
from sidebooks_core.workers.pool import WorkerPool
from sidebooks_core.workers.versions import encoder_version, engine_version

SEARCH_SLICE_S = 0.05
INSPECT_LONG_SIDE_PX = 2048
CLOSE_FLUSH_S = 2.0
"""How long closing waits for what was shown and is not identified yet, and again for bytes on their way to disk. What is not
written is made again."""


class TileService:
    """Opens documents and serves their tiles. One per application; `close()` it, or use it in a `with` block.

    Making one starts `settings.workers` processes and returns before they are ready. Any method may be called from any
    thread; after `close()` they raise ServiceClosed, and so do requests that were still waiting.
    """

    def __init__(self, settings: Settings | None = None, *, store: TileStore | Sequence[TileStore] | None = None) -> None:
        """store: keeps images instead of the disk cache; several are tiers, the fastest first.

        See `sidebooks_core.testing.StoreContract`. What is known of documents and readers lies in `cache_dir` all the same.
        """
        self.settings = settings or Settings()
        self._process_id = os.getpid()
        self._font_set = font_set = discover([Path(folder) for folder in self.settings.font_dirs])
        self.profile = RenderProfile(
            engine=engine_version(),
            encoder=encoder_version(),
            font_set=font_set.id,
            image_format=self.settings.image_format,
            quality=self.settings.quality,
        )
        cache_dir = Path(self.settings.cache_dir) if self.settings.cache_dir is not None else None
        lower = _disk_tier(self.settings) if store is None else list(store) if isinstance(store, Sequence) else [store]
        facts_bytes = self.settings.facts_bytes
        self._facts = Facts(cache_dir, facts_bytes, self.settings.encryption_key)
        memory_bytes = self.settings.memory_bytes - (facts_bytes if cache_dir is None else 0)
        memory = MemoryStore(memory_bytes, self.settings.preview_bytes)
        self.store = Tiers(memory, lower)
        # A book without pages of its own is laid out with these fonts, and content ids are remembered with the description.
        self._registry = Registry(self._facts, f"{self.profile.engine} {CONTENT_ID_VERSION} {font_set.id}")
        self.positions = Positions(self._facts)
        self._documents: weakref.WeakValueDictionary[tuple[str, ...], Document] = weakref.WeakValueDictionary()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._dispatcher = Dispatcher(self.settings.queue_jobs, self.store.leases())
        self.records = Records(
            self.profile,
            self.store,
            self._dispatcher,
            self.settings.render_timeout_s,
            after_first_image=lambda document: self._identification.begin(document),
        )
        self._opener = Opener(self.settings, self._registry, self._dispatcher)
        self._identification = Identification(self._registry, self.records)
        mark_host()
        self._processors = _processor_count()
        self._pool = WorkerPool(
            self._dispatcher,
            WorkerConfig(
                worker_bytes=self.settings.worker_bytes,
                display_list_bytes=self.settings.display_list_bytes,
                font_set=font_set.to_wire(),
                is_isolated=self.settings.isolation,
            ),
            self.settings.workers,
            recycle_bytes=self.settings.worker_bytes // 2,
        )
        self._close_at_exit = weakref.WeakMethod(self.close)
        atexit.register(_close_if_alive, self._close_at_exit)

    def open(
        self,
        source: Given,
        password: str | None = None,
        *,
        name: str | None = None,
        direction: str | None = None,
        trust_domain: str = "",
    ) -> Document:
        """Open a document from a path, its bytes, or a binary file object; its kind is told by its content.

        A file object is read as a whole, from its beginning if it can seek, and is not needed afterwards; a path is better for
        a large file, which is then not kept in memory. name: what the paper is called, instead of its file's name.
        direction: "ltr" or "rtl" instead of what the document says. A path that was opened before and has not changed is
        neither read as a whole nor opened by the engine again.
        trust_domain: a label of who may be hurt by whom. Documents of two domains never share a worker process nor a record of
        the cache, so that a document that takes over its worker cannot reach into those of another domain.
        Raises FileNotFoundError, UnsupportedDocument, DamagedDocument, PasswordRequired, DocumentTooLarge, RequestError,
        ServiceClosed.
        """
        self._require_open()
        given = source_of(source, self.settings.document_bytes, name)
        opened = self._opener.open(given, password, trust_domain)
        called = given.name or f"{opened.info.kind} {str(opened.ref.digest)[:8]}"
        handle = (str(opened.ref.digest), opened.ref.token, repr(direction), called)
        with self._lock:
            document = self._documents.get(handle)
            if document is None:
                document = Document(
                    opened.ref,
                    opened.info,
                    given.data,
                    direction,
                    opened.content_ids,
                    self,
                    is_revision=opened.is_revision,
                    name=called,
                )
                self._documents[handle] = document
            document.withdrawn.clear()
        return document

    def tile(self, document: Document, page: int, level: int, column: int, row: int) -> Tile:
        """One tile of a level. Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed."""
        return self.submit(document, page, level, column, row).result()

    def submit(
        self,
        document: Document,
        page: int,
        level: int,
        column: int,
        row: int,
        *,
        priority: Priority = Priority.VISIBLE,
        client: str = "",
    ) -> Future[Tile]:
        """The same without waiting. Cancelling the future drops the work, if nobody else wants it and it was not begun.

        client: who asks. Clients take turns in the queue, so that a flood of one does not hold up the others.
        """
        self._require_open()
        spec, column, row = self.place(document, page, level, column, row)
        return self.submit_raster(document, page, spec, column, row, priority, client)

    def page_image(
        self,
        document: Document,
        page: int,
        width_px: int | None = None,
        height_px: int | None = None,
        *,
        fit_px: tuple[int, int] | None = None,
    ) -> Tile:
        """The whole page at an exact width or height in pixels; with both, as large as fits.

        fit_px: (width, height) of the screen that it is to fit, instead of the two.
        Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed.
        """
        return self.submit_page_image(document, page, width_px, height_px, fit_px=fit_px).result()

    def submit_page_image(
        self,
        document: Document,
        page: int,
        width_px: int | None = None,
        height_px: int | None = None,
        *,
        fit_px: tuple[int, int] | None = None,
        priority: Priority = Priority.VISIBLE,
        client: str = "",
    ) -> Future[Tile]:
        """The same without waiting."""
        self._require_open()
        if fit_px is not None:
            if width_px is not None or height_px is not None:
                raise RequestError("fit_px stands for both width_px and height_px", document_id=document.id, page=page)
            if len(fit_px) != 2:
                raise RequestError(f"fit_px is (width, height), not {fit_px!r}", document_id=document.id, page=page)
            width_px, height_px = fit_px
        spec = self.page_spec(document, page, width_px, height_px)
        return self.submit_raster(document, page, spec, 0, 0, priority, client)

    def region_image(self, document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int) -> Tile:
        """A part of a page, `width_px` pixels wide.

        region_pt: (x0, y0, x1, y1) in points, origin top left, as the page is shown; what lies outside the page is cut off.
        Raises PageNotFound, RequestError, RenderFailed, RenderTimeout, ServiceClosed.
        """
        self._require_open()
        spec = rasters.of_region(document, page, region_pt, width_px, self.settings.raster_pixels)
        return self.submit_raster(document, page, spec, 0, 0, Priority.VISIBLE).result()

    def reader(
        self,
        document: Document,
        view_px: tuple[int, int],
        spread: bool | SpreadRule = False,
        *,
        fit: Fit = "page",
        deadline_s: float = DEADLINE_S,
        resume: bool | str = False,
        loop: ReaderLoop | None = None,
        client: str = "",
    ) -> Reader:
        """Somebody who reads a document on a screen of `view_px` (width, height) pixels. `close()` it.

        spread: two pages side by side; a `SpreadRule` says which go together. fit: the whole page, or its whole width.
        deadline_s: within which a turn returns, in seconds.
        resume: begin at the page that was read last, not at the first. A text is the reader's name: each name has a page of its
        own in each document. True and False are the reader without a name.
        loop: threads that many readers share; without one the reader has a thread of its own.
        client: whose turn in the queue it takes, as for `tile`; its own unless told.
        Raises RequestError, ServiceClosed.
        """
        self._require_open()
        rule = _spread_rule(spread)
        reader = Reader(self, document, view_px, rule, fit=fit, deadline_s=deadline_s, resume=resume, loop=loop, client=client)
        with self._lock:
            closed = self._closed
            if not closed:
                self._readers.add(reader)
        if closed:
            reader.close()
            raise ServiceClosed("the service is closed")
        return reader

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def reader_count(self) -> int:
        """Readers that share the budgets now."""
        return len(self._readers)

    def is_crowded(self) -> bool:
        """Whether the workers keep all processors busy, so that whoever sleeps is woken late."""
        return self._pool.busy_count() >= self._processors

    def remember(self, document: Document) -> None:
        """Store what was found out of a document, so that its stored pages are found without a worker next time."""
        self._identification.remember(document)

    def forget_reader(self, reader: Reader) -> None:
        """A reader closed."""
        self._readers.discard(reader)

    def tile_in_memory(
        self, document: Document, page: int, spec: RasterSpec, column: int, row: int, image_format: str | None = None
    ) -> Tile | None:
        """A tile of a raster if it is in memory: without waiting for anything."""
        content_id = document.known_content_id(page)
        if content_id is None:
            return None
        key = self.records.key(content_id, spec, image_format)
        started_s = time.perf_counter()
        record = self.store.get_memory(key)
        if record is None:
            return None
        try:
            packed = unpack_tile(record.data, column, row)
        except RecordUnreadable:
            return None  # asked for again, it gets its error
        self.records.count_hit("memory", time.perf_counter() - started_s, key, Priority.VISIBLE)
        return tile_of(document, page, packed, keys.etag(key, column, row))

    def place(self, document: Document, page: int, level: int, column: int, row: int) -> tuple[RasterSpec, int, int]:
        """The raster that holds a tile of a level, and the tile's column and row in it. Raises PageNotFound, RequestError."""
        return rasters.of_tile(document, page, level, column, row, self.settings.raster_pixels)

    def text(self, document: Document, page: int) -> tuple[Word, ...]:
        """The words of a page with their boxes in points, as the page is shown (rotated, cropped)."""
        return self.submit_text(document, page).result()

    def submit_text(self, document: Document, page: int, client: str = "") -> Future[tuple[Word, ...]]:
        """The same without waiting. Cancelling the future drops the work, if nobody else wants it and it was not begun.

        client: whose turn in the queue it takes, as for `tile`.
        """
        return self._ask(document, "words", page, {}, client=client)

    def links(self, document: Document, page: int) -> tuple[Link, ...]:
        """The links of a page with their boxes in points, as the page is shown."""
        return self.submit_links(document, page).result()

    def submit_links(self, document: Document, page: int, client: str = "") -> Future[tuple[Link, ...]]:
        """The same without waiting; cancelled as `submit_text` is, and for a client as that is."""
        return self._ask(document, "links", page, {}, client=client)

    def search(self, document: Document, query: str, *, limit: int = 1000, old_forms: bool = False) -> list[SearchHit]:
        """Where a text occurs, in page order, at most `limit` hits.

        Case, accents, line breaks, the width of Japanese characters and the like do not matter; ruby is skipped, and found by
        itself. The explanation of searching has all of it.

        old_forms: old and new forms of characters (國 and 国, 髙 and 高) are one, too.
        """
        hits: list[SearchHit] = []
        page = 0
        while page < document.page_count and len(hits) < limit:
            more = self.submit_search(document, query, page, old_forms=old_forms).result()
            hits.extend(more.hits)
            page = more.reached
        return hits[:limit]

    def submit_search(self, document: Document, query: str, page: int, *, old_forms: bool = False) -> Future[SearchAnswer]:
        """One step of a search, without waiting: the hits from `page` on, and the page, from 0, that the next step begins at.

        A step takes a worker for some SEARCH_SLICE_S, or for one page; pages that somebody looks at go before it. Cancelled as
        `submit_text` is.
        """
        arguments = {"query": query, "stop": document.page_count, "budget_s": SEARCH_SLICE_S, "old_forms": old_forms}
        return self._ask(document, "search", page, arguments, Priority.NEXT)

    def inspect(self, document: Document, progress: Callable[[int, int], None] | None = None) -> DocumentInspection:
        """What will be slow or look wrong, page by page; draws every page once to measure it.

        progress: told (pages done, pages in all).
        """
        arguments = {"long_side_px": INSPECT_LONG_SIDE_PX}

        every = range(document.page_count)
        futures = [self._ask(document, "inspect", page, arguments, Priority.BULK) for page in every]
        pages = []
        for page, future in enumerate(futures):
            try:
                found: InspectAnswer = future.result()
                pages.append(found.page.with_draw_time(found.draw_s))
            except PageError as error:
                pages.append(PageInspection.failed(page, str(error)))
            if progress is not None:
                progress(page + 1, document.page_count)
        return DocumentInspection.of(document.info, pages)

    def prerender(
        self,
        document: Document,
        pages: Iterable[int] | None = None,
        progress: ProgressCallback | None = None,
        *,
        levels: Sequence[int] | None = None,
        widths_px: Sequence[int] = (),
        fit_px: Sequence[tuple[int, int]] = (),
        spread: bool | SpreadRule = False,
        executor: Executor | None = None,
    ) -> PrerenderReport:
        """Fill the cache with pages (all, unless told) at some levels and sizes; what is there already is skipped.

        levels: the preview and the largest single-image level, unless told. A page with fewer levels has its finest.
        widths_px: whole pages at these widths. fit_px: pages as large as fit screens of (width, height) pixels; afterwards a
        Reader of such a screen renders nothing, and a tablet that asks for the page in that size neither. spread: as the
        readers of these screens have it.
        executor: where the work runs; this service's own workers, unless told. It must run functions in other processes.
        progress: told (pages done, pages in all), from this thread. A page that fails is reported and the rest goes on.
        """
        self._require_open()
        rule = _spread_rule(spread)

        def fitted(wanted: Sequence[int]) -> dict[int, list[RasterSpec]]:
            found: dict[int, list[RasterSpec]] = {page: [] for page in wanted}
            for view_px in fit_px:
                shown = fitted_specs(document, wanted, view_px, rule, self.settings.raster_pixels)
                for page in wanted:
                    found[page] += shown[page]
            return found

        return prerender(self, document, pages, levels, widths_px, fitted, progress, executor)

    def purge(self, document: Document, *, positions: bool = False) -> int:
        """Remove everything stored of a document, pages that other documents share included. Returns records and facts removed.

        What is being drawn of it meanwhile goes to who asked for it and is stored nowhere.
        positions: also forget where everybody left off; else a reader of the document begins there the next time. A reader
        that is still open stores its position again when it closes.
        """
        document.withdrawn.set()
        removed = self._facts.forget(document.id, lasting=positions)
        return removed + self.records.purge(document.content_id(page) for page in range(document.page_count))

    def statistics(self) -> Statistics:
        """A snapshot of what this service did so far."""
        queued, in_flight = self._dispatcher.counts()
        stored = self.store.statistics()
        counters = self.records.counters
        return Statistics(
            renders=counters.renders,
            memory_hits=counters.memory_hits,
            disk_hits=counters.disk_hits,
            misses=counters.misses,
            joins=self._dispatcher.joins,
            drops=self._dispatcher.drops,
            failures=self._dispatcher.failures,
            worker_deaths=self._pool.deaths,
            queued=queued,
            in_flight=in_flight,
            prefetched_bytes=counters.prefetched_bytes,
            prefetch_wasted_bytes=self.records.not_shown_bytes(),
            memory_bytes=stored.memory.bytes,
            disk_bytes=stored.disk.bytes if stored.disk else 0,
            disk_damaged=stored.disk.damaged if stored.disk else 0,
            disk_write_failures=stored.disk.write_failures if stored.disk else 0,
            dropped_writes=stored.dropped_writes,
            latency=counters.latency(),
        )

    def worker_process_ids(self) -> list[int]:
        """Of the processes that draw, for those who watch over memory and CPU."""
        return self._pool.process_ids()

    def close(self) -> None:
        """End the workers, whatever they do, and fail what waits with ServiceClosed. Safe to call again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self._close_at_exit)
        if os.getpid() != self._process_id:
            return  # a fork's copy: threads, workers and files belong to the parent
        for reader in list(self._readers):
            reader.close()
        self.records.settle(CLOSE_FLUSH_S)
        for document in list(self._documents.values()):
            self.remember(document)
        self._dispatcher.close()
        self._pool.close()
        self.store.close(CLOSE_FLUSH_S)
        self._facts.close(CLOSE_FLUSH_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def identify(self, document: Document, page: int) -> str:
        """The content id of a page; waits for a worker where it is not known."""
        self.submit_identify(document, page).result()
        content_id = document.known_content_id(page)
        assert content_id is not None
        return content_id

    def submit_identify(self, document: Document, page: int, client: str = "") -> Future[None]:
        """Done when the content id of a page is known. Cancelled as `submit_text` is, and for a client as that is.

        Raises PageNotFound, QueueFull, ServiceClosed.
        """
        self._require_open()
        document.require_page(page)
        found: Future[None] = Future()

        def done(_: Any, error: SidebooksError | None) -> None:
            _settle(found, None, error)

        self.records.identify(document, page, done, priority=Priority.VISIBLE, client=client, ticket=found)
        found.add_done_callback(
            lambda ended: self.records.forget_identify(document, page, found) if ended.cancelled() else None
        )
        return found

    def page_spec(self, document: Document, page: int, width_px: int | None, height_px: int | None) -> RasterSpec:
        """The raster of a whole page at an exact width or height. Raises RequestError when it is too large."""
        return rasters.of_page(document, page, width_px, height_px, self.settings.raster_pixels)

    def bulk_run(self, document: Document, wanted: tuple[tuple[int, RasterSpec], ...]) -> BulkRun:
        """Some rasters of a document as one task for an executor."""
        return BulkRun(
            document=document.ref,
            data=document.data,
            rasters=wanted,
            image_format=self.profile.image_format,
            quality=self.profile.quality,
            font_set=self._font_set.to_wire(),
            display_list_bytes=self.settings.display_list_bytes,
        )

    def level_specs(self, document: Document, page: int, level: int) -> list[RasterSpec]:
        """The rasters that make up a whole level."""
        return rasters.of_level(document, page, level, self.settings.raster_pixels)

    def submit_raster(
        self,
        document: Document,
        page: int,
        spec: RasterSpec,
        column: int = 0,
        row: int = 0,
        priority: Priority = Priority.VISIBLE,
        client: str = "",
        image_format: str | None = None,
    ) -> Future[Tile]:
        """One tile of any raster of a page; column and row count from the raster's own first tile.

        image_format: instead of the settings'. For those who build protocols on tiles; see `submit` and `page_image`.
        """
        self._require_open()
        future: Future[Tile] = Future()
        started_s = time.perf_counter()

        def done(record: Record | None, source: str, error: SidebooksError | None) -> None:
            if record is None:
                _settle(future, None, error)
                return
            key = self.records.key(document.content_id(page), spec, image_format)
            try:
                packed = unpack_tile(record.data, column, row)
            except RecordUnreadable as damage:
                self.store.delete(key)
                what = (
                    f"{document.name}, page {page + 1}: the store returned a damaged record, now removed ({damage}); ask again"
                )
                _settle(future, None, RenderFailed(what, document_id=document.id, page=page))
                return
            self.records.count_hit(source, time.perf_counter() - started_s, key, priority)
            _settle(future, tile_of(document, page, packed, keys.etag(key, column, row)), None)

        self.records.want(
            document, page, spec, done, priority=priority, client=client, ticket=future, image_format=image_format
        )
        if not future.done():
            future.add_done_callback(
                lambda ended: self.records.forget(document, page, spec, future, image_format) if ended.cancelled() else None
            )
        return future

    def _ask(
        self,
        document: Document,
        kind: Any,
        page: int,
        arguments: dict[str, Any],
        priority: Priority = Priority.PAGE,
        client: str = "",
    ) -> Future[Any]:
        """A job whose answer is not kept: of the type that `rendering.answers` has for its kind."""
        self._require_open()
        document.require_page(page)
        future: Future[Any] = Future()
        job = Job(kind=kind, document=document.ref, page=page, timeout_s=self.settings.render_timeout_s, arguments=arguments)
        key = f"{kind}|{document.ref.token}|{page}|{sorted(arguments.items())}"

        def answered(answer: Any, error: SidebooksError | None) -> None:
            _settle(future, answer, error)

        self._dispatcher.request(Work(key=key, job=job, data=document.data), answered, priority, client, ticket=future)
        future.add_done_callback(lambda ended: self._dispatcher.forget(key, future) if ended.cancelled() else None)
        return future

    def _require_open(self) -> None:
        if self._closed:
            raise ServiceClosed("the service is closed")
        if os.getpid() != self._process_id:
            raise ServiceClosed("the service belongs to the process that made it: make one after the fork")


def _disk_tier(settings: Settings) -> list[TileStore]:
    """What keeps images below the memory, unless the application brings its own."""
    if settings.cache_dir is None:
        return []
    from sidebooks_core.stores.disk import DiskStore  # brings SQLite and diskcache: only who uses a disk pays for them

    disk = DiskStore(settings.cache_dir, settings.disk_bytes - settings.facts_bytes)
    if settings.encryption_key is None:
        return [disk]
    from sidebooks_core.stores.encrypted import EncryptedStore

    return [EncryptedStore(disk, settings.encryption_key)]


def _spread_rule(spread: bool | SpreadRule) -> SpreadRule:
    return spread if isinstance(spread, SpreadRule) else SpreadRule() if spread else SINGLE_PAGES


def _settle(future: Future[Any], result: Any, error: BaseException | None) -> None:
    """Give a future its result, unless its owner cancelled it."""
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _close_if_alive(close: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = close()
    if method is not None:
        method()


def _processor_count() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
