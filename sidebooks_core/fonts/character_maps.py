"""Maps of many at once: from CID to character as the engine's tables have it, from character to glyph as a font has it.

Asking the engine for each of a collection's 32,768 CIDs and 21,697 characters takes 50 to 70 ms. Worker side.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.fonts.tables import face_table

CIDS = 1 << 16
_MOST_MAPS = 8
"""Character maps that one adds to another, at most."""
_RANGE, _LONG_RANGE = np.dtype(("<u2", 3)), np.dtype(("<u4", 3))

Numbers = NDArray[np.int64]


def characters_of(cmap: Any) -> Numbers:
    """The character of each CID from 0 to 65535, or -1, as `ll_pdf_lookup_cmap` tells it. `cmap`: a `mupdf.pdf_cmap`."""
    characters = np.full(CIDS, -1, np.int64)
    for _ in range(_MOST_MAPS):
        if not cmap:
            break
        for ranges, count, kind in ((cmap.ranges, cmap.rlen, _RANGE), (cmap.xranges, cmap.xlen, _LONG_RANGE)):
            if count:
                _fill(characters, np.frombuffer(ctypes.string_at(int(ranges.this), count * kind.itemsize), kind))
        cmap = cmap.usecmap
    return characters


def _fill(characters: Numbers, ranges: NDArray[Any]) -> None:
    """Where nothing is known yet. ranges: rows of first CID, last CID, character of the first."""
    rows = ranges.astype(np.int64)
    rows = rows[rows[:, 0] < CIDS]
    firsts = rows[:, 0]
    lengths = np.minimum(rows[:, 1], CIDS - 1) - firsts + 1
    cids = _spread(firsts, lengths)
    found = _spread(rows[:, 2], lengths)
    is_news = characters[cids] < 0
    characters[cids[is_news]] = found[is_news]


def _spread(firsts: Numbers, lengths: Numbers) -> Numbers:
    """Numbers that rise by one from each first on, for so long."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(firsts - ends + lengths, lengths)


def glyphs_of(characters: Numbers, data: memoryview, index: int) -> Numbers | None:
    """The glyph of each character in face `index` of a font file held in memory, 0 where it has none.

    None for a face without a map of all of Unicode (format 12), which leaves the answer to the engine. Raises ValueError
    if the table is damaged.
    """
    table = face_table(data, index, "cmap")
    if not table:
        return None
    try:
        (count,) = struct.unpack_from(">H", table, 2)
        for number in range(count):
            platform, encoding, start = struct.unpack_from(">HHI", table, 4 + 8 * number)
            if (platform, encoding) in ((3, 10), (0, 4)) and struct.unpack_from(">H", table, start) == (12,):
                (groups,) = struct.unpack_from(">I", table, start + 12)
                rows = np.frombuffer(table, np.dtype((">u4", 3)), groups, start + 16).astype(np.int64)
                return _looked_up(characters, rows)
    except struct.error as error:
        raise ValueError(f"damaged character map: {error}") from error
    return None


def _looked_up(characters: Numbers, groups: NDArray[np.int64]) -> Numbers:
    """groups: rows of first character, last character, glyph of the first; rising."""
    if not len(groups):
        return np.zeros_like(characters)
    rows = groups[np.maximum(np.searchsorted(groups[:, 0], characters, "right") - 1, 0)]
    is_there = (characters >= rows[:, 0]) & (characters <= rows[:, 1])
    return np.where(is_there, (rows[:, 2] + characters - rows[:, 0]) & 0xFFFF, 0)
