"""A record: the encoded tiles of one raster in one string of bytes.

Layout: a length of 4 bytes, little-endian; that many bytes of msgpack `[version, columns, blobs, tiles, problems]`; then the
blobs. `blobs` lists `[media type, length]`. `tiles` lists `[blob, width_px, height_px]`, row by row. Tiles with equal bytes
share one blob: on most pages many tiles are blank. `problems` lists in words what of the page could not be drawn.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct, msgpack

from sidebooks_core.documents.limits import MOST_PROBLEMS
from sidebooks_core.encoding.formats import BY_MEDIA_TYPE

PACKING_VERSION = 2
MEDIA_TYPES = frozenset({*BY_MEDIA_TYPE, "text/plain; charset=utf-8"})
"""Media types that a record may state. They become types of HTTP answers, and a worker that was taken over must not make a
browser run its output. Text stands for an image that could not be made."""
MOST_HEADER_BYTES = 1 << 20
"""More than 30,000 tiles need. To read a hostile header costs some 40 times its length."""
LONGEST_PROBLEM = 120
"""Most characters of a problem. All are printable, since they reach terminals, headers and browsers."""
_LENGTH = struct.Struct("<I")


class PackedTile(Struct, frozen=True):
    """One encoded tile."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int
    problems: tuple[str, ...] = ()
    """What of its page could not be drawn, in words. It holds for the whole record, so every tile of a page says the same."""


_Whole = Annotated[int, Meta(ge=0)]


class _Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The part of a record before its blobs."""

    version: int
    columns: _Whole
    blobs: list[tuple[str, _Whole]]
    tiles: list[tuple[_Whole, _Whole, _Whole]]
    problems: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=LONGEST_PROBLEM)], ...], Meta(max_length=MOST_PROBLEMS)
    ]


_DECODER = msgpack.Decoder(_Header)


class RecordUnreadable(ValueError):
    """The bytes are no record of this version."""


def pack(tiles: Iterable[PackedTile], columns: int, problems: Iterable[str] = ()) -> bytes:
    """A record of tiles that are given row by row. problems: what of the page could not be drawn; the first few are kept."""
    tiles = list(tiles)
    if len(tiles) == 1:  # no other tile can be equal: its bytes need not be hashed
        return _packed([(tiles[0].media_type, tiles[0].data)], [[0, tiles[0].width_px, tiles[0].height_px]], columns, problems)
    blob_numbers: dict[tuple[str, bytes], int] = {}
    index: list[list[int]] = []
    for tile in tiles:
        number = blob_numbers.setdefault((tile.media_type, tile.data), len(blob_numbers))
        index.append([number, tile.width_px, tile.height_px])
    return _packed(list(blob_numbers), index, columns, problems)


def _packed(blobs: list[tuple[str, bytes]], index: list[list[int]], columns: int, problems: Iterable[str]) -> bytes:
    lengths = [[media_type, len(data)] for media_type, data in blobs]
    header = msgpack.encode([PACKING_VERSION, columns, lengths, index, _kept(problems)])
    return b"".join([_LENGTH.pack(len(header)), header, *(data for _, data in blobs)])


def stacked(records: Sequence[bytes], sizes_px: Sequence[Sequence[tuple[int, int]]], columns: int) -> bytes:
    """One record of the tiles of several, one below another.

    sizes_px: the width and height of each tile that each record must have, row by row. Raises RecordUnreadable. No tile is
    copied more than once, whatever a header says.
    """
    blobs: list[tuple[str, bytes]] = []
    index: list[list[int]] = []
    problems: list[str] = []
    for record, wanted in zip(records, sizes_px, strict=True):
        header, offset = _header(record)
        if header.columns != columns or [(width, height) for _, width, height in header.tiles] != list(wanted):
            raise RecordUnreadable("the record has other tiles")
        first = len(blobs)
        for media_type, length in header.blobs:
            if media_type not in MEDIA_TYPES or offset + length > len(record):
                raise RecordUnreadable("the record has a blob that cannot be")
            blobs.append((media_type, record[offset : offset + length]))
            offset += length
        if any(number >= len(header.blobs) for number, _, _ in header.tiles):
            raise RecordUnreadable("the record has a tile without bytes")
        index += [[first + number, width, height] for number, width, height in header.tiles]
        problems += header.problems
    return _packed(blobs, index, columns, problems)


def unpack_tile(record: bytes, column: int, row: int) -> PackedTile:
    """One tile of a record. Column and row count from the record's first tile. Only this tile's bytes are copied.

    Raises RecordUnreadable.
    """
    span, media_type, width_px, height_px, problems = _tile(record, column, row)
    return PackedTile(record[span], media_type, width_px, height_px, problems)


def problems_of(record: bytes) -> tuple[str, ...]:
    """What of the page could not be drawn. Raises RecordUnreadable."""
    return _header(record)[0].problems


def tile_span(record: bytes, column: int, row: int) -> slice:
    """The place of a tile's bytes in the record. Raises RecordUnreadable."""
    return _tile(record, column, row)[0]


def _tile(record: bytes, column: int, row: int) -> tuple[slice, str, int, int, tuple[str, ...]]:
    """The place of a tile's bytes, its media type, its width and height in pixels, and the record's problems."""
    header, offset = _header(record)
    place = row * header.columns + column
    if not 0 <= column < header.columns or row < 0 or place >= len(header.tiles):
        raise RecordUnreadable(f"no tile ({column}, {row}) in the record")
    number, width_px, height_px = header.tiles[place]
    if number >= len(header.blobs):
        raise RecordUnreadable(f"no tile ({column}, {row}) in the record: it has no bytes")
    media_type = header.blobs[number][0]
    if media_type not in MEDIA_TYPES:
        raise RecordUnreadable(f"tile ({column}, {row}) of the record is {media_type[:40]!r}")
    lengths = [length for _, length in header.blobs[: number + 1]]
    stop = offset + sum(lengths)
    if stop > len(record):
        raise RecordUnreadable("the record is cut short")
    return slice(stop - lengths[-1], stop), media_type, width_px, height_px, header.problems


def _kept(problems: Iterable[str]) -> list[str]:
    """Problems within bounds: printable, each once."""
    clean = ("".join(c if c.isprintable() else "?" for c in problem)[:LONGEST_PROBLEM] for problem in problems)
    return list(dict.fromkeys(clean))[:MOST_PROBLEMS]


def _header(record: bytes) -> tuple[_Header, int]:
    """The header, and the place where the blobs begin. Raises RecordUnreadable."""
    try:
        length = _LENGTH.unpack_from(record)[0]
        if length > MOST_HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        offset = _LENGTH.size + length
        header = _DECODER.decode(memoryview(record)[_LENGTH.size : offset])
    except (struct.error, ValueError, RecursionError) as error:
        raise RecordUnreadable(f"unreadable record: {error}") from error
    if header.version != PACKING_VERSION:
        raise RecordUnreadable(f"record of version {header.version}, not {PACKING_VERSION}")
    if not all(problem.isprintable() for problem in header.problems):
        raise RecordUnreadable("unreadable record: what it tells of problems cannot be")
    return header, offset
