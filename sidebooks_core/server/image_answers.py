"""Makes responses of images: from memory, from disk, drawn, coarse under load, derived, and many in one record.

Belongs to the event loop: whatever may wait goes through a future or a thread, and a client that leaves takes its queued work
along.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import Future

from msgspec import Struct

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, unpack_tile
from sidebooks_core.errors import PageError, QueueFull
from sidebooks_core.images.tile import Tile
from sidebooks_core.images.tile_making import tile_of
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import coarse, headers, responses
from sidebooks_core.server.fast_path import FastPath
from sidebooks_core.server.http import Headers, HttpRequest, HttpResponse
from sidebooks_core.server.iiif.plan import RasterPlan
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.waiting import Waiting
from sidebooks_core.service import TileService
from sidebooks_core.stores.record import Record
from sidebooks_core.tiling.raster import RasterSpec

MAX_WAITING = 512
"""Renders before a request's turn from which on it gets 503. What is in memory or on disk is never refused."""
LOADED_WAITING = 8
"""Renders before a request's turn, for each worker, from which on it is answered with a coarser image that is at hand. A
hundred tablets that turn to the same page wait for one render."""
IN_A_ROW_S = 0.02
BUNDLE_TYPE = "application/vnd.sidebooks.bundle"


class WantedTile(Struct, frozen=True):
    """One tile of a raster of a page; column and row count from the raster's own first tile."""

    document: Document
    page: int
    spec: RasterSpec
    column: int = 0
    row: int = 0
    image_format: str | None = None


class ImageAnswers:
    """Makes responses out of tiles of one service."""

    def __init__(self, service: TileService, fast_path: FastPath, pools: Pools) -> None:
        self.service = service
        self._fast_path = fast_path
        self._pools = pools
        self._joined = JoinedWork()
        self.waiting = Waiting()
        self.loaded = LOADED_WAITING * service.settings.workers
        """Renders before a request's turn from which on it gets a coarser image."""

    async def tile(self, request: HttpRequest, wanted: WantedTile, links: Headers | None = None) -> HttpResponse:
        """One tile, or a coarser image for a moment if too much waits. links: further headers."""
        key = await self._key(request, wanted)
        tag = keys.etag(key, wanted.column, wanted.row)
        if request.has_etag(tag):
            return responses.unchanged(tag, wanted.document.problems.of(wanted.page), links)
        is_loaded = key not in self.waiting and self.waiting.before(request.client) >= self.loaded
        if is_loaded and self._in_memory(wanted) is None:
            passing = await self._coarse(request, wanted, links)
            if passing is not None:
                return passing
        tile = await self._get(request, wanted)
        own = headers.image(tile.media_type, tag, tile.problems, links or [])
        self._fast_path.learn(request, key, wanted.column, wanted.row, tag, own)
        return responses.image(request, tile.data, own)

    def are_awaited(self) -> bool:
        """Whether somebody waits for an image that is drawn or queued, or images are sent one after the other just now."""
        return bool(self.waiting) or time.perf_counter() - self._fast_path.answered_s < IN_A_ROW_S

    async def _key(self, request: HttpRequest, wanted: WantedTile) -> str:
        """Of the record that holds it; waits for the page to be identified."""
        document, page = wanted.document, wanted.page
        if document.known_content_id(page) is None:
            client = request.client
            joined = (document, page) if len(self.waiting) < self.loaded else (document, page, client)
            await self._joined.get(request, joined, lambda: self._identify(document, page, client))
        return self._key_of(wanted)

    async def _identify(self, document: Document, page: int, client: str) -> None:
        future = self.service.submit_identify(document, page, client)
        key = f"identify {document.ref.token} {page}"
        self.waiting.add(key, client)
        try:
            await asyncio.wrap_future(future)
        finally:
            self.waiting.remove(key, client)

    def _key_of(self, wanted: WantedTile) -> str:
        return self.service.records.key(wanted.document.content_id(wanted.page), wanted.spec, wanted.image_format)

    async def _coarse(self, request: HttpRequest, wanted: WantedTile, links: Headers | None) -> HttpResponse | None:
        """What stands in while too much waits; None without anything coarser. The sharp one is drawn when its turn comes."""
        found = coarse.at_hand(self.service, wanted.document, wanted.page, wanted.spec)
        if found is None:
            return None
        future = await self._pools.run("images", self._submit, wanted, Priority.PAGE, request.client)
        if future.done():
            return None
        image_format = wanted.image_format or self.service.settings.image_format
        made = await self._pools.run("derived", coarse.stand_in, *found, wanted.spec, wanted.column, wanted.row, image_format)
        own = headers.coarse_image(made.media_type, found[1], found[0].problems, links or [])
        request.source = "coarse"
        return responses.image(request, made.data, own)

    async def _get(self, request: HttpRequest, wanted: WantedTile) -> Tile:
        held = self._in_memory(wanted)
        if held is not None:
            return held
        client = request.client
        # Under load each client has its own request, which the service joins: what another asked for may come up late.
        joined = wanted if len(self.waiting) < self.loaded else (wanted, client)
        tile, request.source = await self._joined.get(request, joined, lambda: self._make(wanted, client))
        return tile

    async def _make(self, wanted: WantedTile, client: str) -> tuple[Tile, str]:
        """A tile that is not in memory, and where it was found. Cancelled, it drops what is queued and nobody else wants."""
        submitting = asyncio.ensure_future(self._pools.run("images", self._submit, wanted, Priority.VISIBLE, client))
        try:
            future: Future[Tile] = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            submitting.add_done_callback(_drop)
            raise
        if future.done():
            return future.result(), "disk"
        key = self._key_of(wanted)
        if key not in self.waiting and self.waiting.before(client) >= MAX_WAITING:
            future.cancel()
            raise QueueFull("too many images are being made just now")
        self.waiting.add(key, client)
        try:
            return await asyncio.wrap_future(future), "render"
        finally:
            self.waiting.remove(key, client)

    def _in_memory(self, wanted: WantedTile) -> Tile | None:
        return self.service.tile_in_memory(
            wanted.document, wanted.page, wanted.spec, wanted.column, wanted.row, wanted.image_format
        )

    def _submit(self, wanted: WantedTile, priority: Priority, client: str) -> Future[Tile]:
        return self.service.submit_raster(
            wanted.document, wanted.page, wanted.spec, wanted.column, wanted.row, priority, client, wanted.image_format
        )

    async def derived(
        self, request: HttpRequest, document: Document, page: int, chosen: RasterPlan, image_format: str, links: Headers
    ) -> HttpResponse:
        recipe = chosen.recipe
        assert recipe is not None
        plain = WantedTile(document, page, chosen.spec, image_format="png")
        source_key = await self._key(request, plain)
        key = keys.derived_key(source_key, f"{recipe.name} {image_format} {self.service.settings.quality}")
        tag = keys.etag(key, 0, 0)
        if request.has_etag(tag):
            return responses.unchanged(tag, document.problems.of(page), links)
        stored = await self._pools.run("images", self.service.store.get, key)
        if stored is not None:
            try:
                packed = unpack_tile(stored.data, 0, 0)
                return _image(request, tile_of(document, page, packed, tag), links)
            except RecordUnreadable:
                await self._pools.run("images", self.service.store.delete, key)
        source = await self._get(request, plain)

        def make() -> Tile:
            from sidebooks_core.encoding.derive import derive  # numpy and Pillow: only for those who turn images

            started_s = time.perf_counter()
            made = derive(source.data, source.media_type, recipe, image_format, self.service.settings.quality)
            width_px, height_px = recipe.width_px, recipe.height_px
            if recipe.rotation in (90, 270):
                width_px, height_px = height_px, width_px
            data = pack([PackedTile(made.data, made.media_type, width_px, height_px)], 1, source.problems)
            self.service.store.put(key, Record(data, document.content_id(page), time.perf_counter() - started_s))
            return Tile(made.data, made.media_type, width_px, height_px, tag, source.problems)

        return _image(request, await self._pools.run("derived", make), links)

    async def bundle(self, request: HttpRequest, document: Document, page: int, level_index: int) -> HttpResponse:
        """All tiles of a level in one answer, as a record (rendering.packing): for clients that count requests."""
        level = document.pyramid(page).levels[level_index]
        spec, _, _ = self.service.place(document, page, level.index, 0, 0)
        tag = f"{await self._key(request, WantedTile(document, page, spec))}-bundle"
        if request.has_etag(tag):
            return responses.unchanged(tag)
        tiles = []
        problems: dict[str, None] = {}
        for row in range(level.rows):
            for column in range(level.columns):
                place = self.service.place(document, page, level.index, column, row)
                tile = await self._get(request, WantedTile(document, page, *place))
                tiles.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                problems.update(dict.fromkeys(tile.problems))
        data = pack(tiles, level.columns, problems)
        return _image(request, Tile(data, BUNDLE_TYPE, 0, 0, tag, tuple(problems)), [])

    async def previews(self, request: HttpRequest, document: Document, first: int, last: int) -> HttpResponse:
        """The previews of some pages in one answer, a record of one column. One that fails is a message of width 0."""
        tiles: list[Tile | Future[Tile]] = []
        try:
            for page in range(first, last + 1):
                spec = self.service.place(document, page, 0, 0, 0)[0]
                wanted = WantedTile(document, page, spec)
                held = self._in_memory(wanted)
                if held is None:
                    tiles.append(await self._pools.run("images", self._submit, wanted, Priority.PREVIEW, request.client))
                else:
                    tiles.append(held)
        except BaseException:
            _cancel(tiles)
            raise
        made: list[PackedTile] = []
        tags = hashlib.blake2b(digest_size=16)
        is_complete = True
        for one in tiles:
            try:
                tile = one if isinstance(one, Tile) else await request.unless_gone(asyncio.wrap_future(one))
                made.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                tags.update(tile.etag.encode())
            except PageError as error:
                made.append(PackedTile(str(error).encode("utf-8", "replace"), "text/plain; charset=utf-8", 0, 0))
                is_complete = False
            except BaseException:
                _cancel(tiles)
                raise
        tag = f"{tags.hexdigest()}-previews" if is_complete else None
        if tag is not None and request.has_etag(tag):
            return responses.unchanged(tag)
        return HttpResponse(200, pack(made, 1), headers.bundle(BUNDLE_TYPE, tag))


def _image(request: HttpRequest, tile: Tile, links: Headers) -> HttpResponse:
    return responses.image(request, tile.data, headers.image(tile.media_type, tile.etag, tile.problems, links))


def _cancel(tiles: Iterable[Tile | Future[Tile]]) -> None:
    for left in tiles:
        if isinstance(left, Future):
            left.cancel()


def _drop(submitting: asyncio.Future[Future[Tile]]) -> None:
    """Its client left before it was queued."""
    if not submitting.cancelled() and submitting.exception() is None:
        submitting.result().cancel()
