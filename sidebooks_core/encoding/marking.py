"""Lays a reader's name over images of pages, so that a picture of a page says whose copy it is.

The name is repeated in slanted rows over the whole page. Its places are those of the page, not of the image: two tiles that
touch show one pattern, and an image of a region shows the part of the pattern that lies there. The mark makes light pixels
darker and dark ones lighter by the same small step, so it is seen on white, on black and on photographs, and the text under it
stays legible.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from sidebooks_core.encoding.encode import EncodedImage, decode, encode
from sidebooks_core.encoding.formats import BY_MEDIA_TYPE

LETTERS_ON_PAGE = 60
"""Letters are so many times smaller than the long side of the page: 5 mm on A4."""
LEAST_LETTERS_PX = 9
MOST_LETTERS_PX = 72
"""On larger images the letters stay so large, and the name stands there more often."""
SLANT_DEGREES = 27.0
STEP = 34
"""By so much the full mark makes a light pixel darker, of 255; a dark one becomes lighter by half as much again, since the eye
sees less there."""
SHADES = 3
"""Steps from none to the full mark at the edges of letters. Few, so that a page of few colours stays one."""
DARK = 112
"""Pixels below it become lighter, the others darker. It is not 128, so grey of the middle does not lie on the border."""
GAP_LETTERS = 1.6
"""Free space around each name, in letters."""
_BITONAL_RASTER = 2
"""In black and white, one pixel of this many in both directions is turned over."""


class Strokes(Struct, frozen=True, eq=False):
    """The slanted name at one size, as the pixels that it changes."""

    rows: NDArray[np.intp]
    """Row of each pixel, from the top of the name's box; `columns` likewise from its left."""
    columns: NDArray[np.intp]
    steps: NDArray[np.uint8]
    """By how much each is changed, 1 to STEP."""
    width_px: int
    """Of the box."""
    height_px: int
    along_px: float
    """From one name to the next in its row."""
    across_px: float
    """From one row of names to the next."""

    @property
    def held_bytes(self) -> int:
        """The memory of the arrays."""
        return self.rows.nbytes + self.columns.nbytes + self.steps.nbytes


def letters_px(page_long_px: float) -> int:
    """The size of letters on an image of a page whose long side is so long at the image's scale."""
    return max(LEAST_LETTERS_PX, min(MOST_LETTERS_PX, round(page_long_px / LETTERS_ON_PAGE)))


def strokes(ink: bytes, size_px: tuple[int, int], drawn_letters_px: int, wanted_letters_px: int) -> Strokes:
    """The name at one size.

    ink: the upright name, a byte for each pixel, 255 where all is ink. size_px: its width and height. drawn_letters_px: the
    size of letters in `ink`. wanted_letters_px: the size to make. Raises ValueError if nothing would be seen.
    """
    share = wanted_letters_px / drawn_letters_px
    upright = Image.frombytes("L", size_px, ink)
    scaled = upright.resize((max(1, round(size_px[0] * share)), max(1, round(size_px[1] * share))), Image.Resampling.BOX)
    slanted = np.asarray(scaled.rotate(SLANT_DEGREES, Image.Resampling.BICUBIC, expand=True))
    shades = (slanted.astype(np.uint16) * SHADES + 127) // 255
    rows, columns = np.nonzero(shades)
    if not rows.size:
        raise ValueError("the mark has no strokes")
    gap_px = GAP_LETTERS * wanted_letters_px
    return Strokes(
        rows,
        columns,
        (shades[rows, columns] * STEP // SHADES).astype(np.uint8),
        slanted.shape[1],
        slanted.shape[0],
        scaled.width + gap_px,
        scaled.height + gap_px,
    )


def marked(data: bytes, media_type: str, at_px: tuple[int, int], name: Strokes, quality: int) -> EncodedImage:
    """An image with the mark, in the format that it has. at_px: column and row of its first pixel on the page.

    Raises RequestError if `data` is no image of `media_type`.
    """
    pixels = decode(data, media_type, keeps_grey=True)
    lay_over(pixels, at_px, name)
    return encode(pixels, BY_MEDIA_TYPE[media_type].name, quality)


def marked_bitonal(data: bytes, media_type: str, name: Strokes, quality: int) -> EncodedImage:
    """An image in black and white with the mark, which is a raster of pixels that are turned over. Raises what `marked`
    does.
    """
    pixels = decode(data, media_type)[:, :, 0]
    height_px, width_px = pixels.shape
    rows, columns = np.divmod(_placed(name, (0, 0, width_px, height_px))[0], width_px)
    kept = (rows % _BITONAL_RASTER == 0) & (columns % _BITONAL_RASTER == 0)
    pixels[rows[kept], columns[kept]] ^= 255
    return encode(pixels, BY_MEDIA_TYPE[media_type].name, quality)


def lay_over(pixels: NDArray[np.uint8], at_px: tuple[int, int], name: Strokes) -> None:
    """Change contiguous pixels of shape (height, width) or (height, width, 3), in place. at_px: as for `marked`."""
    height_px, width_px = pixels.shape[:2]
    x0_px, y0_px = at_px
    where, steps = _placed(name, (x0_px, y0_px, x0_px + width_px, y0_px + height_px))
    samples, of_dark = pixels.reshape(width_px * height_px, -1), steps + steps // 2
    for plane in range(samples.shape[1]):
        before = samples[where, plane]
        samples[where, plane] = np.where(before < DARK, before + of_dark, before - steps)


def _placed(name: Strokes, box_px: tuple[int, int, int, int]) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """The pixels of all names in a part of the page, numbered row by row in that part, and the step of each."""
    x0_px, y0_px, x1_px, y1_px = box_px
    width_px = x1_px - x0_px
    numbers = name.rows * width_px + name.columns
    where, steps = [np.empty(0, np.intp)], [np.empty(0, np.uint8)]
    for left_px, top_px in _places(name, box_px):
        there = numbers + ((top_px - y0_px) * width_px + left_px - x0_px)
        is_whole = (
            left_px >= x0_px and top_px >= y0_px and left_px + name.width_px <= x1_px and top_px + name.height_px <= y1_px
        )
        if is_whole:
            where.append(there)
            steps.append(name.steps)
            continue
        rows, columns = name.rows + (top_px - y0_px), name.columns + (left_px - x0_px)
        inside = (rows >= 0) & (rows < y1_px - y0_px) & (columns >= 0) & (columns < width_px)
        where.append(there[inside])
        steps.append(name.steps[inside])
    return np.concatenate(where), np.concatenate(steps)


def _places(name: Strokes, box_px: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    """Left and top of each name that touches a part of the page. Each row of names begins half a name later than the last."""
    cos, sin = _slant()
    x0_px, y0_px, x1_px, y1_px = box_px
    half_width, half_height = name.width_px / 2, name.height_px / 2
    corners = [(x, y) for x in (x0_px - half_width, x1_px + half_width) for y in (y0_px - half_height, y1_px + half_height)]
    # Along a row of names, which rises to the right; and across, downwards.
    along = [(x * cos - y * sin) / name.along_px for x, y in corners]
    across = [(x * sin + y * cos) / name.across_px for x, y in corners]
    found = []
    for row in range(math.floor(min(across)), math.ceil(max(across)) + 1):
        shift = row % 2 / 2
        for number in range(math.floor(min(along) - shift), math.ceil(max(along) - shift) + 1):
            u, v = (number + shift) * name.along_px, row * name.across_px
            left_px, top_px = round(u * cos + v * sin - half_width), round(v * cos - u * sin - half_height)
            if left_px < x1_px and top_px < y1_px and left_px + name.width_px > x0_px and top_px + name.height_px > y0_px:
                found.append((left_px, top_px))
    return found


@lru_cache(maxsize=1)
def _slant() -> tuple[float, float]:
    return math.cos(math.radians(SLANT_DEGREES)), math.sin(math.radians(SLANT_DEGREES))
