"""What a reader's screen shows: the images that would make it sharp, those that are at hand, and the view made of them.

Looks at the memory only, and never waits: a turn composes its view here. Its owner guards it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct, field

from sidebooks_core import keys
from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import RecordUnreadable, unpack_tile
from sidebooks_core.errors import RenderTimeout, SidebooksError
from sidebooks_core.images.finding import Records
from sidebooks_core.images.tile_making import tile_of
from sidebooks_core.reading.view import PageView, PlacedImage, Wanted, coarse_images, paper, wanted_images, window_spec, within
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.settings import Settings
from sidebooks_core.stores.record import Record
from sidebooks_core.stores.tiers import Tiers
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.spreads import Spread, first_read
from sidebooks_core.tiling.viewport import Placement, Viewport

WINDOWS_KEPT = 3
"""Windows that a zoomed screen takes over from the one before it: a finger that pans sees what it saw."""

_log = logging.getLogger("sidebooks_core.reading.reader")

Raster = tuple[int, RasterSpec]
"""A page, and one raster of it."""
Quality = tuple[int, float]
"""Of a view: how many sharp images, and the resolution of the coarsest page."""


class Host(Protocol):
    """What a screen needs of the service."""

    settings: Settings
    records: Records
    store: Tiers


class Screen(Struct):
    """What is shown, replaced as a whole by each turn or move."""

    spread: int
    pages: Spread
    viewport: Viewport
    fitted: Viewport
    """The same spread at zoom 1."""
    wanted: tuple[Wanted, ...]
    windows: dict[int, RasterSpec]
    """By page: what is drawn of a zoomed page before its slabs, where that is sooner."""
    records: dict[Raster, Record] = field(default_factory=dict)
    """Held as long as they are shown, whatever the memory evicts."""
    errors: dict[int, SidebooksError] = field(default_factory=dict)
    counted: set[Raster] = field(default_factory=set)
    since_s: float = field(default_factory=time.perf_counter)
    shown: Quality = (-1, -1.0)
    """How good the last view was that a turn returned or `on_refined` was given."""
    earlier: tuple[Raster, ...] = ()
    """Windows of the screens before this one, at the same place."""

    @property
    def rasters(self) -> set[Raster]:
        """Those whose records make the screen sharp."""
        return {(one.page, one.spec) for one in self.wanted} | set(self.windows.items())

    def places_of(self, one: Wanted) -> Iterator[Wanted]:
        """Where a wanted image may be: in its own raster, or in a window. The same pixels in each."""
        yield one
        for page, window in (*self.windows.items(), *self.earlier):
            place = within(one, window) if page == one.page else None
            if place is not None:
                yield place


class Painter:
    """Makes screens of a document, and their views of what is in memory."""

    def __init__(self, host: Host, document: Document) -> None:
        self._host = host
        self._document = document

    def screen(self, spread: int, pages: Spread, viewport: Viewport, fitted: Viewport, before: Screen | None = None) -> Screen:
        """before: the screen that is moved over the same spread."""
        raster_pixels = self._host.settings.raster_pixels
        wanted: list[Wanted] = []
        windows: dict[int, RasterSpec] = {}
        for placement in viewport.placements:
            pyramid = self._document.pyramid(placement.page)
            wanted += wanted_images(viewport, placement, pyramid, raster_pixels)
            window = window_spec(viewport, placement, pyramid, raster_pixels)
            if window is not None:
                windows[placement.page] = window
        screen = Screen(spread, pages, viewport, fitted, tuple(wanted), windows)
        if before is not None:
            # What overran at one scale may be drawn at another.
            is_same_scale = viewport.zoom == before.viewport.zoom
            lasting = {
                page: error for page, error in before.errors.items() if is_same_scale or not isinstance(error, RenderTimeout)
            }
            screen.errors.update(lasting)
            seen = (raster for raster in (*before.windows.items(), *before.earlier) if raster in before.records)
            screen.earlier = tuple(raster for raster in seen if raster not in windows.items())[:WINDOWS_KEPT]
            screen.records.update((raster, before.records[raster]) for raster in screen.earlier)
        return screen

    def record(self, screen: Screen, raster: Raster) -> Record | None:
        """If it is in memory."""
        held = screen.records.get(raster)
        if held is not None:
            return held
        content_id = self._document.known_content_id(raster[0])
        if content_id is None:
            return None
        record = self._host.store.get_memory(self._host.records.key(content_id, raster[1]))
        if record is not None:
            screen.records[raster] = record
        return record

    def has(self, screen: Screen, wanted: Wanted) -> bool:
        """The image is in memory, in one of its places."""
        return any(self.record(screen, (one.page, one.spec)) is not None for one in screen.places_of(wanted))

    def is_settled(self, screen: Screen) -> bool:
        """Nothing better will come."""
        return all(one.page in screen.errors or self.has(screen, one) for one in screen.wanted)

    def view(self, screen: Screen) -> tuple[PageView, Quality]:
        """What can be painted now."""
        images: list[PlacedImage] = []
        sharp_images = 0
        coarsest = 1.0
        for placement in screen.viewport.placements:
            wanted = [one for one in screen.wanted if one.page == placement.page]
            found = [self._image(screen, list(screen.places_of(one)), is_coarse=False) for one in wanted]
            sharp = [image for image in found if image is not None]
            if len(sharp) < len(wanted):
                under, resolution = self._stand_in(screen, placement)
                images.append(under)
                coarsest = min(coarsest, resolution)
            images += sharp
            sharp_images += len(sharp)
        view = PageView(
            page=first_read(screen.pages),
            pages=screen.pages,
            images=tuple(images),
            is_sharp=sharp_images == len(screen.wanted),
            resolution=coarsest,
            zoom=screen.viewport.zoom,
            errors=tuple(screen.errors.values()),
        )
        return view, (sharp_images, coarsest)

    def _image(self, screen: Screen, places: Sequence[Wanted], *, is_coarse: bool) -> PlacedImage | None:
        return next((image for one in places if (image := self._placed(screen, one, is_coarse=is_coarse)) is not None), None)

    def _placed(self, screen: Screen, wanted: Wanted, *, is_coarse: bool) -> PlacedImage | None:
        raster = (wanted.page, wanted.spec)
        record = self.record(screen, raster)
        if record is None:
            return None
        key = self._host.records.key_of(self._document, *raster)
        try:
            packed = unpack_tile(record.data, wanted.column, wanted.row)
        except RecordUnreadable as damage:
            _log.warning(
                "%s, page %d: a stored record is damaged and was removed (%s)", self._document.name, wanted.page + 1, damage
            )
            screen.records.pop(raster, None)
            self._host.store.discard(key)
            return None
        if not is_coarse and raster not in screen.counted:
            screen.counted.add(raster)
            self._host.records.count_hit("memory", time.perf_counter() - screen.since_s, key, Priority.VISIBLE)
        tile = tile_of(self._document, wanted.page, packed, self._etag(wanted))
        return PlacedImage(tile, wanted.page, wanted.x0_view, wanted.y0_view, wanted.width_view, wanted.height_view, is_coarse)

    def _etag(self, wanted: Wanted) -> str | Callable[[], str]:
        def etag() -> str:
            content_id = self._document.content_id(wanted.page)
            return keys.etag(self._host.records.key(content_id, wanted.spec), wanted.column, wanted.row)

        return etag() if self._document.known_content_id(wanted.page) is not None else etag

    def _stand_in(self, screen: Screen, placement: Placement) -> tuple[PlacedImage, float]:
        """The best image of the whole page that is at hand, and its resolution as a share of the screen's."""
        pyramid = self._document.pyramid(placement.page)
        rung = next(one for one in screen.fitted.placements if one.page == placement.page).rung
        fit = RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px)
        for candidate in coarse_images(placement, pyramid, fit, self._host.settings.raster_pixels):
            image = self._placed(screen, candidate, is_coarse=True)
            if image is not None:
                return image, min(1.0, candidate.spec.scale / placement.scale)
        return paper(placement), 0.0
