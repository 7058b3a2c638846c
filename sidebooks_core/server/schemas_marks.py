"""The JSON of marks. A mark itself is as `marks.model` has it: its pages count from 0, its places are points of the page."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from sidebooks_core.marks.answers import RefusalReason
from sidebooks_core.marks.model import Anchor, Body, DeviceId, Mark, MarkId, Stamp, Visibility

MOST_MARKS = 1000
"""Of one request."""
OTHER_DEVICE = "other"
"""In the stamp of a mark of somebody else: which device it was made on is not told."""


class NewMarks(Struct):
    """Versions of marks of whoever sends them."""

    device: DeviceId
    """That sends them, and made these versions."""
    marks: Annotated[list[Mark], Meta(max_length=MOST_MARKS)]
    person: str = ""
    """Whose they are, by the id that `/me` has: 409 if somebody else sends them. Empty: of whoever sends them."""


class UnreadMarks(Struct):
    """The same, before the marks are looked at one by one."""

    device: DeviceId
    marks: Annotated[list[Raw], Meta(max_length=MOST_MARKS)]
    person: str = ""


class NamedMark(Struct):
    """A mark of which nothing else is known yet."""

    id: MarkId


class MarkEntry(Struct):
    """A version of a mark, to one reader."""

    id: MarkId
    stamp: Stamp
    anchor: Anchor
    body: Body | None
    """null: it was deleted."""
    visibility: Visibility
    meeting: str
    is_of_file: bool
    owner: str
    """One's own id, as `/me` has it; of somebody else the name, empty if that is not known any more."""
    mine: bool


class PaperMarkList(Struct):
    """What a reader sees of the marks of a paper."""

    seq: int
    """Ask with `since` for what comes after it. Which of two is greater says nothing. 0 if `is_complete` is false."""
    server_ms: int
    """Now, since 1970 (UTC): a device adds to its clock what the server's is ahead."""
    is_whole: bool
    """True: this begins with all that the reader sees, and what a device has beside it, and has sent, is gone."""
    marks: list[MarkEntry]
    """That are new after `since`, or have changed."""
    gone: list[str]
    """Ids of marks that were deleted, or that the reader sees no more."""
    is_complete: bool
    """False: there are more marks. Ask with `next` at once."""
    next: str
    """To ask with, beside `since`, for the marks that follow these. Empty if there are none."""
    epoch: str
    """Another one than before: a backup was restored. What was kept after it is gone, so a device sends all marks of its reader
    again, and asks with 0."""


class Refusal(Struct):
    """A mark that was not kept. The same one is refused again: a device lets go of it, or tells its reader."""

    id: str
    reason: RefusalReason | Literal["device", "meeting", "guest"]
    """device: the stamp is of another device than sends it. meeting: it is for a meeting in which its owner never was. guest:
    guests share marks with a meeting, not with all readers. The others: see `marks.answers`."""
    detail: str
    """In English, for who writes a client."""


class KeptMarks(Struct):
    """What became of the marks that were sent."""

    server_ms: int
    marks: list[MarkEntry]
    """The version that holds now, of each that was not refused. It may be another one than was sent."""
    refused: list[Refusal]


class LostTextEntry(Struct):
    """A text that lost to a later version of its mark."""

    text: str
    stamp: Stamp
    lost_s: float


class LostTextList(Struct):
    """The texts of a mark that lost, kept for 30 days."""

    texts: list[LostTextEntry]


class FoundMarkEntry(Struct):
    """A mark of whoever asks, that has a text."""

    paper: str
    name: str
    """Of the paper."""
    folder: str
    mark: MarkEntry


class FoundMarkList(Struct):
    """One's own marks that match."""

    query: str
    marks: list[FoundMarkEntry]


class ImportedMarkList(Struct):
    """What became of the annotations of a file."""

    found: int
    """That can be marks."""
    marks: list[MarkEntry]
    """As they hold now; those that were there before are among them. See `is_complete`."""
    refused: list[Refusal]
    left_out: int
    """Annotations that were not read, as a page has too many of them, or too large ones."""
    is_complete: bool
    """False: `marks` are the first ones only. The device reads the others as any marks."""


class DestroyedMarks(Struct):
    """What was removed for good."""

    papers: int
    """That the folder and those in it hold."""
    marks: int
    is_in_log: bool
    """The log of the database still has something of them, as somebody reads just now. It is cut soon."""


class MarksEvent(Struct):
    """Marks of a paper that the client sees have changed: it asks for them if it has the paper."""

    paper: str
    """Empty: of any paper."""
