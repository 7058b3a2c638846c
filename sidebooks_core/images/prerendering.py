"""Filling the cache ahead of the readers, on our own workers or on any executor whose tasks run in other processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import RecordUnreadable, problems_of
from sidebooks_core.errors import RequestError, SidebooksError
from sidebooks_core.images.keeping import keeper_for, to_keep
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.bulk import BulkResult, BulkRun, render_run

if TYPE_CHECKING:
    from sidebooks_core.service import TileService

ProgressCallback = Callable[[int, int], None]
"""Told (pages done, pages in all)."""

RUN_PAGES = 8
"""Pages a task has on a foreign executor: a task costs milliseconds to hand out there, and its records travel at once."""
RUNS_UNDER_WAY = 16
"""Bounds what waits and what has come back and is not stored yet."""


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


def prerender(
    service: TileService,
    document: Document,
    pages: Iterable[int] | None,
    levels: Sequence[int] | None,
    widths_px: Sequence[int],
    fitted: Callable[[Sequence[int]], Mapping[int, Sequence[RasterSpec]]],
    progress: ProgressCallback | None,
    executor: Executor | None,
) -> PrerenderReport:
    """See `TileService.prerender`. fitted: by page, the rasters for the screens in use."""
    wanted = list(range(document.page_count)) if pages is None else list(dict.fromkeys(pages))
    for page in wanted:
        document.require_page(page)
    _require_levels(document, wanted, levels or ())
    fitted_of = fitted(wanted)
    rasters_of = {
        page: list(dict.fromkeys([*_rasters(service, document, page, levels, widths_px), *fitted_of.get(page, ())]))
        for page in wanted
    }
    tally = _Tally({page: len(rasters) for page, rasters in rasters_of.items()})
    if executor is None:
        runs = _runs(service, document, rasters_of, 1)  # a reader's request for a page under way joins it, page by page
        _collect(service, document, _run_all(_OwnWorkers(service, document), runs, RUNS_UNDER_WAY), tally, progress)
    else:
        todo = {page: _without_stored(service, document, page, specs, tally) for page, specs in rasters_of.items()}
        if progress is not None and tally.pages_done:
            progress(tally.pages_done, len(wanted))
        with keeper_for(service.store, service.profile, document.trust_domain) as keep:
            runs = (replace(run, keep=keep) for run in _runs(service, document, todo, RUN_PAGES))
            _collect(service, document, _run_all(executor, runs, RUNS_UNDER_WAY), tally, progress)
    service.store.flush()
    return PrerenderReport(len(wanted), tally.rendered, tally.stored_already, tally.failed, tally.problems)


def _collect(
    service: TileService,
    document: Document,
    answers: Iterator[list[BulkResult]],
    tally: _Tally,
    progress: ProgressCallback | None,
) -> None:
    for results in answers:
        for result in results:
            if result.content_id is not None:
                _store(service, document, result)
            if tally.count(result) and progress is not None:
                progress(tally.pages_done, tally.pages)


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
        """True when a page is complete with it."""
        if result.error is not None:
            self.failed.setdefault(result.page, result.error)
        elif result.was_stored:
            self.stored_already += 1
        else:
            self.rendered += 1
        if result.problems:
            self.problems[result.page] = tuple(dict.fromkeys((*self.problems.get(result.page, ()), *result.problems)))
        self._rasters_left[result.page] -= 1
        if self._rasters_left[result.page]:
            return False
        self.pages_done += 1
        return True


class _OwnWorkers(Executor):
    """Our own workers as an executor: runs go through the service's queue, below everything a reader wants."""

    def __init__(self, service: TileService, document: Document) -> None:
        self._service = service
        self._document = document

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is not render_run or kwargs or len(args) != 1 or not isinstance(args[0], BulkRun):
            raise RequestError("the workers of a service run nothing but render_run(run)")
        run: BulkRun = args[0]
        future: Future[list[BulkResult]] = Future()
        results: list[BulkResult] = []
        lock = threading.Lock()

        def done_with(page: int, spec: RasterSpec) -> Callable[[Record | None, str, SidebooksError | None], None]:
            def done(record: Record | None, source: str, error: SidebooksError | None) -> None:
                problems = _problems_of(self._document, page, record)
                was_stored = source != "render"
                with lock:
                    results.append(BulkResult(page=page, spec=spec, error=error, was_stored=was_stored, problems=problems))
                    complete = len(results) == len(run.rasters)
                if complete:
                    future.set_result(results)

            return done

        future.set_running_or_notify_cancel()
        for page, spec in run.rasters:
            done = done_with(page, spec)
            try:
                self._service.records.want(self._document, page, spec, done, priority=Priority.BULK)
            except SidebooksError as error:
                done(None, "render", error)
        return future


def _require_levels(document: Document, pages: Sequence[int], levels: Sequence[int]) -> None:
    """Raises RequestError for a level that none of the pages has."""
    most = max((len(document.pyramid(page).levels) for page in pages), default=0)
    for level in levels:
        if not (type(level) is int and 0 <= level < most):
            what = f"{document.name} has no level {level!r}: its levels are 0 to {most - 1}"
            raise RequestError(what, document_id=document.id)


def _rasters(
    service: TileService, document: Document, page: int, levels: Sequence[int] | None, widths_px: Sequence[int]
) -> list[RasterSpec]:
    """The rasters wanted of a page, without repetition. A page with fewer levels than asked for has its finest."""
    pyramid = document.pyramid(page)
    finest = len(pyramid.levels) - 1
    chosen = [0, pyramid.screen_level.index] if levels is None else [min(level, finest) for level in levels]
    specs = [spec for level in dict.fromkeys(chosen) for spec in service.level_specs(document, page, level)]
    specs += [service.page_spec(document, page, width_px, None) for width_px in widths_px]
    return list(dict.fromkeys(specs))


def _without_stored(
    service: TileService, document: Document, page: int, specs: list[RasterSpec], tally: _Tally
) -> list[RasterSpec]:
    missing = []
    for spec in specs:
        key = keys.record_key(document.content_id(page), spec, service.profile)
        if service.store.contains(key):
            problems = _problems_of(document, page, service.store.get(key))
            tally.count(BulkResult(page=page, spec=spec, was_stored=True, problems=problems))
        else:
            missing.append(spec)
    return missing


def _runs(service: TileService, document: Document, todo: dict[int, list[RasterSpec]], run_pages: int) -> Iterator[BulkRun]:
    pages = [page for page, specs in todo.items() if specs]
    for first in range(0, len(pages), run_pages):
        rasters = tuple((page, spec) for page in pages[first : first + run_pages] for spec in todo[page])
        yield service.bulk_run(document, rasters)


def _run_all(executor: Executor, runs: Iterator[BulkRun], limit: int) -> Iterator[list[BulkResult]]:
    """Results as they come, never more than `limit` runs under way."""
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


def _problems_of(document: Document, page: int, record: Record | None) -> tuple[str, ...]:
    """What a record tells of its page; the document remembers it. Of one that cannot be read nothing is known."""
    try:
        problems = problems_of(record.data) if record is not None else ()
    except RecordUnreadable:
        return ()  # who asks for the page is told, and it is drawn again
    document.problems.learn(page, problems)
    return problems


def _store(service: TileService, document: Document, result: BulkResult) -> None:
    """Keep what a foreign executor drew, unless it has done so itself. Of a document withdrawn meanwhile nothing is kept."""
    assert result.content_id is not None
    document.problems.learn(result.page, result.problems)
    service.records.count_render()
    if document.withdrawn.is_set():
        service.store.purge(keys.scoped_id(result.content_id, document.trust_domain))
    elif result.record is not None:
        key, record = to_keep(result, service.profile, document.trust_domain)
        service.records.keep(key, record, Priority.BULK, lambda: None)
