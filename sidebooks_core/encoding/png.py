"""Our own PNG writer: grey, palette and RGB, compressed by ISA-L.

Pillow's writer tries every filter on every row and compresses with zlib: 40 to 100 ms for a page that takes 3 to 5 ms here
(docs/explanation/decisions/0005-encoding.md).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding.png_file import GREY, PALETTE, RGB, Layout, png_chunk, png_file


class Deflater(Protocol):
    """A stream that is compressed piece by piece."""

    def compress(self, data: memoryview, /) -> bytes:
        """Compress more data. Returns the part of the stream that is ready."""

    def flush(self, mode: int = ..., /) -> bytes:
        """The rest of the stream, or up to a byte border."""


class Deflate(Protocol):
    """The functions of the module `zlib` that are used here."""

    def compressobj(self, level: int, method: int = ..., wbits: int = ..., /) -> Deflater:
        """A new stream."""

    def crc32(self, data: bytes, value: int = ..., /) -> int:
        """A checksum, which continues from `value`."""

    def adler32(self, data: bytes | memoryview, value: int = ..., /) -> int:
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
    deflater = deflate.compressobj(_LEVEL)
    parts = [deflater.compress(piece) for piece in _filtered(samples, row_filter)]
    return b"".join([*parts, deflater.flush()])


def band_chunk(samples: NDArray[np.uint8], row_filter: Filter) -> tuple[bytes, int, int]:
    """An IDAT chunk with some rows of a PNG, up to a byte border of the deflate stream, which goes on in the next chunk.

    Also the checksum (Adler-32) of the filtered rows, and their bytes. The first row has the filter None: the row above may be
    another worker's.
    """
    deflater = deflate.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    adler, row_bytes, parts = 1, 0, []
    for piece in _filtered(samples, row_filter, is_band=True):
        adler, row_bytes = deflate.adler32(piece, adler), row_bytes + len(piece)
        parts.append(deflater.compress(piece))
    parts.append(deflater.flush(zlib.Z_SYNC_FLUSH))
    return png_chunk(b"IDAT", b"".join(parts), checksum=deflate.crc32), adler, row_bytes


def _filtered(samples: NDArray[np.uint8], row_filter: Filter, *, is_band: bool = False) -> Iterator[memoryview]:
    """Filtered rows, some at a time. Each piece is valid until the next one."""
    rows = samples.reshape(samples.shape[0], -1)
    height, row_bytes = rows.shape
    step = max(1, min(height, _PIECE_BYTES // (1 + row_bytes)))
    piece = np.empty((step, 1 + row_bytes), np.uint8)
    for top in range(0, height, step):
        filtered = piece[: min(step, height - top)]
        filtered[:, 0] = row_filter
        _filter(rows, top, row_filter, filtered[:, 1:])
        if is_band and not top:
            filtered[0, 0], filtered[0, 1:] = NONE, rows[0]
        yield filtered.reshape(-1).data


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
        samples = packed(plane >> np.uint8(8 - bits), bits)
        return _file(Layout(width, height, bits, GREY), deflated(samples, NONE))
    return _file(Layout(width, height, 8, GREY), deflated(plane, row_filter))


def rgb_png(pixels: NDArray[np.uint8], row_filter: Filter = NONE) -> bytes:
    """A PNG of pixels of shape (height, width, 3)."""
    height, width, _ = pixels.shape
    return _file(Layout(width, height, 8, RGB), deflated(pixels, row_filter))


def palette_png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG of indices of shape (height, width) into a palette of shape (1 to 256, 3)."""
    height, width = indices.shape
    bits = next(bits for bits in (1, 2, 4, 8) if len(palette) <= 1 << bits)
    samples = indices if bits == 8 else packed(indices, bits)
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


def packed(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
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
