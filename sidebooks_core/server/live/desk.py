"""Decides about each message of a client in a meeting, whatever way it came."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from msgspec.structs import replace

from sidebooks_core.access.operations import Operation
from sidebooks_core.errors import Conflict, NoSuchMeeting, RequestError
from sidebooks_core.meeting import rights
from sidebooks_core.meeting.commands import AnyCommand, End, GiveRole, HandOver, OpenPaper, OpenVote, SetAgenda, Show
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import (
    Ask,
    ClientMessage,
    Done,
    Hello,
    Intent,
    Painted,
    Pong,
    Refused,
    ServerMessage,
    Stroke,
    Whisper,
    Why,
    rounded,
)
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.session import decide, kind_of
from sidebooks_core.meeting.state import Details, State
from sidebooks_core.meeting.voting import VoteCommand
from sidebooks_core.server.live.ahead import Ahead, Spot
from sidebooks_core.server.live.between import Drawn, Pointed
from sidebooks_core.server.live.clients import Speaker
from sidebooks_core.server.live.meeting_access import MeetingAccess
from sidebooks_core.server.live.meetings_here import MeetingsHere
from sidebooks_core.server.live.refusals import Refusals
from sidebooks_core.server.pools import Pools

AUDITED = frozenset(
    {
        "take", "hand_over", "take_back", "give_role", "set_taking", "set_agenda", "set_mode", "end", "open_vote", "close_vote",
        "decide_tie", "confirm_vote", "break_off_vote",
    }
)  # fmt: skip
"""Commands that the audit has. It does not have who turned to which page, nor who voted."""


class Desk:
    """Belongs to the event loop."""

    def __init__(
        self, meetings: Meetings, here: MeetingsHere, pools: Pools, access: MeetingAccess, refusals: Refusals, ahead: Ahead
    ) -> None:
        self._meetings = meetings
        self._here = here
        self._pools = pools
        self._access = access
        self._ahead = ahead
        self.refusals = refusals

    async def hear(self, speaker: Speaker, message: ClientMessage) -> list[ServerMessage]:
        """The answers to a message of somebody who may be in the meeting.

        Raises RequestError for a message that makes no sense here, NoSuchMeeting, HubFailed, StorageError.
        """
        match message:
            case Hello():
                raise RequestError("a hello is the first message of a connection, and of no other")
            case Ask():
                self._here.heard(speaker, None)
                asked = await self._asked(speaker, message)
                return [await self._access.seen_by(speaker.principal, asked) if isinstance(asked, Details) else asked]
            case Pong() | Painted():
                self._here.heard(speaker, message)
                return []
            case Intent():
                self._here.heard(speaker, None)
                await self._intends(speaker, message)
                return []
            case Whisper():
                self._here.heard(speaker, None)
                self._whisper(speaker, message)
                return []
            case Stroke():
                self._here.heard(speaker, None)
                await self._draw(speaker, message)
                return []
            case _:
                self._here.heard(speaker, None)
                return [await self._command(speaker, message)]

    async def end(self, meeting_id: str) -> None:
        """End a meeting in the name of its chair. Raises NoSuchMeeting, HubFailed, StorageError, Conflict during a vote."""
        made = await self._change(meeting_id, None)
        if isinstance(made, Refused) and made.why != "ended":
            raise Conflict(f"the meeting cannot end now: {made.why}")
        await self._access.close(meeting_id)

    async def _asked(self, speaker: Speaker, ask: Ask) -> State | Details:
        here = self._here.find(speaker.meeting)
        if here is not None:
            if ask.what == "state":
                return here.state
            if here.has_details():
                return here.details
        meeting = await self._read(speaker.meeting)
        if here is not None:
            here.learn(meeting)
        return meeting.state if ask.what == "state" else meeting.details

    async def _read(self, meeting_id: str) -> Meeting:
        meeting = await self._here.read(meeting_id)
        if meeting is None:
            raise NoSuchMeeting(f"there is no meeting {meeting_id}")
        return meeting

    async def _intends(self, speaker: Speaker, intent: Intent) -> None:
        here = self._here.find(speaker.meeting)
        if here is None:
            return
        if not rights.INTENT & here.standings(speaker.participant.id):
            self._refuse(speaker, "an intent of somebody who does not present")
            return
        spot = Spot(paper=intent.paper, revision=intent.revision, first=intent.page, last=intent.page)
        self._ahead.draw(here, spot, speaker.principal)

    def _whisper(self, speaker: Speaker, whisper: Whisper) -> None:
        here = self._here.find(speaker.meeting)
        if here is None:
            return
        if whisper.by not in ("", speaker.participant.id):
            self._refuse(speaker, "a pointer in the name of somebody else")
        elif not rights.WHISPER & here.standings(speaker.participant.id):
            self._refuse(speaker, "a pointer of somebody who may show nothing")
        else:
            pointed = Pointed(client=speaker.client, whisper=replace(whisper, by=speaker.participant.id))
            self._here.whisper(speaker.meeting, speaker.participant.id, pointed)

    async def _draw(self, speaker: Speaker, stroke: Stroke) -> None:
        here = self._here.find(speaker.meeting)
        if here is None:
            return
        if stroke.by not in ("", speaker.participant.id):
            self._refuse(speaker, "a stroke in the name of somebody else")
        elif not rights.WHISPER & here.standings(speaker.participant.id):
            self._refuse(speaker, "a stroke of somebody who may show nothing")
        elif not await self._access.may_read_page(speaker.principal, stroke.paper, stroke.page):
            self._refuse(speaker, "a stroke on a page that they may not read")
        else:
            drawn = Drawn(client=speaker.client, stroke=rounded(replace(stroke, by=speaker.participant.id)))
            self._here.whisper(speaker.meeting, speaker.participant.id, drawn)

    async def _command(self, speaker: Speaker, command: AnyCommand) -> Done | Refused:
        name = kind_of(command)
        if command.client != speaker.client:
            return await self._refused(speaker, command, "forbidden", "in the name of another client")
        meant = await self._with_names(speaker.meeting, command)
        if meant is None:
            return await self._refused(speaker, command, "no such person")
        if not await self._may_show(speaker, meant):
            return await self._refused(speaker, command, "forbidden", "of a paper that they may not read")
        made = await self._change(speaker.meeting, meant, speaker)
        if isinstance(made, Refused):
            self._refuse(speaker, f"{name}: {made.why}")
            if isinstance(meant, End) and made.why == "ended":
                await self._access.close(speaker.meeting)  # the first time it may have failed
            return made
        await self._follow_up(speaker, meant, made)
        epoch, seq = made.state.position
        return Done(id=command.id, epoch=epoch, seq=seq)

    async def _change(self, meeting_id: str, command: AnyCommand | None, by: Speaker | None = None) -> Meeting | Refused:
        """None: it is to end, in the name of a chair."""

        def decided(meeting: Meeting) -> Meeting | Refused:
            now_s = time.time()
            if command is not None and by is not None:
                return decide(meeting, command, by.participant, now_s)
            chair = next(one for one, role in meeting.details.roles.items() if role == "chair")
            end = End(id="end", client="server", count=meeting.counts.get(f"{chair}/server", -1) + 1, epoch=meeting.state.epoch)
            return decide(meeting, end, Participant(chair, meeting.details.names.get(chair, "")), now_s)

        return await self._pools.run("meetings", self._meetings.hub.change, meeting_id, decided)

    async def _follow_up(self, speaker: Speaker, command: AnyCommand, made: Meeting) -> None:
        """What is to be done after a command."""
        name = kind_of(command)
        if name in AUDITED:
            self._access.audit(Operation.MEET, speaker.principal, speaker.address, f"meeting {speaker.meeting}: {name}")
        here = self._here.find(speaker.meeting)
        if here is not None:
            here.learn(made)
        match command:
            case Show() | OpenPaper():
                if here is not None:
                    last = command.spread or command.page
                    spot = Spot(paper=command.paper, revision=command.revision, first=command.page, last=last, is_shown=True)
                    self._ahead.draw(here, spot, speaker.principal)
            case End():
                await self._access.close(speaker.meeting)
            case _ if isinstance(command, VoteCommand):
                tally = None if here is None else here.tell_tally(made)
                if tally is not None and self._meetings.is_shared:
                    self._here.whisper(speaker.meeting, "tally", tally)

    async def _may_show(self, speaker: Speaker, command: AnyCommand) -> bool:
        """Whether whoever gives a command may read the papers that it names."""
        match command:
            case Show() | OpenPaper():
                papers: Collection[str] = {command.paper}
            case SetAgenda():
                papers = {one.paper for one in command.items if one.paper}
            case _:
                return True
        return await self._access.may_read_all(speaker.principal, papers)

    async def _with_names(self, meeting_id: str, command: AnyCommand) -> AnyCommand | None:
        """With the names that the server knows. None: it names somebody who was never in the meeting."""
        match command:
            case HandOver() | GiveRole():
                names = await self._names(meeting_id, [command.to])
                return replace(command, name=names[command.to]) if names else None
            case OpenVote():
                names = await self._names(meeting_id, [one.id for one in command.voters])
                voters = tuple(replace(one, name=names.get(one.id, one.name)) for one in command.voters)
                return replace(command, voters=voters)
        return command

    async def _names(self, meeting_id: str, participants: Iterable[str]) -> dict[str, str]:
        """The names of those of some who are in the meeting, or were."""
        wanted, here = set(participants), self._here.find(meeting_id)
        people = {} if here is None else here.people()
        known = {one: people[one].name or one for one in wanted & people.keys()}
        if len(known) < len(wanted):
            stays = await self._pools.run("meetings", self._meetings.records.stays, meeting_id)
            known = {one.participant: one.name or one.participant for one in stays if one.participant in wanted} | known
        return known

    async def _refused(self, speaker: Speaker, command: AnyCommand, why: Why, what: str = "") -> Refused:
        self._refuse(speaker, f"{kind_of(command)}: {what or why}")
        meeting = await self._read(speaker.meeting)
        winner = meeting.details.names.get(meeting.state.presenter, "")
        return Refused(id=command.id, why=why, state=meeting.state, winner=winner)

    def _refuse(self, speaker: Speaker, why: str) -> None:
        self.refusals.note(speaker.principal, speaker.address, f"meeting {speaker.meeting}", why)
