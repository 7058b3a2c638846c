"""Pieces of text as an engine finds them, finished lines, and where they lie. Pure.

A line has a direction. `a` runs along it. `c` runs across it and grows towards the next line: to the right and down for
horizontal text, down and to the left for vertical text, whose columns follow one another leftwards. Ruby is on the side of
lesser `c`: above a line, on the right of a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points of the page as shown."""

CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff01-\uffee\U00020000-\U0003ffff]")


class Run(Struct):
    """Characters in a line of one direction, as an engine gives them.

    turns: quarter turns clockwise from left-to-right; None for any other direction.
    """

    chars: list[str]
    boxes: list[Box]
    sizes: list[float]
    turns: int | None
    is_column: bool
    """Whether it is written in vertical mode."""
    block: int
    ruby: list[bool] = field(default_factory=list)
    """For each character whether it is ruby, if the document says so; else empty."""


class Ruby(Struct, frozen=True):
    """The reading of the characters of a line from `start` up to `stop`, which is excluded."""

    start: int
    stop: int
    text: str
    boxes: tuple[Box, ...]


class Line(Struct, frozen=True):
    """A line or a column: its characters in reading order, a box for each, the number of its block, and its ruby in order."""

    text: str
    boxes: tuple[Box, ...]
    block: int
    rubies: tuple[Ruby, ...] = ()


def turned(box: Box, turns: int) -> Box:
    """A box as (least a, least c, most a, most c) of a direction."""
    if turns == 0:
        return box
    x0, y0, x1, y1 = box
    if turns == 1:
        return y0, -x1, y1, -x0
    return (-x1, -y1, -x0, -y0) if turns == 2 else (-y1, x0, -y0, x1)


def turned_back(box: Box, turns: int) -> Box:
    """The inverse of `turned`."""
    a0, c0, a1, c1 = box
    return ((a0, c0, a1, c1), (-c1, a0, -c0, a1), (-a1, -c1, -a0, -c0), (c0, -a1, c1, -a0))[turns]


def as_lines(runs: Iterable[Run]) -> tuple[Line, ...]:
    """Each run as a line."""
    return tuple(Line("".join(run.chars), tuple(run.boxes), run.block) for run in runs)


class Extent(Struct):
    """Where a run lies in a direction, and the size of its characters."""

    a0: float
    c0: float
    a1: float
    c1: float
    size: float

    @property
    def c(self) -> float:
        return (self.c0 + self.c1) / 2


def extent_of(boxes: Sequence[Box], sizes: Sequence[float], turns: int) -> Extent:
    if len(boxes) == 1:
        return Extent(*turned(boxes[0], turns), sizes[0])
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return Extent(*turned((min(x0), min(y0), max(x1), max(y1)), turns), max(sizes))


def chosen(run: Run, places: Sequence[int]) -> Run:
    """A run with some of the characters of another."""
    return Run(
        [run.chars[place] for place in places],
        [run.boxes[place] for place in places],
        [run.sizes[place] for place in places],
        run.turns,
        run.is_column,
        run.block,
        [run.ruby[place] for place in places] if run.ruby else [],
    )
