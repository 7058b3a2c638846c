"""Reads the directories of a TIFF or BigTIFF, without unpacking any page. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

Data = bytes | memoryview

MOST_ENTRIES = 4096
"""Most entries of one directory: some hundreds are known."""
_WIDTHS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_ORIENTATION, _COMPRESSION, _SAMPLE_FORMAT = 274, 259, 339
_LONG, _RATIONAL = 4, 5
_RATIO_BASE = 1 << 32
_SIZES = (256, 257, 296)
"""Width and height in pixels, and the unit of the resolution."""
_RESOLUTIONS = (282, 283)
_SHAPE = (*_SIZES, *_RESOLUTIONS)
_NUMBERS = (_ORIENTATION, _COMPRESSION, _SAMPLE_FORMAT, *_SHAPE)
_ONE_GREY = ((258, 1), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 0))
"""Entries that say: 1 bit a pixel, not packed, from black to white, no data. The engine takes the largest pages with 1 bit."""
_UNSIGNED = 1
_ENGINE_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 7, 8, 32773, 32809, 32946, 34676, 34677))
"""None, CCITT in three forms, LZW, JPEG, Deflate in two forms, PackBits, ThunderScan, SGI's two for light."""


class TiffPage(Struct, frozen=True):
    """The facts that decide how a page is drawn."""

    orientation: int
    compression: int
    sample_format: int
    is_big: bool
    blank: bytes
    """A TIFF of one page without data, with the size in pixels and the resolution of this one; empty for a BigTIFF."""

    @property
    def is_engines(self) -> bool:
        """Whether the engine reads it rightly, except for its orientation."""
        return not self.is_big and self.compression in _ENGINE_COMPRESSIONS and self.sample_format == _UNSIGNED


def is_big(data: Data) -> bool:
    """Whether it is a BigTIFF, by its version."""
    return bytes(data[:4]) in (b"II+\0", b"MM\0+")


def pages(data: Data, most: int) -> list[TiffPage]:
    """The pages in order, as far as the directories can be read, at most `most`. None for data that is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 16:
        return []
    big = is_big(data)
    return [
        TiffPage(
            values.get(_ORIENTATION, 1),
            values.get(_COMPRESSION, 1),
            values.get(_SAMPLE_FORMAT, _UNSIGNED),
            big,
            b"" if big else _blank(order, *map(values.get, _SHAPE)),
        )
        for values, _ in zip(_directories(data, order, big), range(most), strict=False)
    ]


@lru_cache(maxsize=64)
def _blank(order: str, *shape: int | None) -> bytes:
    """shape: the values of the entries in _SHAPE. The pages of most files have the same."""
    told = ((tag, value) for tag, value in zip(_SHAPE, shape, strict=True) if value is not None and value < _RATIO_BASE**2)
    entries = sorted([*_ONE_GREY, *told])
    behind = 8 + 2 + 12 * len(entries) + 4
    directory, ratios = b"", b""
    for tag, value in entries:
        if tag in _RESOLUTIONS:
            directory += struct.pack(f"{order}HHII", tag, _RATIONAL, 1, behind + len(ratios))
            ratios += struct.pack(f"{order}II", *divmod(value, _RATIO_BASE))
        else:
            directory += struct.pack(f"{order}HHII", tag, _LONG, 1, value % _RATIO_BASE)
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    return head + directory + bytes(4) + ratios


def _directories(data: Data, order: str, is_big: bool) -> Iterator[dict[int, int]]:
    count_format, offset_format, entry_bytes = ("Q", "Q", 20) if is_big else ("H", "I", 12)
    offset_bytes, count_bytes = struct.calcsize(offset_format), struct.calcsize(f"<{count_format}")
    place = 8 if is_big else 4
    seen = set()
    try:
        [offset] = struct.unpack_from(order + offset_format, data, place)
        while offset and offset not in seen:
            seen.add(offset)
            [count] = struct.unpack_from(order + count_format, data, offset)
            if count > MOST_ENTRIES:
                return
            start = offset + count_bytes
            yield {
                tag: value
                for entry in range(count)
                for tag, value in _entry(data, order, start + entry * entry_bytes, offset_format, offset_bytes)
            }
            [offset] = struct.unpack_from(order + offset_format, data, start + count * entry_bytes)
    except struct.error:
        return


def _entry(data: Data, order: str, place: int, offset_format: str, offset_bytes: int) -> Iterator[tuple[int, int]]:
    """Tag and first value of an entry that is a number; of a ratio, its numerator times _RATIO_BASE and its denominator."""
    tag, kind, count = struct.unpack_from(f"{order}HH{offset_format}", data, place)
    if tag in _RESOLUTIONS and kind == _RATIONAL and count:
        [value_place] = struct.unpack_from(order + offset_format, data, place + 4 + offset_bytes)
        if value_place + 8 <= len(data):  # else it has none, and the page has its other entries
            above, below = struct.unpack_from(f"{order}II", data, value_place)
            yield tag, above * _RATIO_BASE + below
    if tag not in _NUMBERS or kind not in _WIDTHS or not count:
        return
    value_place = place + 4 + offset_bytes
    if count * struct.calcsize(f"<{_WIDTHS[kind]}") > offset_bytes:
        [value_place] = struct.unpack_from(order + offset_format, data, value_place)
    [value] = struct.unpack_from(order + _WIDTHS[kind], data, value_place)
    yield tag, value * _RATIO_BASE + 1 if tag in _RESOLUTIONS else value
