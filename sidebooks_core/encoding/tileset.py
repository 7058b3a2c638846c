"""A record: the encoded tiles of one raster in one string of bytes.

Layout: a length of 4 bytes, little-endian; that many bytes of msgpack `[version, columns, blobs, tiles, problems]`; then
the blobs. `blobs` lists `[media type, length]`; `tiles` lists `[blob, width_px, height_px]`, row by row. Tiles with equal
bytes share one blob: on most pages many tiles are blank. `problems` lists in words what of the page could not be drawn.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgpack
from msgspec import Struct

from sidebooks_core.documents.problems import MOST_PROBLEMS
from sidebooks_core.encoding.formats import BY_MEDIA_TYPE

PACKING_VERSION = 2
MEDIA_TYPES = frozenset({*BY_MEDIA_TYPE, "text/plain; charset=utf-8"})
"""What a record may say that it holds. It becomes the type of an answer over HTTP, and a worker that was taken over must not
get a browser to run what it makes; text stands for an image that could not be made."""
MOST_HEADER_BYTES = 1 << 20
"""More than 30,000 tiles take. A hostile header costs some 40 times its length to look at."""
LONGEST_PROBLEM = 120
"""Characters, all of them printable: they reach terminals, headers and browsers."""
_LENGTH = struct.Struct("<I")


class PackedTile(Struct, frozen=True):
    """One encoded tile."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int
    problems: tuple[str, ...] = ()
    """What of its page could not be drawn, in words: of the whole record, so that every tile of a page tells the same."""


class RecordUnreadable(ValueError):
    """The bytes are no record of this version."""


def pack(tiles: Iterable[PackedTile], columns: int, problems: Iterable[str] = ()) -> bytes:
    """One record of the tiles given row by row. problems: what of the page could not be drawn; the first few are kept."""
    blob_numbers: dict[tuple[str, bytes], int] = {}
    index: list[list[int]] = []
    for tile in tiles:
        number = blob_numbers.setdefault((tile.media_type, tile.data), len(blob_numbers))
        index.append([number, tile.width_px, tile.height_px])
    blobs = [[media_type, len(data)] for media_type, data in blob_numbers]
    header = msgpack.packb([PACKING_VERSION, columns, blobs, index, _kept(problems)])
    return b"".join([_LENGTH.pack(len(header)), header, *(data for _, data in blob_numbers)])


def unpack_tile(record: bytes, column: int, row: int) -> PackedTile:
    """One tile of a record; column and row count from the record's own first tile. Copies only that tile's bytes.

    Raises RecordUnreadable.
    """
    span, media_type, width_px, height_px, problems = _tile(record, column, row)
    return PackedTile(record[span], media_type, width_px, height_px, problems)


def problems_of(record: bytes) -> tuple[str, ...]:
    """What of the page could not be drawn. Raises RecordUnreadable."""
    return _header(record)[4]


def tile_span(record: bytes, column: int, row: int) -> slice:
    """Where in the record a tile's bytes are. Raises RecordUnreadable."""
    return _tile(record, column, row)[0]


def _tile(record: bytes, column: int, row: int) -> tuple[slice, str, int, int, tuple[str, ...]]:
    """Where its bytes are, their media type, width and height in pixels, and the record's problems."""
    columns, blobs, index, offset, problems = _header(record)
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
    return slice(stop - lengths[-1], stop), media_type, width_px, height_px, problems


def _kept(problems: Iterable[str]) -> list[str]:
    """Bounded and printable, each once."""
    clean = ("".join(c if c.isprintable() else "?" for c in problem)[:LONGEST_PROBLEM] for problem in problems)
    return list(dict.fromkeys(clean))[:MOST_PROBLEMS]


def _header(record: bytes) -> tuple[int, tuple[Any, ...], tuple[Any, ...], int, tuple[str, ...]]:
    """Columns, blobs, tiles (what is in these two is not looked at), where the blobs begin, problems."""
    try:
        length = _LENGTH.unpack_from(record)[0]
        if length > MOST_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        offset = _LENGTH.size + length
        version, *fields = msgpack.unpackb(record[_LENGTH.size : offset], use_list=False)
    except (struct.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise RecordUnreadable(f"unreadable record: {error}") from error
    if version != PACKING_VERSION:
        raise RecordUnreadable(f"record of version {version}, not {PACKING_VERSION}")
    if len(fields) != 4:
        raise RecordUnreadable(f"unreadable record: its header has {len(fields)} fields")
    columns, blobs, index, problems = fields
    if type(columns) is not int or type(blobs) is not tuple or type(index) is not tuple:
        raise RecordUnreadable("unreadable record: its header lists no tiles")
    if problems != () and not _are_problems(problems):
        raise RecordUnreadable("unreadable record: what it tells of problems cannot be")
    return columns, blobs, index, offset, problems


def _are_problems(told: Any) -> bool:
    return (
        type(told) is tuple
        and len(told) <= MOST_PROBLEMS
        and all(type(one) is str and 0 < len(one) <= LONGEST_PROBLEM and one.isprintable() for one in told)
    )
