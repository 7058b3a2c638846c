"""What a mark is. Plain values, as they are stored and as they go over the wire.

Places are in points of the page, as a reader sees it: from its top left corner, x to the right, y down. It is the plane of the
words of a page. A page that is rotated or cropped in its file makes no difference.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

MOST_SAMPLES = 20_000
"""Of one stroke: 80 s of a pen that tells of itself 240 times a second."""
MOST_TEXT = 20_000
"""Characters of a note."""
MOST_QUADS = 2_000
"""Lines of text of one highlight."""
FARTHEST_PT = 100_000
"""A coordinate is within this, either way. The longest side of a page of a PDF is 14,400 pt."""

MarkId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", max_length=36)
]
"""A UUID in small letters, made by the device: version 7, so that ids are in the order of their making."""
DeviceId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,40}(?!\n)$")]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$", max_length=7)]
"""sRGB, as in CSS."""
Coordinate = Annotated[float, Meta(ge=-FARTHEST_PT, le=FARTHEST_PT)]
"""In points. A number that is not finite is outside."""
WidthPt = Annotated[float, Meta(gt=0, le=200)]
Share = Annotated[float, Meta(ge=0, le=1)]
Quad = tuple[Coordinate, Coordinate, Coordinate, Coordinate, Coordinate, Coordinate, Coordinate, Coordinate]
"""A piece of a line of text: x, y of its upper left, upper right, lower left and lower right corner, as the text is read."""
Visibility = Literal["private", "shared", "collected"]
"""private: its owner sees it. shared: all of a meeting do, or all readers of the paper. collected: the chair of the meeting
does, or whoever tends the folder."""


FILE_DEVICE = "file"
"""The device of a version that was read from a file."""


class Stamp(Struct, frozen=True, order=True, array_like=True):
    """A time of a hybrid logical clock. Later versions of a mark have greater ones, on whatever device they were made."""

    at_ms: Annotated[int, Meta(ge=0, lt=1 << 48)]
    """Since 1970 (UTC), as the server tells the time; never less than what the device has seen."""
    counter: Annotated[int, Meta(ge=0, lt=1 << 16)]
    """Orders what happened in the same millisecond."""
    device: DeviceId


class Anchor(Struct, frozen=True):
    """Where a mark was made. Where the mark stands in another revision follows from it.

    No device changes it. Only a version that was read from the file of another revision has an anchor in that one.
    """

    revision: Annotated[int, Meta(ge=1, lt=1 << 31)]
    """Of the paper."""
    page: Annotated[int, Meta(ge=0, lt=1 << 31)]
    """In that revision, from 0."""
    content_id: Annotated[str, Meta(max_length=200)]
    """Of that page: what it showed. Empty: the device did not know it, and the server fills it in."""
    quote: Annotated[str, Meta(max_length=1000)] = ""
    """The words at the mark, for people. Nothing is found by it."""


class Ink(Struct, frozen=True, tag_field="kind", tag="ink"):
    """One stroke of a pen."""

    samples: Annotated[tuple[tuple[Coordinate, Coordinate, Share], ...], Meta(min_length=1, max_length=MOST_SAMPLES)]
    """(x_pt, y_pt, pressure) in the order of drawing. A pen that tells no pressure has 0.5."""
    width_pt: WidthPt
    """At a pressure of 0.5."""
    colour: Colour
    opacity: Share = 1.0


class Highlight(Struct, frozen=True, tag_field="kind", tag="highlight"):
    """Words with a colour behind them."""

    quads: Annotated[tuple[Quad, ...], Meta(min_length=1, max_length=MOST_QUADS)]
    colour: Colour
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""
    """What its owner wrote about it."""


class Underline(Struct, frozen=True, tag_field="kind", tag="underline"):
    """Words with a line below them; beside them, if the text runs downwards."""

    quads: Annotated[tuple[Quad, ...], Meta(min_length=1, max_length=MOST_QUADS)]
    colour: Colour
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""


class StrikeOut(Struct, frozen=True, tag_field="kind", tag="strikeout"):
    """Words with a line through them."""

    quads: Annotated[tuple[Quad, ...], Meta(min_length=1, max_length=MOST_QUADS)]
    colour: Colour
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""


class Note(Struct, frozen=True, tag_field="kind", tag="note"):
    """A text at a point."""

    x_pt: Coordinate
    y_pt: Coordinate
    text: Annotated[str, Meta(max_length=MOST_TEXT)]
    colour: Colour


class StampText(Struct, frozen=True, tag_field="kind", tag="stamp"):
    """A short word in a frame, such as 済."""

    x_pt: Coordinate
    """Of its middle."""
    y_pt: Coordinate
    height_pt: WidthPt
    """Of the letters."""
    text: Annotated[str, Meta(min_length=1, max_length=40)]
    colour: Colour


class Bookmark(Struct, frozen=True, tag_field="kind", tag="bookmark"):
    """A page to come back to."""

    text: Annotated[str, Meta(max_length=200)] = ""
    """A name for it."""


Body = Ink | Highlight | Underline | StrikeOut | Note | StampText | Bookmark


class Mark(Struct, frozen=True):
    """One version of a mark. A stroke is never edited: it is made, and perhaps deleted."""

    id: MarkId
    stamp: Stamp
    anchor: Anchor
    body: Body | None
    """None: the mark was deleted, for good. Who undoes a deletion makes a new mark."""
    visibility: Visibility = "private"
    meeting: Annotated[str, Meta(max_length=100)] = ""
    """The meeting that it is shared with, or whose chair collects it. Empty: the readers of the paper, or who tends it."""
    is_of_file: bool = False
    """It was read from the file itself. A page whose content id is the anchor's shows it already, and it is not drawn again.
    Only an import sets it, whatever a device says."""
    owner: str = ""
    """The id of a principal. The server sets it, whatever a device says."""


def text_of(mark: Mark) -> str:
    """What its owner wrote; empty if there is none."""
    return getattr(mark.body, "text", "")
