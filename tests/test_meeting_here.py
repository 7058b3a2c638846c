"""The meetings that clients of one server process are in: nobody comes into one that is told nothing any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from sidebooks_core.access.principals import CITIZEN
from sidebooks_core.meeting.commands import AnyCommand, CallEverybody, SetAgenda
from sidebooks_core.meeting.hub import Hub
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import PROTOCOL, Hello, from_server
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.session import decide, opened
from sidebooks_core.meeting.state import AgendaItem, Details
from sidebooks_core.server.listener import MEETING, End, Listener, Listening
from sidebooks_core.server.live.clients import Client, Speaker
from sidebooks_core.server.live.meetings_here import Entering, MeetingsHere
from sidebooks_core.server.live.outbox import Outbox
from sidebooks_core.server.pools import Pools

PATIENCE_S = 30.0
CHAIR = Participant("chair", "Chair")


class SlowHub:
    """The first look at it ends when it is told to, with what it saw in the beginning."""

    def __init__(self, hub: Hub) -> None:
        self._read = hub.read
        self._is_first = True
        self.began, self.may_end = threading.Event(), threading.Event()

    def read(self, meeting_id: str) -> Meeting | None:
        found, is_first = self._read(meeting_id), self._is_first
        self._is_first = False
        if is_first:
            self.began.set()
            assert self.may_end.wait(PATIENCE_S)
        return found


@pytest.fixture
def meetings() -> Iterator[Meetings]:
    with Meetings(None) as made:
        meeting = opened("m", "M", CHAIR, 0.0)
        made.records.add(meeting, folder=None, opened_by="chair")
        made.hub.open(meeting)
        yield made


def change(meetings: Meetings, command: AnyCommand) -> Meeting:
    made = meetings.hub.change("m", lambda meeting: decide(meeting, command, CHAIR, 1.0))
    assert isinstance(made, Meeting)
    return made


async def seen(details: Details) -> Details:
    return details


async def come(here: MeetingsHere, name: str) -> Client:
    asks = Listening(session="", share=("", "known"), principal=CITIZEN, may_see_documents=lambda: False, changes_after=None)
    speaker = Speaker(meeting="m", participant=Participant(name, name), client="c", principal=CITIZEN, address="")
    entering = Entering(speaker=speaker, listener=Listener(asks), outbox=Outbox(), sees=seen)
    return await here.enter(entering, Hello(protocol=PROTOCOL, meeting="m", client="c"))


class Staying:
    """The seat of somebody who may stay."""

    def __init__(self, outbox: Outbox) -> None:
        self.take = outbox.take
        self._outbox = outbox

    @property
    def farewell(self) -> object:
        return self._outbox.farewell

    def may_stay(self) -> bool:
        return True

    async def look(self) -> None:
        pass


async def taken(client: Client) -> list[bytes]:
    """What waits for a client, as soon as something does."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := client.outbox.take()):
            await asyncio.sleep(0.01)
    return found


def test_a_look_that_began_before_a_change_answers_nobody_who_asks_after_it(
    meetings: Meetings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowHub(meetings.hub)
    monkeypatch.setattr(meetings.hub, "read", slow.read)

    async def scenario() -> None:
        pools = Pools()
        here = MeetingsHere(meetings, pools, lambda _: None)
        early = asyncio.create_task(here.read("m"))
        assert await asyncio.to_thread(slow.began.wait, PATIENCE_S)
        made = change(meetings, CallEverybody(id="1", client="c", count=1, epoch=1))
        late = asyncio.create_task(here.read("m"))
        await asyncio.sleep(0)  # it has asked
        slow.may_end.set()
        found = [await early, await late]
        assert [one and one.state.seq for one in found] == [0, made.state.seq]
        here.close()
        pools.close()

    asyncio.run(scenario())


def test_who_comes_while_the_last_one_leaves_is_told_what_happens(meetings: Meetings, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowHub(meetings.hub)

    async def scenario() -> None:
        pools = Pools()
        here = MeetingsHere(meetings, pools, lambda _: None)
        last = await come(here, "last")
        change(meetings, SetAgenda(id="1", client="c", count=1, epoch=1, items=(AgendaItem("budget"),)))  # so it is read anew
        monkeypatch.setattr(meetings.hub, "read", slow.read)
        coming = asyncio.create_task(come(here, "next"))
        assert await asyncio.to_thread(slow.began.wait, PATIENCE_S)
        here.leave(last)
        slow.may_end.set()
        client = await coming
        client.outbox.take()
        made = change(meetings, CallEverybody(id="2", client="c", count=2, epoch=1))
        assert any(b'"called":%d' % made.state.called in one for one in await taken(client))
        here.close()
        pools.close()

    asyncio.run(scenario())


def test_who_waits_for_nothing_else_is_told_at_once_and_once(meetings: Meetings) -> None:
    async def scenario() -> None:
        here = MeetingsHere(meetings, Pools(), lambda _: None)
        free, busy, gone = [await come(here, name) for name in ("free", "busy", "gone")]
        sent: dict[str, list[bytes]] = {"free": [], "busy": [], "gone": []}
        tasks = []
        for client, name in ((free, "free"), (busy, "busy"), (gone, "gone")):
            client.listener.seat = Staying(client.outbox)
            client.listener.send_now = partial(now, sent[name])
            tasks.append(asyncio.create_task(read(client, sent[name])))
        await until(lambda: all(len(one) == 3 for one in sent.values()))  # welcome, state, details
        woken: list[str] = []
        for client, name in ((free, "free"), (busy, "busy")):
            client.listener.wake = partial(woken.append, name)  # type: ignore[method-assign]
        busy.listener.send_now = refuse
        gone.listener.stop(End.REVOKED)
        await until(tasks[2].done)
        made = change(meetings, CallEverybody(id="1", client="c", count=1, epoch=1))
        await until(lambda: len(sent["free"]) == 4)
        assert from_server(sent["free"][-1]) == made.state
        assert free.outbox.take() == []
        assert woken == ["busy"], "whoever was told at once is not woken"
        assert [from_server(one) for one in busy.outbox.take()] == [made.state], "it waits until it can be sent"
        assert len(sent["gone"]) == 3, "whose login ended is told nothing"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())


def test_telling_rests_and_then_tells_the_newest_only(meetings: Meetings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        here = MeetingsHere(meetings, Pools(), lambda _: None)
        client = await come(here, "member")
        client.outbox.take()
        rests: list[Callable[[], None]] = []
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def held(wait_s: float, call: Callable[..., None], *arguments: Any, context: Any = None) -> object:
            if getattr(call, "__name__", "") == "_rested":
                return rests.append(call)
            return later(wait_s, call, *arguments, context=context)

        monkeypatch.setattr(loop, "call_later", held)
        for count in (1, 2, 3):
            made = change(meetings, CallEverybody(id=f"{count}", client="c", count=count, epoch=1))
            if count == 1:
                assert [from_server(one) for one in await taken(client)] == [made.state]
                await until(lambda: bool(rests))
        await asyncio.sleep(0)
        assert client.outbox.take() == [], "it rests"
        for rest in rests:
            rest()
        assert [from_server(one) for one in await taken(client)] == [made.state]

    asyncio.run(scenario())


def test_a_client_that_cannot_be_told_at_once_keeps_nothing_from_the_others(
    meetings: Meetings, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        here = MeetingsHere(meetings, Pools(), lambda _: None)
        clients = [await come(here, name) for name in ("first", "second")]
        for client in clients:
            client.outbox.take()
        clients[0].listener.tell_now = fail  # type: ignore[method-assign]
        for count in (1, 2):
            made = change(meetings, CallEverybody(id=f"{count}", client="c", count=count, epoch=1))
            for client in clients:
                assert [from_server(one) for one in await taken(client)] == [made.state]

    asyncio.run(scenario())
    assert "cannot be told at once" in caplog.text


def fail(data: bytes) -> bool:
    raise ZeroDivisionError


def now(sent: list[bytes], data: bytes) -> bool:
    sent.append(data)
    return True


def refuse(data: bytes) -> bool:
    return False


async def read(client: Client, sent: list[bytes]) -> None:
    """What a socket does."""
    client.listener.wake()
    async for one in client.listener.told():
        sent += [one.data] if one is not None and one.kind == MEETING else []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)
