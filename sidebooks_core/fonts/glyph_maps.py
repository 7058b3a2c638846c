"""The glyphs of many characters at once, from a font file's own map. Worker side."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.fonts.tables import face_table

Numbers = NDArray[np.int64]


def glyphs_of(characters: Numbers, data: memoryview, index: int) -> Numbers | None:
    """The glyph of each character in face `index` of a font file in memory; 0 if the face has none.

    None for a face without a map of all of Unicode (format 12): the engine must be asked then. Raises ValueError if the table
    is damaged.
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
    """groups: rows of first character, last character, glyph of the first, in rising order."""
    if not len(groups):
        return np.zeros_like(characters)
    rows = groups[np.maximum(np.searchsorted(groups[:, 0], characters, "right") - 1, 0)]
    is_there = (characters >= rows[:, 0]) & (characters <= rows[:, 1])
    return np.where(is_there, (rows[:, 2] + characters - rows[:, 0]) & 0xFFFF, 0)
