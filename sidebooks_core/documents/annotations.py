"""Annotations of the pages of a PDF, as values: what marks become in a file, and what they are read from.

Places are in points of the page as it is shown: from its top left corner, x to the right, y down.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

FARTHEST_PT = 100_000
"""A coordinate is within this, either way."""
MOST_TEXT = 20_000
MOST_STROKES = 20_000
"""Of one annotation."""
MOST_POINTS = 500_000
"""Of one list of coordinates that is read."""
MOST_READ = 5_000
"""Annotations that are read of one page."""
MOST_READ_BYTES = 8 << 20
"""Of one page: see `Annotation.size_bytes`."""
NOTE_SIDE_PT = 22.0
"""Of the sheet that stands for a note. The middle of it is the note's point."""
STAMP_PADDING = 0.3
"""Between the letters of a stamp and its frame, in heights of the letters."""

INK_WIDTHS = 16
"""Widths of one stroke, from no pressure to the most."""
_SAMPLE, _QUAD = struct.Struct("<3f"), struct.Struct("<8f")
_DIGITS = 3
"""Numbers of 32 bits have no more on a page."""
_FRAME, _LEAST_FRAME_PT = 0.09, 0.75
"""The width of a stamp's frame, in heights of the letters, and the least."""

Place = Annotated[float, Meta(ge=-FARTHEST_PT, le=FARTHEST_PT)]
Share = Annotated[float, Meta(ge=0, le=1)]
Sample = tuple[float, float, float]
"""x, y, pressure."""
Quad = tuple[float, float, float, float, float, float, float, float]
"""x, y of the upper left, upper right, lower left and lower right corner of a piece of text, as it is read."""
Listed = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]
"""A page, and the place of an annotation in its list. Both from 0."""
Kind = Literal["ink", "highlight", "underline", "strikeout", "note", "stamp", "bookmark"]


class Annotation(Struct, frozen=True, kw_only=True):
    """One annotation. What its kind does not have is empty."""

    page: Annotated[int, Meta(ge=0)]
    """From 0."""
    kind: Kind
    place: Annotated[int, Meta(ge=-1, lt=1 << 31)] = -1
    """In the list of its page, from 0; -1: it is in none yet. Of one that is added: of the one whose place it takes."""
    name: Annotated[str, Meta(max_length=200)] = ""
    """Tells it from the others of its file (/NM); empty if the file gives none."""
    origin: Annotated[str, Meta(max_length=64)] = ""
    """Of what it was made, if it is one of ours; empty: of nothing that is known."""
    colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$")] = "#000000"
    opacity: Share = 1.0
    packed_strokes: Annotated[tuple[bytes, ...], Meta(max_length=MOST_STROKES)] = ()
    """Of ink: see `packed_stroke`. A point would take 40 times its bytes as numbers, and many come from a worker."""
    width_pt: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    """Of ink, at a pressure of 0.5."""
    packed_quads: bytes = b""
    """Of a highlight, an underline or struck words: see `packed_quads`."""
    x_pt: Place = 0.0
    """Of the middle of a note or a stamp."""
    y_pt: Place = 0.0
    height_pt: Annotated[float, Meta(ge=0, le=FARTHEST_PT)] = 0.0
    """Of the letters of a stamp."""
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""
    """Its own."""
    replies: Annotated[tuple[Annotated[str, Meta(max_length=MOST_TEXT)], ...], Meta(max_length=MOST_READ)] = ()
    """The texts of the replies to it, which are annotations of their own. Nothing that is added has any."""
    may_lack_replies: bool = False
    """Whether there may be more replies than these, or one of these is cut."""
    author: Annotated[str, Meta(max_length=1000)] = ""
    """The name of whoever made it."""
    made_ms: Annotated[int, Meta(ge=0, lt=1 << 48)] = 0
    """Since 1970 (UTC); 0 if it is not known. A file keeps seconds."""
    changed_ms: Annotated[int, Meta(ge=0, lt=1 << 48)] = 0

    @property
    def whole_text(self) -> str:
        """Its own text, and that of the replies below it, at most MOST_TEXT characters."""
        return "\n".join(one for one in (self.text, *self.replies) if one)[:MOST_TEXT]

    @property
    def strokes(self) -> list[tuple[Sample, ...]]:
        """Those of ink. The annotation is sound."""
        return [
            tuple(
                (round(x, _DIGITS), round(y, _DIGITS), round(pressure, _DIGITS)) for x, y, pressure in _SAMPLE.iter_unpack(one)
            )
            for one in self.packed_strokes
        ]

    @property
    def quads(self) -> list[Quad]:
        """Those of a highlight, an underline or struck words. The annotation is sound."""
        return [
            (round(a, _DIGITS), round(b, _DIGITS), round(c, _DIGITS), round(d, _DIGITS),
             round(e, _DIGITS), round(f, _DIGITS), round(g, _DIGITS), round(h, _DIGITS))
            for a, b, c, d, e, f, g, h in _QUAD.iter_unpack(self.packed_quads)
        ]  # fmt: skip

    @property
    def is_sound(self) -> bool:
        """Whether the bytes are whole points and corners, none of them too far away, and each pressure is one."""
        packed = ((_QUAD, self.packed_quads), *((_SAMPLE, one) for one in self.packed_strokes))
        if not all(not len(some) % form.size and _are_near(some) for form, some in packed):
            return False
        return all(0 <= pressure <= 1 for one in self.packed_strokes for *_, pressure in _SAMPLE.iter_unpack(one))

    @property
    def size_bytes(self) -> int:
        """What its lines and its words take, about."""
        characters = len(self.text) + sum(map(len, self.replies))
        return sum(map(len, self.packed_strokes)) + len(self.packed_quads) + 4 * characters


class Changes(Struct, frozen=True):
    """What is done to the annotations of a document."""

    added: tuple[Annotation, ...] = ()
    removed: tuple[Listed, ...] = ()
    """With what was replied to them."""
    is_flattened: bool = False
    """What is added becomes part of what the pages draw."""
    replaced: tuple[Listed, ...] = ()
    """Removed, too, but what was replied to them stays. It replies to what is added with that place, else it stands alone."""


def packed_stroke(samples: Iterable[Sample]) -> bytes:
    """A stroke as numbers of 32 bits: x, y and pressure, from 0 to 1, of each point."""
    return b"".join(_SAMPLE.pack(*one) for one in samples)


def packed_quads(quads: Iterable[Quad]) -> bytes:
    """Quads as numbers of 32 bits."""
    return b"".join(_QUAD.pack(*one) for one in quads)


def _are_near(packed: bytes) -> bool:
    return all(abs(one) <= FARTHEST_PT for (one,) in struct.iter_unpack("<f", packed))


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
