"""The connections that last: a WebSocket, or a stream of events beside requests for what the client says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from msgspec import ValidationError, convert

from sidebooks_core.access.principals import Principal
from sidebooks_core.meeting.messages import MOST_MESSAGE_BYTES, PROTOCOL, Hello, encoded, from_client
from sidebooks_core.meeting.state import Id
from sidebooks_core.server import headers, responses
from sidebooks_core.server.addresses import screen_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.listener import MEETING, End, Listener, Listening, Told
from sidebooks_core.server.live.connection import Connection, speaker_of
from sidebooks_core.server.live.farewells import CODES, farewell_of
from sidebooks_core.server.live.sockets import Socket, SocketGone
from sidebooks_core.server.noting import note_screen
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_meeting import Answers
from sidebooks_core.server.schemas_shelf import ShelfChanges
from sidebooks_core.server.statuses import Refused, not_found

ALIVE = b'{"kind":"event","event":"alive"}'


async def upgrade(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A request that asks for no WebSocket gets none."""
    raise Refused(426, "this address takes WebSockets only", (b"upgrade", b"websocket"))


async def live(parts: ServerParts, request: HttpRequest, socket: Socket) -> None:
    """A WebSocket with all events, and with the messages of a meeting once the client says hello. Raises QueueFull."""
    asks, view_px = listening_of(parts, request), _view(request)
    parts.events.quota.take(*asks.share)
    try:
        await socket.accept()
        parts.began_listening()
        with parts.events.listening(asks, parts.shelf.ids) as listener:
            await _serve(parts, request, socket, listener, view_px)
    finally:
        parts.events.quota.give_back(*asks.share)


async def _serve(
    parts: ServerParts, request: HttpRequest, socket: Socket, listener: Listener, view_px: tuple[int, int] | None
) -> None:
    """As long as the socket lasts."""
    connection = None
    listener.send_now = socket.send_now
    if parts.live is not None:
        connection = Connection(parts.live, request, listener, view_px, may_change=socket.may_change)
    async with connection or contextlib.nullcontext():
        hearing = asyncio.create_task(_hear(socket, listener, connection))
        try:
            async for one in listener.told():
                await socket.tell(ALIVE if one is None else _message(one))
            farewell = farewell_of(listener, len(parts.events))
            if farewell is not None:
                await socket.tell(encoded(farewell))
            elif connection is not None:
                farewell = connection.outbox.farewell
            if farewell is not None:
                await socket.close(CODES[farewell.why])
        finally:
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing


async def _hear(socket: Socket, listener: Listener, connection: Connection | None) -> None:
    """What the client says, until it is gone."""
    try:
        while True:
            data = await socket.hear()
            if connection is not None:
                await connection.hear(data)
    except SocketGone:
        pass
    finally:
        listener.stop(End.LEFT)


async def events(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A stream that lasts as long as the client listens. Raises QueueFull."""
    asks, view_px = listening_of(parts, request), _view(request)
    attend = None
    if request.query("meeting"):
        hello = _hello(request)
        if parts.live is None or not await parts.live.access.may_join(request.principal, hello.meeting):
            raise not_found()
        attend = _attending(parts, request, hello, view_px)
    stream = parts.events.stream(request.receive, asks, parts.shelf.ids, attend)
    parts.began_listening()
    return stream


async def say(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """One message of a client that has a stream of events. Raises Refused, RequestError, HubFailed, StorageError."""
    message = from_client(await request.body(MOST_MESSAGE_BYTES))
    client = _id(request.query("client"))
    speaker = speaker_of(request, request.params["meeting"], client)
    answers = await parts.meeting_parts().desk.hear(speaker, message)
    return responses.json(request, Answers(answers), responses.JSON, headers.NO_STORE)


def listening_of(parts: ServerParts, request: HttpRequest) -> Listening:
    """What a client listens to. Its screen is noted. Raises Refused."""
    principal = request.principal
    if view := request.query("view"):
        try:
            if "." in view:
                raise not_found()
            note_screen(parts, request, view)
        except Refused:
            raise Refused(400, "view: WIDTHxHEIGHT of the screen, in pixels") from None
    return Listening(
        session=request.session(request.query("session")),
        share=request.share,
        principal=principal,
        may_see_documents=lambda: parts.gate.sees_top(principal),
        changes_after=_changes_for(parts, principal),
        question=parts.gate.standing_question(request),
        since=request.header(b"last-event-id") or request.query("since"),
    )


def _attending(
    parts: ServerParts, request: HttpRequest, hello: Hello, view_px: tuple[int, int] | None
) -> Callable[[Listener], AbstractAsyncContextManager[object]]:
    live = parts.meeting_parts()

    def attend(listener: Listener) -> Connection:
        connection = Connection(live, request, listener, view_px)
        connection.enter_soon(hello)
        return connection

    return attend


def _hello(request: HttpRequest) -> Hello:
    """What a client says by the address of its stream. Raises Refused."""
    is_projector = request.query("projector") == "1"
    return Hello(
        protocol=PROTOCOL, meeting=_id(request.query("meeting")), client=_id(request.query("client")), is_projector=is_projector
    )


def _id(told: str) -> str:
    try:
        return convert(told, Id)
    except ValidationError:
        raise Refused(400, "meeting and client: ids of 1 to 24 letters, digits, _ or -") from None


def _view(request: HttpRequest) -> tuple[int, int] | None:
    view = request.query("view")
    return screen_of(view) if view else None


def _message(told: Told) -> bytes:
    """An event as a message of a WebSocket. Those of meetings are messages already."""
    if told.kind == MEETING:
        return told.data
    position = b',"position":%s' % json_bytes(told.position) if told.position else b""
    return b'{"kind":"event","event":"%s"%s,"data":%s}' % (told.kind.encode(), position, told.data)


def _changes_for(parts: ServerParts, principal: Principal) -> Callable[[str], Awaitable[ShelfChanges]] | None:
    """Gives what changed after a position. None: the principal sees no shelf of papers."""
    papers = parts.papers
    if papers is None or principal.documents is not None:
        return None
    feed = papers.feed

    async def changes_after(position: str) -> ShelfChanges:
        told = feed.told_since(principal, position)
        return told if told is not None else await parts.pools.run("feed", feed.since, principal, position)

    return changes_after
