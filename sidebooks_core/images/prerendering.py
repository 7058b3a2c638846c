"""Filling the cache ahead of the readers, on our own workers or on any executor whose tasks run in other processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from typing import Protocol, TypeVar, cast

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import RecordUnreadable, problems_of
from sidebooks_core.errors import PageError, RequestError, SidebooksError
from sidebooks_core.fonts.discovery import FontSet
from sidebooks_core.images.finding import Images
from sidebooks_core.images.kept_elsewhere import keeper_for, to_keep
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.workers.bulk import BulkRaster, BulkResult, BulkRun, render_run

T = TypeVar("T")
ProgressCallback = Callable[[int, int], None]
"""Told (pages done, pages in all)."""

RUN_PAGES = 8
"""The pages of one task on a foreign executor. More pages save time, as each task costs milliseconds; but all records of a task
travel together."""
RUNS_UNDER_WAY = 16
"""Bounds the tasks that wait, and the results that are not stored yet."""


class PrerenderReport(Struct, frozen=True):
    """What a prerendering did."""

    pages: int
    rendered: int
    """Rasters drawn now."""
    stored_already: int
    """Rasters that were in the cache."""
    failed: dict[int, SidebooksError] = field(default_factory=dict)
    """The pages that could not be drawn, each with its reason."""
    problems: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """What could not be drawn of the pages that were drawn, by page from 0; of pages stored already, too."""


class Bulk(Struct, frozen=True, kw_only=True):
    """Rasters to be made ahead, and how."""

    document: Document
    rasters: Mapping[int, Sequence[Request]]
    """By page, from 0, without repetition."""
    executor: Executor | None
    """None: the service's own workers."""
    progress: ProgressCallback | None = None


class Prerendering:
    """Makes rasters ahead. Thread-safe."""

    def __init__(self, images: Images, font_set: FontSet) -> None:
        self._images = images
        self._font_set = font_set

    def run(self, bulk: Bulk) -> PrerenderReport:
        """See `TileService.prerender`."""
        document, keeper = bulk.document, self._images.keeper
        tally = _Tally({page: len(wanted) for page, wanted in bulk.rasters.items()})
        if bulk.executor is None:
            runs = self._runs(document, bulk.rasters, 1)  # a reader's request for a page under way joins it, page by page
            self._collect(bulk, _run_all(_OwnWorkers(self._images, document), runs, RUNS_UNDER_WAY), tally)
        else:
            todo = {page: self._without_stored(page, wanted, tally) for page, wanted in bulk.rasters.items()}
            if bulk.progress is not None and tally.pages_done:
                bulk.progress(tally.pages_done, tally.pages)
            with keeper_for(keeper.store, keeper.profile, document.trust_domain) as keep:
                runs = (replace(run, keep=keep) for run in self._runs(document, todo, RUN_PAGES))
                self._collect(bulk, _run_all(bulk.executor, runs, RUNS_UNDER_WAY), tally)
        keeper.store.flush()
        return PrerenderReport(tally.pages, tally.rendered, tally.stored_already, tally.failed, tally.problems)

    def _collect(self, bulk: Bulk, answers: Iterator[list[BulkResult]], tally: _Tally) -> None:
        for results in answers:
            for result in results:
                if result.content_id is not None:
                    self._store(bulk.document, result, result.content_id)
                if tally.count(result) and bulk.progress is not None:
                    bulk.progress(tally.pages_done, tally.pages)

    def _without_stored(self, page: int, wanted: Sequence[Request], tally: _Tally) -> list[Request]:
        keeper = self._images.keeper
        missing = []
        try:
            for document in {request.document for request in wanted}:
                document.content_id(page)  # known from here on
        except PageError as error:
            for request in wanted:
                tally.count(BulkResult(raster=_raster(request), error=error))
            return []
        for request in wanted:
            key = keeper.key(request)
            if key is not None and keeper.store.contains(key):
                problems = _problems_of(request, keeper.store.get(key))
                tally.count(BulkResult(raster=_raster(request), was_stored=True, problems=problems))
            else:
                missing.append(request)
        return missing

    def _runs(self, document: Document, todo: Mapping[int, Sequence[Request]], run_pages: int) -> Iterator[BulkRun]:
        profile = self._images.keeper.profile
        pages = [page for page, wanted in todo.items() if wanted]
        for first in range(0, len(pages), run_pages):
            rasters = tuple(_raster(one) for page in pages[first : first + run_pages] for one in todo[page])
            yield BulkRun(
                document=document.ref,
                data=document.data,
                rasters=rasters,
                image_format=profile.image_format,
                quality=profile.quality,
                font_set=self._font_set,
                display_list_bytes=self._images.settings.display_list_bytes,
            )

    def _store(self, document: Document, result: BulkResult, content_id: str) -> None:
        """Keep a record from a foreign executor, unless the executor has kept it. If the document was
        withdrawn, keep nothing.
        """
        keeper = self._images.keeper
        document.problems.learn(result.raster.page, result.problems)
        keeper.count_render()
        if document.withdrawn.is_set():
            keeper.store.purge(keys.scoped_id(content_id, document.trust_domain))
        elif result.record is not None:
            key, record = to_keep(result, result.record, keeper.profile, keys.scoped_id(content_id, document.trust_domain))
            keeper.keep(key, record, Priority.BULK, keeper.purges, lambda: None)


def _raster(request: Request) -> BulkRaster:
    return BulkRaster(request.page, request.spec, request.is_preview)


class WholePages(Protocol):
    """In which sizes whole pages are made: see `Sizes`."""

    @property
    def levels(self) -> Sequence[int] | None: ...
    @property
    def widths_px(self) -> Sequence[int]: ...
    @property
    def heights_px(self) -> Sequence[int]: ...


def rasters_of(images: Images, document: Document, pages: Sequence[int], sizes: WholePages) -> dict[int, list[Request]]:
    """By page: its rasters at some levels (the preview and the largest single-image level, unless told) and sizes.

    A page with fewer levels than asked for has its finest. Raises PageNotFound, RequestError.
    """
    for page in pages:
        document.require_page(page)
    levels = sizes.levels
    _require_levels(document, pages, levels or ())
    found: dict[int, list[Request]] = {}
    for page in pages:
        pyramid = document.pyramid(page)
        finest = len(pyramid.levels) - 1
        chosen = [0, pyramid.screen_level.index] if levels is None else [min(level, finest) for level in levels]
        wanted = [one for level in dict.fromkeys(chosen) for one in images.level(document, page, level)]
        wanted += [images.whole_page(document, page, width_px).request for width_px in sizes.widths_px]
        wanted += [images.whole_page(document, page, None, height_px).request for height_px in sizes.heights_px]
        found[page] = wanted
    return found


class _Tally:
    """Counts rasters, and pages when the last raster of one is done."""

    def __init__(self, rasters_left: dict[int, int]) -> None:
        self._rasters_left = rasters_left
        self.pages = len(rasters_left)
        self.pages_done = 0
        self.rendered = 0
        self.stored_already = 0
        self.failed: dict[int, SidebooksError] = {}
        self.problems: dict[int, tuple[str, ...]] = {}

    def count(self, result: BulkResult) -> bool:
        """Count a raster. True if it was the last one of its page."""
        page = result.raster.page
        if result.error is not None:
            self.failed.setdefault(page, result.error)
        elif result.was_stored:
            self.stored_already += 1
        else:
            self.rendered += 1
        if result.problems:
            self.problems[page] = tuple(dict.fromkeys((*self.problems.get(page, ()), *result.problems)))
        self._rasters_left[page] -= 1
        if self._rasters_left[page]:
            return False
        self.pages_done += 1
        return True


class _OwnWorkers(Executor):
    """Our own workers as an executor. Runs go through the service's queue as BULK, so all work for readers goes first."""

    def __init__(self, images: Images, document: Document) -> None:
        self._images = images
        self._document = document

    def submit(self, fn: Callable[..., T], /, *args: object, **kwargs: object) -> Future[T]:
        if fn is not render_run or kwargs or len(args) != 1 or not isinstance(args[0], BulkRun):
            raise RequestError("the workers of a service run nothing but render_run(run)")
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        run = _OwnRun(cast("Future[list[BulkResult]]", future), len(args[0].rasters))
        for raster in args[0].rasters:
            request = Request(self._document, raster.page, raster.spec)
            self._images.find(request, Priority.BULK).add_done_callback(partial(run.ended, request))
        return future


class _OwnRun:
    """Collects the results of the rasters of one run."""

    def __init__(self, future: Future[list[BulkResult]], rasters: int) -> None:
        self._future = future
        self._rasters = rasters
        self._lock = threading.Lock()
        self._results: list[BulkResult] = []

    def ended(self, request: Request, found: Future[Found]) -> None:
        error = found.exception()
        record = found.result().record if error is None else None
        result = BulkResult(
            raster=_raster(request),
            error=error if isinstance(error, SidebooksError) else None,
            was_stored=error is None and found.result().source != "render",
            problems=_problems_of(request, record),
        )
        with self._lock:
            self._results.append(result)
            is_complete = len(self._results) == self._rasters
        if is_complete:
            self._future.set_result(self._results)


def _require_levels(document: Document, pages: Sequence[int], levels: Sequence[int]) -> None:
    """Raises RequestError for a level that none of the pages has."""
    most = max((len(document.pyramid(page).levels) for page in pages), default=0)
    for level in levels:
        if not (type(level) is int and 0 <= level < most):
            what = f"{document.name} has no level {level!r}: its levels are 0 to {most - 1}"
            raise RequestError(what, document_id=document.id)


def _run_all(executor: Executor, runs: Iterator[BulkRun], limit: int) -> Iterator[list[BulkResult]]:
    """The results in the order in which runs end. At most `limit` runs are under way."""
    under_way: set[Future[list[BulkResult]]] = set()
    try:
        for run in runs:
            under_way.add(executor.submit(render_run, run))
            if len(under_way) >= limit:
                ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ended)
        while under_way:
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ended)
    finally:
        for future in under_way:
            future.cancel()


def _problems_of(request: Request, record: Record | None) -> tuple[str, ...]:
    """The problems that a record lists; the document remembers them. None for a record that cannot be read."""
    try:
        problems = problems_of(record.data) if record is not None else ()
    except RecordUnreadable:
        return ()  # the next request for the page gets an error, and a later one draws it again
    request.document.problems.learn(request.page, problems)
    return problems
