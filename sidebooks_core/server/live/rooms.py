"""The meetings that clients of this process are in: who comes and goes, and what is told every few seconds."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from sidebooks_core.errors import SidebooksError
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import PROTOCOL, Farewell, Hello, Welcome
from sidebooks_core.meeting.model import Meeting
from sidebooks_core.server.listener import Listener
from sidebooks_core.server.live import between
from sidebooks_core.server.live.attendance import Attendance
from sidebooks_core.server.live.between import Passed, Passing, Said
from sidebooks_core.server.live.clients import Client, Speaker
from sidebooks_core.server.live.outbox import Outbox
from sidebooks_core.server.live.pace import Pace
from sidebooks_core.server.live.room import Room
from sidebooks_core.server.pools import Pools

PING_S = 5.0
GROUPS = 10
"""Clients are pinged in so many groups, one after the other, so that not all answer at once."""
SILENCE_S = 20.0
"""A client that says nothing for so long is gone."""
JOINS_PER_S = 100.0
JOINS_AT_ONCE = 20
"""Of those who connect at once, so many are let in at once, and the others at `JOINS_PER_S`."""
JOIN_WITHIN_S = 10.0
"""Whoever would have to wait longer is sent away for a while."""
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


class Entering(Struct, frozen=True, eq=False, kw_only=True):
    """A connection that says hello."""

    speaker: Speaker
    listener: Listener
    outbox: Outbox
    view_px: tuple[int, int] | None = None


class Rooms:
    """Belongs to the event loop."""

    def __init__(self, meetings: Meetings, pools: Pools) -> None:
        self._meetings = meetings
        self._pools = pools
        self._process = secrets.token_hex(4)
        self._rooms: dict[str, tuple[Room, Callable[[], None]]] = {}
        """Each with what ends its subscription."""
        self._reading: dict[str, asyncio.Future[Meeting | None]] = {}
        self._whispering: set[asyncio.Future[bool]] = set()
        self._attendance = Attendance(meetings.records, pools)
        self._beat: asyncio.Task[None] | None = None
        self._joins = Pace(JOINS_PER_S, JOINS_AT_ONCE, JOIN_WITHIN_S)

    def __len__(self) -> int:
        """Meetings that clients of this process are in."""
        return len(self._rooms)

    def counts(self) -> dict[str, int]:
        """For metrics. From any thread."""
        rooms = [room for room, _ in list(self._rooms.values())]
        found = [room.count() for room in rooms]
        return {
            "meetings": len(rooms),
            "meeting_clients": sum(len(room.clients()) for room in rooms),
            "meeting_clients_behind": sum(one.behind for one in found),
        }

    def find(self, meeting_id: str) -> Room | None:
        """None: no client of this process is in it."""
        found = self._rooms.get(meeting_id)
        return None if found is None else found[0]

    async def enter(self, entering: Entering, hello: Hello) -> Client:
        """Let a client in.

        Raises Turned, HubFailed, StorageError.
        """
        if hello.protocol != PROTOCOL:
            raise Turned(Farewell(why="protocol", return_s=None))
        await self._turn()
        speaker, room = entering.speaker, await self._room(hello.meeting)
        client = Client(
            speaker=speaker,
            listener=entering.listener,
            outbox=entering.outbox,
            is_projector=hello.is_projector,
            view_px=entering.view_px,
            is_following=room.state.mode in ("follow", "locked"),
            heard_s=asyncio.get_running_loop().time(),
        )
        if not room.has_details():
            await self.refresh(room)
        welcome = Welcome(
            protocol=PROTOCOL,
            meeting=room.id,
            participant=speaker.participant.id,
            name=speaker.participant.name,
            ping_s=PING_S,
        )
        before = room.add(client)
        client.outbox.answer(welcome, room.state, room.details)  # after it was added: no state is missed
        if before is not None:
            before.leave(Farewell(why="slow", return_s=None))
        if not client.is_projector:
            self._attendance.came(room.id, speaker.participant)
        client.wake()
        return client

    def leave(self, client: Client) -> None:
        """Its connection has ended, or it goes to another meeting."""
        room = self.find(client.speaker.meeting)
        if room is None or not room.remove(client):
            return
        participant = client.speaker.participant
        if not client.is_projector and participant.id not in room.people():
            self._attendance.went(room.id, participant)
        self._let_go(room)

    def heard(self, speaker: Speaker, what: Passing | None) -> None:
        """A client said something, and perhaps where it is. If another process has its connection, that one is told."""
        room = self.find(speaker.meeting)
        client = None if room is None else room.find(speaker)
        if room is not None and client is not None:
            client.heard_s = asyncio.get_running_loop().time()
            if what is not None:
                room.hear(client, what)
        elif what is not None and self._meetings.is_shared:
            said = Said(participant=speaker.participant.id, client=speaker.client, what=what)
            self.whisper(speaker.meeting, f"said {speaker.participant.id}/{speaker.client}", said)

    def whisper(self, meeting_id: str, by: str, what: Passed) -> None:
        """Tell all processes something that may get lost. by: whose pace counts (`Hub.whisper`)."""
        data = between.encoded(what)
        if not self._meetings.is_shared:
            self._meetings.hub.whisper(meeting_id, by, data)
        elif len(self._whispering) < MOST_WHISPERING:  # it goes over a network, and nobody waits for it
            task = asyncio.ensure_future(self._pools.run("whispers", self._meetings.hub.whisper, meeting_id, by, data))
            self._whispering.add(task)
            task.add_done_callback(self._whispering.discard)

    async def read(self, meeting_id: str) -> Meeting | None:
        """The present meeting. Those who ask at once ask the hub once. Raises HubFailed, StorageError."""
        reading = self._reading.get(meeting_id)
        if reading is None:
            reading = asyncio.ensure_future(self._pools.run("meetings", self._meetings.hub.read, meeting_id))
            self._reading[meeting_id] = reading
            reading.add_done_callback(lambda _: self._reading.pop(meeting_id, None))
        return await asyncio.shield(reading)

    async def refresh(self, room: Room) -> None:
        """Have the present details. Raises HubFailed, StorageError."""
        meeting = await self.read(room.id)
        if meeting is not None:
            room.learn(meeting)

    def farewells(self, farewell: Farewell) -> None:
        """Say farewell to all."""
        for room, _ in list(self._rooms.values()):
            for client in room.clients():
                client.leave(farewell)

    def close(self) -> None:
        """Nobody is there any more. It may wait for the disk."""
        for _, unsubscribe in self._rooms.values():
            unsubscribe()
        self._rooms.clear()
        self._attendance.close()

    async def _room(self, meeting_id: str) -> Room:
        """Raises Turned, HubFailed, StorageError."""
        room = self.find(meeting_id)
        if room is not None and room.state.mode != "ended":
            return room
        meeting = await self.read(meeting_id)
        if meeting is None:
            raise Turned(NO_SUCH)
        room = self.find(meeting_id)  # another client may have opened it meanwhile
        if room is None:
            if meeting.state.mode == "ended":
                raise Turned(Farewell(why="ended", return_s=None))
            share = partial(self.whisper, meeting_id, self._process) if self._meetings.is_shared else None
            room = Room(meeting, self._process, share)
            self._rooms[meeting_id] = room, self._meetings.hub.subscribe(meeting_id, room)
            await self.refresh(room)  # what was told between the look and the subscription
            if self._beat is None or self._beat.done():
                self._beat = asyncio.create_task(self._beating())
        return room

    def _let_go(self, room: Room) -> None:
        """Close a room that nobody is in."""
        if not room.clients() and self._rooms.get(room.id, (None, None))[0] is room:
            self._rooms.pop(room.id)[1]()

    async def _turn(self) -> None:
        """Wait until somebody more may come in. Raises Turned."""
        wait_s = self._joins.wait_s(asyncio.get_running_loop().time())
        if wait_s is None:
            raise Turned(Farewell(why="full", return_s=RETURN_S))
        if wait_s:
            await asyncio.sleep(wait_s)

    async def _beating(self) -> None:
        group = 0
        while self._rooms or len(self._attendance):
            await asyncio.sleep(PING_S / GROUPS)
            group = (group + 1) % GROUPS
            try:
                is_sure = self._meetings.hub.is_sure()
                for room, _ in list(self._rooms.values()):
                    self._look_at(room, group, is_sure=is_sure)
                if group == 0:
                    self._attendance.look()
            except SidebooksError:
                _log.exception("a look at the meetings failed; it is repeated")

    def _look_at(self, room: Room, group: int, *, is_sure: bool) -> None:
        now_s = asyncio.get_running_loop().time()
        clients = room.clients()
        for client in clients:
            if now_s - client.heard_s > SILENCE_S:
                client.leave(Farewell(why="slow", return_s=0.0))
                self.leave(client)
        room.ping(clients[group::GROUPS], is_sure=is_sure)
        if group:
            return
        self._let_go(room)  # whoever opened it may have gone before they were in
        room.repeat_count()
