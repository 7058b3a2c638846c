"""The meetings that clients of one server process are in: nobody comes into one that is told nothing any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from sidebooks_core.access.principals import CITIZEN
from sidebooks_core.meeting.commands import AnyCommand, CallEverybody, SetAgenda
from sidebooks_core.meeting.hub import Hub
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import PROTOCOL, Hello
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.session import decide, opened
from sidebooks_core.meeting.state import AgendaItem, Details
from sidebooks_core.server.listener import Listener, Listening
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


def test_a_look_that_began_before_a_change_answers_nobody_who_asks_after_it(
    meetings: Meetings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowHub(meetings.hub)
    monkeypatch.setattr(meetings.hub, "read", slow.read)

    async def scenario() -> None:
        pools = Pools()
        here = MeetingsHere(meetings, pools)
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
        here = MeetingsHere(meetings, pools)
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
        assert any(b'"called":%d' % made.state.called in one for one in client.outbox.take())
        here.close()
        pools.close()

    asyncio.run(scenario())
