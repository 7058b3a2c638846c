"""Makes records smaller without loss: pages of coloured text that were encoded fast.

A host may import this module: numpy and Pillow are loaded with the first record that is encoded anew.
"""

from __future__ import annotations

from sidebooks_core.encoding.formats import COMPACT, COMPACT_FROM_PIXELS, PNG, WEBP
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, unpack_tiles

_COLOUR_TYPE = 25
"""The place of the colour type in a PNG: signature, length and name of the header, width, height, depth."""
_RGB = 2


def may_be_smaller(record: bytes) -> bool:
    """Whether a tile of a record is a large PNG in RGB. Looks at headers only. False for a damaged record."""
    try:
        return any(_may_be_smaller(tile) for tile in unpack_tiles(record)[0])
    except RecordUnreadable:
        return False


def smaller(record: bytes, quality: int) -> bytes | None:
    """The record with the same pixels in fewer bytes, as "compact" encodes them. None: it stays as it is.

    It takes 0.1 s for a page of a screen. Raises RecordUnreadable, and RequestError for a damaged image.
    """
    tiles, columns = unpack_tiles(record)
    made = [_smaller(tile, quality) if _may_be_smaller(tile) else tile for tile in tiles]
    if made == tiles:
        return None
    return pack(made, columns, tiles[0].problems)


def _may_be_smaller(tile: PackedTile) -> bool:
    is_rgb = tile.media_type == PNG.media_type and tile.data[_COLOUR_TYPE : _COLOUR_TYPE + 1] == bytes([_RGB])
    return is_rgb and tile.width_px * tile.height_px >= COMPACT_FROM_PIXELS


def _smaller(tile: PackedTile, quality: int) -> PackedTile:
    from sidebooks_core.encoding.encode import decode, encode

    made = encode(decode(tile.data, tile.media_type), COMPACT, quality)
    if made.media_type != WEBP.media_type or len(made.data) >= len(tile.data):
        return tile
    return PackedTile(made.data, made.media_type, tile.width_px, tile.height_px, tile.problems)
