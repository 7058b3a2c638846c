"""Images as answers: from memory, from disk, drawn, coarse under load, derived, and many in one record.

Belongs to the event loop: whatever may wait goes through a future or a thread, and who leaves takes queued work along.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, unpack_tile
from sidebooks_core.errors import PageError, QueueFull
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.images.tile import Tile, tile_of
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import stand_in, told
from sidebooks_core.server.exchange import IMMUTABLE, PASSING, Answer, Asked, Headers
from sidebooks_core.server.fast_path import HotImages
from sidebooks_core.server.iiif.plan import RasterPlan
from sidebooks_core.server.single_flight import SharedWork
from sidebooks_core.server.waiting import Waiting
from sidebooks_core.service import TileService
from sidebooks_core.stores.record import Record

MAX_WAITING = 512
"""Renders before a request's turn from which on it gets 503. What is in memory or on disk is never refused."""
LOADED_WAITING = 8
"""Renders before a request's turn, for each worker, from which on it is answered with a coarser image that is at hand. A
hundred tablets that turn to the same page wait for one render."""
IN_A_ROW_S = 0.02
BUNDLE_TYPE = "application/vnd.sidebooks.bundle"

Run = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in a thread for a kind of work (`pools.THREADS`)."""


class ImageAnswers:
    """Makes answers out of tiles of one service."""

    def __init__(self, service: TileService, hot: HotImages, run: Run) -> None:
        self._settings = service.settings
        self._tiles = service.parts.images
        self._keeper = service.parts.images.keeper
        self._hot = hot
        self._run = run
        self._shared = SharedWork()
        self._waiting = Waiting()
        self._loaded = LOADED_WAITING * service.settings.workers

    async def tile(self, asked: Asked, at: TilePlace, links: Headers) -> Answer:
        """A tile, or 304 before anything is looked for: its ETag is known at once."""
        request = at.request
        tag = self._tiles.etag(at)
        if asked.has_etag(tag):
            return asked.not_modified(tag, [*told.headers(request.document.problems.of(request.page)), *links])
        is_loaded = self._name(at) not in self._waiting and self._waiting.before(asked.client) >= self._loaded
        if is_loaded and self._tiles.tile_in_memory(at) is None:
            passing = await self._coarse(asked, at, links)
            if passing is not None:
                return passing
        tile = await self._get(asked, at)
        key = self._keeper.key(request)
        if key is not None:  # else its page is not identified yet: the next answer is learned from
            headers = [*told.headers(tile.problems), *links]
            self._hot.learn(asked.generation, asked.scope, key, at.column, at.row, tile.media_type, tag, headers)
        return asked.image(tile, links)

    def are_awaited(self) -> bool:
        """Whether an image is waited for that is drawn or queued, or images are sent one after the other just now."""
        return bool(self._waiting) or time.perf_counter() - self._hot.answered_s < IN_A_ROW_S

    def _name(self, at: TilePlace) -> str:
        """Of the render that makes it."""
        return self._keeper.tag(at.request)

    async def _coarse(self, asked: Asked, at: TilePlace, links: Headers) -> Answer | None:
        """What stands in while too much waits; None without anything coarser. The sharp one is drawn when its turn comes."""
        found = stand_in.at_hand(self._tiles, at.request)
        if found is None:
            return None
        future = await self._run("images", self._tiles.submit, at, Priority.PAGE, asked.client)
        if future.done():
            return None
        image_format = at.request.image_format or self._settings.image_format
        made = await self._run("derived", stand_in.stand_in, *found, at, image_format)
        return asked.coarse_image(made, found[1], found[0].problems, links)

    async def _get(self, asked: Asked, at: TilePlace) -> Tile:
        held = self._tiles.tile_in_memory(at)
        if held is not None:
            return held
        client = asked.client
        # Under load each client has its own request, which the service joins: what another asked for may come up late.
        joined = at if len(self._waiting) < self._loaded else (at, client)
        tile, asked.source = await self._shared.get(asked, joined, lambda: self._make(at, client))
        return tile

    async def _make(self, at: TilePlace, client: str) -> tuple[Tile, str]:
        """A tile that is not in memory, and where it was found. Cancelled, it drops what is queued and nobody else wants."""
        submitting = asyncio.ensure_future(self._run("images", self._tiles.submit, at, Priority.VISIBLE, client))
        try:
            future: Future[Tile] = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            submitting.add_done_callback(_drop)
            raise
        if future.done():
            return future.result(), "disk"
        name = self._name(at)
        if name not in self._waiting and self._waiting.before(client) >= MAX_WAITING:
            future.cancel()
            raise QueueFull("too many images are being made just now")
        self._waiting.add(name, client)
        try:
            return await asyncio.wrap_future(future), "render"
        finally:
            self._waiting.remove(name, client)

    async def derived(
        self, asked: Asked, document: Document, page: int, chosen: RasterPlan, image_format: str, links: Headers
    ) -> Answer:
        recipe = chosen.recipe
        assert recipe is not None
        plain = TilePlace(Request(document, page, chosen.spec, "png"), 0, 0)
        made_by = f"{recipe.name} {image_format} {self._settings.quality}"
        key = keys.derived_key(self._name(plain), document.trust_domain, made_by)
        tag = keys.etag(key, 0, 0)
        if asked.has_etag(tag):
            return asked.not_modified(tag, [*told.headers(document.problems.of(page)), *links])
        store = self._keeper.store
        stored = await self._run("images", store.get, key)
        if stored is not None:
            try:
                packed = unpack_tile(stored.data, 0, 0)
                return asked.image(tile_of(plain.request, packed, tag), links)
            except RecordUnreadable:
                await self._run("images", store.delete, key)
        source = await self._get(asked, plain)

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

        return asked.image(await self._run("derived", make), links)

    async def bundle(self, asked: Asked, document: Document, page: int, level_index: int) -> Answer:
        """All tiles of a level in one answer, as a record (rendering.packing): for clients that count requests."""
        level = document.pyramid(page).levels[level_index]
        tag = f"{self._name(self._tiles.place(document, page, level.index, 0, 0))}-bundle"
        if asked.has_etag(tag):
            return asked.not_modified(tag, [])
        tiles = []
        problems: dict[str, None] = {}
        for row in range(level.rows):
            for column in range(level.columns):
                tile = await self._get(asked, self._tiles.place(document, page, level.index, column, row))
                tiles.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                problems.update(dict.fromkeys(tile.problems))
        data = pack(tiles, level.columns, problems)
        return asked.image(Tile(data, BUNDLE_TYPE, 0, 0, tag, tuple(problems)), [])

    async def previews(self, asked: Asked, document: Document, first: int, last: int) -> Answer:
        """The previews of some pages in one answer, a record of one column. One that fails is a message of width 0."""
        tiles: list[Tile | Future[Tile]] = []
        try:
            for page in range(first, last + 1):
                at = self._tiles.place(document, page, 0, 0, 0)
                held = self._tiles.tile_in_memory(at)
                tiles.append(held or await self._run("images", self._tiles.submit, at, Priority.PREVIEW, asked.client))
        except BaseException:
            _cancel(tiles)
            raise
        made: list[PackedTile] = []
        tags = hashlib.blake2b(digest_size=16)
        is_complete = True
        for one in tiles:
            try:
                tile = one if isinstance(one, Tile) else await asked.unless_gone(asyncio.wrap_future(one))
                made.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                tags.update(tile.etag.encode())
            except PageError as error:
                made.append(PackedTile(str(error).encode("utf-8", "replace"), "text/plain; charset=utf-8", 0, 0))
                is_complete = False
            except BaseException:
                _cancel(tiles)
                raise
        headers = [(b"content-type", BUNDLE_TYPE.encode()), (b"cache-control", IMMUTABLE if is_complete else PASSING)]
        if is_complete:
            tag = f"{tags.hexdigest()}-previews"
            if asked.has_etag(tag):
                return asked.not_modified(tag, [])
            headers.append((b"etag", f'"{tag}"'.encode()))
        return Answer(200, pack(made, 1), headers)


def _cancel(tiles: Iterable[Tile | Future[Tile]]) -> None:
    for left in tiles:
        if isinstance(left, Future):
            left.cancel()


def _drop(submitting: asyncio.Future[Future[Tile]]) -> None:
    """Whoever asked for it left before it was queued."""
    if not submitting.cancelled() and submitting.exception() is None:
        submitting.result().cancel()
