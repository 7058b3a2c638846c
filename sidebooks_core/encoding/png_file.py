"""The PNG file around a stream of pixels, and images of one colour. Imports neither numpy nor Pillow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

GREY, RGB, PALETTE = 0, 2, 3
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Layout(Struct, frozen=True):
    """What the header of a file says of its pixels."""

    width_px: int
    height_px: int
    bits: int
    """Of each sample: 1, 2, 4 or 8."""
    colour_type: int
    """GREY, RGB or PALETTE."""


class Checksum(Protocol):
    """CRC-32 of some bytes, continued from `value`."""

    def __call__(self, data: bytes, value: int = ..., /) -> int: ...


def png_file(layout: Layout, stream: bytes, palette: bytes = b"", *, checksum: Checksum = zlib.crc32) -> bytes:
    """A PNG file with a zlib stream of rows. palette: red, green and blue of each entry; empty for none."""
    return png_of_chunks(layout, palette, [png_chunk(b"IDAT", stream, checksum=checksum)])


def png_of_chunks(layout: Layout, palette: bytes, rows: Sequence[bytes]) -> bytes:
    """A PNG file whose zlib stream of rows is in chunks already."""
    header = struct.pack(">IIBBBBB", layout.width_px, layout.height_px, layout.bits, layout.colour_type, 0, 0, 0)
    between = [png_chunk(b"PLTE", palette)] if palette else []
    return b"".join([_SIGNATURE, png_chunk(b"IHDR", header), *between, *rows, png_chunk(b"IEND", b"")])


def png_chunk(name: bytes, content: bytes, *, checksum: Checksum = zlib.crc32) -> bytes:
    """One chunk of a PNG file, with its length and its checksum."""
    return b"".join([struct.pack(">I", len(content)), name, content, struct.pack(">I", checksum(content, checksum(name)))])


def flat_png(width_px: int, height_px: int, colour: tuple[int, ...]) -> bytes:
    """An image of one colour, (grey,) or (red, green, blue): a few hundred bytes at any size, with a palette of one entry."""
    palette = bytes(colour * (3 // len(colour)))
    return png_file(Layout(width_px, height_px, 1, PALETTE), _flat_stream(width_px, height_px), palette)


@lru_cache(maxsize=64)
def _flat_stream(width_px: int, height_px: int) -> bytes:
    # zlib's best level makes a third of ISA-L's bytes, and runs once for each size.
    return zlib.compress(bytes((1 + -(-width_px // 8)) * height_px), 9)
