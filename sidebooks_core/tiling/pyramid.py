"""The pyramid of a page: its rasters from the coarsest level to the finest, and the grid of tiles in each.

The pyramid depends on the page alone, so cache keys repeat between screens, restarts and protocols. Lower levels
halve with ceil at every step, as Deep Zoom and IIIF scale factors do: one store of tiles serves all three.
"""

from __future__ import annotations

import math
from functools import lru_cache

from msgspec import Struct

from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.geometry import (
    RectPx,
    SizePt,
    SizePx,
    drawn_px,
    require_count,
    require_finite,
    require_positive,
)

ORDINARY_LONG_PX = 4096
"""Long side of an ordinary page's finest level: an A4 page at 350 dpi, twice a screen's long side."""
MIN_FINEST_SCALE = 3.0
"""Pixels per point (216 dpi) that the finest level has at least: fine print on a large sheet can be read. The pyramid grows
by doubling until it has them."""
MAX_SIDE_PX = 65536
"""Longest side of a pyramid or of an exact-fit rung: no reader zooms to more than four billion pixels."""
PREVIEW_LONG_PX = 256
"""Least long side of the coarsest level: the page can be recognised, takes a few kB, and is drawn in 1 to 2 ms."""
SCREEN_LONG_PX = 2048
"""A level whose long side is at most this is one tile, so that a turn asks once. A grid of 512 px would ask 12 times."""
GRID_TILE_PX = 512
"""Tile side of the larger levels, of which a screen shows a part. Smaller tiles cost requests, larger ones hidden pixels."""


class TileAddress(Struct, frozen=True):
    """The address of one tile of one page of a document."""

    page: int
    """From 0."""
    level: int
    """From 0, the coarsest."""
    column: int
    row: int

    def __post_init__(self) -> None:
        for name, value in (("page", self.page), ("level", self.level), ("column", self.column), ("row", self.row)):
            if type(value) is not int or value < 0:
                raise RequestError(f"{name} must be a whole number, at least 0, not {value!r}")


class Raster(Struct, frozen=True):
    """A whole page at one scale, cut into a grid of square tiles."""

    scale: float
    """Pixels per point, the same in both directions."""
    width_px: int
    height_px: int
    tile_px: int
    """Side of a tile. Tiles of the last column and row are narrower and lower, up to the end of the raster."""

    def __post_init__(self) -> None:
        require_positive(self.scale, "scale")
        require_count(self.width_px, "width_px")
        require_count(self.height_px, "height_px")
        require_count(self.tile_px, "tile_px")

    @property
    def size_px(self) -> SizePx:
        return SizePx(self.width_px, self.height_px)

    @property
    def rect_px(self) -> RectPx:
        return RectPx(0, 0, self.width_px, self.height_px)

    @property
    def area_px(self) -> int:
        return self.width_px * self.height_px

    @property
    def columns(self) -> int:
        return -(-self.width_px // self.tile_px)

    @property
    def rows(self) -> int:
        return -(-self.height_px // self.tile_px)

    def tile_rect(self, column: int, row: int) -> RectPx:
        """The pixels of one tile. Raises RequestError if the grid has no such tile."""
        self.require_tile(column, row)
        x0_px, y0_px = column * self.tile_px, row * self.tile_px
        return RectPx(x0_px, y0_px, min(x0_px + self.tile_px, self.width_px), min(y0_px + self.tile_px, self.height_px))

    def tiles_in(self, rect_px: RectPx) -> tuple[tuple[int, int], ...]:
        """(column, row) of the tiles that hold a pixel of `rect_px`, row by row. The part outside the raster has no tiles."""
        inside = self.rect_px.intersection(rect_px)
        if not inside.area_px:
            return ()
        columns = range(inside.x0_px // self.tile_px, -(-inside.x1_px // self.tile_px))
        rows = range(inside.y0_px // self.tile_px, -(-inside.y1_px // self.tile_px))
        return tuple((column, row) for row in rows for column in columns)

    def require_tile(self, column: int, row: int) -> None:
        """Raises RequestError if the grid has no such tile."""
        for name, value, count in (("column", column, self.columns), ("row", row, self.rows)):
            if type(value) is not int or not 0 <= value < count:
                raise RequestError(f"{name} must be 0 to {count - 1} in this raster, not {value!r}")


class Level(Raster, frozen=True):
    """One level of a page's pyramid."""

    index: int
    """From 0, the coarsest."""

    @property
    def raster(self) -> Raster:
        """The level without its place in a pyramid: equal for equal pixels."""
        return Raster(self.scale, self.width_px, self.height_px, self.tile_px)


class Pyramid(Struct, frozen=True):
    """The levels of one page, from the coarsest (index 0) to the finest."""

    width_pt: float
    height_pt: float
    levels: tuple[Level, ...]

    @classmethod
    def of_page(cls, width_pt: float, height_pt: float, native_px: tuple[int, int] | None = None) -> Pyramid:
        """The pyramid of a page, or of an image of `native_px` (width, height), whose finest level is the image itself.

        Raises RequestError for sizes that are not finite and positive.
        """
        page = SizePt(width_pt, height_pt)
        scale, finest = _page_top(page) if native_px is None else _image_top(page, SizePx(*native_px))
        halvings = 0
        while _halved(finest.long_px, halvings + 1) >= PREVIEW_LONG_PX:
            halvings += 1
        return cls(
            width_pt,
            height_pt,
            tuple(_level(index, scale, finest, halvings=halvings - index) for index in range(halvings + 1)),
        )

    @property
    def finest(self) -> Level:
        return self.levels[-1]

    @property
    def screen_level(self) -> Level:
        """The finest level of one tile. A screen shows it of a whole page while no exact-fit rung is in memory."""
        return next(level for level in reversed(self.levels) if level.columns == level.rows == 1)

    def level(self, index: int) -> Level:
        """A level by its index, from 0, the coarsest. Raises RequestError if there is none."""
        if type(index) is not int or not 0 <= index < len(self.levels):
            raise RequestError(f"level must be 0 to {len(self.levels) - 1} on this page, not {index!r}")
        return self.levels[index]

    def level_for_scale(self, scale: float) -> Level:
        """The smallest level of at least `scale` pixels per point (to one part in a million); the finest if there is none."""
        require_positive(scale, "scale")
        return next((level for level in self.levels if level.scale * (1 + 1e-6) >= scale), self.finest)


@lru_cache(maxsize=4096, typed=True)
def fit_rung(width_pt: float, height_pt: float, width_px: int | None = None, height_px: int | None = None) -> Raster:
    """The whole page as one tile, exactly `width_px` wide or `height_px` high; the largest inside both if both are given.

    The other side follows from that scale. Raises RequestError if a side is not 1 to MAX_SIDE_PX.
    """
    page = SizePt(width_pt, height_pt)
    scales: list[float] = []
    for name, wanted_px, side_pt in (("width_px", width_px, width_pt), ("height_px", height_px, height_pt)):
        if wanted_px is not None:
            if type(wanted_px) is not int or not 1 <= wanted_px <= MAX_SIDE_PX:
                raise RequestError(f"{name} must be a whole number, 1 to {MAX_SIDE_PX}, not {wanted_px!r}")
            scales.append(wanted_px / side_pt)
    if not scales:
        raise RequestError("an exact size needs a width or a height in pixels")
    rung = rung_at(page.width_pt, page.height_pt, min(scales))
    if max(rung.width_px, rung.height_px) > MAX_SIDE_PX:
        raise RequestError(f"the page would be {rung.width_px} x {rung.height_px} px: no side may pass {MAX_SIDE_PX}")
    return rung


def rung_at(width_pt: float, height_pt: float, scale: float) -> Raster:
    """The whole page as one tile at `scale` pixels per point, of the size an engine would draw."""
    page = SizePt(width_pt, height_pt)
    require_finite(page.long_pt * scale, "the page's long side in pixels")
    size = SizePx(drawn_px(width_pt, scale), drawn_px(height_pt, scale))
    return Raster(scale, size.width_px, size.height_px, size.long_px)


def _page_top(page: SizePt) -> tuple[float, SizePx]:
    long_px = ORDINARY_LONG_PX
    while long_px < MAX_SIDE_PX and long_px / page.long_pt < MIN_FINEST_SCALE:
        long_px *= 2
    scale = _scale(long_px, page.long_pt)
    if page.width_pt >= page.height_pt:
        return scale, SizePx(long_px, min(long_px, drawn_px(page.height_pt, scale)))
    return scale, SizePx(min(long_px, drawn_px(page.width_pt, scale)), long_px)


def _image_top(page: SizePt, native: SizePx) -> tuple[float, SizePx]:
    across, down = _scale(native.width_px, page.width_pt), _scale(native.height_px, page.height_pt)
    scale = across if native.width_px >= native.height_px else down
    if abs(page.width_pt * scale - native.width_px) < 1 and abs(page.height_pt * scale - native.height_px) < 1:
        return scale, native
    # Pixels that are not square (a fax of 204 x 98 dpi): shown in the page's shape, and fine enough to lose none.
    scale = min(max(across, down), max(native.long_px, MAX_SIDE_PX) / page.long_pt)
    return scale, SizePx(drawn_px(page.width_pt, scale), drawn_px(page.height_pt, scale))


def _scale(side_px: int, side_pt: float) -> float:
    scale = side_px / side_pt
    require_positive(scale, "pixels per point")
    return scale


def _level(index: int, finest_scale: float, finest: SizePx, *, halvings: int) -> Level:
    width_px, height_px = _halved(finest.width_px, halvings), _halved(finest.height_px, halvings)
    tile_px = SCREEN_LONG_PX if max(width_px, height_px) <= SCREEN_LONG_PX else GRID_TILE_PX
    return Level(math.ldexp(finest_scale, -halvings), width_px, height_px, tile_px, index)


def _halved(side_px: int, times: int) -> int:
    """`side_px` halved with ceil at every step, which is ceil(side_px / 2 ** times)."""
    return -(-side_px >> times)
