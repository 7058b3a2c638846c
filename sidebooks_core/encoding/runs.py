"""An RGB image as runs of one colour: on a page of text they are a tenth of its pixels or fewer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

BLOCK_PIXELS = 1 << 12
"""No run goes beyond a multiple of it: the longest piece that WebP can repeat or copy."""
_BAND_PIXELS = 16 * BLOCK_PIXELS
"""Compared at once: few enough for the processor's cache."""
_OPAQUE = np.uint32(0xFF000000)
"""In every number that stands for a colour, so that none is 0."""


def packed_colours(samples: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Contiguous RGB samples, shape (3 * pixels,), as one number a pixel: red + green << 8 + blue << 16 + 255 << 24.

    Read as numbers of four bytes, three bytes apart, the next pixel's red among them: half of the time that Pillow takes. They
    are copied before anything else is done to them, which at odd addresses takes three times as long.
    """
    count = samples.size // 3
    colours = np.empty(count, "<u4")
    colours[:-1] = np.ndarray(count - 1, "<u4", samples, strides=3)
    colours[-1] = int.from_bytes(samples[-3:].tobytes(), "little")
    colours |= _OPAQUE
    return colours


class Runs(Struct, frozen=True):
    """Consecutive pixels of one colour, in reading order, row after row."""

    starts: NDArray[np.intp]
    """The first pixel of each, rising, from 0."""
    colours: NDArray[np.uint32]
    """As `packed_colours` gives them."""
    pixel_count: int
    """Of the image, at least 1."""

    @classmethod
    def of(cls, pixels: NDArray[np.uint8]) -> Runs:
        """Of contiguous pixels of shape (..., 3)."""
        samples = pixels.reshape(-1)
        pixel_count = samples.size // 3
        all_starts, all_colours = [], []
        is_start = np.empty(min(_BAND_PIXELS, pixel_count), bool)
        for first in range(0, pixel_count, _BAND_PIXELS):
            count = min(_BAND_PIXELS, pixel_count - first)
            colours = packed_colours(samples[3 * first : 3 * (first + count)])
            np.not_equal(colours[1:], colours[:-1], out=is_start[1:count])
            is_start[:count:BLOCK_PIXELS] = True
            starts = np.flatnonzero(is_start[:count])
            all_colours.append(colours.take(starts))
            starts += first
            all_starts.append(starts)
        return cls(np.concatenate(all_starts), np.concatenate(all_colours), pixel_count)

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Of each in pixels, 1 to BLOCK_PIXELS."""
        return np.diff(self.starts, append=self.pixel_count)

    def stretches(self, most_blocks: int) -> list[Runs]:
        """The same in pieces about as long as one another, each of at most so many blocks and from its own pixel 0."""
        blocks = -(-self.pixel_count // BLOCK_PIXELS)
        stretches = -(-blocks // most_blocks)
        edges = [BLOCK_PIXELS * (number * blocks // stretches) for number in range(stretches)] + [self.pixel_count]
        cuts = np.searchsorted(self.starts, edges).tolist()
        return [
            Runs(self.starts[begin:end] - first, self.colours[begin:end], stop - first)
            for (first, stop), (begin, end) in zip(pairwise(edges), pairwise(cuts), strict=True)
        ]
