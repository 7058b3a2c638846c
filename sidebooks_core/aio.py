"""The service for programs with asyncio: each method waits without holding up the event loop. Thin: `TileService` does it all.

What a method does, takes and raises, the method of the same name of `TileService` says. A task that is cancelled drops its
work, if nobody else wants it and no worker has begun it. A `Reader` returns at once, so it needs no other face.

progress: called from another thread; use `loop.call_soon_threadsafe` for what belongs to the loop. That of `iter_search` alone
is called from the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, Unpack

from sidebooks_core.documents.model import DocumentInspection, Link, MatchOptions, SearchHit, Word
from sidebooks_core.errors import require_type
from sidebooks_core.images.prerendering import PrerenderReport, ProgressCallback
from sidebooks_core.images.tile import Tile
from sidebooks_core.library.remembered import Given
from sidebooks_core.service import (
    Document,
    Opening,
    PageSize,
    PrerenderedDocument,
    Prerendering,
    PrerenderProgress,
    Sizes,
    TileService,
)
from sidebooks_core.service.asking import matching_of
from sidebooks_core.service.core import require_document
from sidebooks_core.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")


class AsyncTileService:
    """A `TileService`, which it makes unless it is given one. `await close()` it, or use it in an `async with` block."""

    def __init__(self, settings: Settings | None = None, *, service: TileService | None = None) -> None:
        """service: one that others use, too; closing this does not close that."""
        self._is_own = service is None
        self.service = service or TileService(settings)
        """For what needs no waiting: `reader`, `statistics`."""

    async def open(self, source: Given, password: str | None = None, **options: Unpack[Opening]) -> Document:
        return await asyncio.wrap_future(self.service.submit_open(source, password, **options))

    async def tile(self, document: Document, page: int, level: int, column: int, row: int) -> Tile:
        return await asyncio.wrap_future(self.service.submit(document, page, level, column, row))

    async def page_image(self, document: Document, page: int, **size: Unpack[PageSize]) -> Tile:
        return await asyncio.wrap_future(self.service.submit_page_image(document, page, **size))

    async def region_image(
        self, document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int
    ) -> Tile:
        return await asyncio.wrap_future(self.service.submit_region_image(document, page, region_pt, width_px))

    async def images(
        self, document: Document, pages: Iterable[int] | None = None, **size: Unpack[PageSize]
    ) -> AsyncGenerator[Tile, None]:
        """`async for` goes through the pages."""
        with self.service.images(document, pages, **size) as found:
            while (future := found.next_future()) is not None:
                yield await asyncio.wrap_future(future)

    async def text(self, document: Document, page: int) -> tuple[Word, ...]:
        return await asyncio.wrap_future(self.service.submit_text(document, page))

    async def links(self, document: Document, page: int) -> tuple[Link, ...]:
        return await asyncio.wrap_future(self.service.submit_links(document, page))

    async def search(
        self, document: Document, query: str, *, limit: int = 1000, **matching: Unpack[MatchOptions]
    ) -> list[SearchHit]:
        return await asyncio.wrap_future(self.service.submit_search(document, query, limit=limit, **matching))

    async def iter_search(
        self,
        document: Document,
        query: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        **matching: Unpack[MatchOptions],
    ) -> AsyncGenerator[SearchHit, None]:
        """`async for` goes through the hits. progress: called from the event loop."""
        require_document(self.service, document)
        require_type(query, str, "query", "a text")
        ask = partial(self.service.parts.questions.search, document, query, matching=matching_of(matching))
        step, is_under_way = ask(0), True
        try:
            while is_under_way:
                more = await asyncio.wrap_future(step)
                is_under_way = more.reached < document.page_count
                if is_under_way:
                    step = ask(more.reached)
                if progress is not None:
                    progress(more.reached, document.page_count)
                for hit in more.hits:
                    yield hit
        finally:
            step.cancel()  # of no effect if it is done

    async def inspect(self, document: Document, progress: ProgressCallback | None = None) -> DocumentInspection:
        return await _stoppable(lambda told: self.service.inspect(document, told), progress)

    async def prerender(
        self, document: Document, pages: Iterable[int] | None = None, **options: Unpack[Prerendering]
    ) -> PrerenderReport:
        told = options.pop("progress", None)
        return await _stoppable(lambda progress: self.service.prerender(document, pages, progress, **options), told)  # type: ignore[misc]

    async def prerender_all(
        self,
        sources: Iterable[Document | Given],
        progress: Callable[[PrerenderProgress], None] | None = None,
        *,
        password: str | None = None,
        fit_px: Sequence[tuple[int, int]] = (),
        sizes: Sizes | None = None,
        executor: Executor | None = None,
    ) -> list[PrerenderedDocument]:
        fill = partial(self.service.prerender_all, password=password, fit_px=fit_px, sizes=sizes, executor=executor)
        return await _stoppable(lambda told: fill(sources, told), progress)

    async def close(self) -> None:
        if self._is_own:
            await asyncio.to_thread(self.service.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _Stopped(Exception):
    """The task that waited was cancelled."""


async def _stoppable(work: Callable[[Callable[P, None]], T], told: Callable[P, None] | None) -> T:
    """Work in a thread that ends after its present page if the task is cancelled. told: its progress, from that thread."""
    stopped = threading.Event()

    def progress(*args: P.args, **kwargs: P.kwargs) -> None:
        if stopped.is_set():
            raise _Stopped
        if told is not None:
            told(*args, **kwargs)

    try:
        return await asyncio.to_thread(work, progress)
    finally:
        stopped.set()
