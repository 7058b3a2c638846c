"""Tells by the headers of its segments whether a JBIG2 stream is cut short (ITU-T T.88, 7.2). Pure.

The engine waits for the rest of an incomplete segment, and reports nothing if none comes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

MOST_SEGMENTS = 100_000
"""Most segments of a stream that are looked at. Segments after these count as whole."""
_UNKNOWN = 0xFFFFFFFF
_LONG_COUNT = 7
_GENERIC_REGION = 38
_PAGE, _END_OF_PAGE, _END_OF_STRIPE, _END_OF_FILE = 48, 49, 50, 51
_REGIONS = frozenset((6, 7, 22, 23, 38, 39, 42, 43))
"""Segments that draw on the page at once: text, halftones, generic and refined regions, each lossy or lossless."""
_NEEDED = _REGIONS | {0, 4, 16, 20, 36, 40, 53, _PAGE}
"""Segments that these use: dictionaries of symbols and patterns, intermediate regions, tables."""
_MMR = 0x01
_PADDING = b"\0\t\n\f\r "


class _Segment(Struct, frozen=True):
    kind: int
    data: memoryview
    """The data, as much of it as there is."""
    is_whole: bool


def is_cut(data: bytes, shared: bytes = b"", height_px: int = 0) -> bool:
    """Whether a part is missing that the picture needs. Never for a stream without a known segment.

    data: as a PDF embeds it, without a file header. shared: the segments of `JBIG2Globals`. height_px: the height that the
    image should have; it is used only if the stream states none.
    """
    if any(not segment.is_whole and segment.kind in _NEEDED for segment in _segments(shared)):
        return True
    has_page = has_region = is_open_ended = False
    reached_px = 0
    for segment in _segments(data):
        if not segment.is_whole:
            return segment.kind in _NEEDED or not has_region
        if segment.kind in (_END_OF_PAGE, _END_OF_FILE):
            return False
        if segment.kind == _PAGE and len(segment.data) >= 8:
            has_page = True
            is_open_ended = struct.unpack_from(">I", segment.data, 4)[0] == _UNKNOWN
        elif segment.kind == _END_OF_STRIPE and len(segment.data) >= 4:
            reached_px = max(reached_px, struct.unpack_from(">I", segment.data)[0] + 1)
        elif segment.kind in _REGIONS and len(segment.data) >= 16:
            has_region = True
            height, top = struct.unpack_from(">I4xI", segment.data, 4)
            reached_px = max(reached_px, top + height)
    return has_page and (not has_region or (is_open_ended and reached_px < height_px))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments in order. The last one of a cut stream has what is there of its data. Ends at data that is no segment."""
    view = memoryview(data)
    place = 0
    for _ in range(MOST_SEGMENTS):
        if not bytes(view[place : place + 64]).strip(_PADDING):
            return
        try:
            kind, length, place = _header(view, place)
        except struct.error:
            yield _Segment(_PAGE, view[:0], is_whole=False)
            return
        if length == _UNKNOWN:
            if kind != _GENERIC_REGION:
                return
            length = _unknown_length(data, place)
        yield _Segment(kind, view[place : place + length], is_whole=place + length <= len(view))
        place += length
        if place >= len(view):
            return


def _header(view: memoryview, place: int) -> tuple[int, int, int]:
    """Kind, length of the data, and where the data begin. Raises struct.error if the header is cut."""
    number, flags, count = struct.unpack_from(">IBB", view, place)
    place += 5
    if count >> 5 == _LONG_COUNT:
        count = struct.unpack_from(">I", view, place)[0] & 0x1FFFFFFF
        place += 4 + (count + 8) // 8
    else:
        count >>= 5
        place += 1
    place += count * (1 if number <= 256 else 2 if number <= 65536 else 4)
    place += 4 if flags & 0x40 else 1
    return flags & 0x3F, struct.unpack_from(">I", view, place)[0], place + 4


def _unknown_length(data: bytes, place: int) -> int:
    """The length of a generic region that states none (7.2.7): up to the mark at its end and the number of rows behind it."""
    flags_at = place + 17
    mark = b"\0\0" if data[flags_at : flags_at + 1] and data[flags_at] & _MMR else b"\xff\xac"
    end = data.find(mark, flags_at + 1)
    return _UNKNOWN if end < 0 else end + 6 - place
