"""One connection, as meetings see it: it says hello, is in a meeting, and leaves it with its end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from types import TracebackType
from typing import Self

from msgspec import Struct

from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import HubMissing, NoSuchMeeting, RequestError, SidebooksError
from sidebooks_core.meeting.commands import Command
from sidebooks_core.meeting.ids import participant_id
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.messages import (
    ClientMessage,
    Farewell,
    Hello,
    Intent,
    Refused,
    ServerMessage,
    Stroke,
    Whisper,
    from_client,
)
from sidebooks_core.meeting.model import Participant
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.listener import ANY_PAPER, MARKS, Listener
from sidebooks_core.server.live.clients import Client, Speaker
from sidebooks_core.server.live.desk import Desk
from sidebooks_core.server.live.farewells import AFTER_FAILURE_S
from sidebooks_core.server.live.meeting_access import MeetingAccess
from sidebooks_core.server.live.meetings_here import NO_SUCH, Entering, MeetingsHere, Turned
from sidebooks_core.server.live.outbox import Outbox
from sidebooks_core.server.live.pace import Pace
from sidebooks_core.server.places import Standings

MESSAGES_PER_S = 60.0
MESSAGES_AT_ONCE = 120
"""Of one connection. What comes faster is heard later."""
WITHOUT_HUB_S = 60.0
_log = logging.getLogger("sidebooks_core.server")


class Live(Struct, frozen=True, eq=False, kw_only=True):
    """The parts of the server that belong to meetings under way."""

    meetings: Meetings
    here: MeetingsHere
    desk: Desk
    access: MeetingAccess


class Connection:
    """Belongs to the event loop. Use it as a context: it leaves at the end."""

    def __init__(
        self, live: Live, request: HttpRequest, listener: Listener, view_px: tuple[int, int] | None, *, may_change: bool = True
    ) -> None:
        """may_change: False: it may follow, and do nothing else."""
        self._live = live
        self._request = request
        self._listener = listener
        self._view_px = view_px
        self._may_change = may_change
        self._client: Client | None = None
        self._stays_in: Standings | None = None
        """Where the folder of the meeting stands, if the client may be in it there."""
        self._hello: asyncio.Task[None] | None = None
        self._messages = Pace(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self.outbox = Outbox()
        listener.seat = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._hello is not None:
            self._hello.cancel()
        if self._client is not None:
            self._live.here.leave(self._client)

    @property
    def farewell(self) -> Farewell | None:
        return self.outbox.farewell

    def has_ended(self) -> bool:
        here = None if self._client is None else self._live.here.find(self._client.speaker.meeting)
        return here is not None and here.state.mode == "ended"

    def take(self) -> list[bytes]:
        return self.outbox.take()

    def may_stay(self) -> bool:
        client, access = self._client, self._live.access
        if client is None or self.outbox.farewell is not None:
            return False
        place = access.place_of(client.speaker.meeting)
        if place is not None and place is not self._stays_in:  # else nothing has changed, since the policy is the same
            self._stays_in = place if access.may_join_in(self._request.principal, client.speaker.meeting, place) else None
        return place is not None and place is self._stays_in

    async def look(self) -> None:
        """Whoever may not be in the meeting any more leaves it, as if there were none. Raises StorageError."""
        client = self._client
        if client is None or self.outbox.farewell is not None:
            return
        if not await self._live.access.may_join(self._request.principal, client.speaker.meeting):
            self._refuse("may not be in it any more")
            self.outbox.end(NO_SUCH, is_alone=True)
            self._listener.wake()

    def enter_soon(self, hello: Hello) -> None:
        """Say hello, of a client that cannot do so by itself. What comes of it is put into the outbox."""
        self._hello = asyncio.create_task(self._heard(hello))

    async def hear(self, data: str | bytes) -> None:
        """What the client says. What goes wrong is said in a farewell."""
        await self._pace()
        try:
            message = from_client(data)
        except RequestError as error:
            self._refuse("what is no message of the protocol")
            self._end(Farewell(why="protocol", return_s=None), str(error))
            return
        await self._heard(message)

    async def _heard(self, message: ClientMessage) -> None:
        try:
            if not await self._listener.goes_on():  # a login may have ended, and nobody has told of it
                return
            await self.look()
            if self.outbox.farewell is not None:
                return
            if isinstance(message, Hello):
                await self._enter(message)
            elif self._client is None:
                raise RequestError("the first message is a hello")
            elif not self._may_change and isinstance(message, Command | Intent | Whisper | Stroke):
                self._refuse("something of a page of another origin")
                if isinstance(message, Command):
                    here = self._live.here.find(self._client.speaker.meeting)
                    if here is not None:
                        self._answer(Refused(id=message.id, why="forbidden", state=here.state, winner=""))
            else:
                self._answer(*await self._live.desk.hear(self._client.speaker, message))
        except Turned as turned:
            self._end(turned.farewell, str(turned))
        except NoSuchMeeting as error:
            self._end(NO_SUCH, str(error))
        except RequestError as error:
            self._refuse("a message that makes no sense")
            self._end(Farewell(why="protocol", return_s=None), str(error))
        except HubMissing as error:
            _log.error("nobody can meet here: %s", error)
            self._end(Farewell(why="full", return_s=WITHOUT_HUB_S), str(error))
        except SidebooksError as error:  # the hub or the disk: whether a command was done is not known
            _log.error("a client of a meeting is sent away for a moment: %s", error)
            self._end(Farewell(why="restart", return_s=AFTER_FAILURE_S), str(error))

    async def _enter(self, hello: Hello) -> None:
        if self._client is not None:
            raise RequestError("a connection says hello once")
        request = self._request
        if not await self._live.access.may_join(request.principal, hello.meeting):
            self._live.desk.refusals.note(request.principal, request.address, f"meeting {hello.meeting}", "may not join")
            raise Turned(NO_SUCH)
        speaker = speaker_of(request, hello.meeting, hello.client)
        sees = partial(self._live.access.seen_by, request.principal)
        entering = Entering(speaker=speaker, listener=self._listener, outbox=self.outbox, sees=sees, view_px=self._view_px)
        client = await self._live.here.enter(entering, hello)
        if self._listener.has_ended():  # meanwhile
            self._live.here.leave(client)
        else:
            self._client = client
            if request.principal.id:  # what was shared with the meeting before is theirs to see now
                self._listener.put(MARKS, ANY_PAPER)
                self._listener.wake()

    def _answer(self, *messages: ServerMessage) -> None:
        if messages:
            self.outbox.answer(*messages)
            self._listener.wake()

    def _refuse(self, what: str) -> None:
        request = self._request
        about = "no meeting" if self._client is None else f"meeting {self._client.speaker.meeting}"
        self._live.desk.refusals.note(request.principal, request.address, about, what)

    def _end(self, farewell: Farewell, why: str) -> None:
        _log.debug("a client of a meeting is sent away (%s): %s", farewell.why, why)
        self.outbox.end(farewell)
        self._listener.wake()

    async def _pace(self) -> None:
        wait_s = self._messages.wait_s(asyncio.get_running_loop().time())
        if wait_s:
            await asyncio.sleep(wait_s)


def speaker_of(request: HttpRequest, meeting_id: str, client: str) -> Speaker:
    """Who sends a request, in a meeting. Those whom nobody knows are told apart by their clients."""
    principal = request.principal
    person = principal.id or f"client {client}"
    return Speaker(
        meeting=meeting_id,
        participant=Participant(participant_id(meeting_id, person), shown_name(principal), principal.role == "guest"),
        client=client,
        principal=principal,
        address=request.address,
    )


def shown_name(principal: Principal) -> str:
    """What others in a meeting read. Never empty."""
    return (principal.name or principal.role)[:200]
