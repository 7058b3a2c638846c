"""What the commands of votes make of a meeting. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from sidebooks_core.meeting import votes
from sidebooks_core.meeting.commands import BreakOffVote, Cast, CloseVote, ConfirmVote, DecideTie, LeaveRoom, OpenVote
from sidebooks_core.meeting.messages import Why
from sidebooks_core.meeting.model import Meeting, Participant, standings
from sidebooks_core.meeting.votes import Roll, ShownVote, Vote

MOST_VOTES = 200
"""Of one meeting."""
UNDER_WAY = ("open", "closed")
"""Stages of a vote that is to be confirmed or broken off."""

VoteCommand = OpenVote | Cast | LeaveRoom | CloseVote | DecideTie | ConfirmVote | BreakOffVote


def is_voting(meeting: Meeting) -> bool:
    """A vote is to be confirmed or broken off."""
    return meeting.vote is not None and meeting.vote.stage in UNDER_WAY


def voted(meeting: Meeting, command: VoteCommand, by: Participant) -> Meeting | Why:
    """The meeting after a command; its numbers are as before."""
    if isinstance(command, OpenVote):
        return _opened(meeting, command)
    vote = meeting.vote
    if vote is None or vote.number != command.vote:
        return "no such vote"
    match command:
        case Cast():
            made = votes.cast(vote, by.id, command.choice)
        case LeaveRoom():
            if (command.who != by.id or command.is_back) and "chair" not in standings(meeting, by.id):
                return "forbidden"
            made = votes.left(vote, command.who, is_back=command.is_back)
        case CloseVote():
            made = votes.closed(vote)
        case DecideTie():
            made = votes.decided(vote, by.id, command.choice)
        case ConfirmVote():
            made = votes.confirmed(vote)
        case BreakOffVote():
            made = votes.broken_off(vote)
    if not isinstance(made, Vote):
        return made
    return with_vote(meeting, made) if made.stage != "open" else replace(meeting, vote=made)


def with_vote(meeting: Meeting, vote: Vote) -> Meeting:
    """The same with a vote that all participants are told of."""
    told = {one.number: one for one in meeting.details.votes} | {vote.number: votes.shown(vote)}
    return replace(meeting, vote=vote, details=replace(meeting.details, votes=tuple(told[number] for number in sorted(told))))


def without_open_vote(meeting: Meeting) -> Meeting:
    """A vote that was open is broken off: which votes were cast is not known."""
    made = None if meeting.vote is None or meeting.vote.stage != "open" else votes.broken_off(meeting.vote)
    return with_vote(meeting, made) if isinstance(made, Vote) else meeting


def _opened(meeting: Meeting, command: OpenVote) -> Meeting | Why:
    told = meeting.details.votes
    if is_voting(meeting):
        return "another vote"
    if len(told) >= MOST_VOTES:
        return "too many"
    if command.corrects is not None and not _is_confirmed(told, command.corrects):
        return "no such vote"
    roll = Roll(voters=command.voters, present=command.present, chair=command.chair, seats=command.seats)
    fault = votes.fault_of(roll)
    if fault is not None:
        return fault
    vote = Vote(
        number=max((one.number for one in told), default=0) + 1,
        title=command.title,
        item=command.item,
        rule=command.rule,
        ballot=command.ballot,
        silence=command.silence,
        roll=roll,
        corrects=command.corrects,
    )
    return with_vote(meeting, vote)


def _is_confirmed(told: tuple[ShownVote, ...], number: int) -> bool:
    return any(one.number == number and one.stage == "confirmed" for one in told)
