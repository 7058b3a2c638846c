"""What a meeting is, to who keeps it. Frozen values. Pure."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.meeting.rights import Standing
from sidebooks_core.meeting.state import Details, State
from sidebooks_core.meeting.votes import Vote


class Participant(Struct, frozen=True):
    """Somebody in a meeting, on any number of clients."""

    id: str
    name: str
    is_guest: bool = False


class Meeting(Struct, frozen=True, kw_only=True):
    """All that is kept of a meeting while it lasts. The numbers of state and details agree: see `session`."""

    state: State
    details: Details
    counts: dict[str, int] = {}
    """The count of the last command, by participant and client; who was active last stands last."""
    since: int = 0
    """The epoch in which `counts` begins. Which commands were done in older ones is not known: the meeting was restored."""
    vote: Vote | None = None
    """The last one. Another one is opened when it is confirmed or broken off."""


def standings(meeting: Meeting, participant: str) -> frozenset[Standing]:
    """What somebody is: their role, and the presenter."""
    role: Standing = meeting.details.roles.get(participant, "viewer")
    return frozenset({role, "presenter"}) if participant == meeting.state.presenter else frozenset({role})


def newer(one: Meeting, other: Meeting) -> Meeting:
    """The newer state of two of one meeting, with the newer details."""
    newest, older = (one, other) if one.state.position >= other.state.position else (other, one)
    if (older.details.epoch, older.details.seq) <= (newest.details.epoch, newest.details.seq):
        return newest
    return Meeting(state=newest.state, details=older.details, counts=newest.counts, since=newest.since, vote=newest.vote)
