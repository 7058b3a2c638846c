"""Rectangles in the planes of a page, of a raster and of a screen, and the conversions between them.

All are half-open: x0 and y0 belong to a rectangle, x1 and y1 do not. An empty rectangle (x0 == x1 or y0 == y1) is legal.
"""

from __future__ import annotations

import math

from msgspec import Struct

from sidebooks_core.errors import RequestError

EDGE_SLACK_PX = 0.001
"""A page that reaches at most so far into a pixel does not get that pixel. The same slack is in MuPDF (fz_round_rect)."""


class SizePt(Struct, frozen=True):
    """Size of a page in points; both sides positive and finite."""

    width_pt: float
    height_pt: float

    def __post_init__(self) -> None:
        require_positive(self.width_pt, "width_pt")
        require_positive(self.height_pt, "height_pt")

    @property
    def long_pt(self) -> float:
        return max(self.width_pt, self.height_pt)


class SizePx(Struct, frozen=True):
    """Size of a raster in whole pixels, each side at least 1."""

    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        require_count(self.width_px, "width_px")
        require_count(self.height_px, "height_px")

    @property
    def long_px(self) -> int:
        return max(self.width_px, self.height_px)

    @property
    def area_px(self) -> int:
        return self.width_px * self.height_px


class RectPx(Struct, frozen=True):
    """A rectangle of whole pixels of one raster."""

    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int

    def __post_init__(self) -> None:
        for edge in (self.x0_px, self.y0_px, self.x1_px, self.y1_px):
            if type(edge) is not int:
                raise RequestError(f"the edges of a rectangle of pixels must be whole numbers, not {edge!r}")
        _require_order(self.x0_px, self.y0_px, self.x1_px, self.y1_px)

    @property
    def width_px(self) -> int:
        return self.x1_px - self.x0_px

    @property
    def height_px(self) -> int:
        return self.y1_px - self.y0_px

    @property
    def area_px(self) -> int:
        return self.width_px * self.height_px

    def intersection(self, other: RectPx) -> RectPx:
        """The pixels in both; an empty rectangle inside `self` if there are none."""
        x0_px = min(max(self.x0_px, other.x0_px), self.x1_px)
        y0_px = min(max(self.y0_px, other.y0_px), self.y1_px)
        return RectPx(x0_px, y0_px, max(x0_px, min(self.x1_px, other.x1_px)), max(y0_px, min(self.y1_px, other.y1_px)))

    def to_pt(self, scale: float) -> RectPt:
        """The same rectangle on the page, in points. scale: pixels per point."""
        return RectPt(self.x0_px / scale, self.y0_px / scale, self.x1_px / scale, self.y1_px / scale)


class RectPt(Struct, frozen=True):
    """A rectangle on a page, in points; every edge finite."""

    x0_pt: float
    y0_pt: float
    x1_pt: float
    y1_pt: float

    def __post_init__(self) -> None:
        for edge in (self.x0_pt, self.y0_pt, self.x1_pt, self.y1_pt):
            require_finite(edge, "the edge of a rectangle in points")
        _require_order(self.x0_pt, self.y0_pt, self.x1_pt, self.y1_pt)

    @property
    def width_pt(self) -> float:
        return self.x1_pt - self.x0_pt

    @property
    def height_pt(self) -> float:
        return self.y1_pt - self.y0_pt

    def to_px(self, scale: float) -> RectPx:
        """The pixels that the rectangle touches: rounded outwards, but for EDGE_SLACK_PX. scale: pixels per point.

        The slack makes `rect_px.to_pt(scale).to_px(scale) == rect_px` in spite of floating point.
        """
        x0_px = math.floor(self.x0_pt * scale + EDGE_SLACK_PX)
        y0_px = math.floor(self.y0_pt * scale + EDGE_SLACK_PX)
        x1_px = math.ceil(self.x1_pt * scale - EDGE_SLACK_PX)
        y1_px = math.ceil(self.y1_pt * scale - EDGE_SLACK_PX)
        return RectPx(x0_px, y0_px, max(x0_px, x1_px), max(y0_px, y1_px))


def drawn_px(extent_pt: float, scale: float) -> int:
    """Pixels that a page's side takes at `scale` pixels per point if an engine draws the whole page; at least 1."""
    return max(1, math.ceil(extent_pt * scale - EDGE_SLACK_PX))


def require_finite(value: float, name: str) -> None:
    """Raises RequestError unless `value` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RequestError(f"{name} must be a finite number, not {value!r}")


def require_positive(value: float, name: str) -> None:
    """Raises RequestError unless `value` is a finite number above 0."""
    require_finite(value, name)
    if value <= 0:
        raise RequestError(f"{name} must be above 0, not {value!r}")


def require_count(value: int, name: str) -> None:
    """Raises RequestError unless `value` is a whole number, at least 1."""
    if type(value) is not int or value < 1:
        raise RequestError(f"{name} must be a whole number, at least 1, not {value!r}")


def _require_order(x0: float, y0: float, x1: float, y1: float) -> None:
    if x1 < x0 or y1 < y0:
        raise RequestError(f"a rectangle ends before it starts: {x0}, {y0}, {x1}, {y1}")
