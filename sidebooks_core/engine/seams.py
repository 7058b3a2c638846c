"""Where a page may be cut into bands, so that the bands put together are the page drawn whole, pixel for pixel. Worker side.

The engine clips a shape to the pixels that it draws, and rounds where a slanted edge, an image or a shading meets the clip.
Glyphs and edges along the axes come out the same. So a page is cut only at rows that nothing slanted crosses, and each band has
pixels of its own (`drawing.draw`). A page without such rows is drawn in two halves on full pages of pixels: nothing is clipped
there, and what crosses the middle is drawn twice (`drawing.draw_rows`).
"""

from __future__ import annotations

import ctypes
import math
import struct
from bisect import bisect_left

from msgspec import Struct

from sidebooks_core.engine.devices import BeginTile, FillImageMask, FillPath, FillText, StrokePath, StrokeText
from sidebooks_core.engine.grey import is_stencil
from sidebooks_core.engine.mupdf import mupdf, pymupdf
from sidebooks_core.engine.thin_lines import figures_along_axes, is_layout_known

LEAST_BAND_PX = 64
ROW_STEP_PX = 16
"""Bands begin at multiples of this: the rows of the blocks of a JPEG, whatever its colour resolution."""
MOST_IMAGE_PIXELS = 1 << 20
"""Most pixels of the images on a page that is cut. Each worker unpacks them whole, at 5 to 15 ms a million."""
MOST_OPERATIONS = 400
"""Most operations that are looked at, at 2 to 5 microseconds each. Of a drawing with more, most are small: in halves, few are
drawn twice."""
LARGEST_GLYPH_PX = 200.0
"""Glyphs up to this size are drawn from their own pixels, whatever the clip. The engine's bound is 256."""
_TYPE3_GLYPHS = 256
_RIGHT_ANGLE_MITER = 1.42
"""Least miter limit that leaves right angles whole: the root of 2."""
_MATRIX = struct.Struct("=4f")
"""The engine's matrix without its move."""
_SPAN = struct.Struct("@P4f")
"""How a span of text begins: the address of its font, and the matrix of its glyphs."""
_AROUND_PX = 2
"""Rows beside an operation that belong to it: smoothing, and the least width of lines."""


class Bands(Struct, frozen=True):
    """The bands of a raster."""

    tops_px: tuple[int, ...]
    """The first row of each band in the raster, from 0, ascending. The raster ends after the last band."""
    are_clipped: bool = True
    """Each is drawn on pixels of its own. Else each is drawn on a full page of pixels."""


WHOLE = Bands((0,))
"""The raster is not cut."""


def bands_of(
    display_list: pymupdf.DisplayList, scale: float, rows_px: tuple[int, int], most_bands: int, step_px: int = ROW_STEP_PX
) -> Bands:
    """The bands of a raster. rows_px: its first row, and the row after its last, of the page at `scale` pixels a point.

    step_px: bands begin at multiples of it in the raster.

    They depend on the arguments alone, so all workers find the same. Raises the engine's errors.
    """
    top_px, height_px = rows_px[0], rows_px[1] - rows_px[0]
    wanted = min(most_bands, height_px // max(LEAST_BAND_PX, step_px))
    if wanted < 2:
        return WHOLE
    cookie = mupdf.FzCookie()
    witness = _Witness(cookie, scale)
    everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
    mupdf.fz_run_display_list(display_list.this, witness, mupdf.FzMatrix(), everywhere, cookie)
    if witness.image_pixels > MOST_IMAGE_PIXELS:
        return WHOLE
    middle = Bands((0, max(1, round(height_px / 2 / step_px)) * step_px), are_clipped=False)
    if witness.is_full and _image_pixels(display_list) > MOST_IMAGE_PIXELS:
        return WHOLE
    if witness.is_full or cookie.errors():
        return middle
    tops = _tops([(low - top_px, high - top_px) for low, high in witness.crossed_px], height_px, wanted, step_px)
    return Bands(tops) if len(tops) > 1 else middle


def _image_pixels(display_list: pymupdf.DisplayList) -> int:
    """The pixels of all images. The engine skips everything else without a call."""
    cookie = mupdf.FzCookie()
    images = _Images(cookie)
    everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
    mupdf.fz_run_display_list(display_list.this, images, mupdf.FzMatrix(), everywhere, cookie)
    return images.image_pixels


def _tops(crossed_px: list[tuple[float, float]], height_px: int, wanted: int, step_px: int) -> tuple[int, ...]:
    """The tops of up to `wanted` bands of about the same height: for each, the nearest row that nothing crosses."""
    rows = sorted((low - _AROUND_PX, high + _AROUND_PX) for low, high in crossed_px)
    merged: list[tuple[float, float]] = []
    for low, high in rows:
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    starts = [low for low, _ in merged]

    def is_free(row: int) -> bool:
        place = bisect_left(starts, row)
        return not (place and merged[place - 1][1] > row)

    free = [row for row in range(step_px, height_px - ROW_STEP_PX + 1, step_px) if is_free(row)]
    tops = {0}
    for number in range(1, wanted):
        ideal = height_px * number / wanted
        place = bisect_left(free, ideal)
        nearest = min(free[max(0, place - 1) : place + 1], key=lambda row: abs(row - ideal), default=0)
        if abs(nearest - ideal) < max(step_px, height_px / wanted) / 2:
            tops.add(nearest)
    return tuple(sorted(tops))


class _Images(mupdf.FzDevice2):
    """A device that draws nothing, and counts the pixels of images, up to a few too many."""

    def __init__(self, cookie: mupdf.FzCookie) -> None:
        super().__init__()
        for operation in ("fill_image", "fill_image_mask", "clip_image_mask"):
            getattr(self, f"use_virtual_{operation}")()
        self.image_pixels = 0
        self._cookie = cookie
        self._images: set[int] = set()

    def fill_image(
        self, ctx: mupdf.fz_context, image: mupdf.fz_image, matrix: mupdf.fz_matrix, alpha: float, params: mupdf.fz_color_params
    ) -> None:
        self._see_image(image, matrix)

    def fill_image_mask(self, *given: *FillImageMask) -> None:
        _, image, matrix, *_ = given
        self._see_image(image, matrix)

    def clip_image_mask(
        self, ctx: mupdf.fz_context, image: mupdf.fz_image, matrix: mupdf.fz_matrix, area: mupdf.fz_rect
    ) -> None:
        self._see_image(image, matrix)

    def _see_image(self, image: mupdf.fz_image, matrix: mupdf.fz_matrix) -> None:
        if int(image.this) not in self._images:
            self._images.add(int(image.this))
            self.image_pixels += image.w * image.h
            if self.image_pixels > MOST_IMAGE_PIXELS:
                self._cookie.set_abort()


class _Witness(_Images):
    """A device that draws nothing, and notes the rows of what a clip would change."""

    def __init__(self, cookie: mupdf.FzCookie, scale: float) -> None:
        super().__init__(cookie)
        for operation in _WATCHED:
            getattr(self, f"use_virtual_{operation}")()
        self.crossed_px: list[tuple[float, float]] = []
        """The first and last row of each operation, in rows of the page."""
        self.is_full = False
        """There are more operations than are looked at."""
        self._scale = scale
        self._operations_left = MOST_OPERATIONS
        self._slanted_strokes: dict[int, bool] = {}
        self._stencil_fonts: dict[int, bool] = {}

    def fill_path(self, *given: *FillPath) -> None:
        _, path, _, matrix, *_ = given
        self._see_path(path, None, matrix)

    def stroke_path(self, *given: *StrokePath) -> None:
        _, path, stroke, matrix, *_ = given
        self._see_path(path, stroke, matrix)

    def clip_path(
        self, ctx: mupdf.fz_context, path: mupdf.fz_path, even_odd: int, matrix: mupdf.fz_matrix, area: mupdf.fz_rect
    ) -> None:
        self._see_path(path, None, matrix)

    def clip_stroke_path(
        self,
        ctx: mupdf.fz_context,
        path: mupdf.fz_path,
        stroke: mupdf.fz_stroke_state,
        matrix: mupdf.fz_matrix,
        area: mupdf.fz_rect,
    ) -> None:
        self._see_path(path, stroke, matrix)

    def fill_text(self, *given: *FillText) -> None:
        _, text, matrix, *_ = given
        self._see_text(text, None, matrix)

    def stroke_text(self, *given: *StrokeText) -> None:
        _, text, stroke, matrix, *_ = given
        self._see_text(text, stroke, matrix)

    def clip_text(self, ctx: mupdf.fz_context, text: mupdf.fz_text, matrix: mupdf.fz_matrix, area: mupdf.fz_rect) -> None:
        self._see_text(text, None, matrix)

    def clip_stroke_text(
        self,
        ctx: mupdf.fz_context,
        text: mupdf.fz_text,
        stroke: mupdf.fz_stroke_state,
        matrix: mupdf.fz_matrix,
        area: mupdf.fz_rect,
    ) -> None:
        self._see_text(text, stroke, matrix)

    def fill_shade(
        self, ctx: mupdf.fz_context, shade: mupdf.fz_shade, matrix: mupdf.fz_matrix, alpha: float, params: mupdf.fz_color_params
    ) -> None:
        self._cross_box(mupdf.ll_fz_bound_shade(shade, matrix))

    def begin_tile(self, *given: *BeginTile) -> int:
        _, area, _, _, _, matrix, *_ = given
        self._cross_box(mupdf.ll_fz_transform_rect(area, matrix))
        return 0  # its content is listed, and looked at

    def _see_path(self, path: mupdf.fz_path, stroke: mupdf.fz_stroke_state | None, matrix: mupdf.fz_matrix) -> None:
        is_upright = not (matrix.b or matrix.c) or not (matrix.a or matrix.d)
        is_plain = is_layout_known() and (stroke is None or not self._is_slanted(stroke))
        if is_upright and is_plain and figures_along_axes(int(path)) is not None:
            self._count()
        else:
            self._cross_box(mupdf.ll_fz_bound_path(path, stroke, matrix))

    def _is_slanted(self, stroke: mupdf.fz_stroke_state) -> bool:
        """Whether a stroke along the axes may come out otherwise beside a clip: round or cut corners and ends are slanted, and
        dashes are counted from the clip.
        """
        address = int(stroke.this)
        known = self._slanted_strokes.get(address)
        if known is None:
            corner = stroke.linejoin not in (mupdf.FZ_LINEJOIN_MITER, mupdf.FZ_LINEJOIN_MITER_XPS)
            ends = {stroke.start_cap, stroke.end_cap, stroke.dash_cap} - {mupdf.FZ_LINECAP_BUTT, mupdf.FZ_LINECAP_SQUARE}
            is_cut = stroke.miterlimit < _RIGHT_ANGLE_MITER
            known = self._slanted_strokes[address] = corner or bool(ends) or is_cut or bool(stroke.dash_len)
        return known

    def _see_text(self, text: mupdf.fz_text, stroke: mupdf.fz_stroke_state | None, matrix: mupdf.fz_matrix) -> None:
        span = text.head
        # Read all at once, as in `thin_lines`: through the binding each number costs more than all else.
        a, b, c, d = _MATRIX.unpack(ctypes.string_at(int(matrix.this), _MATRIX.size))
        times = self._scale * math.sqrt(abs(a * d - b * c))
        while span is not None:
            font, a, b, c, d = _SPAN.unpack(ctypes.string_at(int(span.this), _SPAN.size))
            if not self._count():
                return
            size_px = times * max(math.hypot(a, b), math.hypot(c, d))
            is_dashed = stroke is not None and bool(stroke.dash_len)  # then the engine draws the outlines as paths
            if is_dashed or not size_px < LARGEST_GLYPH_PX or not self._is_of_stencils(font, span) or not _is_read_right(span):
                self._cross_box(mupdf.ll_fz_bound_text(text, stroke, matrix))
                return
            span = span.next

    def _is_of_stencils(self, address: int, span: mupdf.fz_text_span) -> bool:
        """Whether no glyph is drawn operation by operation. Glyphs of Type 3 fonts are, if they have colours of their own.

        address: of the span's font.
        """
        known = self._stencil_fonts.get(address)
        if known is None:
            flags = span.font.t3flags  # an array with one number for each glyph; only Type 3 fonts have it
            used = (ctypes.c_uint16 * _TYPE3_GLYPHS).from_address(int(flags)) if flags is not None else ()
            known = self._stencil_fonts[address] = all(is_stencil(one) for one in used if one)
        return known

    def _see_image(self, image: mupdf.fz_image, matrix: mupdf.fz_matrix) -> None:
        super()._see_image(image, matrix)
        b, d, f = matrix.b, matrix.d, matrix.f
        self._cross(f + min(0.0, b) + min(0.0, d), f + max(0.0, b) + max(0.0, d))

    def _cross_box(self, box_pt: mupdf.fz_rect) -> None:
        self._cross(box_pt.y0, box_pt.y1)

    def _cross(self, low_pt: float, high_pt: float) -> None:
        if self._count():
            self.crossed_px.append((low_pt * self._scale, high_pt * self._scale))

    def _count(self) -> bool:
        """Count an operation. False: there are too many."""
        self._operations_left -= 1
        if self._operations_left < 0:
            self.is_full = True
            self._cookie.set_abort()
        return not self.is_full


_checked: list[bool] = []
"""Whether spans of text begin as they are read here; empty until one was looked at."""


def _is_read_right(span: mupdf.fz_text_span) -> bool:
    """Whether the engine's spans begin with a font and a matrix. The first span tells, through the binding."""
    if not _checked:
        read = _SPAN.unpack(ctypes.string_at(int(span.this), _SPAN.size))[1:]
        _checked.append(read == (span.trm.a, span.trm.b, span.trm.c, span.trm.d))
    return _checked[0]


_WATCHED = tuple(name for name in vars(_Witness) if not name.startswith("_"))
"""The operations above. The engine skips all others without a call."""
