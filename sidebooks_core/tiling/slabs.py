"""Cuts a raster that is too large to be drawn at once into slabs: blocks of whole tiles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from sidebooks_core.tiling.geometry import RectPx, require_count
from sidebooks_core.tiling.pyramid import Level, Raster
from sidebooks_core.tiling.raster import RasterSpec

SQUARER_FOR = 1.1
"""The fewest slabs may be exceeded by this factor to get squarer slabs, because a screen touches fewer of them."""


class Slab(Struct, frozen=True):
    """A block of whole tiles that is drawn at once."""

    index: int
    """From 0, row by row."""
    column0: int
    row0: int
    columns: int
    rows: int
    rect_px: RectPx
    """The slab's pixels in the raster."""

    def tiles(self) -> Iterator[tuple[int, int]]:
        """(column, row) in the raster's grid, row by row."""
        for row in range(self.row0, self.row0 + self.rows):
            for column in range(self.column0, self.column0 + self.columns):
                yield column, row


def slabs(raster: Raster, raster_pixels: int) -> tuple[Slab, ...]:
    """The slabs of a raster, row by row: every tile is in exactly one, and each has at most `raster_pixels` pixels.

    A raster that fits is one slab. A tile is never cut: if one tile is more than `raster_pixels`, slabs are single tiles.
    """
    block_columns, block_rows = _block(raster, raster_pixels)
    return tuple(
        _slab(raster, column0, row0, block_columns, block_rows)
        for row0 in range(0, raster.rows, block_rows)
        for column0 in range(0, raster.columns, block_columns)
    )


def slab_of(raster: Raster, raster_pixels: int, column: int, row: int) -> Slab:
    """The slab that holds a tile, without making the others. Raises RequestError if the grid has no such tile."""
    raster.require_tile(column, row)
    block_columns, block_rows = _block(raster, raster_pixels)
    return _slab(raster, column - column % block_columns, row - row % block_rows, block_columns, block_rows)


def slab_spec(level: Level, slab: Slab) -> RasterSpec:
    """The raster that is drawn and kept of a slab of a level."""
    return raster_of(level, slab.rect_px)


def raster_of(level: Level, rect: RectPx) -> RasterSpec:
    """A block of whole tiles of a level as a raster."""
    return RasterSpec(
        scale=level.scale,
        x0_px=rect.x0_px,
        y0_px=rect.y0_px,
        x1_px=rect.x1_px,
        y1_px=rect.y1_px,
        tile_px=level.tile_px,
    )


def _slab(raster: Raster, column0: int, row0: int, block_columns: int, block_rows: int) -> Slab:
    columns = min(block_columns, raster.columns - column0)
    rows = min(block_rows, raster.rows - row0)
    per_row = -(-raster.columns // block_columns)
    side = raster.tile_px
    return Slab(
        row0 // block_rows * per_row + column0 // block_columns,
        column0,
        row0,
        columns,
        rows,
        RectPx(column0 * side, row0 * side, (column0 + columns) * side, (row0 + rows) * side).intersection(raster.rect_px),
    )


@lru_cache(maxsize=256)
def _block(raster: Raster, raster_pixels: int) -> tuple[int, int]:
    """(columns, rows) of tiles in a slab: bands of the full width if they are the fewest slabs, else squarish blocks.

    Bands alone were rejected: on a sheet 65536 px wide they are one tile high, and a screen that looks at a corner would
    draw five of them, 170 megapixels, where it touches one or two blocks. Blocks are evened out, so that none is a sliver.
    """
    require_count(raster_pixels, "raster_pixels")
    blocks: dict[tuple[int, int], int] = {}
    for columns in range(raster.columns, 0, -1):
        width_px = min(columns * raster.tile_px, raster.width_px)
        fits = width_px * raster.height_px <= raster_pixels
        rows = raster.rows if fits else min(raster.rows, raster_pixels // (width_px * raster.tile_px))
        if rows:
            blocks[columns, rows] = -(-raster.columns // columns) * -(-raster.rows // rows)
    if not blocks:
        return 1, 1
    fewest = min(blocks.values())
    widest = next(iter(blocks))
    if widest[0] == raster.columns and blocks[widest] == fewest:
        columns, rows = widest
    else:
        columns, rows = max((block for block, count in blocks.items() if count <= fewest * SQUARER_FOR), key=min)
    return _evened(raster.columns, columns), _evened(raster.rows, rows)


def _evened(tiles: int, block: int) -> int:
    """The smallest block that needs no more blocks than `block` does."""
    return -(-tiles // -(-tiles // block))
