"""From the pixels of a raster to its record."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.encoding.encode import encode
from sidebooks_core.encoding.tileset import PackedTile, pack


def record_of(pixels: NDArray[np.uint8], tile_px: int, image_format: str, quality: int, problems: Iterable[str] = ()) -> bytes:
    """Cut a raster into tiles, encode each, and pack them.

    pixels: shape (height, width) for grey, (height, width, 3) for sRGB. tile_px: side of a tile; those at the right and bottom
    may be smaller. quality: 1 to 100, of lossy formats. problems: what of the page could not be drawn. Raises RequestError.
    """
    height_px, width_px = pixels.shape[:2]
    tiles = []
    for top in range(0, height_px, tile_px):
        for left in range(0, width_px, tile_px):
            part = pixels[top : top + tile_px, left : left + tile_px]
            encoded = encode(part, image_format, quality)
            tiles.append(PackedTile(encoded.data, encoded.media_type, part.shape[1], part.shape[0]))
    return pack(tiles, columns=-(-width_px // tile_px), problems=problems)
