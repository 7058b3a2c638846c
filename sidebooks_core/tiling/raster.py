"""One raster of a page. A worker draws a raster at once, and a cache keeps it as one record."""

from __future__ import annotations

from msgspec import Struct


class RasterSpec(Struct, frozen=True, kw_only=True):
    """One raster of a page, cut into tiles: a level, a slab of a level, or the whole page at an exact size.

    Pixels are those of the whole page at `scale`; the raster covers columns x0_px to x1_px and rows y0_px to y1_px of it
    (ends excluded). Tiles start at multiples of `tile_px` from the page's origin.
    """

    scale: float
    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int
    tile_px: int

    @property
    def is_one_image(self) -> bool:
        """Whether the raster has one tile."""
        return self.tile_px >= max(self.x1_px - self.x0_px, self.y1_px - self.y0_px)

    @classmethod
    def whole_page(cls, scale: float, width_px: int, height_px: int) -> RasterSpec:
        """The page as one tile."""
        return cls(scale=scale, x0_px=0, y0_px=0, x1_px=width_px, y1_px=height_px, tile_px=max(width_px, height_px))
