"""Annotations of the pages of a PDF, as values: what marks become in a file, and what they are read from.

Places are in points of the page as it is shown: from its top left corner, x to the right, y down.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

FARTHEST_PT = 100_000
"""A coordinate is within this, either way."""
MOST_TEXT = 20_000
MOST_POINTS = 200_000
"""Of one annotation."""
MOST_READ = 5_000
"""Annotations that are read of one page."""
NOTE_SIDE_PT = 22.0
"""Of the sheet that stands for a note. The middle of it is the note's point."""
STAMP_PADDING = 0.3
"""Between the letters of a stamp and its frame, in heights of the letters."""

INK_WIDTHS = 16
"""Widths of one stroke, from no pressure to the most."""
_FRAME, _LEAST_FRAME_PT = 0.09, 0.75
"""The width of a stamp's frame, in heights of the letters, and the least."""

Place = Annotated[float, Meta(ge=-FARTHEST_PT, le=FARTHEST_PT)]
Share = Annotated[float, Meta(ge=0, le=1)]
Sample = tuple[Place, Place, Share]
"""x, y, pressure."""
Quad = tuple[Place, Place, Place, Place, Place, Place, Place, Place]
"""x, y of the upper left, upper right, lower left and lower right corner of a piece of text, as it is read."""
Kind = Literal["ink", "highlight", "underline", "note", "stamp", "bookmark"]


class Annotation(Struct, frozen=True, kw_only=True):
    """One annotation. What its kind does not have is empty."""

    page: Annotated[int, Meta(ge=0)]
    """From 0."""
    kind: Kind
    name: Annotated[str, Meta(max_length=200)] = ""
    """Tells it from the others of its file (/NM); empty if the file gives none."""
    colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$")] = "#000000"
    opacity: Share = 1.0
    strokes: tuple[tuple[Sample, ...], ...] = ()
    """Of ink."""
    width_pt: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    """Of ink, at a pressure of 0.5."""
    quads: tuple[Quad, ...] = ()
    """Of a highlight or an underline."""
    x_pt: Place = 0.0
    """Of the middle of a note or a stamp."""
    y_pt: Place = 0.0
    height_pt: Annotated[float, Meta(ge=0, le=FARTHEST_PT)] = 0.0
    """Of the letters of a stamp."""
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""
    author: Annotated[str, Meta(max_length=1000)] = ""
    """The name of whoever made it."""
    made_ms: Annotated[int, Meta(ge=0, lt=1 << 48)] = 0
    """Since 1970 (UTC); 0 if it is not known. A file keeps seconds."""
    changed_ms: Annotated[int, Meta(ge=0, lt=1 << 48)] = 0


def ink_width(width_pt: float, pressure: float) -> float:
    """The width of a stroke at a place, in points. It changes in INK_WIDTHS steps of the pressure."""
    return width_pt * (0.4 + 1.2 * pressure)


def stamp_line(height_pt: float) -> float:
    """The width of a stamp's frame, in points. height_pt: of the letters."""
    return max(_LEAST_FRAME_PT, height_pt * _FRAME)


def stamp_height(box_height_pt: float) -> float:
    """The height of the letters of a stamp that takes so much of the page, its frame included. In points, 0 at least."""
    height_pt = box_height_pt / (1 + 2 * STAMP_PADDING + _FRAME)
    if height_pt * _FRAME < _LEAST_FRAME_PT:
        height_pt = (box_height_pt - _LEAST_FRAME_PT) / (1 + 2 * STAMP_PADDING)
    return max(0.0, height_pt)


def is_downwards(quad: Quad) -> bool:
    """Whether the text of a quad runs down the page."""
    return abs(quad[3] - quad[1]) > abs(quad[2] - quad[0])
