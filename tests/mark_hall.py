"""Marks of people of a town hall, as their devices send them: for tests of the HTTP protocol of marks."""

from __future__ import annotations

import time
from typing import Any

from asgi import Reply
from town_hall import TownHall

from sidebooks_core.marks.ids import new_mark_id
from sidebooks_core.meeting.ids import participant_id
from sidebooks_core.meeting.model import Participant

Json = dict[str, Any]
DEVICE = "tablet"
NOTE = {"kind": "note", "x_pt": 10.0, "y_pt": 20.0, "text": "要確認", "colour": "#d3202a"}
INK = {"kind": "ink", "samples": [[1.0, 2.0, 0.5], [3.0, 4.0, 0.6]], "width_pt": 1.5, "colour": "#000000"}


def mark(body: Json | None = NOTE, page: int = 0, device: str = DEVICE, **fields: Any) -> Json:
    """A new version of a mark. fields: such as `visibility`; `id` of the mark that is changed."""
    anchor = {"revision": 1, "page": page, "content_id": "", "quote": ""}
    at_ms = fields.pop("at_ms", int(time.time() * 1000))
    return {"id": new_mark_id(), "stamp": [at_ms, 0, device], "anchor": anchor, "body": body, **fields}


def push(hall: TownHall, who: str, *marks: Json, device: str = DEVICE, paper: str = "") -> Reply:
    return hall.ask(who, f"/papers/{paper or hall.paper.id}/marks", "POST", {"device": device, "marks": list(marks)})


def kept(hall: TownHall, who: str, *marks: Json, paper: str = "") -> list[Json]:
    """Push marks of which none is refused."""
    reply = push(hall, who, *marks, paper=paper)
    assert reply.status == 200, reply.body
    told = reply.json()
    assert told["refused"] == []
    found: list[Json] = told["marks"]
    return found


def refusals(hall: TownHall, who: str, *marks: Json, device: str = DEVICE) -> list[str]:
    """Why marks are refused."""
    reply = push(hall, who, *marks, device=device)
    assert reply.status == 200, reply.body
    return [one["reason"] for one in reply.json()["refused"]]


def read(hall: TownHall, who: str, since: int = 0, paper: str = "", device: str = DEVICE) -> Json:
    reply = hall.ask(who, f"/papers/{paper or hall.paper.id}/marks?since={since}&device={device}")
    assert reply.status == 200, reply.body
    found: Json = reply.json()
    return found


def seen(hall: TownHall, who: str, paper: str = "") -> set[str]:
    """The ids of all marks that somebody sees."""
    return {one["id"] for one in read(hall, who, paper=paper)["marks"]}


def person(hall: TownHall, who: str) -> str:
    """The id of a principal."""
    found: str = hall.ask(who, "/me").json()["id"]
    return found


def attend(hall: TownHall, who: str, meeting: str) -> None:
    """Somebody was in a meeting."""
    participant = Participant(participant_id(meeting, person(hall, who)), who)
    stay = hall.meetings.records.joined(meeting, participant)
    hall.meetings.records.left([stay])
