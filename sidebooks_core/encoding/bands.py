"""One image from bands that several workers draw: how it is encoded is decided from what each band shows, and the encoded bands
are put together. Imports neither numpy nor Pillow.

The decision is `encode.encode`'s, with sums over the workers in place of a sample of the whole. Estimates of bytes differ by
some percent, so an image near the limit between a drawing and a picture may be judged otherwise than the page drawn whole.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from sidebooks_core.encoding import worth
from sidebooks_core.encoding.formats import JPEG, PNG
from sidebooks_core.encoding.png_file import GREY, PALETTE, RGB, Layout, flat_png, png_chunk, png_of_chunks

FLAT_KIND, GREY_KIND, PALETTE_KIND, RGB_KIND, JPEG_KIND = "flat", "grey", "palette", "rgb", "jpeg"
MOST_BANDS = 8
"""Most bands of a raster. More would cost more than they even out: each costs a look at the whole display list."""
MOST_COLOURS = 256
_COLOUR_BYTES = 4
_ZLIB_HEADER = b"\x78\x01"
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"
"""An empty block of a deflate stream that ends it."""
_ADLER = 65_521
_JPEG_END = b"\xff\xd9"

Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Colours = Annotated[bytes, Meta(max_length=MOST_COLOURS * _COLOUR_BYTES)]


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What the bands of one worker show."""

    is_grey: bool
    """Red, green and blue are equal in every pixel."""
    colours: Colours | None
    """All its colours, 4 bytes each: red, green, blue, 255. None: there are more than 256."""
    pairs: Count
    """Neighbours in a row that were compared, in a sample of rows."""
    equal_pairs: Count
    lossless_bytes: Count
    """Estimated bytes in a PNG with the filter None."""
    up_bytes: Count
    """The same with the filter Up. `lossless_bytes` if the bands are mostly flat."""
    jpeg_bytes: Count | None
    """Estimated bytes as a JPEG at quality 85. None: not needed, since they are worth their lossless bytes in any case."""


class Plan(Struct, frozen=True):
    """How all bands of an image are encoded."""

    kind: str
    bits: int = 8
    """Of a grey or a palette PNG."""
    row_filter: int = 0
    """Of a PNG with 8 bits a sample. The first row of each band has the filter None."""
    colours: bytes = b""
    """The palette, 4 bytes each."""
    is_grey: bool = False
    """The image has one component."""
    full_colour: bool = False
    """A JPEG keeps the full resolution of colours."""
    expected_bytes: int = 0
    """By the estimate."""


class Encoded(Struct, frozen=True, forbid_unknown_fields=True):
    """One band, encoded."""

    data: bytes
    """Of a PNG: an IDAT chunk with deflated rows up to a byte border. Of a JPEG: its entropy-coded data, with the restart
    marker before it if it is not the first band."""
    adler: Annotated[int, Meta(ge=0, lt=1 << 32)] = 1
    """Of a PNG: the checksum of the rows before they were deflated."""
    row_bytes: Count = 0
    """Of a PNG: how many bytes these were."""
    header: bytes = b""
    """Of a JPEG: all before the data, for an image of the height of all bands."""


def plan_of(seen: Sequence[Seen], width_px: int, height_px: int, *, may_lose: bool) -> Plan:
    """Decide how the bands of an image are encoded. may_lose: a picture may become a JPEG."""
    pixel_count = width_px * height_px
    is_grey = all(one.is_grey for one in seen)
    colours = _together(seen)
    if colours is not None and len(colours) == _COLOUR_BYTES:
        return Plan(FLAT_KIND, colours=colours)
    flatness = flatness_of(seen)
    lossless, up = sum(one.lossless_bytes for one in seen), sum(one.up_bytes for one in seen)
    row_filter = 0
    if (is_grey or colours is None) and up < worth.UP_TIMES * lossless:
        row_filter, lossless = 2, up
    jpeg = sum(one.lossless_bytes / worth.LOSSLESS_TIMES if one.jpeg_bytes is None else one.jpeg_bytes for one in seen)
    fits = max(width_px, height_px) <= JPEG.longest_side_px
    if may_lose and fits and not worth.lossless_pays(lossless, jpeg, pixel_count, flatness):
        return jpeg_plan(seen)
    if is_grey:
        bits = 8 if colours is None else _grey_bits(colours)
        return Plan(GREY_KIND, bits, row_filter if bits == 8 else 0, is_grey=True, expected_bytes=lossless)
    if colours is not None:
        bits = next(bits for bits in (1, 2, 4, 8) if len(colours) <= _COLOUR_BYTES << bits)
        return Plan(PALETTE_KIND, bits, colours=colours, expected_bytes=lossless)
    return Plan(RGB_KIND, row_filter=row_filter, expected_bytes=lossless)


def flatness_of(seen: Sequence[Seen]) -> float:
    """Share of the pixels of all samples that equal their left neighbour, 0 to 1."""
    return sum(one.equal_pairs for one in seen) / max(1, sum(one.pairs for one in seen))


def jpeg_plan(seen: Sequence[Seen]) -> Plan:
    """The plan of a picture."""
    flatness = flatness_of(seen)
    return Plan(JPEG_KIND, is_grey=all(one.is_grey for one in seen), full_colour=flatness >= worth.DRAWING_FLATNESS)


def joined(plan: Plan, encoded: Sequence[Encoded], width_px: int, height_px: int) -> tuple[bytes, str]:
    """The image of encoded bands, from top to bottom, and its media type. A flat image needs none."""
    if plan.kind == FLAT_KIND:
        red, green, blue = plan.colours[:3]
        return flat_png(width_px, height_px, (red, green, blue)), PNG.media_type
    if plan.kind == JPEG_KIND:
        return b"".join([encoded[0].header, *(band.data for band in encoded), _JPEG_END]), JPEG.media_type
    colour_type = {GREY_KIND: GREY, PALETTE_KIND: PALETTE, RGB_KIND: RGB}[plan.kind]
    layout = Layout(width_px, height_px, plan.bits, colour_type)
    palette = b"".join(plan.colours[at : at + 3] for at in range(0, len(plan.colours), _COLOUR_BYTES))
    adler = 1
    for band in encoded:
        adler = _combined(adler, band.adler, band.row_bytes)
    end = png_chunk(b"IDAT", _LAST_BLOCK + struct.pack(">I", adler))
    rows = [png_chunk(b"IDAT", _ZLIB_HEADER), *(band.data for band in encoded), end]
    return png_of_chunks(layout, palette, rows), PNG.media_type


def is_missed_picture(plan: Plan, encoded: Sequence[Encoded]) -> bool:
    """Whether a lossless image came out so large that it may be a picture, which lay between the sampled rows."""
    size = sum(len(band.data) for band in encoded)
    return plan.kind not in (FLAT_KIND, JPEG_KIND) and worth.is_beyond_estimate(size, plan.expected_bytes)


def _together(seen: Sequence[Seen]) -> bytes | None:
    """The colours of all bands, sorted; None if there are more than 256."""
    found: set[int] = set()
    for one in seen:
        if one.colours is None:
            return None
        found |= set(struct.unpack(f"<{len(one.colours) // _COLOUR_BYTES}I", one.colours))
    return struct.pack(f"<{len(found)}I", *sorted(found)) if len(found) <= MOST_COLOURS else None


def _grey_bits(colours: bytes) -> int:
    """The fewest bits of a grey PNG that hold every level exactly."""
    levels = colours[::_COLOUR_BYTES]
    return next((bits for bits in (1, 2, 4) if not any(level % (255 // ((1 << bits) - 1)) for level in levels)), 8)


def _combined(first: int, second: int, second_bytes: int) -> int:
    """The Adler-32 of two pieces from the checksums of each (zlib's `adler32_combine`)."""
    a1, b1, a2, b2 = first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16
    a = (a1 + a2 - 1) % _ADLER
    b = (b1 + b2 + second_bytes * (a1 - 1)) % _ADLER
    return b << 16 | a
