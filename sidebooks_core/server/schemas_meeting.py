"""The JSON of meetings beside their protocol. Pages count from 1. Times are seconds since 1970 (UTC). Addresses are whole."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sidebooks_core.meeting.messages import ServerMessage
from sidebooks_core.meeting.state import AgendaItem, Id, Name, Role
from sidebooks_core.meeting.votes import Outcome, ShownVote, Stage
from sidebooks_core.server.access_schemas import Me

LONGEST_HOURS = 72


class NewMeeting(Struct, forbid_unknown_fields=True):
    """A meeting that is to begin."""

    name: Annotated[str, Meta(max_length=200)] = ""
    """Empty: that of the folder or the paper."""
    papers: Annotated[list[Id], Meta(max_length=300)] | None = None
    """The agenda, in order. null: the papers of the folder, or the one paper."""


class MeetingEntry(Struct, kw_only=True):
    """A meeting in a list."""

    id: str
    name: str
    folder: str
    """ "top": the top of the shelf."""
    opened_s: float
    ended_s: float | None
    """null: it goes on."""
    has_code: bool
    """Guests can join by a code."""
    address: str
    """Of the page on which one joins."""
    may: list[str]
    """Operations that whoever asks may do with it."""


class MeetingList(Struct):
    """Meetings, the newest first."""

    meetings: list[MeetingEntry]


class MeetingDetails(MeetingEntry, kw_only=True):
    """A meeting."""

    participant: str
    """Who whoever asks is in the meeting; if nobody knows them, their client decides that, and this is empty."""
    role: Role
    """Their role in it."""
    presenter: str
    """The presenter's name."""
    agenda: list[AgendaItem]
    here: int
    """Clients that are in it by this server process."""
    socket: str
    """The address of the WebSocket."""
    qr: str
    """The address of a picture of `address`, for a camera."""


class NewCode(Struct, forbid_unknown_fields=True):
    """A code for guests that is to be made. One that was made before opens nothing any more, and its guests are logged out."""

    hours: Annotated[float, Meta(gt=0, le=LONGEST_HOURS)] = 12.0
    """How long guests can stay at most. They leave with the end of the meeting."""


class MadeCode(Struct, kw_only=True):
    """A code for guests. It is told once."""

    code: str
    until_s: float
    address: str
    """Of the page on which guests join, with the code behind #."""
    qr_svg: str
    """A picture of the address, for a camera."""


class UseCode(Struct, kw_only=True):
    """The code of a meeting."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    name: Annotated[str, Meta(max_length=200)] = ""
    """How the guest is called, if they say it."""


class JoinedMeeting(Struct, kw_only=True):
    """The meeting that a code opens."""

    meeting: str
    me: Me
    """Who that is from now on: whoever may be in the meeting anyway stays who they are."""


class AttendanceRow(Struct, kw_only=True):
    """Somebody who is in a meeting, or was."""

    participant: str
    name: str
    is_guest: bool
    joined_s: float
    left_s: float | None
    """null: they are there."""
    present_s: float
    times: int
    """How often they came."""


class AttendanceList(Struct):
    """Who is in a meeting, or was. Who came first is first."""

    people: list[AttendanceRow]


class VoteList(Struct):
    """The votes of a meeting, in order."""

    votes: list[ShownVote]


class VoterRow(Struct, kw_only=True):
    """Somebody on the roll of a vote."""

    participant: str
    name: str
    is_present: bool
    has_left: bool
    """Before voting."""
    has_voted: bool
    choice: str | None
    """null: it was secret, is not confirmed, or they did not vote."""


class VoteDetails(Struct, kw_only=True):
    """One vote, with its roll."""

    number: int
    title: Name
    stage: Stage
    outcome: Outcome | None
    casting: str | None
    """How the chair decided a tie."""
    chair: str
    """The participant who presides."""
    voters: list[VoterRow]


class CompiledPart(Struct, kw_only=True):
    """A paper within the pages of a meeting."""

    paper: str
    revision: int
    name: str
    first: int
    """The running number of its first page."""
    page_count: int
    document: str
    """The id of its document."""
    preview: str
    """The address of the preview of a page, with {page} for its number in the paper."""


class CompiledPages(Struct, kw_only=True):
    """The papers of a meeting's agenda as one document with running numbers.

    Papers that whoever asks may not read are left out, and their numbers with them: all say the same of a page.
    """

    page_count: int
    """Of all papers, also of those that are left out."""
    parts: list[CompiledPart]
    content_ids: list[str]
    """Of the pages of the parts, in order. Pages with the same id are the same, and are drawn once."""
    manifest: str
    """The address of the same as a IIIF manifest."""


class Answers(Struct):
    """The answers to a message."""

    answers: list[ServerMessage]
