"""The screen of a reader: the images that would make it sharp, those that are at hand, and the view made of them.

A turn composes its view here. This module looks at the memory only and never waits. The reader's lock guards a screen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import RecordUnreadable, unpack_tile
from sidebooks_core.errors import RenderTimeout, SidebooksError
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.images.tile import tile_of
from sidebooks_core.reading.view import (
    PageView,
    PlacedImage,
    Wanted,
    coarse_images,
    paper,
    wanted_images,
    window_request,
    within,
)
from sidebooks_core.stores.record import Record
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.spreads import Spread, first_read
from sidebooks_core.tiling.viewport import Placement, Viewport

WINDOWS_KEPT = 3
"""Windows that a zoomed screen takes over from the screen before it, so that a pan keeps the pixels already seen."""

_log = logging.getLogger("sidebooks_core.reading.reader")

Quality = tuple[int, float]
"""Of a view: the number of sharp images, and the resolution of the coarsest page as a share of the screen's, 0 to 1."""


class Screen(Struct):
    """One spread in one viewport. Each turn or move makes another screen."""

    spread: int
    pages: Spread
    viewport: Viewport
    fitted: Viewport
    """The same spread at zoom 1."""
    wanted: tuple[Wanted, ...]
    windows: dict[int, Request]
    """By page: the window of a zoomed page, which is drawn before the page's slabs if that is sooner."""
    records: dict[Request, Record] = field(default_factory=dict)
    """Held as long as the screen shows them, even if the memory evicts them."""
    errors: dict[int, SidebooksError] = field(default_factory=dict)
    counted: set[Request] = field(default_factory=set)
    since_s: float = field(default_factory=time.perf_counter)
    shown: Quality = (-1, -1.0)
    """The quality of the last view that a turn returned or `on_refined` was given."""
    earlier: tuple[Request, ...] = ()
    """Windows of the screens before this one, at the same place."""

    @property
    def requests(self) -> set[Request]:
        """The rasters that make the screen sharp."""
        return {one.request for one in self.wanted} | set(self.windows.values())

    def is_changed_by(self, request: Request, *, is_error: bool) -> bool:
        """A record, or an error, of a raster changes the screen.

        The error of a slab does not if a window stands for the slab: the window may still come.
        """
        if is_error and self.windows.get(request.page, request) != request:
            return False
        return request in self.requests

    def places_of(self, one: Wanted) -> Iterator[Wanted]:
        """The places of a wanted image: in its own raster and in windows, with the same pixels in each."""
        yield one
        for window in (*self.windows.values(), *self.earlier):
            place = within(one, window) if window.page == one.page else None
            if place is not None:
                yield place


class Painter:
    """Makes screens of a document, and views made of the images in memory."""

    def __init__(self, images: Images, document: Document) -> None:
        self._images = images
        self._document = document

    def screen(self, spread: int, pages: Spread, viewport: Viewport, fitted: Viewport, before: Screen | None = None) -> Screen:
        """A screen of a spread, given by its number from 0. before: the present screen, if that shows the same spread."""
        raster_pixels = self._images.settings.raster_pixels
        wanted: list[Wanted] = []
        windows: dict[int, Request] = {}
        for placement in viewport.placements:
            wanted += wanted_images(self._document, viewport, placement, raster_pixels)
            window = window_request(self._document, viewport, placement, raster_pixels)
            if window is not None:
                windows[placement.page] = window
        screen = Screen(spread, pages, viewport, fitted, tuple(wanted), windows)
        if before is not None:
            # A page that took too long at one scale may be drawn in time at another.
            is_same_scale = viewport.zoom == before.viewport.zoom
            lasting = {
                page: error for page, error in before.errors.items() if is_same_scale or not isinstance(error, RenderTimeout)
            }
            screen.errors.update(lasting)
            seen = (request for request in (*before.windows.values(), *before.earlier) if request in before.records)
            screen.earlier = tuple(request for request in seen if request not in windows.values())[:WINDOWS_KEPT]
            screen.records.update((request, before.records[request]) for request in screen.earlier)
        return screen

    def record(self, screen: Screen, request: Request) -> Record | None:
        """The record of a raster if it is in memory."""
        held = screen.records.get(request)
        if held is not None:
            return held
        record = self._images.at_hand(request)
        if record is not None:
            screen.records[request] = record
        return record

    def has(self, screen: Screen, wanted: Wanted) -> bool:
        """An image is in memory, in one of its places."""
        return any(self.record(screen, one.request) is not None for one in screen.places_of(wanted))

    def is_settled(self, screen: Screen) -> bool:
        """Each image is in memory or its page has failed: nothing better will come."""
        return all(one.page in screen.errors or self.has(screen, one) for one in screen.wanted)

    def view(self, screen: Screen) -> tuple[PageView, Quality]:
        """The view made of the images in memory, and its quality."""
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
            placements=screen.viewport.placements,
        )
        return view, (sharp_images, coarsest)

    def _image(self, screen: Screen, places: Sequence[Wanted], *, is_coarse: bool) -> PlacedImage | None:
        return next((image for one in places if (image := self._placed(screen, one, is_coarse=is_coarse)) is not None), None)

    def _placed(self, screen: Screen, wanted: Wanted, *, is_coarse: bool) -> PlacedImage | None:
        request = wanted.request
        record = self.record(screen, request)
        if record is None:
            return None
        try:
            packed = unpack_tile(record.data, wanted.column, wanted.row)
        except RecordUnreadable as damage:
            _log.warning(
                "%s, page %d: a stored record is damaged and was removed (%s)", self._document.name, wanted.page + 1, damage
            )
            screen.records.pop(request, None)
            self._images.keeper.discard(request)
            return None
        if not is_coarse and request not in screen.counted:
            screen.counted.add(request)
            self._images.keeper.count_shown(request, "memory", time.perf_counter() - screen.since_s)
        tile = tile_of(request, packed, self._images.etag(TilePlace(request, wanted.column, wanted.row)))
        return PlacedImage(tile, wanted.page, wanted.x0_view, wanted.y0_view, wanted.width_view, wanted.height_view, is_coarse)

    def _stand_in(self, screen: Screen, placement: Placement) -> tuple[PlacedImage, float]:
        """The best image of the whole page that is in memory, and its resolution as a share of the screen's."""
        rung = next(one for one in screen.fitted.placements if one.page == placement.page).rung
        fit = RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px)
        for candidate in coarse_images(self._document, placement, fit, self._images.settings.raster_pixels):
            image = self._placed(screen, candidate, is_coarse=True)
            if image is not None:
                return image, min(1.0, candidate.request.spec.scale / placement.scale)
        return paper(placement), 0.0
