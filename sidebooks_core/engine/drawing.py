"""Draws a part of a page into an array. Worker side."""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.engine.mupdf import mupdf, pymupdf
from sidebooks_core.engine.thin_lines import ThinLines

_thin_lines: WeakKeyDictionary[pymupdf.DisplayList, ThinLines] = WeakKeyDictionary()
"""By display list that was drawn."""

MOST_PAGE_PT = 1e6
BLANK_LOOK_PX = 512
"""Long side at which a page is drawn to find out whether it is blank. A line thinner than a pixel still leaves grey."""


Box = tuple[int, int, int, int]
"""A part of a page in pixels at some scale: x0, y0, x1, y1, without column x1 and row y1."""


def draw(display_list: pymupdf.DisplayList, scale: float, box_px: Box, *, grey: bool) -> NDArray[np.uint8]:
    """Draw a part of a page at `scale` pixels a point, on white.

    Returns uint8, sRGB, C-contiguous, of shape (height, width, 3), or (height, width) if `grey`. The engine draws straight into
    the array: no copy is made, and nothing outlives the engine's own pixmap. Raises the engine's errors.
    """
    fit_lines(display_list, scale)
    x0_px, y0_px, x1_px, y1_px = box_px
    height_px, width_px = y1_px - y0_px, x1_px - x0_px
    pixels = np.full((height_px, width_px) if grey else (height_px, width_px, 3), 255, np.uint8)
    _run(display_list, scale, box_px, pixels, (y0_px, y1_px))
    return pixels


def draw_rows(
    display_list: pymupdf.DisplayList, scale: float, box_px: Box, rows_px: tuple[int, int], *, grey: bool
) -> NDArray[np.uint8]:
    """Draw some rows of the part of a page that `draw` draws: exactly the pixels that they have there.

    rows_px: the first row of the page at this scale, and the row after the last one. Whatever touches the rows is drawn as a
    whole, so that the engine clips nothing at their edges; the memory that they do not touch stays untouched.
    """
    fit_lines(display_list, scale)
    x0_px, y0_px, x1_px, y1_px = box_px
    height_px, width_px = y1_px - y0_px, x1_px - x0_px
    canvas = np.empty((height_px, width_px) if grey else (height_px, width_px, 3), np.uint8)
    rows = canvas[rows_px[0] - y0_px : rows_px[1] - y0_px]
    rows[:] = 255
    _run(display_list, scale, box_px, canvas, rows_px)
    return rows.copy()  # so that the rest of the canvas goes


def fit_lines(display_list: pymupdf.DisplayList, scale: float) -> None:
    """Fit the thin lines of a page to the pixels of a scale, before they are drawn or looked at."""
    lines = _thin_lines.get(display_list)
    if lines is None:
        lines = _thin_lines[display_list] = ThinLines(display_list.this)
    lines.fit(scale)


def _run(
    display_list: pymupdf.DisplayList, scale: float, box_px: Box, pixels: NDArray[np.uint8], rows_px: tuple[int, int]
) -> None:
    """Draw what touches some rows of a box into its pixels, which are uint8 of shape (height, width) or (height, width, 3)."""
    x0_px, _, x1_px, _ = box_px
    colorspace = pymupdf.csGRAY if pixels.ndim == 2 else pymupdf.csRGB
    pixmap = mupdf.fz_new_pixmap_with_bbox_and_data(
        colorspace.this, mupdf.FzIrect(*box_px), mupdf.FzSeparations(), 0, mupdf.python_mutable_buffer_data(pixels)
    )
    device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
    # The engine leaves out what lies outside by its own box. That box knows nothing of a line's least width.
    asked_px = mupdf.FzRect(x0_px - 1, rows_px[0] - 1, x1_px + 1, rows_px[1] + 1)
    mupdf.fz_run_display_list(display_list.this, device, mupdf.fz_scale(scale, scale), asked_px, mupdf.FzCookie())
    mupdf.fz_close_device(device)


def is_blank(display_list: pymupdf.DisplayList, *, of_any_colour: bool = False) -> bool:
    """Whether a page shows only white; if `of_any_colour`, whether it shows only one colour. Raises the engine's errors.

    `of_any_colour` is for pages that are one image: if the engine cannot unpack the image at all, it makes a black page.
    """
    box = display_list.rect
    if box.is_empty or box.is_infinite or max(box.width, box.height) > MOST_PAGE_PT:
        return True  # of a page that could not be read at all, even the size is unknown
    scale = BLANK_LOOK_PX / max(box.width, box.height, 1.0)
    x0_px, y0_px = math.floor(box.x0 * scale), math.floor(box.y0 * scale)
    x1_px, y1_px = max(x0_px + 1, math.ceil(box.x1 * scale)), max(y0_px + 1, math.ceil(box.y1 * scale))
    pixels = draw(display_list, scale, (x0_px, y0_px, x1_px, y1_px), grey=False)
    return bool((pixels == (pixels[0, 0] if of_any_colour else 255)).all())
