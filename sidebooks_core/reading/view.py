"""The view that an application paints: placed images that cover the pages on the screen, and the best images for that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.formats import PNG
from sidebooks_core.encoding.png_file import flat_png
from sidebooks_core.errors import RequestError, SidebooksError
from sidebooks_core.images.requests import Request
from sidebooks_core.images.tile import Tile
from sidebooks_core.reading.layout import Layout
from sidebooks_core.tiling.geometry import RectPx
from sidebooks_core.tiling.pyramid import Level
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.slabs import raster_of, slab_of, slab_spec
from sidebooks_core.tiling.spreads import SpreadRule
from sidebooks_core.tiling.viewport import Placement, Viewport, visible_tiles

WINDOW_GAIN = 2
"""A window is drawn if the slabs that hold its tiles have so many times its pixels. Else the slabs are there as soon."""


class PlacedImage(Struct, frozen=True):
    """A tile and its place on the screen, in screen pixels from the top left corner."""

    tile: Tile
    page: int
    x0_view: float
    y0_view: float
    width_view: float
    """The tile is stretched to this if its own width in pixels is another."""
    height_view: float
    is_coarse: bool
    """The image has a lower resolution than the screen. It is painted first, and sharp images cover it as they come."""

    @property
    def data(self) -> bytes:
        """The tile's encoded bytes."""
        return self.tile.data

    @property
    def media_type(self) -> str:
        """The media type of `data`."""
        return self.tile.media_type

    @property
    def box_view(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in whole screen pixels. Both edges are rounded, so that images side by side touch, without a seam.

        Stretch the image to it, if its own size is another.
        """
        x0, y0 = _pixel(self.x0_view), _pixel(self.y0_view)
        return x0, y0, _pixel(self.x0_view + self.width_view), _pixel(self.y0_view + self.height_view)


class PagePoint(NamedTuple):
    """A point of a page."""

    page: int
    """From 0."""
    x_pt: float
    y_pt: float


class PageView(Struct, frozen=True):
    """The images to paint after a turn, a move or a refinement."""

    page: int
    """The page that is read first, from 0."""
    pages: tuple[int, ...]
    """All pages on the screen, left to right."""
    images: tuple[PlacedImage, ...]
    """To paint in this order. Together they cover every visible part of the pages."""
    is_sharp: bool
    """Everything is at the screen's own resolution (or the page has no finer one)."""
    resolution: float
    """The resolution of the coarsest page shown, as a share of the screen's: 1 is sharp, 0 is bare paper."""
    zoom: float
    errors: tuple[SidebooksError, ...] = ()
    """The errors of pages that cannot be drawn; each names its page. The best image in memory stands in, or bare paper."""
    placements: tuple[Placement, ...] = ()
    """The places of the pages, left to right."""

    def to_view(self, page: int, box_pt: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box of a page, (x0, y0, x1, y1) in points, as a box of the screen, in its pixels; a part may be off the screen.

        page: from 0, one of `pages`. Raises RequestError if the page is not on the screen.
        """
        placement = self._placement_of(page)
        x0_pt, y0_pt, x1_pt, y1_pt = box_pt
        return (*placement.to_view(x0_pt, y0_pt), *placement.to_view(x1_pt, y1_pt))

    def to_page(self, x_view: float, y_view: float) -> PagePoint | None:
        """The point of a page at a place of the screen; None if no page is there."""
        for placement in self.placements:
            x_pt, y_pt = placement.to_pt(x_view, y_view)
            if 0 <= x_pt <= placement.box.width_pt and 0 <= y_pt <= placement.box.height_pt:
                return PagePoint(placement.page, x_pt, y_pt)
        return None

    def _placement_of(self, page: int) -> Placement:
        for placement in self.placements:
            if placement.page == page:
                return placement
        raise RequestError(
            f"page {page + 1} is not on the screen, which shows {', '.join(str(one + 1) for one in self.pages)}", page=page
        )

    @property
    def problems(self) -> dict[int, tuple[str, ...]]:
        """The parts that could not be drawn, by page from 0. Pages that were drawn whole are left out."""
        return {image.page: image.tile.problems for image in self.images if image.tile.problems}


def _pixel(place_view: float) -> int:
    """The nearest whole pixel. A tile's right edge and the next one's left may differ in the last bits: both go one way."""
    return math.floor(round(place_view, 6) + 0.5)


class Wanted(Struct, frozen=True):
    """An image that makes a part of the screen sharp."""

    request: Request
    column: int
    """Column in the raster's own grid, from 0; `row` likewise."""
    row: int
    x0_view: float
    y0_view: float
    width_view: float
    height_view: float

    @property
    def page(self) -> int:
        """From 0."""
        return self.request.page


def wanted_images(document: Document, viewport: Viewport, placement: Placement, raster_pixels: int) -> tuple[Wanted, ...]:
    """The images that make a page sharp: the whole page at its exact size, or visible tiles of a level from the middle out."""
    rung = placement.rung
    if viewport.zoom == 1.0 and rung.area_px <= raster_pixels:
        spec = RasterSpec.whole_page(rung.scale, rung.width_px, rung.height_px)
        return (_whole(placement, Request(document, placement.page, spec)),)
    level = document.pyramid(placement.page).level_for_scale(placement.scale)
    tiles = visible_tiles(level, viewport.visible_pt(placement.page))
    return tuple(_tile(document, placement, level, tile, raster_pixels) for tile in tiles)


def window_request(document: Document, viewport: Viewport, placement: Placement, raster_pixels: int) -> Request | None:
    """The visible tiles of a zoomed page as one raster, a window, which is drawn sooner than the slabs that hold them.

    None if the window is too large, or not much smaller than the slabs.
    """
    if viewport.zoom == 1.0:
        return None
    level = document.pyramid(placement.page).level_for_scale(placement.scale)
    tiles = visible_tiles(level, viewport.visible_pt(placement.page))
    if not tiles:
        return None
    first = level.tile_rect(min(column for column, _ in tiles), min(row for _, row in tiles))
    last = level.tile_rect(max(column for column, _ in tiles), max(row for _, row in tiles))
    rect = RectPx(first.x0_px, first.y0_px, last.x1_px, last.y1_px)
    slab_px = sum(rect_px.area_px for rect_px in {slab_of(level, raster_pixels, *tile).rect_px for tile in tiles})
    if rect.area_px > min(raster_pixels, slab_px // WINDOW_GAIN):
        return None
    return Request(document, placement.page, raster_of(level, rect))


def within(wanted: Wanted, window: Request) -> Wanted | None:
    """The same image as a tile of a window; None if the window does not hold it."""
    spec, other = wanted.request.spec, window.spec
    if (other.scale, other.tile_px) != (spec.scale, spec.tile_px):
        return None
    x0_px, y0_px = spec.x0_px + wanted.column * spec.tile_px, spec.y0_px + wanted.row * spec.tile_px
    if not (other.x0_px <= x0_px < other.x1_px and other.y0_px <= y0_px < other.y1_px):
        return None
    column, row = (x0_px - other.x0_px) // other.tile_px, (y0_px - other.y0_px) // other.tile_px
    return replace(wanted, request=window, column=column, row=row)


def margin_tiles(document: Document, viewport: Viewport, placement: Placement, raster_pixels: int) -> tuple[Wanted, ...]:
    """The tiles around the visible ones of a zoomed page, which a pan will show."""
    if viewport.zoom == 1.0:
        return ()
    level = document.pyramid(placement.page).level_for_scale(placement.scale)
    visible = set(visible_tiles(level, viewport.visible_pt(placement.page)))
    around = {
        (column + dx, row + dy)
        for column, row in visible
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
        if 0 <= column + dx < level.columns and 0 <= row + dy < level.rows
    }
    return tuple(_tile(document, placement, level, tile, raster_pixels) for tile in sorted(around - visible))


def fitted_requests(
    document: Document, pages: Iterable[int], view_px: tuple[int, int], rule: SpreadRule, raster_pixels: int
) -> dict[int, tuple[Request, ...]]:
    """By page, from 0: the rasters that a Reader shows of it, fitted into a screen of `view_px`, (width, height) in pixels.

    Raises RequestError.
    """
    layout = Layout.of(document, rule, view_px)
    found: dict[int, tuple[Request, ...]] = {}
    for page in pages:
        viewport = layout.fitted(layout.spreads.index_of(page))
        [placement] = [one for one in viewport.placements if one.page == page]
        wanted = wanted_images(document, viewport, placement, raster_pixels)
        found[page] = tuple(dict.fromkeys(one.request for one in wanted))
    return found


def coarse_images(document: Document, placement: Placement, fit_spec: RasterSpec, raster_pixels: int) -> Iterator[Wanted]:
    """Images that may stand in for a page, the best first: the page at its exact fit, then its levels of a single tile."""
    yield _whole(placement, Request(document, placement.page, fit_spec))
    for level in reversed(document.pyramid(placement.page).levels):
        if level.columns == level.rows == 1:
            spec = slab_spec(level, slab_of(level, raster_pixels, 0, 0))
            yield _whole(placement, Request(document, placement.page, spec))


def preview_request(document: Document, page: int, raster_pixels: int) -> Request:
    """The raster of a page's preview, which is its coarsest level."""
    level = document.pyramid(page).levels[0]
    return Request(document, page, slab_spec(level, slab_of(level, raster_pixels, 0, 0)))


def paper(placement: Placement) -> PlacedImage:
    """Bare paper of a page's size, if no image of it is in memory."""
    rung = placement.rung
    return PlacedImage(
        white_tile(), placement.page, placement.x0_view, placement.y0_view, rung.width_px, rung.height_px, is_coarse=True
    )


@lru_cache(maxsize=1)
def white_tile() -> Tile:
    """One white pixel, which is stretched to the size of a page."""
    return Tile(flat_png(1, 1, (255,)), PNG.media_type, 1, 1, "paper")


def _whole(placement: Placement, request: Request) -> Wanted:
    rung = placement.rung
    return Wanted(request, 0, 0, placement.x0_view, placement.y0_view, rung.width_px, rung.height_px)


def _tile(document: Document, placement: Placement, level: Level, tile: tuple[int, int], raster_pixels: int) -> Wanted:
    column, row = tile
    slab = slab_of(level, raster_pixels, column, row)
    rect = level.tile_rect(column, row)
    stretch = placement.scale / level.scale
    return Wanted(
        Request(document, placement.page, slab_spec(level, slab)),
        column - slab.column0,
        row - slab.row0,
        placement.x0_view + rect.x0_px * stretch,
        placement.y0_view + rect.y0_px * stretch,
        rect.width_px * stretch,
        rect.height_px * stretch,
    )
