"""Coarser images, which a loaded server sends for a short time in place of images that have to wait.

They have the pixel size that the request names, so a viewer of tiles shows nothing odd but a blur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidebooks_core.encoding.formats import FORMATS_BY_CONTENT
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.images.tile import Tile

if TYPE_CHECKING:  # numpy and Pillow: only for a server that is loaded
    from sidebooks_core.encoding.encode import EncodedImage

QUALITY = 70
"""The quality of an image that is seen for a second or two."""


def at_hand(images: Images, request: Request) -> tuple[Tile, float] | None:
    """The finest image of the whole page in memory that is coarser than a raster, and its share of the raster's scale."""
    document, page, spec = request.document, request.page, request.spec
    for level in reversed(document.pyramid(page).levels):
        if level.scale >= spec.scale or level.columns * level.rows > 1:
            continue
        tile = images.tile_in_memory(images.place(document, page, level.index, 0, 0))
        if tile is not None:
            return tile, level.scale / spec.scale
    return None


def stand_in(tile: Tile, share: float, at: TilePlace, image_format: str) -> EncodedImage:
    """The part of the coarse image that a tile of the raster shows, in the tile's size. Raises RequestError if damaged."""
    from sidebooks_core.encoding.derive import enlarged

    spec, column, row = at.request.spec, at.column, at.row
    x0_px, y0_px = spec.x0_px + column * spec.tile_px, spec.y0_px + row * spec.tile_px
    x1_px, y1_px = min(x0_px + spec.tile_px, spec.x1_px), min(y0_px + spec.tile_px, spec.y1_px)
    box = (x0_px * share, y0_px * share, x1_px * share, y1_px * share)
    wanted = "jpeg" if image_format in FORMATS_BY_CONTENT else image_format
    return enlarged(tile.data, tile.media_type, box, (x1_px - x0_px, y1_px - y0_px), wanted, QUALITY)
