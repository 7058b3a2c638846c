"""The state of a meeting and its details, as they are kept and sent. Pure.

The state is one small object with a position, (epoch, seq). Whoever has it knows all that a follower needs. What changes seldom
is in the details, which have a number of their own. Nothing secret is in either.

Pages count from 1, as in all addresses. Points are those of a page as it is shown: 1/72 inch, origin top left.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidebooks_core.meeting.votes import ShownVote

MOST_STATE_BYTES = 256
"""Of a state as JSON."""

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,24}\Z")]
NoId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,24}\Z")]
"""An id, or an empty text for none."""
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
PageNumber = Annotated[int, Meta(ge=1, le=1_000_000)]
Points = Annotated[float, Meta(ge=-100_000, le=100_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
RectPt = tuple[Points, Points, Points, Points]
"""(x0, y0, x1, y1) in points."""
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=400)]

Mode = Literal["free", "follow", "locked", "ended"]
"""free: everybody reads alone, and may go to the presenter's page. follow: all are on the presenter's page until they leave it.
locked: nobody leaves it. ended: the meeting is over."""
Role = Literal["chair", "speaker", "viewer"]
"""What somebody is in a meeting, the highest first. The presenter is one of them: whose page is followed."""
Position = tuple[int, int]
"""(epoch, seq). A greater one is newer."""


class State(Struct, frozen=True, kw_only=True, tag_field="kind", tag="state"):
    """Where a meeting is. At most `MOST_STATE_BYTES` as JSON."""

    meeting: Id
    epoch: Count
    """Grows when another one presents, and when the meeting was restored. Commands name it."""
    seq: Count
    """Grows with each change within an epoch."""
    details: Count
    """The number of the present details."""
    paper: NoId
    """Empty: none is open."""
    revision: Count
    page: PageNumber
    spread: PageNumber | None
    """The last page of a spread that begins with `page`; None: one page is shown."""
    view_pt: RectPt | None
    """What the presenter sees, in points of `page`; it may reach beyond that page. None: all of the page or the spread."""
    mode: Mode
    called: Count
    """How often everybody was called. When it grows, those who left come back."""
    presenter: Id
    t: Count
    """Milliseconds from the opening of the meeting to this change. It does not order changes."""

    @property
    def position(self) -> Position:
        return self.epoch, self.seq


class AgendaItem(Struct, frozen=True):
    """A paper of the agenda, or a heading."""

    name: Name
    """Whoever may not read the paper is told "—"."""
    paper: NoId = ""
    """Empty: a heading without a paper."""
    revision: Count = 0
    """0: the present one."""


class Details(Struct, frozen=True, kw_only=True, tag_field="kind", tag="details"):
    """What changes seldom. A client asks for it when the number in the state is another one, or the epoch is."""

    meeting: Id
    epoch: Count
    seq: Count
    """The number of the details; it never falls."""
    name: Name
    opened_s: float
    """Seconds since 1970 (UTC)."""
    agenda: tuple[AgendaItem, ...] = ()
    roles: dict[Id, Role] = {}
    """By participant. Who is not named is a viewer."""
    names: dict[Id, Name] = {}
    """Of those who have a role, and of the presenter."""
    taking: Role = "speaker"
    """The lowest role that may take the presentation."""
    votes: tuple[ShownVote, ...] = ()
