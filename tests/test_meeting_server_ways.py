"""Where no WebSocket gets through, a stream of events and requests do the same; and who may use a WebSocket at all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgi import Reply, ask_async, ask_socket
from feed_streams import Stream, listening
from starlette.applications import Starlette
from starlette.routing import Mount
from town_hall import TownHall, hall

from sidebooks_core.server import Application
from sidebooks_core.server import Shelf as Served

__all__ = ["hall"]


def cookie(hall: TownHall, who: str) -> dict[str, str]:
    return {"cookie": f"sidebooks_login={hall.cookies[who]}"}


def said(stream: Stream, kind: str) -> list[dict[str, Any]]:
    return [data for _, event, data in stream.events if event == "meeting" and data["kind"] == kind]


async def post(hall: TownHall, who: str, message: dict[str, Any], client: str = "c1", meeting: str = "") -> Reply:
    path = f"/meetings/{meeting or hall.meeting}/messages?client={client}"
    return await ask_async(hall.application, path, "POST", cookie(hall, who), json.dumps(message).encode())


async def begin(hall: TownHall) -> str:
    body = json.dumps({"name": "定例会"}).encode()
    made = await ask_async(hall.application, f"/folders/{hall.finance.id}/meetings", "POST", cookie(hall, "tender"), body)
    meeting: str = made.json()["id"]
    return meeting


def test_a_stream_of_events_and_requests_do_what_a_socket_does(hall: TownHall) -> None:
    async def scenario() -> None:
        meeting = await begin(hall)
        query = f"meeting={meeting}&client="
        async with (
            listening(hall, "", f"{query}p1", **cookie(hall, "tender")) as presenter,
            listening(hall, "", f"{query}f1", **cookie(hall, "member")) as follower,
        ):
            for stream in (presenter, follower):
                await stream.until(lambda stream=stream: said(stream, "details"))
            state = said(presenter, "state")[0]
            assert said(presenter, "welcome")[0]["participant"] == state["presenter"]
            show = {"kind": "show", "id": "1", "client": "p1", "count": 1, "epoch": state["epoch"], "page": 2}
            show |= {"paper": state["paper"], "revision": state["revision"]}
            reply = await post(hall, "tender", show, "p1", meeting)
            [done] = reply.json()["answers"]
            assert (reply.status, done["kind"], done["id"]) == (200, "done", "1")
            await follower.until(lambda: any(one["page"] == 2 for one in said(follower, "state")))
            position = {"epoch": done["epoch"], "seq": done["seq"]}
            assert (await post(hall, "member", {"kind": "painted", **position}, "f1", meeting)).json() == {"answers": []}
            await post(hall, "member", {"kind": "pong", **position, "is_following": True}, "f1", meeting)
            await presenter.until(lambda: any(one["painted"] == 1 and one["here"] == 2 for one in said(presenter, "progress")))
            [again] = (await post(hall, "tender", show, "p1", meeting)).json()["answers"]
            assert (again["kind"], again["why"]) == ("refused", "replayed")
            [asked] = (await post(hall, "member", {"kind": "ask", "what": "state"}, "f1", meeting)).json()["answers"]
            assert asked == said(follower, "state")[-1]

    asyncio.run(scenario())


def test_a_stream_is_refused_like_any_address(hall: TownHall) -> None:
    for who, query, status in (
        ("member", "meeting=nothing&client=c1", 404),
        ("other folder", f"meeting={hall.meeting}&client=c1", 404),
        ("member", f"meeting={hall.meeting}&client=", 400),
        ("member", f"meeting={hall.meeting}&client=a%20b", 400),
        ("none", f"meeting={hall.meeting}&client=c1", 401),
    ):
        assert hall.ask(who, f"/events?{query}").status == status, (who, query)


def test_messages_that_make_no_sense_are_refused(hall: TownHall) -> None:
    async def scenario() -> None:
        hello = {"kind": "hello", "protocol": 1, "meeting": hall.meeting, "client": "c1"}
        assert (await post(hall, "member", hello)).status == 400
        assert (await post(hall, "member", {"kind": "nothing"})).status == 400
        assert (await post(hall, "member", {"kind": "ask", "what": "state"}, "not an id")).status == 400
        answers = (await post(hall, "member", {"kind": "end", "id": "1", "client": "other", "count": 1, "epoch": 1})).json()
        assert answers["answers"][0]["why"] == "forbidden", "in the name of another client"

    asyncio.run(scenario())


def test_a_stream_of_somebody_who_is_logged_out_says_farewell(hall: TownHall) -> None:
    async def scenario() -> None:
        query = f"meeting={hall.meeting}&client=c1"
        async with listening(hall, "", query, **cookie(hall, "member")) as stream:
            await stream.until(lambda: said(stream, "details"))
            await asyncio.to_thread(hall.access.end_sessions, hall.people["member"].id)
            await stream.until(lambda: stream.has_ended)
            assert [one["why"] for one in said(stream, "farewell")] == ["revoked"]

    asyncio.run(scenario())


def test_pages_of_other_origins_get_no_socket(hall: TownHall) -> None:
    ours = cookie(hall, "member")
    for origin, status in (("http://test", 101), ("https://evil.example", 403), ("null", 403)):
        assert ask_socket(hall.application, "/live", {**ours, "Origin": origin}).status == status, origin
    assert ask_socket(hall.application, "/live", ours).status == 101, "of a program"
    assert ask_socket(hall.application, "/live", {**ours, "Sec-Fetch-Site": "cross-site"}).status == 403
    for path in ("/nothing", "/documents", "/live/x"):
        assert ask_socket(hall.application, path, ours).status == 404, path
    assert ask_socket(hall.application, "/live").status == 401
    assert ask_socket(hall.application, "/live", {**ours, "Host": "evil.example:80:80"}).status == 400


def test_a_socket_is_found_below_a_mount(hall: TownHall) -> None:
    outer = Starlette(routes=[Mount("/books", hall.application)])
    ours = {"Cookie": f"sidebooks_login.books={hall.cookies['member']}", "Origin": "http://test"}
    assert ask_socket(outer, "/books/live", ours).status == 101
    assert ask_socket(outer, "/books/live", {"Cookie": "x=y"}).status == 401


def test_a_page_that_may_read_may_follow_and_do_nothing_else(hall: TownHall) -> None:
    application = Application(
        Served(hall.shelf.service), papers=hall.shelf, access=hall.access, meetings=hall.meetings,
        allow_origins=["https://partner.example"],
    )  # fmt: skip
    sent: list[dict[str, Any]] = []
    coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sent.append(json.loads(message["text"]))
            if sent[-1]["kind"] == "details":
                end = {"kind": "end", "id": "1", "client": "c1", "count": 1, "epoch": 1}
                await coming.put({"type": "websocket.receive", "text": json.dumps(end)})
            if sent[-1]["kind"] == "refused":
                await coming.put({"type": "websocket.disconnect", "code": 1000})

    async def scenario() -> None:
        hello = {"kind": "hello", "protocol": 1, "meeting": hall.meeting, "client": "c1"}
        await coming.put({"type": "websocket.connect"})
        await coming.put({"type": "websocket.receive", "text": json.dumps(hello)})
        told = {"host": "test", "origin": "https://partner.example", **cookie(hall, "admin")}
        headers = [(name.encode(), value.encode()) for name, value in told.items()]
        scope = {
            "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "scheme": "ws",
            "client": ("192.0.2.1", 1), "headers": headers, "subprotocols": [],
        }  # fmt: skip
        async with asyncio.timeout(30):
            await application(scope, coming.get, send)  # type: ignore[arg-type]

    asyncio.run(scenario())
    application.close()
    [refused] = [one for one in sent if one["kind"] == "refused"]
    assert refused["why"] == "forbidden"
