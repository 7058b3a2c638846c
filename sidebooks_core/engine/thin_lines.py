"""Draws lines thinner than a pixel one pixel wide, on one row or column of pixels. Worker side.

The engine paints by coverage: a border of 0.1 pt becomes light grey, and lighter still if it lies across two rows. The engine's
least width of strokes mends the first. But office programs draw borders as filled strips, which are no strokes, and a stroke of
one pixel may still lie across two rows. So the ends of such lines are moved inside the display list, for each scale at which
the list is drawn: by less than a pixel, and back again at scales at which the line is a pixel wide or wider.

Only lines along the axes are moved. The rest of a drawing keeps the engine's smoothing.
"""

from __future__ import annotations

import ctypes
import math
import re
import struct
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from msgspec import Struct

from sidebooks_core.engine.devices import FillPath, StrokePath
from sidebooks_core.engine.mupdf import mupdf

LEAST_WIDTH_PX = 1.0
"""Least width of strokes, as in PDFium. Thinner lines are drawn this wide, and dark."""
CROWDED_WIDTH_PX = 0.5
"""Least width of strokes if lines lie so close that they would run into one at a pixel each."""
_CROWDED_PX = 2.0
"""Lines closer than this count as such."""
_PLACE_PT = 0.01
"""Precision with which places of lines are compared."""
THICKEST_STRIP_PT = 0.76
"""Thickest filled rectangle that counts as a line. Office borders have 0.48 or 0.72 pt, bars of bar codes 0.9 pt and more."""
_MOST_OPERATIONS = 1_000
_MOST_FRUITLESS = 300
"""Most paths that are looked at, and most in a row without a line, at some microseconds each. A drawing with more is no table.
"""
_EDGE_PX = 0.01
"""Kept free at the edges of a row, so that rounding touches no other row. The engine's smallest step is 1/15 pixel."""
_OPEN, _FLAT = 1, (2, 3)
"""How a display list holds a path: with its numbers apart, or all in one piece (3: all lines along the axes)."""
_FLAT_HEADER = 4 + 16
"""Bytes before the numbers of a path in one piece: the counts, and the box around the path."""
_OPEN_HEADER = struct.Struct("@4xi4xPi4xP")
"""For a path with numbers apart: the counts and the addresses of its commands and its numbers."""
_MATRIX = struct.Struct("=6f")
_COUNT_BYTES, _STROKE_BYTES = 4, 32
"""Of a stroke: its reference count; then its caps, join, width, limit, phase and number of dashes."""
_MOST_COMMANDS = 1_000
_NUMBERS = {"M": "xy", "H": "x", "I": "y", "R": "xyxy"}
"""The numbers of each command of a path along the axes: start, to an x, to a y, rectangle. In lower case the command also
closes the path."""


class _Line(Struct):
    """One line across one axis: the addresses of its numbers, and their values."""

    low: float
    high: float
    """In the path's own units; both are equal for a stroke."""
    lows: list[int]
    highs: list[int]
    factor: float
    offset: float
    """Of the axis: points of the page = factor x value + offset."""
    width_pt: float
    is_across: bool
    """Whether the axis is the page's x."""


class ThinLines:
    """The lines of one display list. The list must outlive them."""

    def __init__(self, display_list: mupdf.FzDisplayList) -> None:
        """display_list: the engine's, complete. Raises the engine's errors."""
        cookie = mupdf.FzCookie()
        finder = _Finder(cookie)
        if is_layout_known():
            _run(display_list, finder, cookie)
        self._lines = finder.lines
        self._is_drawing = bool(cookie.m_internal.abort)
        self._gaps_pt = sorted(_gaps_pt(self._lines))
        self._scale: float | None = None

    def fit(self, scale: float) -> None:
        """Move the lines for the next drawing at `scale` pixels a point, and set the engine's least width."""
        is_crowded = self._is_crowded(scale)
        mupdf.fz_set_graphics_min_line_width(CROWDED_WIDTH_PX if is_crowded else LEAST_WIDTH_PX)
        if scale == self._scale:
            return
        self._scale = scale
        number_at = ctypes.c_float.from_address
        for line in self._lines:
            low, high = line.low, line.high
            if line.width_pt * scale < LEAST_WIDTH_PX and not is_crowded:
                row = math.floor(scale * (line.factor * (low + high) / 2 + line.offset))
                is_strip = bool(line.highs)
                first = (row + (_EDGE_PX if is_strip else 0.5)) / scale
                last = (row + (1 - _EDGE_PX if is_strip else 0.5)) / scale
                if line.factor < 0:
                    first, last = last, first
                low, high = (first - line.offset) / line.factor, (last - line.offset) / line.factor
            for address in line.lows:
                number_at(address).value = low
            for address in line.highs:
                number_at(address).value = high

    def _is_crowded(self, scale: float) -> bool:
        """Whether most lines lie too close. Without lines along the axes: whether it is a large drawing on few pixels."""
        if not self._gaps_pt:
            return self._is_drawing and scale < 1
        return self._gaps_pt[len(self._gaps_pt) // 2] * scale < _CROWDED_PX


def _gaps_pt(lines: list[_Line]) -> Iterator[float]:
    """The distances from line to line, along each axis of the page. Lines that touch count as one, such as a strip with a
    stroke around it.
    """
    across: dict[bool, dict[float, float]] = {True: {}, False: {}}
    for line in lines:
        place_pt = round(line.factor * (line.low + line.high) / 2 + line.offset, 2)
        widths_pt = across[line.is_across]
        widths_pt[place_pt] = max(line.width_pt, widths_pt.get(place_pt, 0.0))
    for places_pt in map(sorted, map(dict.items, across.values())):
        for (before, width_before), (after, width_after) in pairwise(places_pt):
            if after - before > (width_before + width_after) / 2 + _PLACE_PT:
                yield after - before


def _run(display_list: mupdf.FzDisplayList, device: mupdf.FzDevice2, cookie: mupdf.FzCookie) -> None:
    everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
    mupdf.fz_run_display_list(display_list, device, mupdf.FzMatrix(), everywhere, cookie)


class _Finder(mupdf.FzDevice2):
    """A device that draws nothing, and notes thin lines."""

    def __init__(self, cookie: mupdf.FzCookie) -> None:
        super().__init__()
        self.use_virtual_fill_path()
        self.use_virtual_stroke_path()
        self.lines: list[_Line] = []
        self._strokes: dict[bytes, tuple[float, bool]] = {}
        """The width of each kind of stroke, and whether it is dashed. Reading them through the binding takes as long as a path.
        """
        self._cookie = cookie
        self._operations_left = _MOST_OPERATIONS
        self._fruitless_left = _MOST_FRUITLESS

    def fill_path(self, *given: *FillPath) -> None:
        _, path, _, matrix, *_ = given
        self._see(path, matrix, None)

    def stroke_path(self, *given: *StrokePath) -> None:
        _, path, stroke, matrix, *_ = given
        self._see(path, matrix, stroke)

    def _see(self, path: mupdf.fz_path, matrix: mupdf.fz_matrix, stroke: mupdf.fz_stroke_state | None) -> None:
        found = len(self.lines)
        figures = figures_along_axes(int(path))
        if figures is not None and (stroke is not None or figures.shape.has_rectangle):
            # Read all at once: through the binding each number costs more than all else that is done with a path.
            a, b, c, d, e, f = _MATRIX.unpack(ctypes.string_at(int(matrix.this), _MATRIX.size))
            # For the path's x and y: factor and offset on the page, and whether it becomes the page's x.
            if a and d and not b and not c:
                self._add(figures, (a, e, True), (d, f, False), stroke)
            elif b and c and not a and not d:
                self._add(figures, (b, f, False), (c, e, True), stroke)
        self._operations_left -= 1
        self._fruitless_left = self._fruitless_left - 1 if len(self.lines) == found else _MOST_FRUITLESS
        if not self._operations_left or not self._fruitless_left:
            self._cookie.set_abort()

    def _add(self, figures: _Figures, x_axis: _Axis, y_axis: _Axis, stroke: mupdf.fz_stroke_state | None) -> None:
        numbers, address = figures.numbers, figures.address
        if stroke is None:
            for xs, ys, is_rectangle in figures.shape.figures:
                if is_rectangle:
                    self._add_strip(numbers, xs, address, x_axis)
                    self._add_strip(numbers, ys, address, y_axis)
            return
        kind = ctypes.string_at(int(stroke.this) + _COUNT_BYTES, _STROKE_BYTES)
        known = self._strokes.get(kind)
        if known is None:
            known = self._strokes[kind] = stroke.linewidth, bool(stroke.dash_len)
        width, is_dashed = known
        if is_dashed:
            return
        width_pt = width * math.sqrt(abs(x_axis[0] * y_axis[0]))
        if width_pt > THICKEST_STRIP_PT:
            return
        for xs, ys, is_rectangle in figures.shape.figures:
            x_values, y_values = {numbers[place] for place in xs}, {numbers[place] for place in ys}
            if is_rectangle or (len(x_values) == 1 and len(y_values) > 1):
                self._add_stroke(numbers, xs, address, x_axis, x_values, width_pt)
            if is_rectangle or (len(y_values) == 1 and len(x_values) > 1):
                self._add_stroke(numbers, ys, address, y_axis, y_values, width_pt)

    def _add_strip(self, numbers: tuple[float, ...], places: tuple[int, ...], address: int, axis: _Axis) -> None:
        """Note a side of a filled rectangle if it is as thin as a line."""
        values = [numbers[place] for place in places]
        low, high = min(values), max(values)
        factor, offset, is_across = axis
        strip_pt = abs(factor) * (high - low)
        if 0 < strip_pt <= THICKEST_STRIP_PT:
            lows = [address + 4 * place for place in places if numbers[place] == low]
            highs = [address + 4 * place for place in places if numbers[place] == high]
            self.lines.append(_Line(low, high, lows, highs, factor, offset, strip_pt, is_across))

    def _add_stroke(
        self,
        numbers: tuple[float, ...],
        places: tuple[int, ...],
        address: int,
        axis: _Axis,
        values: set[float],
        width_pt: float,
    ) -> None:
        """Note a line at each of some values. places: which numbers have these values."""
        factor, offset, is_across = axis
        for value in sorted(values):
            where = [address + 4 * place for place in places if numbers[place] == value]
            self.lines.append(_Line(value, value, where, [], factor, offset, width_pt, is_across))


_Axis = tuple[float, float, bool]
"""Of an axis of a path: factor and offset on the page, and whether it becomes the page's x."""


class _Shape(Struct, frozen=True):
    """What the commands of a path mean, if all its lines are along the axes."""

    numbers: struct.Struct
    figures: tuple[tuple[tuple[int, ...], tuple[int, ...], bool], ...]
    """Of each figure: which numbers are x, which are y, and whether it is a rectangle."""
    has_rectangle: bool


class _Figures(Struct):
    """The figures of one path."""

    shape: _Shape
    numbers: tuple[float, ...]
    address: int
    """Of the first number. Each has 4 bytes."""


_FIGURE = re.compile(rb"[Rr]|[Mm][HIhi]+")
_RECTANGLE = re.compile(rb"[Rr]|M(?:HIH|IHI)[HIhi]?|M(?:HIh|IHi)")


@lru_cache(100)
def _shape(commands: bytes) -> _Shape | None:
    """The shape of a path; None if some lines are not along the axes. Cached, since most paths of a drawing have the same
    commands.
    """
    if commands.translate(None, b"RrMHIhi"):
        return None
    figures = []
    first = 0
    for match in _FIGURE.finditer(commands):
        axes = "".join(_NUMBERS[command] for command in match[0].decode().upper())
        xs = tuple(first + place for place, axis in enumerate(axes) if axis == "x")
        ys = tuple(first + place for place, axis in enumerate(axes) if axis == "y")
        figures.append((xs, ys, _RECTANGLE.fullmatch(match[0]) is not None))
        first += len(axes)
    return _Shape(struct.Struct(f"={first}f"), tuple(figures), any(is_rectangle for _, _, is_rectangle in figures))


def figures_along_axes(address: int) -> _Figures | None:
    """The figures of a path in a display list; None if it has none, or if some of its lines are not along the axes."""
    _, sort, number_count, command_count = ctypes.string_at(address, 4)
    if sort in _FLAT:
        numbers_at = address + _FLAT_HEADER
        held = ctypes.string_at(numbers_at, 4 * number_count + command_count)
        shape = _shape(held[4 * number_count :])
    elif sort == _OPEN:
        command_count, commands_at, number_count, numbers_at = _OPEN_HEADER.unpack(ctypes.string_at(address, _OPEN_HEADER.size))
        if command_count > _MOST_COMMANDS:
            return None
        shape = _shape(ctypes.string_at(commands_at, command_count))
        held = ctypes.string_at(numbers_at, 4 * number_count) if shape is not None else b""
    else:
        return None
    if shape is None or not shape.figures or shape.numbers.size != 4 * number_count:
        return None
    return _Figures(shape, shape.numbers.unpack_from(held), numbers_at)


@cache
def is_layout_known() -> bool:
    """Whether this engine holds paths as they are read here. A path of each sort, with known numbers, is read to find out.

    Numbers are written into the engine's memory, so nothing is done with an engine that holds paths in another way.
    """
    probe = _Probe()
    listed = mupdf.FzDisplayList(mupdf.FzRect(0, 0, 512, 512))
    device = mupdf.fz_new_list_device(listed)
    black = mupdf.new_floats(1)
    mupdf.floats_setitem(black, 0, 0.0)
    params = mupdf.FzColorParams(mupdf.fz_default_color_params)
    for count in (1, 100):
        path = mupdf.FzPath()
        for index in range(count):
            mupdf.fz_rectto(path, index, 200, index + 0.5, 300)
        mupdf.fz_fill_path(device, path, 0, mupdf.FzMatrix(), mupdf.fz_device_gray(), black, 1.0, params)
    mupdf.fz_close_device(device)
    mupdf.delete_floats(black)
    _run(listed, probe, mupdf.FzCookie())
    return probe.counts == [1, 100]


class _Probe(mupdf.FzDevice2):
    """Counts the rectangles that are held as expected, path by path."""

    def __init__(self) -> None:
        super().__init__()
        self.use_virtual_fill_path()
        self.counts: list[int] = []

    def fill_path(self, *given: *FillPath) -> None:
        address = int(given[1])
        sort = ctypes.c_uint8.from_address(address + 1).value
        expected = b"".join(struct.pack("4f", index, 200, index + 0.5, 300) for index in range(1 if not self.counts else 100))
        if sort in _FLAT:
            is_as_read = ctypes.string_at(address + _FLAT_HEADER, len(expected) + 1) == expected + b"R"
        else:
            header = ctypes.string_at(address, _OPEN_HEADER.size)
            is_as_read = sort == _OPEN and _OPEN_HEADER.unpack(header)[::2] == (100, 400)
        figures = figures_along_axes(address) if is_as_read else None
        read = struct.pack(f"{len(figures.numbers)}f", *figures.numbers) if figures is not None else b""
        self.counts.append(len(figures.shape.figures) if figures is not None and read == expected else 0)
