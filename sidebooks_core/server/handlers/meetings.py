"""Meetings: begin, list, join, end them; who was there, and what was voted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.qr import svg_of
from sidebooks_core.errors import AccessDenied, QueueFull, RequestError
from sidebooks_core.meeting.attendance import attended
from sidebooks_core.meeting.commands import AnyCommand, OpenPaper, SetAgenda
from sidebooks_core.meeting.ids import new_code, new_meeting_id
from sidebooks_core.meeting.model import Meeting, standings
from sidebooks_core.meeting.records import KeptMeeting, Records
from sidebooks_core.meeting.session import decide, opened
from sidebooks_core.meeting.sheets import attendance_sheet, vote_sheet, votes_sheet
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.meeting.votes import Vote, outcome, shown
from sidebooks_core.server import headers, responses
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.handlers.logins import device_of, logged_in, me_of
from sidebooks_core.server.handlers.shelf import folder_id
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.live.clients import Speaker
from sidebooks_core.server.live.connection import Live, speaker_of
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.places import Standings
from sidebooks_core.server.schemas_meeting import (
    AttendanceList,
    AttendanceRow,
    JoinedMeeting,
    MadeCode,
    MeetingDetails,
    MeetingEntry,
    MeetingList,
    NewCode,
    NewMeeting,
    UseCode,
    VoteDetails,
    VoteList,
    VoterRow,
)
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.shelf import Paper

MOST_UNDER_WAY = 200
"""Meetings at once."""
MOST_PAPERS = 300
"""Of an agenda."""
MEETING_FRAGMENT = "#meeting="
CODE_FRAGMENT = "&code="
"""A browser keeps what follows # to itself: the code reaches no log of a server."""
HAS_ENDED = "the meeting has ended"
CSV = "text/csv; charset=utf-8"
OWN = "server"
"""The client in whose name the server gives the first commands of a meeting."""
_Read = TypeVar("_Read")


async def every_meeting(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Those under way that one may be in. Raises Refused, StorageError."""
    return await _listed(parts, request, Records.under_way)


async def of_folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Those of a folder. Raises Refused, StorageError."""
    return await _listed(parts, request, lambda records: records.of_folder(folder_id(request.params["folder"])))


async def begin_in_folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A meeting about the papers of a folder. Raises Refused, RequestError, HubFailed, StorageError."""
    shelf, folder = parts.of_papers().shelf, folder_id(request.params["folder"])
    given = read_json(await request.body(), NewMeeting)

    def read() -> tuple[str, list[Paper]]:
        name = "" if folder is None else shelf.folder(folder).name
        papers = shelf.papers(folder) if given.papers is None else [shelf.paper(one) for one in given.papers]
        return name, papers

    name, papers = await parts.pools.run("shelf", read)
    return await _begin(parts, request, folder, given.name or name, papers)


async def begin_with_paper(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A meeting about one paper, in its folder.

    It is named after the paper, or after the folder, if not all who may be in the meeting may read the paper's name. Raises
    Refused, RequestError, HubFailed, StorageError.
    """
    shelf, paper_id = parts.of_papers().shelf, request.params["paper"]
    given = read_json(await request.body(), NewMeeting)

    def read() -> tuple[str | None, str, list[Paper]]:
        paper = shelf.paper(paper_id)
        folder_name = "" if paper.folder is None else shelf.folder(paper.folder).name
        name = paper.name if paper.is_published(time.time()) else folder_name
        return paper.folder, name, [paper] if given.papers is None else [shelf.paper(one) for one in given.papers]

    folder, name, papers = await parts.pools.run("shelf", read)
    return await _begin(parts, request, folder, given.name or name, papers)


async def one_meeting(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A meeting, as far as it is under way. Raises Refused, HubFailed, StorageError."""
    kept, meeting = await _meeting(parts, request)
    return responses.json(request, await _details(parts, request, kept, meeting), responses.JSON, headers.NO_STORE)


async def end(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """End it. Raises Conflict during a vote, HubFailed, StorageError."""
    await parts.meeting_parts().desk.end(request.params["meeting"])
    return responses.done()


async def make_code(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A code for guests. Raises Refused, RequestError."""
    live, given = parts.meeting_parts(), read_json(await request.body(), NewCode)
    kept = await _under_way(parts, request)
    if kept.folder is None:
        raise RequestError("guests can be in a meeting of a folder only: begin one in a folder")
    code, until_s, access, folders = new_code(), time.time() + given.hours * 3600, parts.logins(), [kept.folder]

    def made() -> None:
        live.meetings.records.set_code(kept.id, code)
        access.open_to_guests(kept.id, code, folders, name=kept.name, until_s=until_s, who=request.principal)
        now = live.meetings.records.meeting(kept.id)
        if now is None or now.ended_s is not None:  # it ended meanwhile, when it had no guests to log out
            access.end_links_of_meeting(kept.id, who=request.principal)
            raise RequestError(HAS_ENDED)

    await parts.pools.run("logins", made)
    address = f"{_address(request, kept.id)}{CODE_FRAGMENT}{code}"
    answer = MadeCode(code=code, until_s=until_s, address=address, qr_svg=svg_of(address).decode())
    return responses.created(request, answer, f"{request.base}/meetings/{kept.id}")


async def end_code(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """No further guests, and none of those who came. Raises Refused."""
    live, access, kept = parts.meeting_parts(), parts.logins(), await _under_way(parts, request)

    def ended() -> None:
        live.meetings.records.set_code(kept.id, None)
        access.end_links_of_meeting(kept.id, who=request.principal)

    await parts.pools.run("logins", ended)
    return responses.done()


async def join(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Use a code. Whoever may be in the meeting anyway keeps their login. Raises Refused, AccessDenied."""
    live, given = parts.meeting_parts(), read_json(await request.body(), UseCode)
    parts.attempts.take(request.address)
    meeting_id = await parts.pools.run_for(request.address, "strangers", live.meetings.records.find_by_code, given.code)
    if meeting_id is not None and await live.access.may_join(request.principal, meeting_id):
        joined = JoinedMeeting(meeting=meeting_id, me=me_of(parts, request, request.principal))
        return responses.json(request, joined, responses.JSON, headers.NO_STORE)
    if meeting_id is None or parts.access is None:
        raise AccessDenied("this code opens no meeting, or not any more: ask whoever gave it to you")
    use = partial(parts.access.use_code, guest_name=given.name, device=device_of(request), address=request.address)
    token, session = await parts.pools.run_for(request.address, "strangers", use, given.code)
    return await logged_in(parts, request, token, session, lambda me: JoinedMeeting(meeting=meeting_id, me=me))


async def qr(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A picture of the address on which one joins."""
    body = svg_of(_address(request, request.params["meeting"]))
    return responses.text(request, body, "image/svg+xml", headers.PERSONAL)


async def attendance(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Who is there, or was. Raises Refused for those who neither chair the meeting nor tend its folder."""
    live, meeting_id = parts.meeting_parts(), request.params["meeting"]
    if not await _may_see_records(parts, request):
        raise Refused(403, "that is for the chair of the meeting, and for those who tend its folder")
    rows = attended(await parts.pools.run("meetings", live.meetings.records.stays, meeting_id), time.time())
    if request.query("as") == "csv":
        return _csv(request, attendance_sheet(rows), f"attendance-{meeting_id}")
    people = [AttendanceRow(**{name: getattr(one, name) for name in AttendanceRow.__struct_fields__}) for one in rows]
    return responses.json(request, AttendanceList(people), responses.JSON, headers.NO_STORE)


async def votes(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """All votes, as far as all participants are told of them."""
    found = await _votes(parts, request)
    if request.query("as") == "csv":
        return _csv(request, votes_sheet(found), f"votes-{request.params['meeting']}")
    return responses.json(request, VoteList([shown(one) for one in found]), responses.JSON, headers.NO_STORE)


async def vote(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """One vote with its roll. Raises Refused."""
    number = request.params["vote"]
    found = next((one for one in await _votes(parts, request) if str(one.number) == number), None)
    if found is None:
        raise not_found()
    if request.query("as") == "csv":
        return _csv(request, vote_sheet(found), f"vote-{request.params['meeting']}-{number}")
    if found.stage == "open":  # who has left the room since it was opened is not on the disk
        _, meeting = await _meeting(parts, request)
        if meeting.vote is not None and meeting.vote.number == found.number:
            found = meeting.vote
    return responses.json(request, _vote_details(found), responses.JSON, headers.NO_STORE)


async def _listed(parts: ServerParts, request: HttpRequest, find: Callable[[Records], Sequence[KeptMeeting]]) -> HttpResponse:
    live, principal, places = parts.meeting_parts(), request.principal, parts.of_papers().places

    def read() -> list[MeetingEntry]:
        kept = [one for one in find(live.meetings.records) if principal.meeting in ("", one.id)]
        told = [(one, places.meetings.find(one.id) or ()) for one in kept]
        return [_entry(parts, request, one, at) for one, at in told if parts.gate.sees(principal, Operation.MEET, at)]

    found = await parts.pools.run("shelf", read)
    return responses.json(request, MeetingList(found), responses.JSON, headers.NO_STORE)


async def _begin(
    parts: ServerParts, request: HttpRequest, folder: str | None, name: str, papers: Sequence[Paper]
) -> HttpResponse:
    live, gate = parts.meeting_parts(), parts.gate
    hub = live.meetings.hub  # before anything is kept
    by = speaker_of(request, new_meeting_id(), OWN)

    def begun() -> Meeting:
        may_see = gate.viewer_of_papers(request.principal)
        agenda = [one for one in papers if may_see(one)]
        if len(agenda) > MOST_PAPERS:
            raise RequestError(f"an agenda has at most {MOST_PAPERS} papers: name those of the meeting")
        if len(live.meetings.records.under_way()) >= MOST_UNDER_WAY:
            raise QueueFull(f"there are {MOST_UNDER_WAY} meetings under way")
        hub.read(by.meeting)  # there is none; but if the hub does not answer, none is to be kept
        made = _with_agenda(opened(by.meeting, (name or by.meeting)[:200], by.participant, time.time()), by, agenda)
        live.meetings.records.add(made, folder=folder, opened_by=request.principal.id)
        hub.open(made)
        return made

    meeting = await parts.pools.run("meetings", begun)
    kept = await _kept(parts, by.meeting)
    details = await _details(parts, request, kept, meeting)
    return responses.created(request, details, f"{request.base}/meetings/{by.meeting}")


def _with_agenda(meeting: Meeting, by: Speaker, papers: Sequence[Paper]) -> Meeting:
    """With an agenda, open at its first paper that can be read."""
    items = tuple(AgendaItem(one.name[:200], one.id) for one in papers)
    epoch = meeting.state.epoch
    commands: list[AnyCommand] = [SetAgenda(id=OWN, client=OWN, count=0, epoch=epoch, items=items)]
    first = next((one for one in papers if one.state == "ready"), None)
    if first is not None:
        commands.append(OpenPaper(id=OWN, client=OWN, count=1, epoch=epoch, paper=first.id, revision=first.revision))
    for command in commands:
        made = decide(meeting, command, by.participant, time.time())
        if not isinstance(made, Meeting):
            raise RequestError(f"the meeting cannot begin: {made.why}")
        meeting = made
    return meeting


async def _details(parts: ServerParts, request: HttpRequest, kept: KeptMeeting, meeting: Meeting) -> MeetingDetails:
    entry = _entry(parts, request, kept, await _standings(parts, kept.id))
    live = parts.meeting_parts()
    here, seen = live.here.find(kept.id), await live.access.seen_by(request.principal, meeting.details)
    who = speaker_of(request, kept.id, "").participant.id if request.principal.id else ""
    return MeetingDetails(
        **{name: getattr(entry, name) for name in MeetingEntry.__struct_fields__},
        participant=who,
        role=meeting.details.roles.get(who, "viewer"),
        presenter=meeting.details.names.get(meeting.state.presenter, ""),
        agenda=list(seen.agenda),
        here=0 if here is None else here.count().here,
        socket=f"{'ws' + request.base.removeprefix('http')}/live",
        qr=f"{request.base}/meetings/{kept.id}/qr.svg",
    )


def _entry(parts: ServerParts, request: HttpRequest, kept: KeptMeeting, at: Standings) -> MeetingEntry:
    operations = (Operation.MEET, Operation.OPEN_MEETING, Operation.SHARE)
    return MeetingEntry(
        id=kept.id,
        name=kept.name,
        folder=kept.folder or AT_THE_TOP,
        opened_s=kept.opened_s,
        ended_s=kept.ended_s,
        has_code=kept.has_code,
        address=_address(request, kept.id),
        may=[one.value for one in operations if parts.gate.sees(request.principal, one, at)],
    )


def _vote_details(found: Vote) -> VoteDetails:
    is_told = found.stage == "confirmed"
    rows = [
        VoterRow(
            participant=one.id,
            name=one.name,
            is_present=one.id in found.roll.present,
            has_left=one.id in found.left,
            has_voted=is_told and one.id in found.voted,
            choice=found.named.get(one.id) if is_told else None,
        )
        for one in found.roll.voters
    ]
    return VoteDetails(
        number=found.number,
        title=found.title,
        stage=found.stage,
        outcome=outcome(found) if found.stage in ("closed", "confirmed") else None,
        casting=found.casting,
        chair=found.roll.chair,
        voters=rows,
    )


async def _may_see_records(parts: ServerParts, request: HttpRequest) -> bool:
    at = await _standings(parts, request.params["meeting"])
    if parts.gate.sees(request.principal, Operation.OPEN_MEETING, at):
        return True
    _, meeting = await _meeting(parts, request)
    who = speaker_of(request, meeting.state.meeting, "").participant.id
    return bool(request.principal.id) and "chair" in standings(meeting, who)


async def _meeting(parts: ServerParts, request: HttpRequest) -> tuple[KeptMeeting, Meeting]:
    kept = await _kept(parts, request.params["meeting"])
    meeting = await parts.meeting_parts().here.read(kept.id)
    if meeting is None:
        raise not_found()
    return kept, meeting


async def _under_way(parts: ServerParts, request: HttpRequest) -> KeptMeeting:
    kept = await _kept(parts, request.params["meeting"])
    if kept.ended_s is not None:
        raise RequestError(HAS_ENDED)
    return kept


async def _kept(parts: ServerParts, meeting_id: str) -> KeptMeeting:
    kept = await _read(parts, lambda live: live.meetings.records.meeting(meeting_id))
    if kept is None:
        raise not_found()
    return kept


async def _votes(parts: ServerParts, request: HttpRequest) -> list[Vote]:
    return await _read(parts, lambda live: live.meetings.records.votes(request.params["meeting"]))


async def _read(parts: ServerParts, read: Callable[[Live], _Read]) -> _Read:
    live = parts.meeting_parts()
    return await parts.pools.run("meetings", lambda: read(live))


async def _standings(parts: ServerParts, meeting_id: str) -> Standings:
    memory = parts.of_papers().places.meetings
    return memory.known(meeting_id) or await parts.pools.run("access", memory.find, meeting_id) or ()


def _address(request: HttpRequest, meeting_id: str) -> str:
    return f"{request.base}/{MEETING_FRAGMENT}{meeting_id}"


def _csv(request: HttpRequest, body: bytes, name: str) -> HttpResponse:
    told = (b"content-disposition", f'attachment; filename="{name}.csv"'.encode())
    return responses.text(request, body, CSV, headers.NO_STORE, [told])
