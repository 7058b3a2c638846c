"""Between the plane of a page as it is shown and the space of its PDF. Worker side."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from sidebooks_core.engine.mupdf import RawObj, mupdf

Numbers = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1, with x0 <= x1 and y0 <= y1."""


class Plane(Struct, frozen=True):
    """The plane of a page. Its rotation, its boxes and its unit are all in the matrix."""

    to_pdf: Numbers
    """From points as shown to the space of the PDF."""
    from_pdf: Numbers
    width_pt: float
    """Of the page as shown."""
    height_pt: float

    @property
    def is_upright(self) -> bool:
        """Whether the page is shown as its file has it: not rotated, and in units of a point."""
        a, b, _, d, *_ = self.to_pdf
        return not b and round(a, 4) == 1 and round(d, 4) == -1

    @property
    def unit_pt(self) -> float:
        """Points for a unit of the PDF."""
        return math.hypot(self.from_pdf[0], self.from_pdf[1])

    def in_pdf(self, x_pt: float, y_pt: float) -> tuple[float, float]:
        """A point as shown, in the space of the PDF."""
        return applied(self.to_pdf, x_pt, y_pt)

    def as_shown(self, x: float, y: float) -> tuple[float, float]:
        """A point of the PDF, as shown."""
        return applied(self.from_pdf, x, y)


def plane_of(page_object: RawObj) -> Plane:
    """Raises the engine's errors, ValueError for a page without an area."""
    box, matrix = mupdf.fz_rect(), mupdf.fz_matrix()
    mupdf.ll_pdf_page_obj_transform(page_object, box, matrix)
    shown = mupdf.ll_fz_transform_rect(box, matrix)
    forward = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
    return Plane(inverted(forward), forward, shown.x1 - shown.x0, shown.y1 - shown.y0)


def applied(matrix: Numbers, x: float, y: float) -> tuple[float, float]:
    """A point, moved by a matrix as a PDF writes it."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def inverted(matrix: Numbers) -> Numbers:
    """Raises ValueError if there is no way back."""
    a, b, c, d, e, f = matrix
    area = a * d - b * c
    if not area or not math.isfinite(area):
        raise ValueError("the page has no area")
    return d / area, -b / area, -c / area, a / area, (c * f - d * e) / area, (b * e - a * f) / area


def around(points: Iterable[tuple[float, float]], margin: float = 0.0) -> Box:
    """The box around points, with a margin."""
    xs, ys = zip(*points, strict=True)
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def moved(matrix: Numbers, box: Box) -> Box:
    """The box around a box that a matrix has moved."""
    x0, y0, x1, y1 = box
    return around(applied(matrix, x, y) for x in (x0, x1) for y in (y0, y1))


def written(*numbers: float) -> str:
    """Numbers as a PDF has them: never with an exponent. Five digits: a 700th of a micrometre."""
    return " ".join(f"{round(number, 5) + 0.0:.5f}".rstrip("0").rstrip(".") for number in numbers)
