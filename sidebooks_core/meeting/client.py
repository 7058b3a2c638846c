"""Follow a meeting from a program, over a WebSocket that connects anew whenever it breaks. Needs the extra `client`, and a line
that lets WebSockets through.

    async for state in follow("https://books.example", meeting, headers={"Cookie": cookie}):
        print(state.paper, state.page)

`MeetingClient` also gives commands. Both belong to one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from sidebooks_core.errors import AccessDenied, NoSuchMeeting, RequestError, SidebooksError
from sidebooks_core.meeting.commands import AnyCommand, Command, OpenPaper, Show
from sidebooks_core.meeting.following import (
    Follower,
    has_details,
    is_behind,
    moved,
    needs_details,
    received,
    repeats,
    returned,
    shows,
)
from sidebooks_core.meeting.messages import (
    PROTOCOL,
    Ask,
    ClientMessage,
    Done,
    Farewell,
    Hello,
    Painted,
    Ping,
    Pong,
    Refused,
    ServerMessage,
    Welcome,
    encoded,
    from_server,
)
from sidebooks_core.meeting.pings import Pings
from sidebooks_core.meeting.state import Details, State

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""Before the nth attempt to connect, a client waits a random part of `FIRST_WAIT_S` times 2 to the nth, at most of this."""
CONNECT_WITHIN_S = 5.0
NO_UPGRADE = 426
"""What the server answers to a request for a WebSocket that arrives as a plain one."""
PING_S = 5.0
"""Until the server says how often it pings."""
MISSED_PINGS = 2
"""After so many nobody is sure any more. `CONNECT_WITHIN_S` later the connection is given up, whatever else arrives by it."""
MOST_BYTES = 1 << 20
"""Of a message of the server."""
_log = logging.getLogger("sidebooks_core.meeting")


def _steady_s() -> float:
    """Seconds of a clock that is never set back, and goes on while the machine sleeps, if the system has one that does."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class MeetingClient:
    """One client of a meeting. Use it as an async context: it is connected until the end of the block, or of the meeting."""

    def __init__(self, url: str, meeting: str, *, headers: Mapping[str, str] | None = None, is_projector: bool = False) -> None:
        """url: of the server, as https://books.example. headers: with which it knows who asks, such as a cookie.

        is_projector: it only shows the presenter's page, and is not counted among those present. Raises RequestError.
        """
        scheme, separator, rest = url.rstrip("/").partition("://")
        if not separator or scheme not in ("http", "https"):
            raise RequestError(f"the address of a server begins with http:// or https://, not {url!r}")
        self._address = f"{'ws' if scheme == 'http' else 'wss'}://{rest}/live"
        self._headers = dict(headers or {})
        self._hello = Hello(protocol=PROTOCOL, meeting=meeting, client=secrets.token_hex(8), is_projector=is_projector)
        self._follower = Follower()
        self._details: Details | None = None
        self._welcome: Welcome | None = None
        self._connection: ClientConnection | None = None
        self._ping_s = PING_S
        self._ping: Ping | None = None
        """The newest of this connection."""
        self._heard_s = 0.0
        """When the last sign of life of the meeting arrived, by the steady clock."""
        self._pings = Pings(0.0)
        """Of this connection."""
        self._commands: dict[str, tuple[AnyCommand, asyncio.Future[Done | Refused]]] = {}
        self._sent_before: set[str] = set()
        """Commands that were sent over a connection that broke."""
        self._count = 0
        self._told: Show | OpenPaper | None = None
        """The last place that this client showed."""
        self._repeating: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Commands are sent in the order of their counts: the server does none after one with a greater count."""
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._was_in = False
        """By the last connection."""
        self._error: SidebooksError | None = None
        self._has_ended = False

    @property
    def state(self) -> State | None:
        """The newest that has arrived."""
        return self._follower.state

    @property
    def shown(self) -> State | None:
        """Whose page is to be on the screen. None: the reader's own, or none is shown."""
        return shows(self._follower)

    def moved(self) -> None:
        """The reader turned a page by themselves: they leave the presenter's page, unless that is locked."""
        self._follower = moved(self._follower)

    def returned(self) -> None:
        """The reader wants the presenter's page again."""
        self._follower = returned(self._follower)

    @property
    def is_sure(self) -> bool:
        """Whether `state` is the newest, as far as anybody can tell. False: say so to whoever looks at it.

        It is False without a connection, until the first ping over a new one, if nothing was heard for two pings, if a network
        may have held back what is heard for three, if the server cannot tell, and while a newer state is on its way.
        """
        ping, now_s = self._ping, _steady_s()
        if self._connection is None or ping is None or not ping.is_sure:
            return False
        is_silent = now_s - self._heard_s > MISSED_PINGS * self._ping_s
        is_late = now_s - self._pings.made_s > (MISSED_PINGS + 1) * self._ping_s
        return not is_silent and not is_late and not is_behind(self._follower, (ping.epoch, ping.seq))

    @property
    def _patience_s(self) -> float:
        """How long a connection may be without a sign of life of the meeting."""
        return MISSED_PINGS * self._ping_s + CONNECT_WITHIN_S

    @property
    def details(self) -> Details | None:
        """The newest that have arrived."""
        return self._details

    @property
    def participant(self) -> str:
        """Whose client this is; empty until the server has said it."""
        return "" if self._welcome is None else self._welcome.participant

    async def states(self) -> AsyncGenerator[State, None]:
        """Each state that is newer than the one before, until the meeting ends. Whoever is slow gets only the newest.

        Raises AccessDenied, NoSuchMeeting, and RequestError if the server speaks another version of the protocol.
        """
        last: State | None = None
        while True:
            async with self._changed:
                while self.state is last and not self._has_ended:
                    await self._changed.wait()
            if self.state is not None and self.state is not last:
                last = self.state
                yield last
            elif self._error is not None:
                raise self._error
            else:
                return

    async def do(self, kind: type[Command], **fields: object) -> Done | Refused:
        """Give a command of a kind, and wait for what becomes of it. fields: those that are its own.

        If the connection breaks meanwhile, it is sent again; it is done once. Raises RequestError for fields that make no
        sense, and as `states`.
        """
        state = await self._present()
        self._count += 1
        own = {"id": f"{self._hello.client[:8]}-{self._count}", "client": self._hello.client, "count": self._count}
        told = {"kind": kind.__struct_config__.tag, "epoch": state.epoch, **own, **fields}
        try:
            command = msgspec.convert(told, AnyCommand)
        except msgspec.ValidationError as fault:
            raise RequestError(f"this is no command: {fault}") from fault
        answer: asyncio.Future[Done | Refused] = asyncio.get_running_loop().create_future()
        self._commands[command.id] = command, answer
        try:
            async with self._turn:
                await self._say(command)
            return await answer
        finally:
            del self._commands[command.id]
            self._sent_before.discard(command.id)

    async def painted(self, state: State, *, is_sharp: bool = True) -> None:
        """Say that the page of a state is on the screen, so that the presenter knows it."""
        await self._say(Painted(epoch=state.epoch, seq=state.seq, is_sharp=is_sharp))

    async def close(self) -> None:
        """Leave."""
        for task in (self._task, self._repeating):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._end(None)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _present(self) -> State:
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is not None or self._has_ended)
        if self._error is not None:
            raise self._error
        if self.state is None or self._has_ended:
            raise NoSuchMeeting(f"the meeting {self._hello.meeting} is over")
        return self.state

    async def _run(self) -> None:
        attempts = 0
        while True:
            farewell = None
            try:
                farewell = await self._connect()
            except InvalidStatus as refused:
                status = refused.response.status_code
                if status in (401, 403, 404):
                    await self._end(AccessDenied(f"the server does not let this client in ({status})"))
                    return
                if status == NO_UPGRADE:
                    what = "a proxy before the server takes the upgrade out, which a WebSocket needs"
                    await self._end(RequestError(f"{what}: have it pass the headers Upgrade and Connection"))
                    return
                _log.warning(
                    "the server has no place in the meeting %s now (%d); it is tried again", self._hello.meeting, status
                )
            except (OSError, TimeoutError, WebSocketException) as fault:
                _log.info("the connection to the meeting %s broke, and is made anew: %s", self._hello.meeting, fault)
            attempts = 0 if self._was_in else attempts + 1
            if farewell is not None and (self._is_over(farewell) or farewell.return_s is None):
                await self._end(_error_of(farewell, self._hello.meeting))
                return
            if self._has_ended:
                return
            longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempts, 10))
            await asyncio.sleep(random.uniform(0, longest_s if farewell is None else farewell.return_s or 0.0))

    async def _connect(self) -> Farewell | None:
        """One connection, until it ends. Returns what the server said last; None: nothing."""
        farewell: Farewell | None = None
        self._was_in = False
        given = {"additional_headers": self._headers, "compression": None, "ping_interval": None, "max_size": MOST_BYTES}
        async with connect(self._address, open_timeout=CONNECT_WITHIN_S, close_timeout=1, **given) as connection:  # type: ignore[arg-type]
            await connection.send(encoded(self._hello).decode())
            self._sent_before |= self._commands.keys()
            self._ping_s, self._heard_s = PING_S, _steady_s()
            self._pings = Pings(self._heard_s)
            try:
                async with asyncio.timeout(self._patience_s) as alive:
                    while True:
                        message = _message(await connection.recv())
                        now_s = _steady_s()
                        if now_s - self._heard_s > self._patience_s:
                            raise TimeoutError("this process was suspended: what had waited for it is old, and may be the last")
                        if isinstance(message, Farewell):
                            farewell = message
                        elif isinstance(message, Welcome):
                            self._ping_s = message.ping_s
                            async with self._turn:
                                self._welcome, self._connection, self._was_in = message, connection, True
                                for command, _ in list(self._commands.values()):
                                    await self._say(command)
                        elif message is not None:
                            await self._heard(message)
                        if isinstance(message, Welcome | Ping | State):
                            self._heard_s = now_s
                            alive.reschedule(asyncio.get_running_loop().time() + self._patience_s)
            except (WebSocketException, TimeoutError):
                if farewell is None and not self._has_ended:
                    raise
            finally:
                self._connection = self._ping = None
        return farewell

    async def _heard(self, message: ServerMessage) -> None:
        match message:
            case State():
                await self._take(message)
            case Details():
                self._details, self._follower = message, has_details(self._follower, message)
            case Ping():
                self._ping = message
                self._pings.pinged(message.heard, _steady_s())
                if is_behind(self._follower, (message.epoch, message.seq)):
                    await self._say(Ask(what="state"))
                epoch, seq = (0, 0) if self.state is None else self.state.position
                count = self._pings.pong(_steady_s())
                await self._say(Pong(epoch=epoch, seq=seq, is_following=self._follower.is_following, count=count))
            case Done() | Refused():
                if isinstance(message, Refused):
                    await self._take(message.state)
                self._answer(message)

    async def _take(self, state: State) -> None:
        had, self._follower = self.state, received(self._follower, state)
        told = self._told
        if told is not None and self.state is state and repeats(told, had, state, self.participant):
            self._repeating = asyncio.create_task(self._show_again(told))
        if needs_details(self._follower):
            await self._say(Ask(what="details"))
        async with self._changed:
            self._has_ended = self._has_ended or state.mode == "ended"
            self._changed.notify_all()

    async def _show_again(self, told: Show | OpenPaper) -> None:
        """The meeting was restored from a state before what this client told last."""
        place = {"paper": told.paper, "revision": told.revision, "page": told.page}
        with contextlib.suppress(SidebooksError):  # the meeting is over: `states` says so
            await self.do(OpenPaper, **place, spread=told.spread, view_pt=told.view_pt)

    def _answer(self, message: Done | Refused) -> None:
        found = self._commands.get(message.id)
        if found is None or found[1].done():
            return
        if isinstance(message, Refused) and message.why == "replayed" and message.id in self._sent_before:
            message = Done(id=message.id, epoch=message.state.epoch, seq=message.state.seq)  # its first answer was lost
        if isinstance(message, Done) and isinstance(found[0], Show | OpenPaper):
            self._told = found[0]
        found[1].set_result(message)

    async def _say(self, message: ClientMessage) -> None:
        """Send something, if there is a connection; what matters is sent again over the next one."""
        if self._connection is not None:
            with contextlib.suppress(WebSocketException):  # it breaks: whoever receives sees it
                await self._connection.send(encoded(message).decode())

    def _is_over(self, farewell: Farewell) -> bool:
        return self._has_ended or farewell.why == "ended"

    async def _end(self, error: SidebooksError | None) -> None:
        async with self._changed:
            self._error, self._has_ended = self._error or error, True
            self._changed.notify_all()
        for _, answer in list(self._commands.values()):
            if not answer.done():
                answer.set_exception(self._error or NoSuchMeeting(f"the meeting {self._hello.meeting} is over"))


async def follow(
    url: str, meeting: str, *, headers: Mapping[str, str] | None = None, is_projector: bool = False
) -> AsyncGenerator[State, None]:
    """The states of a meeting until it ends. See `MeetingClient`, and its `states` for errors."""
    async with MeetingClient(url, meeting, headers=headers, is_projector=is_projector) as client:
        async for state in client.states():
            yield state


def _message(text: str | bytes) -> ServerMessage | None:
    """None: something beside the meeting, or of a later version."""
    try:
        return from_server(text)
    except RequestError:
        return None


def _error_of(farewell: Farewell, meeting: str) -> SidebooksError | None:
    match farewell.why:
        case "revoked":
            return AccessDenied("the login has ended, or rights have changed")
        case "no such meeting":
            return NoSuchMeeting(f"there is no meeting {meeting}, or it is not for this client")
        case "protocol":
            return RequestError(f"the server does not speak version {PROTOCOL} of the protocol")
    return None
