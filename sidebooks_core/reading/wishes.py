"""The rasters that a reader wishes for beside the visible ones: a pure function. The policy is in `scheduling`."""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core.images.requests import Request
from sidebooks_core.reading.layout import Layout
from sidebooks_core.reading.screen import Screen
from sidebooks_core.reading.view import margin_tiles, wanted_images
from sidebooks_core.scheduling.queue import Priority


def wished_rasters(
    screen: Screen, layout: Layout, spreads: Iterable[int], raster_pixels: int, *, is_fling: bool
) -> dict[Request, Priority]:
    """The rasters to have ready, in the order in which they are asked for.

    First the rest of a zoomed page (its slabs, and the tiles around the visible ones), unless the reader is flinging; then
    the sharp images of `spreads`, which are numbers from 0.
    """
    document = layout.document
    wishes: dict[Request, Priority] = {}
    if not is_fling:
        wishes |= {one.request: Priority.PAGE for one in screen.wanted if one.page in screen.windows}
        for placement in screen.viewport.placements:
            for one in margin_tiles(document, screen.viewport, placement, raster_pixels):
                wishes[one.request] = Priority.PAGE
    for spread in spreads:
        viewport = layout.fitted(spread)
        for placement in viewport.placements:
            for one in wanted_images(document, viewport, placement, raster_pixels):
                wishes.setdefault(one.request, Priority.NEXT)
    return wishes
