"""Our own PNG writer: grey, palette and RGB, compressed by ISA-L.

Pillow's writer tries every filter on every row and compresses with zlib: 40 to 100 ms for a page that takes 3 to 5 ms here
(docs/explanation/decisions/0005-encoding.md).
"""

from __future__ import annotations

import zlib
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding.png_file import GREY, PALETTE, RGB, Layout, png_file


class Deflater(Protocol):
    """A stream that is compressed piece by piece."""

    def compress(self, data: memoryview, /) -> bytes:
        """Compress more data. Returns the part of the stream that is ready."""

    def flush(self) -> bytes:
        """The rest of the stream."""


class Deflate(Protocol):
    """The functions of the module `zlib` that are used here."""

    def compressobj(self, level: int, /) -> Deflater:
        """A new stream."""

    def crc32(self, data: bytes, value: int = ..., /) -> int:
        """A checksum, which continues from `value`."""


deflate: Deflate
"""ISA-L; zlib on a platform without its wheel: the same pixels, more slowly."""
try:
    from isal import isal_zlib

    deflate = isal_zlib
except ImportError:
    deflate = zlib

Filter = Literal[0, 2]
NONE: Filter = 0
UP: Filter = 2

_LEVEL = 1
"""ISA-L's level 0 gives up to 70 % more bytes in the same time, 2 the same bytes, and 3 takes nine times as long."""
_PIECE_BYTES = 256 << 10


def deflated(samples: NDArray[np.uint8], row_filter: Filter) -> bytes:
    """The zlib stream of a PNG with rows of contiguous samples, of shape (height, ...). Each row follows the number of its
    filter.

    All rows have one filter. None is best for text on flat paper, Up for shadings. Paeth would gain a few percent there but
    takes ten passes in numpy. Sub was never clearly the best. Rows are filtered in pieces that fit into the processor's cache:
    a second copy of the raster would be fresh memory, which the kernel clears first.
    """
    rows = samples.reshape(samples.shape[0], -1)
    height, row_bytes = rows.shape
    step = max(1, min(height, _PIECE_BYTES // (1 + row_bytes)))
    piece = np.empty((step, 1 + row_bytes), np.uint8)
    piece[:, 0] = row_filter
    deflater = deflate.compressobj(_LEVEL)
    parts = []
    for top in range(0, height, step):
        filtered = piece[: min(step, height - top)]
        _filter(rows, top, row_filter, filtered[:, 1:])
        parts.append(deflater.compress(filtered.reshape(-1).data))
    parts.append(deflater.flush())
    return b"".join(parts)


def _filter(rows: NDArray[np.uint8], top: int, row_filter: Filter, out: NDArray[np.uint8]) -> None:
    """Filter as many rows from `top` on as fit into `out`."""
    bottom = top + len(out)
    if row_filter == NONE:
        out[:] = rows[top:bottom]
        return
    out[0] = rows[top] - rows[top - 1] if top else rows[0]
    np.subtract(rows[top + 1 : bottom], rows[top : bottom - 1], out=out[1:])


def grey_png(plane: NDArray[np.uint8], row_filter: Filter = NONE) -> bytes:
    """A PNG of a plane of shape (height, width). It has 1, 2 or 4 bits if all values are among the 2, 4 or 16 of such a PNG."""
    height, width = plane.shape
    bits = _grey_bits(plane)
    if bits < 8:
        packed = _packed(plane >> np.uint8(8 - bits), bits)
        return _file(Layout(width, height, bits, GREY), deflated(packed, NONE))
    return _file(Layout(width, height, 8, GREY), deflated(plane, row_filter))


def rgb_png(pixels: NDArray[np.uint8], row_filter: Filter = NONE) -> bytes:
    """A PNG of pixels of shape (height, width, 3)."""
    height, width, _ = pixels.shape
    return _file(Layout(width, height, 8, RGB), deflated(pixels, row_filter))


def palette_png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG of indices of shape (height, width) into a palette of shape (1 to 256, 3)."""
    height, width = indices.shape
    bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    samples = indices if bits == 8 else _packed(indices, bits)
    return _file(Layout(width, height, bits, PALETTE), deflated(samples, NONE), palette.tobytes())


def _grey_bits(plane: NDArray[np.uint8]) -> int:
    """The fewest bits that hold every value exactly. Antialiased text has more than 16 values, which shows in a few rows."""
    height = plane.shape[0]
    used = np.zeros(256, bool)
    for some in (slice(0, height, max(1, height // 32)), *(slice(top, top + 64) for top in range(0, height, 64))):
        rows = np.ascontiguousarray(plane[some])
        image = Image.frombuffer("L", (rows.shape[1], rows.shape[0]), rows, "raw", "L", 0, 1)
        used |= np.array(image.histogram(), bool)  # a fifth of the time of numpy.bincount
        if np.count_nonzero(used) > 16:
            return 8
    levels = np.flatnonzero(used)
    return next((bits for bits in (1, 2, 4) if not np.any(levels % (255 // ((1 << bits) - 1)))), 8)


def _packed(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Values below 2**bits, packed `8 // bits` to a byte, the first in the highest bits. Rows are padded to whole bytes."""
    height, width = values.shape
    if bits == 1:
        return np.packbits(values, axis=1)
    per_byte = 8 // bits
    padded = np.zeros((height, -(-width // per_byte) * per_byte), np.uint8)
    padded[:, :width] = values
    out = np.zeros((height, padded.shape[1] // per_byte), np.uint8)
    for place in range(per_byte):
        out |= padded[:, place::per_byte] << (8 - bits * (place + 1))
    return out


def _file(layout: Layout, stream: bytes, palette: bytes = b"") -> bytes:
    return png_file(layout, stream, palette, checksum=deflate.crc32)
