"""The meetings that clients of this process are in: who comes and goes, and what is told every few seconds."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct

from sidebooks_core.errors import SidebooksError
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import PROTOCOL, Farewell, Hello, Welcome
from sidebooks_core.meeting.model import Meeting
from sidebooks_core.meeting.state import Details
from sidebooks_core.server.listener import Listener
from sidebooks_core.server.live import between
from sidebooks_core.server.live.attendance import Attendance
from sidebooks_core.server.live.between import Passed, Passing, Said
from sidebooks_core.server.live.clients import Client, Speaker, silent
from sidebooks_core.server.live.joins import Joins
from sidebooks_core.server.live.meeting_here import MeetingHere, Reads
from sidebooks_core.server.live.outbox import Outbox
from sidebooks_core.server.pools import Pools

PING_S = 5.0
GROUPS = 10
"""Clients are pinged in so many groups, one after the other, so that not all answer at once."""
SILENCE_S = 20.0
"""A client that says nothing for so long is gone."""
RETURN_S = 10.0
"""Those who are sent away come back within this time."""
MOST_WHISPERING = 64
"""Calls to the hub that are under way; more are dropped."""
NO_SUCH = Farewell(why="no such meeting", return_s=None)
_log = logging.getLogger("sidebooks_core.server")


class Turned(Exception):
    """Somebody is not let in."""

    def __init__(self, farewell: Farewell) -> None:
        super().__init__(farewell.why)
        self.farewell = farewell


Sees = Callable[[Details], Awaitable[Details]]
"""The details as somebody sees them."""


class Entering(Struct, frozen=True, eq=False, kw_only=True):
    """A connection that says hello."""

    speaker: Speaker
    listener: Listener
    outbox: Outbox
    sees: Sees
    view_px: tuple[int, int] | None = None


class MeetingsHere:
    """Belongs to the event loop."""

    def __init__(self, meetings: Meetings, pools: Pools, reads: Reads) -> None:
        """reads: who may read a paper."""
        self._meetings = meetings
        self._pools = pools
        self._reads = reads
        self._process = secrets.token_hex(4)
        self._entered: dict[str, tuple[MeetingHere, Callable[[], None]]] = {}
        """Each with what ends its subscription."""
        self._reading: dict[str, asyncio.Future[Meeting | None]] = {}
        """Looks at the hub that have not begun."""
        self._whispering: set[asyncio.Future[bool]] = set()
        self._attendance = Attendance(meetings.records, pools)
        self._is_closed = False
        self._beat: asyncio.Task[None] | None = None
        self._joins = Joins()

    def counts(self) -> dict[str, int]:
        """For metrics. From any thread."""
        entered = [here for here, _ in list(self._entered.values())]
        found = [here.count() for here in entered]
        return {
            "meetings": len(entered),
            "meeting_clients": sum(len(here.clients()) for here in entered),
            "meeting_clients_behind": sum(one.behind for one in found),
        }

    def ids(self) -> list[str]:
        """Of the meetings that clients of this process are in. From any thread."""
        return list(self._entered)

    def find(self, meeting_id: str) -> MeetingHere | None:
        """None: no client of this process is in it."""
        found = self._entered.get(meeting_id)
        return None if found is None else found[0]

    async def enter(self, entering: Entering, hello: Hello) -> Client:
        """Let a client in.

        Raises Turned, HubFailed, StorageError.
        """
        if hello.protocol != PROTOCOL:
            raise Turned(Farewell(why="protocol", return_s=None))
        await self._turn(entering.speaker)
        speaker, (here, details) = entering.speaker, await self._ready(hello.meeting, entering.sees)
        client = Client(
            speaker=speaker,
            listener=entering.listener,
            outbox=entering.outbox,
            is_projector=hello.is_projector,
            view_px=entering.view_px,
            is_following=here.state.mode in ("follow", "locked"),
            heard_s=asyncio.get_running_loop().time(),
        )
        welcome = Welcome(
            protocol=PROTOCOL,
            meeting=here.id,
            participant=speaker.participant.id,
            name=speaker.participant.name,
            ping_s=PING_S,
        )
        before = here.add(client)
        client.outbox.answer(welcome, here.state, details)  # after it was added: no state is missed
        if before is not None:
            before.leave(Farewell(why="slow", return_s=None))
        if not client.is_projector:
            self._attendance.came(here.id, speaker.participant)
        client.wake()
        return client

    def leave(self, client: Client) -> None:
        """Its connection has ended, or it goes to another meeting."""
        here = self.find(client.speaker.meeting)
        if here is None or not here.remove(client):
            return
        participant = client.speaker.participant
        if not client.is_projector and participant.id not in here.people():
            self._attendance.went(here.id, participant)
        self._let_go(here)

    def heard(self, speaker: Speaker, what: Passing | None) -> None:
        """A client said something, and perhaps where it is. If another process has its connection, that one is told."""
        here = self.find(speaker.meeting)
        client = None if here is None else here.find(speaker)
        if here is not None and client is not None:
            client.heard_s = asyncio.get_running_loop().time()
            if what is not None:
                here.hear(client, what)
        elif what is not None and self._meetings.is_shared:
            said = Said(participant=speaker.participant.id, client=speaker.client, what=what)
            self.whisper(speaker.meeting, f"said {speaker.participant.id}/{speaker.client}", said)

    def whisper(self, meeting_id: str, by: str, what: Passed) -> None:
        """Tell all processes something that may get lost. by: whose pace counts (`Hub.whisper`)."""
        if self._is_closed:
            return
        data = between.encoded(what)
        if not self._meetings.is_shared:
            self._meetings.hub.whisper(meeting_id, by, data)
        elif len(self._whispering) < MOST_WHISPERING:  # it goes over a network, and nobody waits for it
            task = asyncio.ensure_future(self._pools.run("whispers", self._meetings.hub.whisper, meeting_id, by, data))
            self._whispering.add(task)
            task.add_done_callback(self._whispering.discard)

    async def read(self, meeting_id: str) -> Meeting | None:
        """The meeting, looked at after this was called. Who asks at once asks the hub once. Raises HubFailed, StorageError."""
        reading = self._reading.get(meeting_id)
        if reading is None:
            reading = asyncio.ensure_future(self._pools.run("meetings", self._read, meeting_id))
            self._reading[meeting_id] = reading
            reading.add_done_callback(partial(self._forget_reading, meeting_id))
        return await asyncio.shield(reading)

    def _read(self, meeting_id: str) -> Meeting | None:
        """In a thread. Whoever asks from here on is not answered by this look: it may miss what is told meanwhile."""
        self._reading.pop(meeting_id, None)
        return self._meetings.hub.read(meeting_id)

    def _forget_reading(self, meeting_id: str, reading: asyncio.Future[Meeting | None]) -> None:
        """It is over; perhaps it never began."""
        if self._reading.get(meeting_id) is reading:
            del self._reading[meeting_id]

    async def refresh(self, here: MeetingHere) -> None:
        """Have the present details. Raises HubFailed, StorageError."""
        meeting = await self.read(here.id)
        if meeting is not None:
            here.learn(meeting)

    def close(self) -> None:
        """Nobody is there any more. It may wait for the disk."""
        self._is_closed = True
        for _, unsubscribe in self._entered.values():
            unsubscribe()
        self._entered.clear()
        self._attendance.close()

    async def _ready(self, meeting_id: str, sees: Sees) -> tuple[MeetingHere, Details]:
        """With its details as somebody sees them. Come in before you wait for anything else: then it is not let go.

        Raises Turned, HubFailed, StorageError.
        """
        while True:
            here = await self._meeting_here(meeting_id)
            if not here.has_details():
                await self.refresh(here)
            details = await sees(here.details)
            if self.find(meeting_id) is here:  # else it was let go meanwhile, since nobody was in it
                return here, details

    async def _meeting_here(self, meeting_id: str) -> MeetingHere:
        """Raises Turned, HubFailed, StorageError."""
        here = self.find(meeting_id)
        if here is not None and here.state.mode != "ended":
            return here
        meeting = await self.read(meeting_id)
        if meeting is None:
            raise Turned(NO_SUCH)
        here = self.find(meeting_id)  # another client may have opened it meanwhile
        if here is None:
            if meeting.state.mode == "ended":
                raise Turned(Farewell(why="ended", return_s=None))
            share = partial(self.whisper, meeting_id, self._process) if self._meetings.is_shared else None
            here = MeetingHere(meeting, self._process, share, self._reads)
            self._entered[meeting_id] = here, self._meetings.hub.subscribe(meeting_id, here)
            await self.refresh(here)  # what was told between the look and the subscription
            if self._beat is None or self._beat.done():
                self._beat = asyncio.create_task(self._beating())
        return here

    def _let_go(self, here: MeetingHere) -> None:
        """Listen to a meeting no more that no client of this process is in."""
        if not here.clients() and self._entered.get(here.id, (None, None))[0] is here:
            self._entered.pop(here.id)[1]()

    async def _turn(self, who: Speaker) -> None:
        """Wait until somebody may come in. Raises Turned."""
        for wait_s in self._joins.waits_s(who, asyncio.get_running_loop().time):
            if wait_s is None:
                raise Turned(Farewell(why="full", return_s=RETURN_S))
            if wait_s:
                await asyncio.sleep(wait_s)

    async def _beating(self) -> None:
        group = 0
        while self._entered or len(self._attendance):
            await asyncio.sleep(PING_S / GROUPS)
            group = (group + 1) % GROUPS
            try:
                is_sure = self._meetings.hub.is_sure()
                for here, _ in list(self._entered.values()):
                    self._look_at(here, group, is_sure=is_sure)
                if group == 0:
                    self._attendance.look()
            except SidebooksError:
                _log.exception("a look at the meetings failed; it is repeated")

    def _look_at(self, here: MeetingHere, group: int, *, is_sure: bool) -> None:
        now_s = asyncio.get_running_loop().time()
        clients = here.clients()
        for client in silent(clients, now_s, SILENCE_S):
            client.leave(Farewell(why="slow", return_s=0.0))
            self.leave(client)
        here.ping(clients[group::GROUPS], is_sure=is_sure)
        if group:
            return
        self._let_go(here)  # whoever opened it may have gone before they were in
        here.repeat_count()
