"""The rows of the table of routes for meetings, and for the WebSocket that also carries what happens on the shelf."""

from __future__ import annotations

from sidebooks_core.access.operations import Operation
from sidebooks_core.meeting.messages import ClientMessage
from sidebooks_core.server import schemas_meeting as schemas
from sidebooks_core.server.handlers import compiled, live, meetings
from sidebooks_core.server.route import Route

JSON = "application/json"
JSON_LD = "application/ld+json"
SVG = "image/svg+xml"
NONE = ""
HAD = (200, 304)
BODY = (400, 404, 408, 413, 415)
"""Errors of a short body in JSON."""
HUB = (503,)
"""The hub, or the disk."""

MEETING_ROUTES = (
    Route(
        path="/live",
        handler=live.upgrade,
        socket=live.live,
        operation=Operation.FOLLOW_EVENTS,
        summary="A WebSocket with all events, and with a meeting for those who say hello",
        media_type=NONE,
        query=("session", "since", "view"),
        successes=(101,),
        errors=(400, 426, 503),
    ),
    Route(
        path="/meetings",
        handler=meetings.every_meeting,
        operation=Operation.LIST_DOCUMENTS,
        summary="The meetings under way that one may be in",
        media_type=JSON,
        answer=schemas.MeetingList,
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/join",
        method="POST",
        handler=meetings.join,
        operation=Operation.LOG_IN,
        summary="Use the code of a meeting: the answer gives the browser of a guest a cookie",
        media_type=JSON,
        body=schemas.UseCode,
        answer=schemas.JoinedMeeting,
        errors=(*BODY, 429, *HUB),
    ),
    Route(
        path="/folders/{folder}/meetings",
        handler=meetings.of_folder,
        operation=Operation.READ_FOLDER,
        summary="All meetings of a folder, also those that have ended",
        media_type=JSON,
        answer=schemas.MeetingList,
        errors=(404, *HUB),
    ),
    Route(
        path="/folders/{folder}/meetings",
        method="POST",
        handler=meetings.begin_in_folder,
        operation=Operation.OPEN_MEETING,
        summary="Begin a meeting about the papers of a folder: whoever begins it is its chair, and presents",
        media_type=JSON,
        body=schemas.NewMeeting,
        answer=schemas.MeetingDetails,
        successes=(201,),
        errors=(*BODY, *HUB),
    ),
    Route(
        path="/papers/{paper}/meetings",
        method="POST",
        handler=meetings.begin_with_paper,
        operation=Operation.OPEN_MEETING,
        summary="Begin a meeting about a paper",
        media_type=JSON,
        body=schemas.NewMeeting,
        answer=schemas.MeetingDetails,
        successes=(201,),
        errors=(*BODY, *HUB),
    ),
    Route(
        path="/meetings/{meeting}",
        handler=meetings.one_meeting,
        operation=Operation.MEET,
        summary="A meeting",
        media_type=JSON,
        answer=schemas.MeetingDetails,
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/messages",
        method="POST",
        handler=live.say,
        operation=Operation.MEET,
        body=ClientMessage,
        summary="What a client says in a meeting that listens by /events: one message of the protocol",
        media_type=JSON,
        answer=schemas.Answers,
        query=("client",),
        errors=(*BODY, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/end",
        method="POST",
        handler=meetings.end,
        operation=Operation.OPEN_MEETING,
        summary="End a meeting whose chair is gone",
        media_type=NONE,
        successes=(204,),
        errors=(404, 409, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/code",
        method="POST",
        handler=meetings.make_code,
        operation=Operation.SHARE,
        summary="A code by which guests join a meeting for a time, with its QR code",
        media_type=JSON,
        body=schemas.NewCode,
        answer=schemas.MadeCode,
        successes=(201,),
        errors=(*BODY, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/code",
        method="DELETE",
        handler=meetings.end_code,
        operation=Operation.SHARE,
        summary="End the code of a meeting, and the logins of its guests",
        media_type=NONE,
        successes=(204,),
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/qr.svg",
        handler=meetings.qr,
        operation=Operation.MEET,
        summary="A picture of the address on which one joins a meeting, for a camera",
        media_type=SVG,
        successes=HAD,
        errors=(404,),
    ),
    Route(
        path="/meetings/{meeting}/attendance",
        handler=meetings.attendance,
        operation=Operation.MEET,
        summary="Who is in a meeting, or was: for its chair, and for those who tend its folder; `as=csv` for a spreadsheet",
        media_type=JSON,
        answer=schemas.AttendanceList,
        query=("as",),
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/votes",
        handler=meetings.votes,
        operation=Operation.MEET,
        summary="The votes of a meeting with their results; `as=csv` for a spreadsheet",
        media_type=JSON,
        answer=schemas.VoteList,
        query=("as",),
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/votes/{vote}",
        handler=meetings.vote,
        operation=Operation.MEET,
        summary="A vote with its roll, and who voted how if it was named and is confirmed; `as=csv` for a spreadsheet",
        media_type=JSON,
        answer=schemas.VoteDetails,
        query=("as",),
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/pages",
        handler=compiled.pages,
        operation=Operation.MEET,
        summary="The papers of the agenda as one document with running numbers, as far as one may read them",
        media_type=JSON,
        answer=schemas.CompiledPages,
        successes=HAD,
        errors=(404, *HUB),
    ),
    Route(
        path="/meetings/{meeting}/manifest.json",
        handler=compiled.manifest,
        operation=Operation.MEET,
        summary="IIIF Presentation 3.0: the papers of the agenda as one document",
        media_type=JSON_LD,
        successes=HAD,
        errors=(404, *HUB),
    ),
)
"""In the order in which they are tried."""
