"""Gives each request its image: from memory, from a store below it, or from a flight that equal requests join."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from functools import partial

from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import RecordUnreadable, unpack_tile
from sidebooks_core.errors import RenderFailed
from sidebooks_core.images import requests
from sidebooks_core.images.answers import Answer
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.keeping import Keeper
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.images.seeking import Seeker, identifying
from sidebooks_core.images.tile import Tile, tile_of
from sidebooks_core.images.work import Found, Wanted, fail, resolve
from sidebooks_core.keys import etag
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings
from sidebooks_core.stores.record import Record


class Images:
    """Finds images for readers, the server and prerendering. Thread-safe.

    `keeper` knows the records in the stores, and keeps new ones.
    """

    def __init__(self, settings: Settings, keeper: Keeper, dispatcher: Dispatcher, seeker: Seeker) -> None:
        self.settings = settings
        self.keeper = keeper
        self._dispatcher = dispatcher
        self._seeker = seeker
        self._processors = _processor_count()

    def place(self, document: Document, page: int, level: int, column: int, row: int) -> TilePlace:
        """A tile of a level. Raises PageNotFound, RequestError."""
        return requests.of_tile(document, page, (level, column, row), self.settings.raster_pixels)

    def whole_page(self, document: Document, page: int, width_px: int | None, height_px: int | None = None) -> TilePlace:
        """A whole page at an exact width or height; with both, as large as fits. Raises PageNotFound, RequestError."""
        request = requests.of_page(document, page, (width_px, height_px), self.settings.raster_pixels)
        return TilePlace(request, 0, 0)

    def level(self, document: Document, page: int, level: int) -> list[Request]:
        """The rasters that make up a whole level. Raises PageNotFound, RequestError."""
        return requests.of_level(document, page, level, self.settings.raster_pixels)

    def region(self, document: Document, page: int, region_pt: tuple[float, float, float, float], width_px: int) -> TilePlace:
        """A part of a page, (x0, y0, x1, y1) in points, at an exact width. Raises PageNotFound, RequestError."""
        request = requests.of_region(document, page, region_pt, width_px, self.settings.raster_pixels)
        return TilePlace(request, 0, 0)

    def submit(self, at: TilePlace, priority: Priority = Priority.VISIBLE, client: str = "") -> Future[Tile]:
        """A tile. Cancelling the future drops the work, if nobody else wants it and no worker has begun it.

        client: the request takes turns in the queue under this name. Raises RequestError; all other errors come by the future.
        """
        tile: Answer[Tile] = Answer()
        started_s = time.perf_counter()
        record = self.at_hand(at.request)
        if record is not None:  # without a future of the record, which takes as long as all the rest of this
            self._cut(tile, at, Found(record, "memory"), priority, started_s)
            return tile
        found = self.find(at.request, priority, client)
        found.add_done_callback(partial(self._deliver, tile, at, priority, started_s))
        if not tile.done():
            tile.add_done_callback(partial(_cancel_too, found))
        return tile

    def find(self, request: Request, priority: Priority = Priority.VISIBLE, client: str = "") -> Future[Found]:
        """The record of a raster. If the record was found, the future is done when this returns.

        This looks into the stores, so it may wait for a disk. Cancelling, client and errors: as for `submit`.
        """
        wanted = Wanted(Answer(), priority, client, request, self.keeper.purges)
        flights = self._seeker.seek(wanted, request)
        if flights:
            self._dispatcher.enter(flights)
        if not wanted.future.done():
            self._dispatcher.watch(wanted)
            record = self.keeper.in_memory(request)  # an earlier flight may have landed since the look
            if record is not None and self._dispatcher.forget(wanted):
                resolve(wanted.future, Found(record, "memory"))
        return wanted.future

    def identify(self, document: Document, page: int, priority: Priority = Priority.VISIBLE, client: str = "") -> Future[None]:
        """A future that is done when the content id of a page is known. Cancelling and errors: as for `submit`."""
        wanted = Wanted(Answer(), priority, client)
        if document.known_content_id(page) is not None:
            resolve(wanted.future, None)
        else:
            self._dispatcher.enter([identifying(self.settings, document, page, wanted)])
            self._dispatcher.watch(wanted)
        return wanted.future

    def at_hand(self, request: Request) -> Record | None:
        """The record if it is in memory, or if a worker has drawn it and still identifies its page. Never waits. Raises
        RequestError.
        """
        return self._dispatcher.shown(request) or self.keeper.in_memory(request)

    def stored(self, request: Request) -> Found | None:
        """The record if it is in memory or in a store below it. May wait for a disk. Raises RequestError."""
        key = self.keeper.key(request)
        return None if key is None else self.keeper.find(key)

    def tile_in_memory(self, at: TilePlace) -> Tile | None:
        """A tile if it is in memory. Never waits. Raises RequestError."""
        started_s = time.perf_counter()
        record = self.at_hand(at.request)
        if record is None:
            return None
        try:
            packed = unpack_tile(record.data, at.column, at.row)
        except RecordUnreadable:
            return None  # `submit` gives the request its error
        self.keeper.count_shown(at.request, "memory", time.perf_counter() - started_s)
        return tile_of(at.request, packed, self.etag(at))

    def etag(self, at: TilePlace) -> str:
        """The ETag of a tile, which need not be drawn for this. Raises RequestError."""
        return etag(self.keeper.tag(at.request), at.column, at.row)

    def is_crowded(self) -> bool:
        """Whether the workers keep all processors busy. Then the system wakes a sleeping thread late."""
        return self.settings.workers + 1 - self._dispatcher.idle_count() >= self._processors

    def _deliver(self, tile: Future[Tile], at: TilePlace, priority: Priority, started_s: float, future: Future[Found]) -> None:
        if future.cancelled():
            return  # the owner of the tile's future cancelled it
        error = future.exception()
        if error is not None:
            fail(tile, error)
            return
        self._cut(tile, at, future.result(), priority, started_s)

    def _cut(self, tile: Future[Tile], at: TilePlace, found: Found, priority: Priority, started_s: float) -> None:
        """Cut a tile out of the record that was found, and resolve its future."""
        try:
            packed = unpack_tile(found.record.data, at.column, at.row)
        except RecordUnreadable as damage:
            self.keeper.discard(at.request)
            document, page = at.request.document, at.request.page
            what = f"{document.name}, page {page + 1}: the store returned a damaged record, now removed ({damage}); ask again"
            fail(tile, RenderFailed(what, document_id=document.id, page=page))
            return
        self.keeper.count_shown(at.request, found.source, time.perf_counter() - started_s, priority)
        resolve(tile, tile_of(at.request, packed, self.etag(at)))


def _cancel_too(found: Future[Found], tile: Future[Tile]) -> None:
    if tile.cancelled():
        found.cancel()


def _processor_count() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
