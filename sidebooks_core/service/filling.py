"""The part of the facade that fills the cache ahead of the readers: of one document, or of many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from msgspec import Struct

from sidebooks_core.documents import document as described
from sidebooks_core.errors import ServiceClosed, SidebooksError, require_numbers_in, require_type
from sidebooks_core.images.prerendering import Bulk, PrerenderReport, ProgressCallback, rasters_of
from sidebooks_core.library.remembered import Given
from sidebooks_core.reading.view import fitted_requests
from sidebooks_core.service.core import Core, chosen_pages, require_document, spread_rule
from sidebooks_core.service.opened import Document
from sidebooks_core.service.options import PrerenderedDocument, PrerenderProgress, Sizes

DOCUMENTS_BESIDE_WORKERS = 1
"""Documents under way, beside one for each worker: while one is opened, the others give the workers enough to do."""
DOCUMENTS_ON_EXECUTOR = 16
"""Documents under way on a foreign executor, whose size is not known."""


class Filling(Core):
    """Prerendering."""

    def prerender(
        self,
        document: described.Document,
        pages: Iterable[int] | None = None,
        progress: ProgressCallback | None = None,
        *,
        fit_px: Sequence[tuple[int, int]] = (),
        sizes: Sizes | None = None,
        executor: Executor | None = None,
    ) -> PrerenderReport:
        """Fill the cache with pages (all, unless told) in some sizes; what is there already is skipped.

        fit_px: pages as large as fit screens of (width, height) pixels. Afterwards a Reader of such a screen renders nothing,
        and neither does a tablet that asks for the page in that size.
        sizes: levels, widths and heights beside these; the preview and the largest single-image level, unless told.
        executor: where the work runs; this service's own workers, unless told. It must run functions in other processes.
        progress: told (pages done, pages in all), from the thread that called. A page that fails is reported; the rest goes on.
        Raises PageNotFound, RequestError, ServiceClosed.
        """
        require_document(self, document)
        require_type(sizes, (Sizes, type(None)), "sizes", "a Sizes")
        images, sizes = self.parts.images, sizes or Sizes()
        wanted = list(dict.fromkeys(chosen_pages(document, pages)))
        rasters = rasters_of(images, document, wanted, sizes)
        for view_px in fit_px:
            require_numbers_in(view_px, "each of fit_px", "(width, height) in pixels")
            shown = fitted_requests(document, wanted, view_px, spread_rule(sizes.spread), self.settings.raster_pixels)
            for page in wanted:
                rasters[page] += shown[page]
        chosen = {page: list(dict.fromkeys(requests)) for page, requests in rasters.items()}
        bulk = Bulk(document=document, rasters=chosen, executor=executor, progress=progress)
        return self.parts.prerendering.run(bulk)

    def prerender_all(
        self,
        sources: Iterable[Document | Given],
        progress: Callable[[PrerenderProgress], None] | None = None,
        *,
        password: str | None = None,
        fit_px: Sequence[tuple[int, int]] = (),
        sizes: Sizes | None = None,
        executor: Executor | None = None,
    ) -> list[PrerenderedDocument]:
        """Fill the cache with all pages of many documents, in the sizes of `prerender`. One result for each, in their order.

        sources: documents that are open, or what `open` takes; password: of those that need one. Several are worked on at
        once, so no worker waits for the last page of a document. A document that cannot be opened fails alone: its result
        has the error.
        progress: told how far all of it is, from the thread that called. Raise in it to stop: what was drawn is kept.
        Raises ServiceClosed; TypeError for what is no source.
        """
        self.require_open()
        require_type(sources, Iterable, "sources", "documents, or what `open` takes")
        require_type(password, (str, type(None)), "password", "a text")
        require_type(sizes, (Sizes, type(None)), "sizes", "a Sizes")
        for view_px in fit_px:
            require_numbers_in(view_px, "each of fit_px", "(width, height) in pixels")
        given = list(sources)
        under_way = DOCUMENTS_ON_EXECUTOR if executor is not None else self.settings.workers + DOCUMENTS_BESIDE_WORKERS
        fill = partial(self.prerender, fit_px=fit_px, sizes=sizes, executor=executor)
        batch = _Batch(given, partial(self._opened, password=password), fill)
        return batch.run(under_way, progress)

    def _opened(self, source: Document | Given, password: str | None) -> Document:
        """Raises what `open` does."""
        return source if isinstance(source, Document) else self.open(source, password)


class _Stopped(BaseException):
    """The batch ends: whoever asked for it wants no more, or a document failed in a way that is not its own."""


class _News(Struct, frozen=True):
    """What a thread tells of its document."""

    number: int
    done: int = 0
    pages: int = 0
    result: PrerenderedDocument | None = None
    fault: BaseException | None = None
    """That ends the batch."""


class _Batch:
    """Many documents, some at once, each in a thread that waits for the workers. One run for each."""

    def __init__(
        self,
        sources: Sequence[Document | Given],
        opened: Callable[[Document | Given], Document],
        fill: Callable[[Document, None, ProgressCallback], PrerenderReport],
    ) -> None:
        self._sources = sources
        self._opened = opened
        self._fill = fill
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._stopped = threading.Event()

    def run(self, under_way: int, progress: Callable[[PrerenderProgress], None] | None) -> list[PrerenderedDocument]:
        pages: dict[int, tuple[int, int]] = {}
        results: dict[int, PrerenderedDocument] = {}
        with ThreadPoolExecutor(under_way, "sidebooks-prerender") as threads:
            try:
                for number in range(len(self._sources)):
                    threads.submit(self._work, number)
                while len(results) < len(self._sources):
                    news = self._news.get()
                    if news.fault is not None:
                        raise news.fault
                    if news.result is not None:
                        results[news.number] = news.result
                    else:
                        pages[news.number] = news.done, news.pages
                    if progress is not None:
                        done, known = (sum(counts) for counts in zip(*pages.values(), strict=True)) if pages else (0, 0)
                        progress(PrerenderProgress(len(results), len(self._sources), done, known))
            finally:
                self._stopped.set()
        return [results[number] for number in sorted(results)]

    def _work(self, number: int) -> None:
        source = self._sources[number]
        document: Document | None = None

        def progress(done: int, pages: int) -> None:
            if self._stopped.is_set():
                raise _Stopped
            self._news.put(_News(number, done, pages))

        try:
            if self._stopped.is_set():
                return
            document = self._opened(source)
            progress(0, document.page_count)
            report = self._fill(document, None, progress)
            result = PrerenderedDocument(source, document, report)
        except _Stopped:
            return
        except ServiceClosed as error:
            self._news.put(_News(number, fault=error))
            return
        except (SidebooksError, OSError) as error:
            result = PrerenderedDocument(source, document, error=error)
        except BaseException as error:  # noqa: BLE001 - raised where the batch was asked for
            self._news.put(_News(number, fault=error))
            return
        self._news.put(_News(number, result=result))
