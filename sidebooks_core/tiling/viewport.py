"""One spread on a screen: the places of its pages in screen pixels, their scale, and the tiles that are visible.

The pages of a spread have one scale and touch each other. Lower pages are centred beside the highest. Places on the screen
are whole pixels, so that a raster of the right size is shown pixel for pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.geometry import RectPt, SizePt, drawn_px, require_count, require_finite, require_positive
from sidebooks_core.tiling.pyramid import Raster, rung_at

Fit = Literal["page", "width"]
MAX_ZOOM = 64.0
"""The largest enlargement over the fit. An A4 page is then 100,000 px high, far more than its finest level."""
MAX_VIEW_PX = 65536
"""The longest side of a screen."""


class PageBox(Struct, frozen=True):
    """One page of a spread, by number (from 0), and its size."""

    page: int
    width_pt: float
    height_pt: float

    def __post_init__(self) -> None:
        SizePt(self.width_pt, self.height_pt)


class Placement(Struct, frozen=True):
    """The place of one page, in screen pixels from the screen's top left corner. A part may be off the screen."""

    box: PageBox
    scale: float
    """Screen pixels per point."""
    x0_view: int
    y0_view: int

    @property
    def page(self) -> int:
        return self.box.page

    @property
    def rung(self) -> Raster:
        """The raster that is shown pixel for pixel: it has the page's size on the screen."""
        return rung_at(self.box.width_pt, self.box.height_pt, self.scale)

    def to_view(self, x_pt: float, y_pt: float) -> tuple[float, float]:
        """(x, y) on the screen of a point of the page."""
        return self.x0_view + x_pt * self.scale, self.y0_view + y_pt * self.scale

    def to_pt(self, x_view: float, y_view: float) -> tuple[float, float]:
        """(x, y) on the page, in points, of a place on the screen; it may lie outside the page."""
        return (x_view - self.x0_view) / self.scale, (y_view - self.y0_view) / self.scale


class Viewport(Struct, frozen=True):
    """A screen that shows a spread. Moves and zooms make new viewports; a spread larger than the screen leaves no gap."""

    width_view: int
    height_view: int
    boxes: tuple[PageBox, ...]
    """The spread, left to right as painted."""
    fit_scale: float
    """Screen pixels per point at zoom 1."""
    zoom: float
    left_view: int
    """Left edge of the spread on the screen."""
    top_view: int

    @classmethod
    def fitted(cls, width_view: int, height_view: int, boxes: Sequence[PageBox], fit: Fit = "page") -> Viewport:
        """The spread as large as the screen allows: all of it ("page"), or its whole width from the top down ("width")."""
        for name, side in (("width_view", width_view), ("height_view", height_view)):
            require_count(side, name)
            if side > MAX_VIEW_PX:
                raise RequestError(f"{name} must be at most {MAX_VIEW_PX}, not {side}")
        if not 1 <= len(boxes) <= width_view:
            raise RequestError(f"{len(boxes)} pages cannot stand side by side on {width_view} pixels")
        if fit not in ("page", "width"):
            raise RequestError(f"fit must be 'page' or 'width', not {fit!r}")
        total_pt = sum(box.width_pt for box in boxes)
        scale = width_view / total_pt
        if fit == "page":
            scale = min(scale, height_view / max(box.height_pt for box in boxes))
        require_positive(scale, "pixels per point")
        if sum(drawn_px(box.width_pt, scale) for box in boxes) > width_view:
            # Each page is rounded up to whole pixels: leave room for that.
            scale = (width_view - len(boxes) + 1) / total_pt
        return cls(width_view, height_view, tuple(boxes), scale, 1.0, 0, 0)._at(0, 0)

    @property
    def scale(self) -> float:
        """Screen pixels per point."""
        return self.fit_scale * self.zoom

    @property
    def placements(self) -> tuple[Placement, ...]:
        """The places of the pages, left to right."""
        sizes = self._sizes_view()
        highest = max(height for _, height in sizes)
        lefts = accumulate((width for width, _ in sizes[:-1]), initial=self.left_view)
        return tuple(
            Placement(box, self.scale, left, self.top_view + (highest - height) // 2)
            for box, left, (_, height) in zip(self.boxes, lefts, sizes, strict=True)
        )

    def zoomed(self, zoom: float, page: int, x_pt: float, y_pt: float) -> Viewport:
        """Enlarged `zoom` times over the fit, with a point of a page in the middle of the screen, as far as edges allow."""
        require_positive(zoom, "zoom")
        if zoom > MAX_ZOOM:
            raise RequestError(f"zoom must be at most {MAX_ZOOM:g}, not {zoom!r}")
        require_finite(x_pt, "x_pt")
        require_finite(y_pt, "y_pt")
        unplaced = replace(self, zoom=zoom, left_view=0, top_view=0)
        x_view, y_view = unplaced._placement_of(page).to_view(x_pt, y_pt)
        require_finite(x_view, "x_pt")
        require_finite(y_view, "y_pt")
        return unplaced._at(round(self.width_view / 2 - x_view), round(self.height_view / 2 - y_view))

    def panned(self, right_view: int, down_view: int) -> Viewport:
        """Moved over the spread by screen pixels, as far as its edges."""
        return self._at(self.left_view - right_view, self.top_view - down_view)

    def visible_pt(self, page: int) -> RectPt:
        """The part of a page that is on the screen; an empty rectangle if no part is."""
        placement = self._placement_of(page)
        x0_pt, y0_pt = placement.to_pt(0, 0)
        x1_pt, y1_pt = placement.to_pt(self.width_view, self.height_view)
        box = placement.box
        return RectPt(
            _clamped(x0_pt, 0.0, box.width_pt),
            _clamped(y0_pt, 0.0, box.height_pt),
            _clamped(x1_pt, 0.0, box.width_pt),
            _clamped(y1_pt, 0.0, box.height_pt),
        )

    def _placement_of(self, page: int) -> Placement:
        for placement in self.placements:
            if placement.page == page:
                return placement
        raise RequestError(f"page {page + 1} is not on the screen", page=page)

    def _sizes_view(self) -> list[tuple[int, int]]:
        return [(drawn_px(box.width_pt, self.scale), drawn_px(box.height_pt, self.scale)) for box in self.boxes]

    def _at(self, left_view: int, top_view: int) -> Viewport:
        sizes = self._sizes_view()
        width, height = sum(width for width, _ in sizes), max(height for _, height in sizes)
        return replace(
            self,
            left_view=_edge(left_view, width, self.width_view),
            top_view=_edge(top_view, height, self.height_view),
        )


def visible_tiles(raster: Raster, visible: RectPt) -> tuple[tuple[int, int], ...]:
    """(column, row) of the tiles that show a part of `visible`, the nearest to its centre first, then row by row."""
    if not visible.width_pt or not visible.height_pt:
        return ()
    x_px = (visible.x0_pt + visible.x1_pt) / 2 * raster.scale
    y_px = (visible.y0_pt + visible.y1_pt) / 2 * raster.scale

    def distance(tile: tuple[int, int]) -> float:
        rect = raster.tile_rect(*tile)
        return math.hypot((rect.x0_px + rect.x1_px) / 2 - x_px, (rect.y0_px + rect.y1_px) / 2 - y_px)

    return tuple(sorted(raster.tiles_in(visible.to_px(raster.scale)), key=distance))


def _edge(wanted: int, extent: int, screen: int) -> int:
    """The spread's left or top edge: centred if the spread fits on the screen, else without a gap at either side."""
    if extent <= screen:
        return (screen - extent) // 2
    return max(screen - extent, min(wanted, 0))


def _clamped(value: float, low: float, high: float) -> float:
    return max(low, min(value, high))
