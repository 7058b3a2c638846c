"""The client of meetings for programs, against a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import PATIENCE_S, LiveHouse, live_house
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sidebooks_core.errors import AccessDenied, NoSuchMeeting, RequestError
from sidebooks_core.meeting import client as client_module
from sidebooks_core.meeting.client import MeetingClient, follow
from sidebooks_core.meeting.commands import CallEverybody, End, OpenPaper, Show
from sidebooks_core.meeting.messages import (
    PROTOCOL,
    ClientMessage,
    Done,
    Refused,
    ServerMessage,
    Welcome,
    encoded,
    from_client,
)
from sidebooks_core.meeting.state import State
from sidebooks_core.server.live import meetings_here
from sidebooks_core.server.live.meeting_here import MeetingHere
from sidebooks_core.server.live.meetings_here import MeetingsHere


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveHouse]:
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.05)
    with live_house(tmp_path) as made:
        yield made


def client_of(house: LiveHouse, who: str, meeting: str) -> MeetingClient:
    cookie = house.cookie(who) if house.hall.cookies[who] else ""
    return MeetingClient(f"http://127.0.0.1:{house.port}/", meeting, headers={"Cookie": cookie})


async def until_page(client: MeetingClient, page: int) -> State:
    async with asyncio.timeout(PATIENCE_S):
        async for state in client.states():
            if state.page == page:
                return state
    raise AssertionError


def test_a_program_follows_a_meeting_to_its_end(house: LiveHouse) -> None:
    meeting = house.begin()

    async def followed() -> list[int]:
        pages = []
        async for state in follow(f"http://127.0.0.1:{house.port}", meeting, headers={"Cookie": house.cookie("member")}):
            pages.append(state.page)
            arrived.release()
        return pages

    async def scenario() -> None:
        nonlocal arrived
        arrived = asyncio.Semaphore(0)
        following = asyncio.create_task(followed())
        async with client_of(house, "tender", meeting) as presenter:
            state = await until_page(presenter, 1)
            assert presenter.details is None or presenter.details.meeting == meeting
            for page in (2, 3):
                async with asyncio.timeout(PATIENCE_S):
                    await arrived.acquire()
                done = await presenter.do(Show, paper=state.paper, revision=state.revision, page=page)
                assert isinstance(done, Done)
            await presenter.painted(await until_page(presenter, 3))
            async with asyncio.timeout(PATIENCE_S):
                await arrived.acquire()
            assert presenter.participant == state.presenter
            assert isinstance(await presenter.do(End), Done)
        async with asyncio.timeout(PATIENCE_S):
            assert await following == [1, 2, 3, 3]

    arrived = asyncio.Semaphore(0)
    asyncio.run(scenario())


def test_a_connection_that_breaks_is_made_anew_and_a_command_is_done_once(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with client_of(house, "tender", meeting) as presenter, client_of(house, "member", meeting) as follower:
            state = await until_page(presenter, 1)
            await until_page(follower, 1)
            for count in range(1, 4):
                house.cut()
                answer = await asyncio.wait_for(presenter.do(CallEverybody), PATIENCE_S)
                assert isinstance(answer, Done), answer
                async with asyncio.timeout(PATIENCE_S):
                    async for one_state in follower.states():
                        if one_state.called == count:
                            break
            refused = await presenter.do(Show, paper="nothing", revision=1, page=1)
            assert isinstance(refused, Refused)
            assert refused.why == "forbidden"
            assert presenter.state is not None
            assert presenter.state.called == 3 == state.called + 3

    asyncio.run(scenario())


def test_a_connection_by_which_only_the_shelf_speaks_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(client_module, "CONNECT_WITHIN_S", 1.0)
    welcome = Welcome(protocol=PROTOCOL, meeting="m", participant="p", name="議員", ping_s=0.05)
    connections = asyncio.Semaphore(0)

    async def serves(connection: ServerConnection) -> None:
        connections.release()
        with suppress(ConnectionClosed):
            await connection.send(encoded(welcome).decode())
            while True:
                await connection.send('{"kind":"event","event":"shelf","position":"1","data":{"changes":[]}}')
                await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with serve(serves, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with MeetingClient(f"http://127.0.0.1:{port}", "m"), asyncio.timeout(PATIENCE_S):
                for _ in range(2):
                    await connections.acquire()

    asyncio.run(scenario())


def test_a_client_knows_when_it_cannot_be_sure(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meetings_here, "PING_S", 0.2)
    meeting = house.begin()
    hub = house.hall.meetings.hub

    async def until(client: MeetingClient, *, is_sure: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while client.is_sure is not is_sure:
                await asyncio.sleep(0.01)

    async def scenario() -> None:
        follower = client_of(house, "member", meeting)
        assert not follower.is_sure, "it is not connected"
        async with follower:
            await until_page(follower, 1)
            await until(follower, is_sure=True)
            with monkeypatch.context() as patched:
                patched.setattr(hub, "is_sure", lambda: False)
                await until(follower, is_sure=False)
            await until(follower, is_sure=True)
            with monkeypatch.context() as patched:
                patched.setattr(MeetingsHere, "_look_at", lambda *_, **__: None)
                await until(follower, is_sure=False)  # nothing is heard any more
            await until(follower, is_sure=True)
            await asyncio.to_thread(house.end)
            await until(follower, is_sure=False)

    asyncio.run(scenario())


def test_pings_that_a_network_held_back_make_nobody_sure(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """They arrive all the time, and say by what the server had heard that they were made long ago."""
    monkeypatch.setattr(meetings_here, "PING_S", 0.5)
    meeting = house.begin()

    async def until(client: MeetingClient, *, is_sure: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while client.is_sure is not is_sure:
                await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with client_of(house, "member", meeting) as follower:
            await until(follower, is_sure=True)
            with monkeypatch.context() as patched:
                patched.setattr(MeetingHere, "hear", lambda *_: None)
                await until(follower, is_sure=False)
            await until(follower, is_sure=True)

    asyncio.run(scenario())


def test_what_waited_for_a_client_that_slept_is_not_taken_for_news(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection may have died meanwhile: whatever comes first says nothing of now."""
    monkeypatch.setattr(meetings_here, "PING_S", 0.5)
    meeting = house.begin()
    slept_s = 0.0
    monkeypatch.setattr(client_module, "_steady_s", lambda: time.monotonic() + slept_s)

    async def scenario() -> None:
        nonlocal slept_s
        async with client_of(house, "member", meeting) as follower:
            for _ in range(2):
                async with asyncio.timeout(PATIENCE_S):
                    while not follower.is_sure:
                        await asyncio.sleep(0.01)
                connections = set(house.server.server_state.connections)
                slept_s += 60
                assert not follower.is_sure
                async with asyncio.timeout(PATIENCE_S):
                    while connections & house.server.server_state.connections:  # it connects anew
                        await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_commands_are_sent_in_order_however_long_each_waits(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = house.begin()
    send, waits = ClientConnection.send, iter(range(40, 0, -4))

    async def late(connection: ClientConnection, text: str) -> None:
        for _ in range(next(waits, 0)):  # as if a network that takes little had its buffers full
            await asyncio.sleep(0)
        await send(connection, text)

    async def scenario() -> None:
        async with client_of(house, "tender", meeting) as presenter:
            await until_page(presenter, 1)
            monkeypatch.setattr(ClientConnection, "send", late)
            async with asyncio.timeout(PATIENCE_S):
                answers = await asyncio.gather(*(presenter.do(CallEverybody) for _ in range(5)))
            assert all(isinstance(one, Done) for one in answers), answers

    asyncio.run(scenario())


def test_who_may_not_follow_is_told_so(house: LiveHouse) -> None:
    meeting = house.begin()

    async def refused(who: str, name: str = meeting) -> None:
        async with asyncio.timeout(PATIENCE_S):
            async with client_of(house, who, name) as client:
                async for _ in client.states():
                    raise AssertionError

    async def ended() -> None:
        async with client_of(house, "member", meeting) as client:
            await until_page(client, 1)
            await asyncio.to_thread(house.hall.access.end_sessions, house.hall.people["member"].id)
            with pytest.raises(AccessDenied):
                await until_page(client, 99)

    with pytest.raises(AccessDenied):
        asyncio.run(refused("none"))
    for who, name in (("other folder", meeting), ("member", "nothing")):
        with pytest.raises(NoSuchMeeting):
            asyncio.run(refused(who, name))
    with pytest.raises(RequestError):
        MeetingClient("books.example", meeting)
    asyncio.run(ended())


def test_a_command_that_makes_no_sense_is_refused_before_it_is_sent(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with client_of(house, "tender", meeting) as client:
            with pytest.raises(RequestError):
                await client.do(Show, paper="x", revision=1, page=0)

    asyncio.run(scenario())


def test_whoever_presents_shows_their_place_again_when_the_meeting_was_restored() -> None:
    welcome = Welcome(protocol=PROTOCOL, meeting="m", participant="p", name="議員", ping_s=5.0)
    begun = State(
        meeting="m",
        epoch=1,
        seq=1,
        details=0,
        paper="paper",
        revision=1,
        page=1,
        spread=None,
        view_pt=None,
        mode="follow",
        called=0,
        presenter="p",
        t=0,
    )
    said: list[ClientMessage] = []

    async def serves(connection: ServerConnection) -> None:
        async def tell(message: ServerMessage) -> None:
            await connection.send(encoded(message).decode())

        with suppress(ConnectionClosed):
            await tell(welcome)
            await tell(begun)
            async for text in connection:
                message = from_client(text)
                said.append(message)
                if isinstance(message, Show):
                    await tell(Done(id=message.id, epoch=1, seq=2))
                    await tell(replace(begun, seq=2, page=message.page))
                    await tell(replace(begun, epoch=2, seq=0))
                elif isinstance(message, OpenPaper):
                    await tell(Done(id=message.id, epoch=2, seq=1))
                    await tell(replace(begun, epoch=2, seq=1, page=message.page))

    async def scenario() -> None:
        async with serve(serves, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with MeetingClient(f"http://127.0.0.1:{port}", "m") as client, asyncio.timeout(PATIENCE_S):
                async for state in client.states():
                    if state.position == (1, 1):
                        client.moved()
                        assert client.shown is None
                        client.returned()
                        assert client.shown == state
                        await client.do(Show, paper="paper", revision=1, page=3)
                    elif state.position == (2, 1):
                        break
                assert state.page == 3

    asyncio.run(scenario())
    again = [one for one in said if isinstance(one, OpenPaper)]
    assert [(one.page, one.epoch) for one in again] == [(3, 2)]


def test_a_client_whose_upgrade_is_taken_out_says_so() -> None:
    def no_upgrade(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.UPGRADE_REQUIRED, "this address takes WebSockets only")

    async def never(connection: ServerConnection) -> None:
        raise AssertionError

    async def scenario() -> None:
        async with serve(never, "127.0.0.1", 0, process_request=no_upgrade) as server:
            port = server.sockets[0].getsockname()[1]
            async with MeetingClient(f"http://127.0.0.1:{port}", "m") as client, asyncio.timeout(PATIENCE_S):
                with pytest.raises(RequestError, match="Upgrade"):
                    await anext(client.states())

    asyncio.run(scenario())
