"""Tells what is in a tile: one colour, grey, few colours, a drawing, a picture. Exact if pixels depend on it, else by a sample.

The answers depend on the pixels alone, not on the quality asked for: equal tiles always become the same kind of image.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding import png
from sidebooks_core.encoding.formats import JPEG
from sidebooks_core.encoding.worth import DRAWING_FLATNESS, MOSTLY_FLAT, UP_TIMES, bytes_of_text, lossless_pays

SAMPLE_BLOCKS = 16
"""Blocks of rows in a sample of a whole image."""
BLOCKS_OF_TILE = 8
"""Blocks in a sample of a tile: of 512 rows a quarter, not half, are looked at twice. 267 tiles of 77 pages became images of
the same kinds, in 0.85 of the time."""
_TILE_ROWS = 1024
"""An image of fewer rows counts as a tile."""
_BLOCK_ROWS = 16
_FEW_RUNS = 0.87
"""The densest pages of text have 0.9."""
_CHECK_ROWS = 128
"""Rows that are compared at once: few enough for the processor's cache and for an early end."""
_LIKELY_MANY = 64
"""If some rows show more colours, more than 256 are likely in all, and other rows are looked at before the whole."""
COLOURS_OF_TEXT = 1024
"""Most colours in a sample of text in a few inks, with those of its smooth edges."""
_JPEG_HEADERS_BYTES = 620
_LANE_BYTES = 1536
"""Bytes that are compared side by side: whole pixels, and whole words of 8 bytes."""
_LANE_COLOURS = np.tile(np.array([255, 255, 0], np.uint8), _LANE_BYTES // 3).view(np.uint64)
"""Which bytes of a lane show colour if they differ from the next one: red and green, but not blue, which is followed by red."""
_OPAQUE = np.uint32(0xFF000000)
"""Set in every number that stands for a colour, so that none is 0."""
_HASH_MULTIPLIERS = tuple((0x9E3779B1 + step * 0x3C6EF372) & 0xFFFFFFFF for step in range(64))


class Study(Struct, frozen=True):
    """What a sample of a tile shows."""

    is_picture: bool
    """Whether it is a photograph, a scan with its noise, or a tile in which such a picture weighs most."""
    row_filter: png.Filter
    """The filter that makes the smaller PNG."""
    lossless_bytes: float
    """Estimated bytes of the PNG."""


class Indexed(Struct, frozen=True):
    """Pixels as indices into a palette."""

    indices: NDArray[np.uint8]
    """Shape (height, width)."""
    palette: NDArray[np.uint8]
    """Shape (1 to 256, 3), RGB."""


def single_colour(pixels: NDArray[np.uint8]) -> tuple[int, ...] | None:
    """The colour of contiguous pixels, as 1 or 3 numbers, if they have only one."""
    rows = pixels.reshape(pixels.shape[0], -1)
    colour = rows[0, : pixels.size // (pixels.shape[0] * pixels.shape[1])]
    first = rows[0].reshape(-1, len(colour))
    if not (first == colour).all() or not np.array_equal(rows[len(rows) // 2], rows[0]):
        return None
    for top in range(0, len(rows), _CHECK_ROWS):
        if not (rows[top : top + _CHECK_ROWS] == rows[0]).all():
            return None
    return tuple(colour.tolist())


def grey_plane(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """One plane of RGB pixels if red, green and blue are equal in every pixel; else None. It stops at the first rows with
    colour.
    """
    if not _is_grey(np.ascontiguousarray(pixels[:: max(1, pixels.shape[0] // 32)])):
        return None
    for top in range(0, pixels.shape[0], _CHECK_ROWS):
        if not _is_grey(pixels[top : top + _CHECK_ROWS]):
            return None
    return np.ascontiguousarray(pixels[..., 0])


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether contiguous pixels are grey. Bytes are compared with their successors, a fifth of the time of comparing planes."""
    flat = pixels.reshape(-1)
    whole = (flat.size - 1) // _LANE_BYTES * _LANE_BYTES
    differences = (flat[1 : whole + 1] ^ flat[:whole]).view(np.uint64).reshape(-1, _LANE_BYTES // 8)
    if (np.bitwise_or.reduce(differences, axis=0) & _LANE_COLOURS).any():
        return False
    rest = flat[whole:].reshape(-1, 3)
    return np.array_equal(rest[:, :2], rest[:, 1:])


class Sample(Struct, frozen=True):
    """Some rows of a tile."""

    rows: NDArray[np.uint8]
    """Blocks of 16 rows, evenly spread, one below another; all rows of a low tile."""
    colours: NDArray[np.uint32]
    """The colours of its runs of one colour, in reading order, one number each; none for grey pixels."""
    share: float
    """Share of the tile's rows, above 0 to 1."""
    flatness: float
    """Share of pixels that equal their left neighbour, 0 to 1. It is high for paper and flat colour, low for texture."""

    @property
    def holds_drawing(self) -> bool:
        """Whether there are flat areas, hence edges: text, line art or a diagram, perhaps around a picture."""
        return self.flatness >= DRAWING_FLATNESS

    @property
    def has_few_runs(self) -> bool:
        """Whether it is text or line art on paper."""
        return self.flatness >= _FEW_RUNS

    def is_plainly_text(self, most_colours: int) -> bool:
        """Whether it is text or line art in a few inks, of which nothing more need be found out. RGB pixels only.

        Of 130 pages of 60 documents, pictures on as much paper have at least 2,092 colours, and nine pages of text in ten have
        fewer than 1,128.
        """
        if not self.colours.size or not self.has_few_runs:
            return False
        slots = np.zeros(1 << 16, bool)
        slots[_slot(self.colours, _HASH_MULTIPLIERS[0])] = True
        return int(np.count_nonzero(slots)) <= most_colours

    @classmethod
    def of(cls, pixels: NDArray[np.uint8]) -> Sample:
        """From contiguous pixels of shape (height, width) or (height, width, 3)."""
        return cls.of_parts([pixels], pixels.shape[0])

    @classmethod
    def of_parts(cls, parts: Sequence[NDArray[np.uint8]], image_height_px: int) -> Sample:
        """From some rows of an image: contiguous parts of one width, as `of` takes them. Each gets its share of the blocks."""
        blocks = _blocks(image_height_px)
        sampled = [sampled_rows(part, blocks * len(part) / image_height_px) for part in parts]
        rows = sampled[0] if len(sampled) == 1 else np.concatenate(sampled)
        if rows.ndim == 2:
            colours, flat = np.empty(0, np.uint32), np.count_nonzero(rows[:, 1:] == rows[:, :-1])
        else:
            packed = _packed_colours(rows)
            colours = _runs(packed)[1]
            across_rows = np.count_nonzero(packed[1:, 0] == packed[:-1, -1])
            flat = packed.size - colours.size - across_rows
        flatness = float(flat) / max(1, rows.shape[0] * (rows.shape[1] - 1))
        return cls(rows, colours, rows.shape[0] / sum(map(len, parts)), flatness)

    def middle_rows(self) -> NDArray[np.uint8]:
        """The middle half of each block; all rows of low parts."""
        if self.rows.shape[0] % _BLOCK_ROWS:
            return self.rows
        blocks = self.rows.reshape(-1, _BLOCK_ROWS, *self.rows.shape[1:])
        return np.ascontiguousarray(blocks[:, 4:12]).reshape(-1, *self.rows.shape[1:])


def _blocks(image_height_px: int) -> int:
    return SAMPLE_BLOCKS if image_height_px >= _TILE_ROWS else BLOCKS_OF_TILE


def sampled_rows(pixels: NDArray[np.uint8], blocks: float | None = None) -> NDArray[np.uint8]:
    """The rows of a `Sample`. blocks: how many blocks; None: as many as a whole image has."""
    height = pixels.shape[0]
    count = max(1, round(_blocks(height) if blocks is None else blocks))
    if height <= count * _BLOCK_ROWS:
        return pixels
    tops = np.linspace(0, height - _BLOCK_ROWS, count).astype(int)
    return np.concatenate([pixels[top : top + _BLOCK_ROWS] for top in tops])


def count_colours(sample: Sample) -> int:
    """The number of different colours of sampled RGB pixels."""
    return int(np.unique(sample.colours).size)


class ColourRuns(Struct, frozen=True):
    """RGB pixels of at most 256 colours, as runs of one colour.

    Only rows that differ from the one above are held, and of these only pixels that differ from their left neighbour. On real
    pages, six rows in ten repeat the one above, and one pixel in twenty of a page of text differs from its neighbour. Finding
    them and writing indices takes 2 to 5 ms for a page; `numpy.unique` takes 90.
    """

    width_px: int
    pieces: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint32]]]
    """For some rows each: which different row each row is, and the lengths and colours of the runs of the different rows."""
    distinct: NDArray[np.uint32]
    """The colours, sorted."""

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.uint8]], sample: Sample) -> ColourRuns | None:
        """From contiguous parts of shape (height, width, 3), one below another, and their sample. None: there are more colours,
        mostly after a look at the sample.
        """
        known = _Colours()
        if not known.add(sample.colours):
            return None
        if known.distinct.size > _LIKELY_MANY and sample.share < 1:
            between = (part[_BLOCK_ROWS // 2 :: _BLOCK_ROWS] for part in parts)
            if not all(known.add(_runs(_packed_colours(np.ascontiguousarray(rows)))[1]) for rows in between):
                return None
        pieces = []
        for piece in (part[top : top + _CHECK_ROWS] for part in parts for top in range(0, part.shape[0], _CHECK_ROWS)):
            row_of = _distinct_rows(piece)
            lengths, colours = _runs(_packed_colours(piece[np.flatnonzero(np.diff(row_of, prepend=-1))]))
            pieces.append((row_of, lengths, colours))
            if not known.add(colours):
                return None
        return cls(parts[0].shape[1], pieces, known.distinct)

    def colours(self) -> bytes:
        """The colours, sorted, 4 bytes each: red, green, blue, 255."""
        return self.distinct.astype("<u4").tobytes()

    def indices(self, colours: NDArray[np.uint32]) -> NDArray[np.uint8] | None:
        """The pixels as indices into some sorted colours, which include all of these: shape (height, width).

        None: no table was found. This is one case in 2 to the 64.
        """
        table = _perfect_table(colours)
        if table is None:
            return None
        multiplier, index_of_slot = table
        out = []
        for row_of, lengths, run_colours in self.pieces:
            rows = np.repeat(index_of_slot[_slot(run_colours, multiplier)], lengths).reshape(-1, self.width_px)
            out.append(np.take(rows, row_of, axis=0))
        return np.concatenate(out)


def sampled_indices(sample: Sample, colours: NDArray[np.uint32]) -> NDArray[np.uint8] | None:
    """The pixels of a sample as indices into sorted colours, which include all of its own; None as in `ColourRuns.indices`."""
    table = _perfect_table(colours)
    return None if table is None else table[1][_slot(_packed_colours(sample.rows), table[0])]


def few_colours(pixels: NDArray[np.uint8], sample: Sample) -> Indexed | None:
    """RGB pixels as indices if they have at most 256 colours; else None."""
    runs = ColourRuns.of([pixels], sample)
    indices = None if runs is None else runs.indices(runs.distinct)
    return None if runs is None or indices is None else Indexed(indices, _palette(runs.distinct))


def grey_levels(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The levels of a contiguous plane of shape (height, width), ascending."""
    image = Image.frombuffer("L", (plane.shape[1], plane.shape[0]), plane, "raw", "L", 0, 1)
    return np.flatnonzero(np.array(image.histogram(), bool)).astype(np.uint8)  # a fifth of the time of numpy.bincount


def _palette(colours: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(colours.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3])


def _distinct_rows(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """For each row, how many rows up to it differ from the one above. Rows with equal numbers are equal."""
    rows = pixels.reshape(pixels.shape[0], -1)
    return np.concatenate(([0], np.cumsum((rows[1:] != rows[:-1]).any(axis=1))))


def _packed_colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Contiguous RGB pixels as one number each, red + green << 8 + blue << 16 + 255 << 24. Shape (height, width).

    They are read as numbers of four bytes, three bytes apart, with the next pixel's red in them: half of the time that Pillow
    takes. They are copied first, since any work at odd addresses takes three times as long.
    """
    samples = pixels.reshape(-1)
    count = samples.size // 3
    colours = np.empty(count, "<u4")
    colours[:-1] = np.ndarray(count - 1, "<u4", samples, strides=3)
    colours[-1] = int.from_bytes(samples[-3:].tobytes(), "little")
    colours |= _OPAQUE
    return colours.reshape(pixels.shape[:2])


def _runs(colours: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """Lengths and colours of the runs of one colour, in reading order."""
    flat = colours.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    return np.diff(starts, append=flat.size), flat[starts]


class _Colours:
    """Different colours, at most 256."""

    def __init__(self) -> None:
        self.distinct: NDArray[np.uint32] = np.empty(0, np.uint32)
        """Sorted."""
        self._slots = np.zeros(1 << 16, np.uint32)  # no colour is 0

    def add(self, colours: NDArray[np.uint32]) -> bool:
        """Add colours, mostly known ones. False if there are more than 256 now; then this is of no further use."""
        slots, where = self._slots, _slot(colours, _HASH_MULTIPLIERS[0])
        missed = np.flatnonzero(slots[where] != colours)
        if not missed.size:
            return True
        colours, where = colours[missed], where[missed]
        slots[where] = colours
        if np.count_nonzero(slots) > 256:
            return False
        collided = np.unique(colours[slots[where] != colours])
        self.distinct = np.unique(np.concatenate((self.distinct, slots[slots != 0], collided)))
        return self.distinct.size <= 256


def _slot(colours: NDArray[np.uint32], multiplier: int) -> NDArray[np.uint32]:
    hashed: NDArray[np.uint32] = (colours * np.uint32(multiplier)) >> np.uint32(16)
    return hashed


def _perfect_table(distinct: NDArray[np.uint32]) -> tuple[int, NDArray[np.uint8]] | None:
    """A multiplier under which no two of the colours share a slot, and the index of the colour in each slot."""
    for multiplier in _HASH_MULTIPLIERS:
        where = _slot(distinct, multiplier)
        if np.unique(where).size == distinct.size:
            table = np.zeros(1 << 16, np.uint8)
            table[where] = np.arange(distinct.size)
            return multiplier, table
    return None  # one case in 2 to the 64; the tile is then written in RGB, also losslessly


def study(pixels: NDArray[np.uint8], sample: Sample, indices: NDArray[np.uint8] | None = None) -> Study:
    """Judge contiguous pixels, of shape (height, width) or (height, width, 3), by their sample.

    indices: the plane that would be written in place of RGB pixels, if there is one.
    """
    if indices is None and sample.is_plainly_text(COLOURS_OF_TEXT):
        return Study(is_picture=False, row_filter=png.NONE, lossless_bytes=bytes_of_text(pixels.size))
    written = sample.rows if indices is None else sampled_rows(indices)
    row_filter = png.NONE
    lossless_bytes = len(png.deflated(written, png.NONE)) / sample.share
    if indices is None and sample.flatness < MOSTLY_FLAT:
        up_bytes = len(png.deflated(written, png.UP)) / sample.share
        if up_bytes < UP_TIMES * lossless_bytes:
            row_filter, lossless_bytes = png.UP, up_bytes
    is_worth = lossless_is_worth(lossless_bytes, pixels, sample)
    return Study(not is_worth, row_filter, lossless_bytes)


def lossless_is_worth(lossless_bytes: float, pixels: NDArray[np.uint8], sample: Sample) -> bool:
    """Whether contiguous pixels that take so many bytes losslessly are no picture. It looks only as closely as it must."""
    pixel_count = pixels.shape[0] * pixels.shape[1]
    if lossless_pays(lossless_bytes, 0, pixel_count, sample.flatness):
        return True
    if sample.share < 1.0:
        # Most text is so far from the limit that a quarter of the sample decides: 8 rows of every other band. By these rows,
        # JPEG came to 0.6 to 1.5 of its bytes by all rows (5 and 95 % of 267 pages). The estimate takes half of the time of
        # this function.
        bands = sample.rows.reshape(-1, _BLOCK_ROWS, *sample.rows.shape[1:])
        some = np.ascontiguousarray(bands[::2, 4:12]).reshape(-1, *sample.rows.shape[1:])
        if lossless_pays(1.5 * lossless_bytes, jpeg_estimate(some, pixels.shape[0]), pixel_count, sample.flatness):
            return True
    return lossless_pays(lossless_bytes, jpeg_estimate(sample.rows, pixels.shape[0]), pixel_count, sample.flatness)


def jpeg_estimate(rows: NDArray[np.uint8], height_px: int) -> float:
    """The estimated bytes of a JPEG of so many rows, by some of them."""
    return float(max(1, jpeg_reference_bytes(rows) - _JPEG_HEADERS_BYTES) * height_px / rows.shape[0])


def jpeg_reference_bytes(pixels: NDArray[np.uint8]) -> int:
    """The bytes of a JPEG at quality 85: the measure of complexity for `lossless_pays`."""
    out = io.BytesIO()
    Image.fromarray(pixels[:, : JPEG.longest_side_px]).save(out, "JPEG", quality=85)
    return out.tell()
