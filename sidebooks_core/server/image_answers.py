"""Makes responses of images: from memory, from disk, drawn, coarse under load, derived, and many in one record.

Each image is checked against the reader's limits here (`allowance.require`), and marked with the reader's name if it must be,
so no handler can forget it.

Belongs to the event loop. Work that may wait goes through a future or a thread. If a client leaves, its queued work is
dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from msgspec.structs import replace
from starlette.types import Receive

from sidebooks_core import keys
from sidebooks_core.encoding.recipe import Recipe
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, unpack_tile
from sidebooks_core.errors import PageError, QueueFull
from sidebooks_core.images.requests import TilePlace, in_format
from sidebooks_core.images.tile import Tile, tile_of
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import allowance, coarse, headers, responses
from sidebooks_core.server.fast_path import Answer, FastPath
from sidebooks_core.server.http import Headers, HttpRequest, HttpResponse
from sidebooks_core.server.iiif.plan import RasterPlan
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.server.marks import Mark, Marks
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.waiting import Waiting
from sidebooks_core.service import Document, TileService
from sidebooks_core.stores.record import Record

if TYPE_CHECKING:  # numpy and Pillow: only for those who turn or mark images
    from sidebooks_core.encoding.encode import EncodedImage

MAX_WAITING = 512
"""If so many renders come before a request's turn, the response is 503. Images in memory or on disk are never refused."""
LOADED_WAITING = 8
"""If so many renders for each worker come before a request's turn, the response is a coarser image, if one is in memory. A
hundred tablets that turn to the same page wait for one render."""
IN_A_ROW_S = 0.02
BUNDLE_TYPE = "application/vnd.sidebooks.bundle"
WITHHELD = PackedTile(b"this page is not shown to you", "text/plain; charset=utf-8", 0, 0)
"""Stands among many images for one that the reader may not have."""


class ImageAnswers:
    """Makes responses out of tiles of one service."""

    def __init__(self, service: TileService, fast_path: FastPath, pools: Pools) -> None:
        self._settings = service.settings
        self._images = service.parts.images
        self._keeper = service.parts.images.keeper
        self._fast_path = fast_path
        self._pools = pools
        self._joined = JoinedWork()
        self._marks = Marks(service)
        self.waiting = Waiting()
        self.loaded = LOADED_WAITING * service.settings.workers
        """If so many renders come before a request's turn, it gets a coarser image."""

    async def tile(self, request: HttpRequest, at: TilePlace, links: Headers | None = None) -> HttpResponse:
        """One tile, or a coarser image for a moment if too much waits. links: further headers.

        The ETag is known at once, so a 304 needs no look into a store. Raises Refused for what the reader may not have.
        """
        allowance.require(request.limits, at)
        mark = await self._marks.of(request)
        document, page = at.request.document, at.request.page
        tag = self._images.etag(at)
        if mark is None and request.has_etag(tag):
            return responses.unchanged(tag, document.problems.of(page), links)
        is_loaded = self._render(at) not in self.waiting and self.waiting.before(request.client) >= self.loaded
        if is_loaded and self._images.tile_in_memory(at) is None:
            passing = await self._coarse(request, at, links, mark)
            if passing is not None:
                return passing
        if mark is not None:
            tile = await self._get(request, at)
            made = await self._pools.run("derived", self._marked, mark, tile, at)
            return responses.image(request, made.data, headers.marked_image(made.media_type, tile.problems, links or []))
        tile, own = await self._for_all(request, at, links or [])
        key = self._keeper.key(at.request)
        if key is not None:  # if None, the page is not identified yet; the fast path learns from a later response
            self._fast_path.learn(request, key, at, tag, own)
        return responses.image(request, tile.data, own)

    async def _for_all(self, request: HttpRequest, at: TilePlace, links: Headers) -> tuple[Tile, Headers]:
        """A tile, and the headers of every response with it. If it must be made, other requests for it wait with this one."""

        def own(tile: Tile) -> Headers:
            return headers.image(tile.media_type, tile.etag, tile.problems, links)

        held = self._images.tile_in_memory(at)
        if held is not None:
            return held, own(held)
        if len(self.waiting) >= self.loaded:  # no client waits for the turn of another one
            made = await self._made(request, at)
            return made, own(made)

        async def answer(receive: Receive) -> Answer | None:
            if len(self.waiting) >= self.loaded:
                return None
            found = await self._joined.join(receive, at)
            if found is None:
                return None
            tile: Tile = found[0]
            return own(tile), tile.data

        with self._fast_path.expecting(request, answer):
            made = await self._made(request, at)
        return made, own(made)

    def are_awaited(self) -> bool:
        """Whether a request waits for an image that is queued or drawn, or images are being sent without a pause."""
        return bool(self.waiting) or time.perf_counter() - self._fast_path.answered_s < IN_A_ROW_S

    def _render(self, at: TilePlace) -> str:
        """A name of the render that makes a tile."""
        return self._keeper.tag(at.request)

    def _marked(self, mark: Mark, tile: Tile, at: TilePlace) -> Tile:
        """A tile with the reader's name on it. It takes some milliseconds."""
        made = self._marks.image(mark, tile.data, tile.media_type, at, self._settings.quality)
        return replace(tile, data=made.data, media_type=made.media_type, etag="")

    async def _coarse(
        self, request: HttpRequest, at: TilePlace, links: Headers | None, mark: Mark | None
    ) -> HttpResponse | None:
        """A coarser image while too much waits. None if there is none in memory. The sharp image is drawn at
        the client's turn.
        """
        found = coarse.at_hand(self._images, at.request)
        if found is None:
            return None
        future = await self._pools.run("images", self._images.submit, at, Priority.PAGE, request.client)
        if future.done():
            return None
        image_format = at.request.image_format or self._settings.image_format
        made = await self._pools.run("derived", coarse.stand_in, *found, at, image_format)
        if mark is not None:
            made = await self._pools.run("derived", self._marks.image, mark, made.data, made.media_type, at, coarse.QUALITY)
        own = headers.coarse_image(made.media_type, found[1], found[0].problems, links or [])
        request.source = "coarse"
        return responses.image(request, made.data, own)

    async def _get(self, request: HttpRequest, at: TilePlace) -> Tile:
        held = self._images.tile_in_memory(at)
        return held if held is not None else await self._made(request, at)

    async def _made(self, request: HttpRequest, at: TilePlace) -> Tile:
        """A tile that is not in memory."""
        client = request.client
        # Under load each client has a request of its own, so that it does not wait for another client's turn. The service joins
        # them.
        joined = at if len(self.waiting) < self.loaded else (at, client)
        tile, request.source = await self._joined.get(request, joined, lambda: self._make(at, client))
        return tile

    async def _make(self, at: TilePlace, client: str) -> tuple[Tile, str]:
        """A tile that is not in memory, and its source. If this is cancelled, queued work that nobody else wants is dropped."""
        submitting = asyncio.ensure_future(self._pools.run("images", self._images.submit, at, Priority.VISIBLE, client))
        try:
            future: Future[Tile] = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            submitting.add_done_callback(_drop)
            raise
        if future.done():
            return future.result(), "disk"
        render = self._render(at)
        if render not in self.waiting and self.waiting.before(client) >= MAX_WAITING:
            future.cancel()
            raise QueueFull("too many images are being made just now")
        self.waiting.add(render, client)
        try:
            return await asyncio.wrap_future(future), "render"
        finally:
            self.waiting.remove(render, client)

    async def derived(self, request: HttpRequest, at: TilePlace, chosen: RasterPlan, links: Headers) -> HttpResponse:
        """An image that is turned, mirrored, made grey or stretched. at: the place of the unchanged image. Raises Refused."""
        recipe = chosen.recipe
        assert recipe is not None
        allowance.require(request.limits, at)
        mark = await self._marks.of(request)
        document, page = at.request.document, at.request.page
        image_format = at.request.image_format or self._settings.image_format
        plain = in_format(at, "png")
        if mark is not None:
            source = await self._get(request, plain)
            made = await self._pools.run("derived", self._marked_and_derived, mark, source, plain, recipe, image_format)
            return responses.image(request, made.data, headers.marked_image(made.media_type, source.problems, links))
        made_by = f"{recipe.name} {image_format} {self._settings.quality}"
        key = keys.derived_key(self._render(plain), document.trust_domain, made_by)
        tag = keys.etag(key, 0, 0)
        if request.has_etag(tag):
            return responses.unchanged(tag, document.problems.of(page), links)
        store = self._keeper.store
        stored = await self._pools.run("images", store.get, key)
        if stored is not None:
            try:
                packed = unpack_tile(stored.data, 0, 0)
                return _image(request, tile_of(plain.request, packed, tag), links)
            except RecordUnreadable:
                await self._pools.run("images", store.delete, key)
        source = await self._get(request, plain)

        def make() -> Tile:
            from sidebooks_core.encoding.derive import derive  # numpy and Pillow: only for those who turn images

            started_s = time.perf_counter()
            made = derive(source.data, source.media_type, recipe, image_format, self._settings.quality)
            width_px, height_px = recipe.width_px, recipe.height_px
            if recipe.rotation in (90, 270):
                width_px, height_px = height_px, width_px
            data = pack([PackedTile(made.data, made.media_type, width_px, height_px)], 1, source.problems)
            if not document.withdrawn.is_set():
                store.put(key, Record(data, document.id, time.perf_counter() - started_s))
            return Tile(made.data, made.media_type, width_px, height_px, tag, source.problems)

        return _image(request, await self._pools.run("derived", make), links)

    def _marked_and_derived(self, mark: Mark, source: Tile, at: TilePlace, recipe: Recipe, image_format: str) -> EncodedImage:
        """As `derived` makes an image, with the reader's name on it, which is turned with the page. Nothing of it is stored.

        In black and white the mark would be lost, so it is laid over the result.
        """
        from sidebooks_core.encoding.derive import derive

        quality = self._settings.quality
        if recipe.quality == "bitonal":
            made = derive(source.data, source.media_type, recipe, image_format, quality)
            return self._marks.bitonal_image(mark, made.data, made.media_type, at, quality)
        source = self._marked(mark, source, at)
        return derive(source.data, source.media_type, recipe, image_format, quality)

    async def bundle(self, request: HttpRequest, document: Document, page: int, level_index: int) -> HttpResponse:
        """All tiles of a level in one answer, as a record (encoding.tileset): for clients that count requests. Raises
        Refused.
        """
        level = document.pyramid(page).levels[level_index]
        first = self._images.place(document, page, level.index, 0, 0)
        allowance.require(request.limits, first)
        mark = await self._marks.of(request)
        tag = f"{self._render(first)}-bundle"
        if mark is None and request.has_etag(tag):
            return responses.unchanged(tag)
        tiles = []
        problems: dict[str, None] = {}
        for row in range(level.rows):
            for column in range(level.columns):
                at = self._images.place(document, page, level.index, column, row)
                tile = await self._get(request, at)
                if mark is not None:
                    tile = await self._pools.run("derived", self._marked, mark, tile, at)
                tiles.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                problems.update(dict.fromkeys(tile.problems))
        data = pack(tiles, level.columns, problems)
        if mark is not None:
            return responses.image(request, data, headers.marked_image(BUNDLE_TYPE, tuple(problems), []))
        return _image(request, Tile(data, BUNDLE_TYPE, 0, 0, tag, tuple(problems)), [])

    async def previews(self, request: HttpRequest, document: Document, first: int, last: int) -> HttpResponse:
        """The previews of some pages in one answer, a record of one column. One that fails, or that the reader may not have, is
        a message of width 0.
        """
        mark = await self._marks.of(request)
        tiles: list[Tile | Future[Tile] | None] = []
        try:
            for page in range(first, last + 1):
                at = self._images.place(document, page, 0, 0, 0)
                if not allowance.has(request.limits, at):
                    tiles.append(None)
                    continue
                held = self._images.tile_in_memory(at)
                if held is None:
                    tiles.append(await self._pools.run("images", self._images.submit, at, Priority.PREVIEW, request.client))
                else:
                    tiles.append(held)
        except BaseException:
            _cancel(tiles)
            raise
        made: list[PackedTile] = []
        tags = hashlib.blake2b(digest_size=16)
        is_complete = True
        for page, one in enumerate(tiles, first):
            if one is None:
                made.append(WITHHELD)
                continue
            try:
                tile = one if isinstance(one, Tile) else await request.unless_gone(asyncio.wrap_future(one))
                if mark is not None:
                    at = self._images.place(document, page, 0, 0, 0)
                    tile = await self._pools.run("derived", self._marked, mark, tile, at)
                made.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                tags.update(tile.etag.encode())
            except PageError as error:
                made.append(PackedTile(str(error).encode("utf-8", "replace"), "text/plain; charset=utf-8", 0, 0))
                is_complete = False
            except BaseException:
                _cancel(tiles)
                raise
        if mark is not None:
            return HttpResponse(200, pack(made, 1), headers.marked_image(BUNDLE_TYPE, (), []))
        tag = f"{tags.hexdigest()}-previews" if is_complete and None not in tiles else None
        if tag is not None and request.has_etag(tag):
            return responses.unchanged(tag)
        return HttpResponse(200, pack(made, 1), headers.bundle(BUNDLE_TYPE, tag))


def _image(request: HttpRequest, tile: Tile, links: Headers) -> HttpResponse:
    return responses.image(request, tile.data, headers.image(tile.media_type, tile.etag, tile.problems, links))


def _cancel(tiles: Iterable[Tile | Future[Tile] | None]) -> None:
    for left in tiles:
        if isinstance(left, Future):
            left.cancel()


def _drop(submitting: asyncio.Future[Future[Tile]]) -> None:
    """Cancel an image whose client left before the image was queued."""
    if not submitting.cancelled() and submitting.exception() is None:
        submitting.result().cancel()
