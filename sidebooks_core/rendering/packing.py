"""A record: the encoded tiles of one raster in one string of bytes.

Layout: a length of 4 bytes, little-endian; that many bytes of msgpack `[version, columns, blobs, tiles]`; then the blobs.
`blobs` lists `[media type, length]`; `tiles` lists `[blob, width_px, height_px]`, row by row. Tiles with equal bytes share
one blob: on most pages many tiles are blank.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgpack
from msgspec import Struct

PACKING_VERSION = 1
MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/avif", "text/plain; charset=utf-8"})
"""What a record may say that it holds. It becomes the type of an answer over HTTP, and a worker that was taken over must not
get a browser to run what it makes; text stands for an image that could not be made."""
MOST_HEADER_BYTES = 1 << 20
"""More than 30,000 tiles take. A hostile header costs some 40 times its length to look at."""
_LENGTH = struct.Struct("<I")


class PackedTile(Struct, frozen=True):
    """One encoded tile."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int


class RecordUnreadable(ValueError):
    """The bytes are no record of this version."""


def pack(tiles: Iterable[PackedTile], columns: int) -> bytes:
    """One record of the tiles given row by row."""
    blob_numbers: dict[tuple[str, bytes], int] = {}
    index: list[list[int]] = []
    for tile in tiles:
        number = blob_numbers.setdefault((tile.media_type, tile.data), len(blob_numbers))
        index.append([number, tile.width_px, tile.height_px])
    blobs = [[media_type, len(data)] for media_type, data in blob_numbers]
    header = msgpack.packb([PACKING_VERSION, columns, blobs, index])
    return b"".join([_LENGTH.pack(len(header)), header, *(data for _, data in blob_numbers)])


def unpack_tile(record: bytes, column: int, row: int) -> PackedTile:
    """One tile of a record; column and row count from the record's own first tile. Copies only that tile's bytes.

    Raises RecordUnreadable.
    """
    span, media_type, width_px, height_px = _tile(record, column, row)
    return PackedTile(record[span], media_type, width_px, height_px)


def tile_span(record: bytes, column: int, row: int) -> slice:
    """Where in the record a tile's bytes are. Raises RecordUnreadable."""
    return _tile(record, column, row)[0]


def _tile(record: bytes, column: int, row: int) -> tuple[slice, str, int, int]:
    """Where its bytes are, their media type, width and height in pixels."""
    columns, blobs, index, offset = _header(record)
    try:
        if not 0 <= column < columns or row < 0:
            raise IndexError
        number, width_px, height_px = index[row * columns + column]
        lengths = [length for _, length in blobs[: number + 1]]
        media_type = blobs[number][0]
        counts = (number, width_px, height_px, *lengths)
        if media_type not in MEDIA_TYPES or any(type(count) is not int or count < 0 for count in counts):
            raise ValueError("what it says of itself cannot be")
        stop = offset + sum(lengths)
        if stop > len(record):
            raise ValueError("it is cut short")
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        raise RecordUnreadable(f"no tile ({column}, {row}) in the record: {error}") from error
    return slice(stop - lengths[-1], stop), media_type, width_px, height_px


def _header(record: bytes) -> tuple[int, tuple[Any, ...], tuple[Any, ...], int]:
    """Columns, blobs, tiles (what is in these two is not looked at), and where the blobs begin."""
    try:
        length = _LENGTH.unpack_from(record)[0]
        if length > MOST_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        offset = _LENGTH.size + length
        version, columns, blobs, index = msgpack.unpackb(record[_LENGTH.size : offset], use_list=False)
    except (struct.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise RecordUnreadable(f"unreadable record: {error}") from error
    if version != PACKING_VERSION:
        raise RecordUnreadable(f"record of version {version}, not {PACKING_VERSION}")
    if type(columns) is not int or type(blobs) is not tuple or type(index) is not tuple:
        raise RecordUnreadable("unreadable record: its header lists no tiles")
    return columns, blobs, index, offset
