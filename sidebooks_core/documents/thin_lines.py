"""Lines thinner than a pixel are drawn one pixel wide, on one row or column of pixels. Worker side.

The engine paints by coverage: a border of 0.1 pt becomes a light grey, and one that lies across two rows a lighter one. Its
least width of strokes mends the first; but office programs draw borders as filled strips, which are no strokes, and a stroke
of one pixel may still lie across two rows. So the ends of such lines are moved where they stand in a display list, for each
scale that the list is drawn at: by less than a pixel, and back where the line is a pixel wide or wider.

Only lines along the axes are moved; the rest of a drawing keeps the engine's smoothing.
"""

from __future__ import annotations

import ctypes
import math
import re
import struct
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from msgspec import Struct

from sidebooks_core.documents.engine import mupdf

LEAST_WIDTH_PX = 1.0
"""Of strokes: PDFium's. Thinner lines are this wide, and dark."""
CROWDED_WIDTH_PX = 0.5
"""Of strokes in a drawing on few pixels, where lines lie so close that at a pixel each they would run into one."""
_CROWDED_PX = 2.0
"""Distance of lines below which they do."""
_PLACE_PT = 0.01
"""To which places of lines are told apart."""
THICKEST_STRIP_PT = 0.76
"""Of filled rectangles that are lines: office borders have 0.48 or 0.72 pt, bars of bar codes 0.9 pt and more."""
_MOST_OPERATIONS = 1_000
_MOST_FRUITLESS = 300
"""Paths looked at, in all and without finding a line, at some microseconds each: drawings with more of them are no tables."""
_EDGE_PX = 0.01
"""Kept free at the edges of a row, so that rounding touches no other row. The engine's smallest step is 1/15."""
_OPEN, _FLAT = 1, (2, 3)
"""How a display list holds a path: with its numbers apart, or all in one piece (3: along the axes)."""
_FLAT_HEADER = 4 + 16
"""Bytes before the numbers of a path in one piece: counts, and the box around it."""
_OPEN_HEADER = struct.Struct("@4xi4xPi4xP")
"""The counts and places of commands and numbers of a path that has them apart."""
_MOST_COMMANDS = 1_000
_NUMBERS = {"M": "xy", "H": "x", "I": "y", "R": "xyxy"}
"""The numbers of each command of a path along the axes: start, to an x, to a y, rectangle. In lower case it closes as well."""


class _Line(Struct):
    """One line across one axis: where its numbers stand, and what they are."""

    low: float
    high: float
    """In the path's own units; equal for a stroke."""
    lows: list[int]
    highs: list[int]
    factor: float
    offset: float
    """Of the axis: points of the page = factor x value + offset."""
    width_pt: float
    is_across: bool
    """Whether that axis is the page's x."""


class ThinLines:
    """The lines of one display list, which must outlive it."""

    def __init__(self, display_list: Any) -> None:
        """display_list: the engine's, complete. Raises the engine's errors."""
        cookie = mupdf.FzCookie()
        finder = _Finder(cookie)
        if _is_layout_known():
            _run(display_list, finder, cookie)
        self._lines = finder.lines
        self._is_drawing = bool(cookie.m_internal.abort)
        self._gaps_pt = sorted(_gaps_pt(self._lines))
        self._scale: float | None = None

    def fit(self, scale: float) -> None:
        """Move the lines for the next drawing, at `scale` pixels a point, and set the engine's least width."""
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
        """Whether most lines lie too close; without lines along the axes, whether it is a large drawing on few pixels."""
        if not self._gaps_pt:
            return self._is_drawing and scale < 1
        return self._gaps_pt[len(self._gaps_pt) // 2] * scale < _CROWDED_PX


def _gaps_pt(lines: list[_Line]) -> Iterator[float]:
    """The distances from line to line, along each axis of the page. Lines that touch are one: a strip that is stroked, too."""
    across: dict[bool, dict[float, float]] = {True: {}, False: {}}
    for line in lines:
        place_pt = round(line.factor * (line.low + line.high) / 2 + line.offset, 2)
        widths_pt = across[line.is_across]
        widths_pt[place_pt] = max(line.width_pt, widths_pt.get(place_pt, 0.0))
    for places_pt in map(sorted, map(dict.items, across.values())):
        for (before, width_before), (after, width_after) in pairwise(places_pt):
            if after - before > (width_before + width_after) / 2 + _PLACE_PT:
                yield after - before


def _run(display_list: Any, device: Any, cookie: Any) -> None:
    everywhere = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
    mupdf.fz_run_display_list(display_list, device, mupdf.FzMatrix(), everywhere, cookie)


class _Finder(mupdf.FzDevice2):  # type: ignore[misc]  # the engine has no types
    """A device that draws nothing and notes thin lines."""

    def __init__(self, cookie: Any) -> None:
        super().__init__()
        self.use_virtual_fill_path()
        self.use_virtual_stroke_path()
        self.lines: list[_Line] = []
        self._cookie = cookie
        self._operations_left = _MOST_OPERATIONS
        self._fruitless_left = _MOST_FRUITLESS

    def fill_path(
        self, ctx: Any, path: Any, even_odd: int, matrix: Any, space: Any, colour: Any, alpha: float, params: Any
    ) -> None:
        self._see(path, matrix, None)

    def stroke_path(
        self, ctx: Any, path: Any, stroke: Any, matrix: Any, space: Any, colour: Any, alpha: float, params: Any
    ) -> None:
        self._see(path, matrix, stroke)

    def _see(self, path: Any, matrix: Any, stroke: Any) -> None:
        found = len(self.lines)
        figures = _figures(int(path))
        if figures:
            a, b, c, d = matrix.a, matrix.b, matrix.c, matrix.d
            # Of the path's x and y: factor and offset on the page.
            if a and d and not b and not c:
                self._add(figures, {"x": (a, matrix.e, True), "y": (d, matrix.f, False)}, stroke)
            elif b and c and not a and not d:
                self._add(figures, {"x": (b, matrix.f, False), "y": (c, matrix.e, True)}, stroke)
        self._operations_left -= 1
        self._fruitless_left = self._fruitless_left - 1 if len(self.lines) == found else _MOST_FRUITLESS
        if not self._operations_left or not self._fruitless_left:
            self._cookie.set_abort()

    def _add(self, figures: list[_Figure], axes: dict[str, tuple[float, float, bool]], stroke: Any) -> None:
        width_pt = None
        if stroke is not None:
            width_pt = stroke.linewidth * math.sqrt(abs(axes["x"][0] * axes["y"][0]))
            if width_pt > THICKEST_STRIP_PT or stroke.dash_len:
                return
        for figure in figures:
            xs, ys = _places(figure.axes)
            for axis, places, across in (("x", xs, ys), ("y", ys, xs)):
                values = {figure.numbers[place] for place in places}
                factor, offset, is_across = axes[axis]
                if width_pt is None:
                    low, high = min(values), max(values)
                    strip_pt = abs(factor) * (high - low)
                    if figure.is_rectangle and 0 < strip_pt <= THICKEST_STRIP_PT:
                        lows, highs = figure.addresses(places, low), figure.addresses(places, high)
                        self.lines.append(_Line(low, high, lows, highs, factor, offset, strip_pt, is_across))
                elif figure.is_rectangle or (len(values) == 1 and len({figure.numbers[place] for place in across}) > 1):
                    for value in sorted(values):
                        where = figure.addresses(places, value)
                        self.lines.append(_Line(value, value, where, [], factor, offset, width_pt, is_across))


class _Figure(Struct):
    """One figure of a path, of lines along the axes."""

    axes: str
    """The axis of each number."""
    numbers: tuple[float, ...]
    address: int
    """Of the first number, each of 4 bytes."""
    is_rectangle: bool

    def addresses(self, places: tuple[int, ...], value: float) -> list[int]:
        """Where a value stands, among some of the numbers."""
        return [self.address + 4 * place for place in places if self.numbers[place] == value]


@lru_cache(1000)
def _places(axes: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of some numbers are x and which are y, by the axis of each."""
    xs = tuple(place for place, axis in enumerate(axes) if axis == "x")
    return xs, tuple(place for place, axis in enumerate(axes) if axis == "y")


_FIGURE = re.compile(rb"[Rr]|[Mm][HIhi]+")
_RECTANGLE = re.compile(rb"[Rr]|M(?:HIH|IHI)[HIhi]?|M(?:HIh|IHi)")


@lru_cache(1000)
def _axes(shape: bytes) -> str:
    return "".join(_NUMBERS[command] for command in shape.decode().upper())


def _figures(address: int) -> list[_Figure]:
    """The figures of a path in a display list; none where some of its lines are not along the axes."""
    _, sort, number_count, command_count = ctypes.string_at(address, 4)
    if sort in _FLAT:
        numbers_at = address + _FLAT_HEADER
        commands = ctypes.string_at(numbers_at + 4 * number_count, command_count)
    elif sort == _OPEN:
        command_count, commands_at, number_count, numbers_at = _OPEN_HEADER.unpack(ctypes.string_at(address, _OPEN_HEADER.size))
        if command_count > _MOST_COMMANDS:
            return []
        commands = ctypes.string_at(commands_at, command_count)
    else:
        return []
    if commands.translate(None, b"RrMHIhi"):
        return []
    numbers = struct.unpack(f"={number_count}f", ctypes.string_at(numbers_at, 4 * number_count))
    found = []
    first = 0
    for match in _FIGURE.finditer(commands):
        shape = match[0]
        axes = _axes(shape)
        last = first + len(axes)
        found.append(_Figure(axes, numbers[first:last], numbers_at + 4 * first, _RECTANGLE.fullmatch(shape) is not None))
        first = last
    return found if first == number_count else []


@cache
def _is_layout_known() -> bool:
    """Whether this engine holds paths as they are read here: tried with a path of each sort, on numbers that are known.

    Numbers are written into the engine's memory, so an engine that holds them otherwise must be left alone.
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


class _Probe(mupdf.FzDevice2):  # type: ignore[misc]  # the engine has no types
    """Counts the rectangles that stand where they must, path by path; ends with a path that is held otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.use_virtual_fill_path()
        self.counts: list[int] = []

    def fill_path(
        self, ctx: Any, path: Any, even_odd: int, matrix: Any, space: Any, colour: Any, alpha: float, params: Any
    ) -> None:
        address = int(path)
        sort = ctypes.c_uint8.from_address(address + 1).value
        expected = b"".join(struct.pack("4f", index, 200, index + 0.5, 300) for index in range(1 if not self.counts else 100))
        if sort in _FLAT:
            is_as_read = ctypes.string_at(address + _FLAT_HEADER, len(expected) + 1) == expected + b"R"
        else:
            header = ctypes.string_at(address, _OPEN_HEADER.size)
            is_as_read = sort == _OPEN and _OPEN_HEADER.unpack(header)[::2] == (100, 400)
        figures = _figures(address) if is_as_read else []
        read = b"".join(struct.pack("4f", *figure.numbers) for figure in figures)
        self.counts.append(len(figures) if read == expected else 0)
