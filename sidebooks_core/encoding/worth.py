"""What lossless pixels may cost in bytes, beside a JPEG. Pure arithmetic: it imports neither numpy nor Pillow."""

from __future__ import annotations

MOSTLY_FLAT = 0.8
"""Flatness from which a page is text or line art on paper. PNG's filter Up never won there on real pages."""
DRAWING_FLATNESS = 0.5
"""Flatness from which there are edges: text, line art or a diagram, perhaps around a picture."""
UP_TIMES = 0.95
"""PNG's filter Up is taken if it makes at most so many times the bytes of None, which is decoded faster."""
LOSSLESS_TIMES = 1.25
"""Lossless pixels may always take so many times the bytes of a JPEG."""
FLAT_TIMES = 2.25
"""Lossless pixels may take so many times the bytes of a JPEG if nearly all of the tile is paper or even colour."""


def lossless_pays(lossless_bytes: float, jpeg_bytes: float, pixel_count: float, flatness: float) -> bool:
    """Whether the lossless image is worth its bytes.

    On real pages, text and drawings take 0.4 to 1.7 times the bytes of JPEG at quality 85, photographs 2 to 8 times. The more
    paper shows, the more of the tile is text, which JPEG blurs: hence FLAT_TIMES. Coarse levels of text come near to
    photographs, but have few bytes: hence a quarter bit for each pixel and 16 kB more.
    """
    if lossless_bytes <= LOSSLESS_TIMES * jpeg_bytes:
        return True
    if flatness < DRAWING_FLATNESS:
        return False
    times = min(FLAT_TIMES, LOSSLESS_TIMES + 3 * (flatness - DRAWING_FLATNESS))
    return lossless_bytes <= times * jpeg_bytes + pixel_count / 32 + 16384


def bytes_of_text(sample_count: int) -> float:
    """About the most bytes of a PNG of text in a few inks. sample_count: its samples, three for a pixel."""
    return sample_count / 16


def is_beyond_estimate(lossless_bytes: float, expected_bytes: float) -> bool:
    """Whether a lossless image is so much larger than its sample told that a picture may lie between the sampled rows."""
    return lossless_bytes > 2 * expected_bytes + 65_536
