"""Commands: what a participant wants of a meeting. Pure values; `session.decide` says what comes of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidebooks_core.meeting.state import AgendaItem, Count, Id, Name, NoId, PageNumber, RectPt, Role
from sidebooks_core.meeting.votes import Ballot, Choice, RuleName, Voter


class Command(Struct, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """The answer to each command is a done or a refused with the same id."""

    id: Id
    """Made by the client, for the answer."""
    client: Id
    count: Count
    """Grows with each command of the client. One that does not grow is refused as replayed."""
    epoch: Count
    """That the client knows."""


class Show(Command, tag="show", frozen=True, kw_only=True):
    """The presenter shows a place of the paper that is open."""

    paper: Id
    revision: Count
    page: PageNumber
    spread: PageNumber | None = None
    view_pt: RectPt | None = None


class OpenPaper(Command, tag="open_paper", frozen=True, kw_only=True):
    """The presenter shows a place of any paper."""

    paper: Id
    revision: Annotated[int, Meta(ge=1)]
    page: PageNumber = 1
    spread: PageNumber | None = None
    view_pt: RectPt | None = None


class SetMode(Command, tag="set_mode", frozen=True, kw_only=True):
    """How the others follow. Locking, and ending a lock, needs the chair."""

    mode: Literal["free", "follow", "locked"]


class CallEverybody(Command, tag="call_everybody", frozen=True, kw_only=True):
    """All who left the presenter's page come back to it, once."""


class Take(Command, tag="take", frozen=True, kw_only=True):
    """Become the presenter. Of two who try with the same epoch, one does."""


class HandOver(Command, tag="hand_over", frozen=True, kw_only=True):
    """Make another one the presenter."""

    to: Id
    name: Name
    """The server puts the name in that it knows."""


class TakeBack(Command, tag="take_back", frozen=True, kw_only=True):
    """The chair becomes the presenter, also if the client does not know yet who presents."""


class SetAgenda(Command, tag="set_agenda", frozen=True, kw_only=True):
    """The papers of the meeting, in order."""

    items: Annotated[tuple[AgendaItem, ...], Meta(max_length=300)]


class GiveRole(Command, tag="give_role", frozen=True, kw_only=True):
    """Say what somebody is."""

    to: Id
    name: Name
    """The server puts the name in that it knows."""
    role: Role


class SetTaking(Command, tag="set_taking", frozen=True, kw_only=True):
    """Say who may take the presentation: those of a role, and of higher ones."""

    role: Role


class End(Command, tag="end", frozen=True, kw_only=True):
    """The meeting is over, for good."""


class OpenVote(Command, tag="open_vote", frozen=True, kw_only=True):
    """Open a vote. The server puts the names in that it knows."""

    title: Name
    item: NoId = ""
    rule: RuleName
    ballot: Ballot
    silence: Literal["abstain", "no"] = "abstain"
    seats: Annotated[int, Meta(ge=1, le=2000)]
    voters: Annotated[tuple[Voter, ...], Meta(max_length=2000)]
    present: frozenset[Id]
    chair: Id
    corrects: Count | None = None


class Cast(Command, tag="cast", frozen=True, kw_only=True):
    """Vote, once."""

    vote: Count
    choice: Choice


class LeaveRoom(Command, tag="leave_room", frozen=True, kw_only=True):
    """Somebody leaves the room before voting. Everybody may say so of themselves, the chair of all."""

    vote: Count
    who: Id
    is_back: bool = False
    """They are here after all. Only the chair says so."""


class CloseVote(Command, tag="close_vote", frozen=True, kw_only=True):
    """Nobody votes any more."""

    vote: Count


class DecideTie(Command, tag="decide_tie", frozen=True, kw_only=True):
    """The chair's casting vote."""

    vote: Count
    choice: Literal["yes", "no"]


class ConfirmVote(Command, tag="confirm_vote", frozen=True, kw_only=True):
    """The result stays for good."""

    vote: Count


class BreakOffVote(Command, tag="break_off_vote", frozen=True, kw_only=True):
    """The vote is void."""

    vote: Count


AnyCommand = (
    Show
    | OpenPaper
    | SetMode
    | CallEverybody
    | Take
    | HandOver
    | TakeBack
    | SetAgenda
    | GiveRole
    | SetTaking
    | End
    | OpenVote
    | Cast
    | LeaveRoom
    | CloseVote
    | DecideTie
    | ConfirmVote
    | BreakOffVote
)
