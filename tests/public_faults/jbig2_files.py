"""Writes JBIG2 streams as PDF holds them (ITU-T T.88): regions coded arithmetically, refined, and made of symbols."""

from __future__ import annotations

import struct
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

Bitmap = NDArray[np.uint8]
"""Shape (height, width), 1 is black."""

_STATES = (
    (0x5601, 1, 1, 1), (0x3401, 2, 6, 0), (0x1801, 3, 9, 0), (0x0AC1, 4, 12, 0), (0x0521, 5, 29, 0),
    (0x0221, 38, 33, 0), (0x5601, 7, 6, 1), (0x5401, 8, 14, 0), (0x4801, 9, 14, 0), (0x3801, 10, 14, 0),
    (0x3001, 11, 17, 0), (0x2401, 12, 18, 0), (0x1C01, 13, 20, 0), (0x1601, 29, 21, 0), (0x5601, 15, 14, 1),
    (0x5401, 16, 14, 0), (0x5101, 17, 15, 0), (0x4801, 18, 16, 0), (0x3801, 19, 17, 0), (0x3401, 20, 18, 0),
    (0x3001, 21, 19, 0), (0x2801, 22, 19, 0), (0x2401, 23, 20, 0), (0x2201, 24, 21, 0), (0x1C01, 25, 22, 0),
    (0x1801, 26, 23, 0), (0x1601, 27, 24, 0), (0x1401, 28, 25, 0), (0x1201, 29, 26, 0), (0x1101, 30, 27, 0),
    (0x0AC1, 31, 28, 0), (0x09C1, 32, 29, 0), (0x08A1, 33, 30, 0), (0x0521, 34, 31, 0), (0x0441, 35, 32, 0),
    (0x02A1, 36, 33, 0), (0x0221, 37, 34, 0), (0x0141, 38, 35, 0), (0x0111, 39, 36, 0), (0x0085, 40, 37, 0),
    (0x0049, 41, 38, 0), (0x0025, 42, 39, 0), (0x0015, 43, 40, 0), (0x0009, 44, 41, 0), (0x0005, 45, 42, 0),
    (0x0001, 45, 43, 0), (0x5601, 46, 46, 0),
)  # fmt: skip
"""Table E.1: Qe, NMPS, NLPS, SWITCH."""
_RANGES = ((0, (0,), 2), (4, (1, 0), 4), (20, (1, 1, 0), 6), (84, (1, 1, 1, 0), 8), (340, (1, 1, 1, 1, 0), 12))
"""Annex A.2: from where, prefix, bits."""
_AT = bytes([3, 255, 253, 255, 2, 254, 254, 254])
_OUT_OF_BAND = None


class _Coder:
    """Annex E; its encoder as in JPEG 2000's annex C."""

    def __init__(self) -> None:
        self._interval, self._code, self._left = 0x8000, 0, 12
        self._bytes = bytearray([0])
        self._contexts: dict[Hashable, tuple[int, int]] = {}

    def bit(self, context: Hashable, value: int) -> None:
        index, likely = self._contexts.get(context, (0, 0))
        share, next_likely, next_unlikely, switches = _STATES[index]
        self._interval -= share
        if value == likely:
            if self._interval & 0x8000:
                self._code += share
                return
            upper, index = self._interval >= share, next_likely
        else:
            upper, index = self._interval < share, next_unlikely
            likely ^= switches
        if upper:
            self._code += share
        else:
            self._interval = share
        self._contexts[context] = index, likely
        while not self._interval & 0x8000:
            self._interval <<= 1
            self._code <<= 1
            self._left -= 1
            if not self._left:
                self._emit()

    def _emit(self) -> None:
        if self._bytes[-1] != 0xFF and self._code >= 0x8000000:
            self._bytes[-1] += 1
            self._code &= 0x7FFFFFF
        if self._bytes[-1] == 0xFF:
            self._bytes.append(self._code >> 20 & 0xFF)
            self._code, self._left = self._code & 0xFFFFF, 7
        else:
            self._bytes.append(self._code >> 19 & 0xFF)
            self._code, self._left = self._code & 0x7FFFF, 8

    def ended(self) -> bytes:
        top = self._code + self._interval
        self._code |= 0xFFFF
        if self._code >= top:
            self._code -= 0x8000
        for _ in range(2):
            self._code <<= self._left
            self._emit()
        return bytes(self._bytes[1:]).rstrip(b"\xff") + b"\xff\xac"

    def integer(self, name: str, value: int | None) -> None:
        context = 1
        if value is _OUT_OF_BAND:
            bits = [1, 0, 0, 0]
        else:
            size = abs(value)
            start, prefix, count = next(one for one in reversed(_RANGES) if size >= one[0])
            bits = [int(value < 0), *prefix, *(size - start >> place & 1 for place in reversed(range(count)))]
        for bit in bits:
            self.bit((name, context), bit)
            context = context << 1 | bit if context < 256 else (context << 1 | bit) & 511 | 256

    def symbol(self, number: int, code_bits: int) -> None:
        context = 1
        for place in reversed(range(code_bits)):
            bit = number >> place & 1
            self.bit(("symbol", context), bit)
            context = context << 1 | bit

    def generic(self, bitmap: Bitmap) -> None:
        """Template 0."""
        near = ((-2, (-2, -1, 0, 1, 2)), (-1, (-3, -2, -1, 0, 1, 2, 3)), (0, (-4, -3, -2, -1)))
        for y, x in np.ndindex(bitmap.shape):
            context = tuple(_at(bitmap, y + down, x + across) for down, row in near for across in row)
            self.bit(("generic", context), int(bitmap[y, x]))

    def refined(self, bitmap: Bitmap, reference: Bitmap) -> None:
        """Template 1, in the same place."""
        before = ((-1, -1), (-1, 0), (-1, 1), (0, -1))
        around = ((-1, 0), (0, -1), (0, 0), (0, 1), (1, 0), (1, 1))
        for y, x in np.ndindex(bitmap.shape):
            drawn = tuple(_at(bitmap, y + down, x + across) for down, across in before)
            given = tuple(_at(reference, y + down, x + across) for down, across in around)
            self.bit(("refined", drawn + given), int(bitmap[y, x]))


def _at(bitmap: Bitmap, y: int, x: int) -> int:
    return int(bitmap[y, x]) if 0 <= y < bitmap.shape[0] and 0 <= x < bitmap.shape[1] else 0


def _segment(number: int, kind: int, data: bytes, refers_to: tuple[int, ...] = ()) -> bytes:
    header = struct.pack(">IBB", number, kind, len(refers_to) << 5) + bytes(refers_to) + b"\x01"
    return header + struct.pack(">I", len(data)) + data


def _page(bitmap: Bitmap) -> bytes:
    return _segment(0, 48, struct.pack(">IIIIBH", bitmap.shape[1], bitmap.shape[0], 0, 0, 0, 0))


def _region(bitmap: Bitmap) -> bytes:
    return struct.pack(">IIIIB", bitmap.shape[1], bitmap.shape[0], 0, 0, 0)


def _generic(bitmap: Bitmap) -> bytes:
    coder = _Coder()
    coder.generic(bitmap)
    return _region(bitmap) + b"\x00" + _AT + coder.ended()


def _refinement(bitmap: Bitmap, reference: Bitmap) -> bytes:
    coder = _Coder()
    coder.refined(bitmap, reference)
    return _region(bitmap) + b"\x01" + coder.ended()


def generic_refinement(bitmap: Bitmap, reference: Bitmap) -> bytes:
    """An intermediate region, refined."""
    return _page(bitmap) + _segment(1, 36, _generic(reference)) + _segment(2, 42, _refinement(bitmap, reference), (1,))


def refinement_in_steps(bitmap: Bitmap, reference: Bitmap) -> bytes:
    """An intermediate region, refined to another one, refined."""
    first = _page(bitmap) + _segment(1, 36, _generic(reference)) + _segment(2, 40, _refinement(bitmap, reference), (1,))
    return first + _segment(3, 42, _refinement(bitmap, bitmap), (2,))


def page_refinement(bitmap: Bitmap, reference: Bitmap) -> bytes:
    """What is on the page already, refined."""
    return _page(bitmap) + _segment(1, 38, _generic(reference)) + _segment(2, 42, _refinement(bitmap, reference))


def text_refinement(bitmap: Bitmap, symbol: Bitmap, x_px: int, y_px: int, page: Bitmap) -> bytes:
    """A text of one symbol, refined to a bitmap of the same size, on a page of the size of `page`."""
    words = _Coder()
    for name, value in (("IADH", symbol.shape[0]), ("IADW", symbol.shape[1])):
        words.integer(name, value)
    words.generic(symbol)
    for name, number in (("IADW", _OUT_OF_BAND), ("IAEX", 0), ("IAEX", 1)):
        words.integer(name, number)
    dictionary = struct.pack(">H", 0) + _AT + struct.pack(">II", 1, 1) + words.ended()
    text = _Coder()
    for name, value in (("IADT", 0), ("IADT", y_px), ("IAFS", x_px), ("IARI", 1)):
        text.integer(name, value)
    for name in ("IARDW", "IARDH", "IARDX", "IARDY"):
        text.integer(name, 0)
    text.refined(bitmap, symbol)
    text.integer("IADS", _OUT_OF_BAND)
    region = _region(page) + struct.pack(">HI", 0x8012, 1) + text.ended()
    return _page(page) + _segment(1, 0, dictionary) + _segment(2, 6, region, (1,))
