"""Images as answers: from memory, from disk, drawn, coarse under load, derived, and many in one record.

Belongs to the event loop: whatever may wait goes through a future or a thread, and who leaves takes queued work along.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from sidebooks_core import keys
from sidebooks_core.caching.record import Record
from sidebooks_core.document import Document
from sidebooks_core.errors import PageError, QueueFull
from sidebooks_core.rendering.packing import PackedTile, RecordUnreadable, pack, unpack_tile
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import coarse
from sidebooks_core.server.exchange import IMMUTABLE, PASSING, Answer, Asked, Headers
from sidebooks_core.server.hot import HotImages
from sidebooks_core.server.images import RasterPlan
from sidebooks_core.service import TileService
from sidebooks_core.tile import Tile
from sidebooks_core.tiling.raster import RasterSpec

MAX_WAITING = 512
"""Renders that requests wait for; more get 503. What is in memory or on disk is never refused."""
LOADED_WAITING = 8
"""Renders that requests wait for, for each worker, from which on another is answered with a coarser image that is at hand. A
hundred tablets that turn to the same page wait for one render."""
BUNDLE_TYPE = "application/vnd.sidebooks.bundle"
MAX_PREVIEWS = 64
"""Previews in one answer."""

Run = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in a thread."""


class ImageAnswers:
    """Makes answers out of tiles of one service."""

    def __init__(self, service: TileService, hot: HotImages, run: Run) -> None:
        self.service = service
        self._hot = hot
        self._run = run
        self._waiting: Counter[str] = Counter()
        """How many requests wait for each render, by the key of its record."""
        self._loaded = LOADED_WAITING * service.settings.workers

    async def tile(
        self,
        asked: Asked,
        document: Document,
        page: int,
        spec: RasterSpec,
        column: int,
        row: int,
        image_format: str | None,
        links: Headers,
    ) -> Answer:
        content_id = document.known_content_id(page) or await self._run(document.content_id, page)
        key = self.service.records.key(content_id, spec, image_format)
        tag = keys.etag(key, column, row)
        if asked.has_etag(tag):
            return asked.not_modified(tag, links)
        is_loaded = len(self._waiting) >= self._loaded and key not in self._waiting
        if is_loaded and not self.service.tile_in_memory(document, page, spec, column, row, image_format):
            passing = await self._coarse(asked, document, page, spec, column, row, image_format, links)
            if passing is not None:
                return passing
        tile = await self._get(asked, document, page, spec, column, row, image_format)
        self._hot.learn(asked.scope, key, column, row, tile.media_type, tag, links)
        return asked.image(tile, links)

    async def _coarse(
        self,
        asked: Asked,
        document: Document,
        page: int,
        spec: RasterSpec,
        column: int,
        row: int,
        image_format: str | None,
        links: Headers,
    ) -> Answer | None:
        """What stands in while too much waits; None without anything coarser. The sharp one is drawn when its turn comes."""
        found = coarse.at_hand(self.service, document, page, spec)
        if found is None:
            return None
        future = await self._run(
            self.service.submit_raster, document, page, spec, column, row, Priority.PAGE, None, image_format
        )
        if future.done():
            return None
        wanted = image_format or self.service.settings.image_format
        made = await self._run(coarse.stand_in, *found, spec, column, row, wanted)
        return asked.coarse_image(made, found[1], links)

    async def _get(
        self, asked: Asked, document: Document, page: int, spec: RasterSpec, column: int, row: int, image_format: str | None
    ) -> Tile:
        tile = self.service.tile_in_memory(document, page, spec, column, row, image_format)
        if tile is not None:
            asked.source = "memory"
            return tile
        key = self.service.records.key(document.content_id(page), spec, image_format)
        future = await self._run(
            self.service.submit_raster, document, page, spec, column, row, Priority.VISIBLE, None, image_format
        )
        if not future.done():
            asked.source = "render"
            if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
                future.cancel()
                raise QueueFull("too many images are being made just now")
        else:
            asked.source = "disk"
        self._waiting[key] += 1
        try:
            return await asked.unless_gone(future)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def derived(
        self, asked: Asked, document: Document, page: int, chosen: RasterPlan, image_format: str, links: Headers
    ) -> Answer:
        recipe = chosen.recipe
        assert recipe is not None
        content_id = document.known_content_id(page) or await self._run(document.content_id, page)
        source_key = self.service.records.key(content_id, chosen.spec, "png")
        key = keys.derived_key(source_key, f"{recipe.name} {image_format} {self.service.settings.quality}")
        tag = keys.etag(key, 0, 0)
        if asked.has_etag(tag):
            return asked.not_modified(tag, links)
        stored = await self._run(self.service.store.get, key)
        if stored is not None:
            try:
                packed = unpack_tile(stored.data, 0, 0)
                return asked.image(Tile(packed.data, packed.media_type, packed.width_px, packed.height_px, tag), links)
            except RecordUnreadable:
                self.service.store.delete(key)
        source = await self._get(asked, document, page, chosen.spec, 0, 0, "png")

        def make() -> Tile:
            from sidebooks_core.rendering.derive import derive  # numpy and Pillow: only for those who turn images

            started_s = time.perf_counter()
            made = derive(source.data, source.media_type, recipe, image_format, self.service.settings.quality)
            width_px, height_px = recipe.width_px, recipe.height_px
            if recipe.rotation in (90, 270):
                width_px, height_px = height_px, width_px
            data = pack([PackedTile(made.data, made.media_type, width_px, height_px)], 1)
            self.service.store.put(key, Record(data, content_id, time.perf_counter() - started_s))
            return Tile(made.data, made.media_type, width_px, height_px, tag)

        return asked.image(await self._run(make), links)

    async def bundle(self, asked: Asked, document: Document, page: int, level_index: int) -> Answer:
        """All tiles of a level in one answer, as a record (rendering.packing): for clients that count requests."""
        level = document.pyramid(page).levels[level_index]
        content_id = document.known_content_id(page) or await self._run(document.content_id, page)
        spec, _, _ = self.service.place(document, page, level.index, 0, 0)
        tag = f"{self.service.records.key(content_id, spec)}-bundle"
        if asked.has_etag(tag):
            return asked.not_modified(tag, [])
        tiles = []
        for row in range(level.rows):
            for column in range(level.columns):
                place = self.service.place(document, page, level.index, column, row)
                tile = await self._get(asked, document, page, *place, None)
                tiles.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
        return asked.image(Tile(pack(tiles, level.columns), BUNDLE_TYPE, 0, 0, tag), [])

    async def previews(self, asked: Asked, document: Document, first: int, last: int) -> Answer:
        """The previews of some pages in one answer, a record of one column. One that fails is a message of width 0."""
        tiles: list[Tile | Future[Tile]] = []
        for page in range(first, last + 1):
            spec = self.service.place(document, page, 0, 0, 0)[0]
            tile = self.service.tile_in_memory(document, page, spec, 0, 0, None)
            tiles.append(tile or await self._run(self._submit_preview, document, page, spec))
        made: list[PackedTile] = []
        tags = hashlib.blake2b(digest_size=16)
        is_complete = True
        for one in tiles:
            try:
                tile = one if isinstance(one, Tile) else await asked.unless_gone(one)
                made.append(PackedTile(tile.data, tile.media_type, tile.width_px, tile.height_px))
                tags.update(tile.etag.encode())
            except PageError as error:
                made.append(PackedTile(str(error).encode("utf-8", "replace"), "text/plain; charset=utf-8", 0, 0))
                is_complete = False
            except BaseException:
                for left in tiles:
                    if isinstance(left, Future):
                        left.cancel()
                raise
        headers = [(b"content-type", BUNDLE_TYPE.encode()), (b"cache-control", IMMUTABLE if is_complete else PASSING)]
        if is_complete:
            tag = f"{tags.hexdigest()}-previews"
            if asked.has_etag(tag):
                return asked.not_modified(tag, [])
            headers.append((b"etag", f'"{tag}"'.encode()))
        return Answer(200, pack(made, 1), headers)

    def _submit_preview(self, document: Document, page: int, spec: RasterSpec) -> Future[Tile]:
        return self.service.submit_raster(document, page, spec, 0, 0, Priority.PREVIEW, None, None)
