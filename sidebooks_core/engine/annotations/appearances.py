"""What annotations show, as content of a PDF in the plane of the page as shown. Worker side.

A form that holds such content has the way from that plane to the PDF as its matrix. So it lies right whatever the rotation, the
boxes and the unit of the page, and upright letters stay upright.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.annotations import (
    INK_WIDTHS,
    NOTE_SIDE_PT,
    STAMP_PADDING,
    Annotation,
    Quad,
    Sample,
    ink_width,
    is_downwards,
    stamp_line,
)
from sidebooks_core.engine.annotations.letters import Letters
from sidebooks_core.engine.annotations.listing import shown
from sidebooks_core.engine.annotations.plane import Box, Plane, around, written

_UNDERLINE = 0.07
_NUMBER_PT = 9.0
_LEAST_LINE_PT = 0.75
_CAP_HEIGHT = 0.76
"""From the baseline to the top of a Japanese letter, less what is below the baseline, is twice the way to its middle."""
_BOOKMARK_PT = (14.0, 24.0)
_DARK = "#333333"
_Rule = tuple[tuple[tuple[float, float], tuple[float, float]], float]
"""A line from a point to another one, and its width, in points."""
_CURVE = "%.3f %.3f %.3f %.3f %.3f %.3f c"
"""A pen makes hundreds in a second: numbers in their shortest form would take twice the time."""


class Look(Struct, frozen=True):
    """An appearance."""

    box: Box
    """All that it shows is in it."""
    content: str
    opacity: float = 1.0
    is_multiplied: bool = False
    """It darkens what is below it."""
    has_letters: bool = False


def look_of(annotation: Annotation, plane: Plane, letters: Letters, number: int = 0) -> Look:
    """How it looks. number: that stands at it; 0: none. Raises the engine's errors."""
    look = _look(annotation, plane, letters)
    if not number:
        return look
    size, runs = _NUMBER_PT, letters.runs(str(number))
    width = letters.width(str(number)) * size
    if annotation.kind == "note":  # in the place of the lines of writing
        look = _note(annotation, is_written=False)
        x, y = annotation.x_pt - width / 2, annotation.y_pt + size * _CAP_HEIGHT / 2
    else:
        x, y = look.box[2], look.box[1] + size * _CAP_HEIGHT
    x = min(x, max(0.0, plane.width_pt - width))
    content = f"{look.content}\n{_components(_DARK)} rg BT 1 0 0 -1 {written(x, y)} Tm {shown(runs, size)} ET"
    x0, y0, x1, y1 = look.box
    return replace(look, box=(min(x0, x), y0, max(x1, x + width), max(y1, y + size)), content=content, has_letters=True)


def _look(annotation: Annotation, plane: Plane, letters: Letters) -> Look:
    match annotation.kind:
        case "ink":
            return _ink(annotation)
        case "highlight":
            quads = annotation.quads
            points = [point for quad in quads for point in corners(quad)]
            shapes = "\n".join(_highlighted(quad) for quad in quads)
            return Look(around(points), f"{_fill(annotation)}\n{shapes}\nf", annotation.opacity, is_multiplied=True)
        case "underline":
            return _ruled(annotation, [underline_of(quad) for quad in annotation.quads])
        case "strikeout":
            return _ruled(annotation, [strike_of(quad) for quad in annotation.quads])
        case "note":
            return _note(annotation)
        case "stamp":
            return _stamp(annotation, letters)
        case "bookmark":
            return _bookmark(annotation, plane)


def corners(quad: Quad) -> tuple[tuple[float, float], ...]:
    """The points of a quad, in its order."""
    return tuple((quad[at], quad[at + 1]) for at in (0, 2, 4, 6))


def strike_of(quad: Quad) -> _Rule:
    """The line through a piece of text, and its width: along its middle, as the text is read."""
    _, width = underline_of(quad)
    upper_left, upper_right, lower_left, lower_right = corners(quad)
    return (_middle(upper_left, lower_left), _middle(upper_right, lower_right)), width


def _middle(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _ruled(annotation: Annotation, lines: list[_Rule]) -> Look:
    widest = max(width for _, width in lines)
    drawn = "\n".join(f"{written(width)} w {written(*line[0])} m {written(*line[1])} l S" for line, width in lines)
    box = around((point for line, _ in lines for point in line), widest)
    return Look(box, f"{_stroke(annotation)}\n{drawn}", annotation.opacity)


def underline_of(quad: Quad) -> _Rule:
    """The line of a piece of text, and its width: below it, and at its right if the text runs downwards."""
    x0, y0, x1, y1 = around(corners(quad))
    if is_downwards(quad):
        return ((x1, y0), (x1, y1)), max(_LEAST_LINE_PT, (x1 - x0) * _UNDERLINE)
    *_, left, right = corners(quad)
    return (left, right), max(_LEAST_LINE_PT, (y1 - y0) * _UNDERLINE)


def _ink(annotation: Annotation) -> Look:
    parts, margin = [f"{_stroke(annotation)} 1 J 1 j"], 0.0
    strokes = annotation.strokes
    for stroke in strokes:
        widths = _widths(stroke, annotation)
        margin = max(margin, *widths)
        parts += _lines(stroke, widths)
    box = around(((x, y) for stroke in strokes for x, y, _ in stroke), margin)
    return Look(box, "\n".join(parts), annotation.opacity)


def _widths(stroke: tuple[Sample, ...], annotation: Annotation) -> list[float]:
    """The width of the line up to each sample.

    One width for all of a stroke that shines through: parts that overlap would be darker.
    """
    if annotation.opacity < 1:
        return [ink_width(annotation.width_pt, 0.5)] * len(stroke)
    return [ink_width(annotation.width_pt, round(pressure * INK_WIDTHS) / INK_WIDTHS) for *_, pressure in stroke]


def _lines(stroke: tuple[Sample, ...], widths: list[float]) -> Iterator[str]:
    """The lines of a stroke, each of one width: from middle to middle between samples, and straight to the last one."""
    at = stroke[0][:2]
    if len(stroke) == 1:
        yield f"{written(widths[0])} w {written(*at)} m {written(*at)} l S"
    for width, some in groupby(range(1, len(stroke)), lambda index: widths[index]):
        steps = [f"{written(width)} w {written(*at)} m"]
        for index in some:
            before, here = stroke[index - 1][:2], stroke[index][:2]
            end = (before[0] + here[0]) / 2, (before[1] + here[1]) / 2
            steps.append(_CURVE % (*_towards(at, before), *_towards(end, before), *end))
            at = end
            if index == len(stroke) - 1:
                steps.append(f"{written(*here)} l")
        yield " ".join((*steps, "S"))


def _towards(end: tuple[float, float], control: tuple[float, float]) -> tuple[float, float]:
    """One of the two control points of a cubic curve that is quadratic."""
    return end[0] + (control[0] - end[0]) * 2 / 3, end[1] + (control[1] - end[1]) * 2 / 3


def _highlighted(quad: Quad) -> str:
    upper_left, upper_right, lower_left, lower_right = corners(quad)
    return f"{written(*upper_left)} m {written(*upper_right)} l {written(*lower_right)} l {written(*lower_left)} l h"


def _note(annotation: Annotation, *, is_written: bool = True) -> Look:
    """A sheet with a turned corner, and lines of writing on it."""
    side, half = NOTE_SIDE_PT, NOTE_SIDE_PT / 2
    x0, y0, x1, y1 = annotation.x_pt - half, annotation.y_pt - half, annotation.x_pt + half, annotation.y_pt + half
    fold = side * 0.3
    sheet = [(x0, y0), (x1, y0), (x1, y1 - fold), (x1 - fold, y1), (x0, y1)]
    lines = "\n".join(
        f"{written(x0 + side * 0.2, y0 + side * down)} m {written(x0 + side * across, y0 + side * down)} l"
        for down, across in ((0.3, 0.8), (0.5, 0.8), (0.7, 0.55))
    )
    content = f"{_fill(annotation)} {_components(_DARK)} RG {written(side * 0.06)} w 1 j\n{_polygon(sheet)} B"
    if is_written:
        content += f"\n{lines}\nS"
    return Look(around(sheet, side * 0.06), content, annotation.opacity)


def stamp_box(annotation: Annotation, width: float) -> Box:
    """The frame of a stamp. width: of its letters, in heights of them."""
    half_width = annotation.height_pt * (width / 2 + STAMP_PADDING)
    half_height = annotation.height_pt * (0.5 + STAMP_PADDING)
    x, y = annotation.x_pt, annotation.y_pt
    return x - half_width, y - half_height, x + half_width, y + half_height


def _stamp(annotation: Annotation, letters: Letters) -> Look:
    runs, height = letters.runs(annotation.text), annotation.height_pt
    width = letters.width(annotation.text)
    x0, y0, x1, y1 = stamp_box(annotation, width)
    line = stamp_line(height)
    baseline = annotation.y_pt + height * _CAP_HEIGHT / 2
    content = (
        f"{_fill(annotation)} {_stroke(annotation)} {written(line)} w 1 j {written(x0, y0, x1 - x0, y1 - y0)} re S\n"
        f"BT 1 0 0 -1 {written(annotation.x_pt - width * height / 2, baseline)} Tm {shown(runs, height)} ET"
    )
    box = (x0 - line / 2, y0 - line / 2, x1 + line / 2, y1 + line / 2)
    return Look(box, content, has_letters=True)


def _bookmark(annotation: Annotation, plane: Plane) -> Look:
    """A ribbon at the upper right corner of the page."""
    width, height = _BOOKMARK_PT
    x1 = plane.width_pt - width / 2
    x0 = x1 - width
    ribbon = [(x0, 0.0), (x1, 0.0), (x1, height), ((x0 + x1) / 2, height * 0.75), (x0, height)]
    return Look(around(ribbon), f"{_fill(annotation)} {_polygon(ribbon)} f", annotation.opacity)


def _polygon(points: list[tuple[float, float]]) -> str:
    first, *others = points
    return " ".join((f"{written(*first)} m", *(f"{written(*point)} l" for point in others), "h"))


def components_of(colour: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1."""
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _components(colour: str) -> str:
    return written(*components_of(colour))


def _fill(annotation: Annotation) -> str:
    return f"{_components(annotation.colour)} rg"


def _stroke(annotation: Annotation) -> str:
    return f"{_components(annotation.colour)} RG"
