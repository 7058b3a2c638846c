"""A town hall behind a real server, and tablets that are connected to it by WebSockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from asgi import Reply
from town_hall import TownHall, town_hall
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sidebooks_core.server import Application
from sidebooks_core.server.command import BoundedServer
from sidebooks_core.server.limits import ServerLimits
from sidebooks_core.server.listening import listening
from sidebooks_core.server.options import ServeOptions
from sidebooks_core.shelf import Folder

PATIENCE_S = 30.0
Message = dict[str, Any]


class LiveHouse:
    """A town hall that listens on a port."""

    def __init__(self, hall: TownHall, listener: socket.socket, application: Application | None = None) -> None:
        """application: one more of the town hall. None: its own."""
        self.hall = hall
        self.port = listener.getsockname()[1]
        options = ServeOptions(host="127.0.0.1", port=0, browser=False, paths=())
        self.server = BoundedServer(application or hall.application, ServerLimits(), listener, options)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    def cookie(self, who: str) -> str:
        return f"sidebooks_login_{self.port}={self.hall.cookies[who]}"

    def ask(self, who: str, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        """What the server answers to somebody. In a scenario: `asyncio.to_thread`."""
        given = {"Cookie": self.cookie(who), "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
                return Reply(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return Reply(refused.code, dict(refused.headers), refused.read())

    def begin(self, who: str = "tender", folder: Folder | None = None, **body: Any) -> str:
        """A meeting in a folder, that of the finance committee unless told. Its id."""
        made = self.ask(who, f"/folders/{(folder or self.hall.finance).id}/meetings", "POST", body)
        assert made.status == 201, made.body
        meeting: str = made.json()["id"]
        return meeting

    def guest_of(self, meeting: str, name: str = "傍聴者") -> str:
        """The cookie of a guest who has used a code of a meeting. One that was made before opens nothing any more."""
        return self.guest_by(self.ask("tender", f"/meetings/{meeting}/code", "POST", {}).json()["code"], name)

    def guest_by(self, code: str, name: str = "傍聴者") -> str:
        """The cookie of a guest who has used a code."""
        reply = self.ask("none", "/meetings/join", "POST", {"code": code, "name": name})
        assert reply.status == 200, reply.body
        told = reply.json()["me"]
        assert (told["role"], told["name"]) == ("guest", name)
        return reply.headers["set-cookie"].partition(";")[0]

    def cut(self) -> None:
        """All connections break."""
        for one in list(self.server.server_state.connections):
            one.loop.call_soon_threadsafe(one.transport.abort)

    def end(self) -> None:
        self.server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    @asynccontextmanager
    async def tablet(self, who: str, query: str = "", **headers: str) -> AsyncIterator[Tablet]:
        """Somebody's connection."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Cookie", self.cookie(who) if self.hall.cookies[who] else "")
        address = f"ws://127.0.0.1:{self.port}/live{query}"
        async with connect(address, additional_headers=given, compression=None, open_timeout=PATIENCE_S) as connection:
            tablet = Tablet(connection)
            try:
                yield tablet
            finally:
                tablet.task.cancel()


class Tablet:
    """One connection, and all that it was told."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.told: list[Message] = []
        self.client = "c1"
        self.count = 0
        self._came = asyncio.Event()
        self.closed: int | None = None
        """The code."""
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        try:
            async for text in self.connection:
                self.told.append(json.loads(text))
                self._came.set()
        except ConnectionClosed:
            pass
        self.closed = self.connection.close_code
        self._came.set()

    async def say(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"kind": kind, **fields}, ensure_ascii=False))

    async def hello(self, meeting: str, client: str = "c1", **more: Any) -> None:
        """Be in a meeting."""
        self.client = client
        await self.say("hello", protocol=1, meeting=meeting, client=client, **more)
        await self.until("details")

    async def command(self, kind: str, **fields: Any) -> Message:
        """The answer to a command."""
        self.count += 1
        identifier = f"{self.client}-{self.count}"
        given = {"id": identifier, "client": self.client, "count": self.count, "epoch": self.state["epoch"], **fields}
        await self.say(kind, **given)
        return await self.wait(lambda: self.find(lambda one: one.get("id") == given["id"]))

    @property
    def state(self) -> Message:
        """The newest."""
        states = [one for one in self.told if one["kind"] == "state"]
        return max(states, key=lambda one: (one["epoch"], one["seq"]))

    def of(self, kind: str) -> list[Message]:
        return [one for one in self.told if one["kind"] == kind]

    def find(self, holds: Callable[[Message], object]) -> Message | None:
        return next((one for one in self.told if holds(one)), None)

    async def until(self, kind: str, count: int = 1) -> Message:
        return await self.wait(lambda: self.of(kind)[-1] if len(self.of(kind)) >= count else None)

    async def until_page(self, page: int) -> Message:
        return await self.wait(lambda: self.find(lambda one: one["kind"] == "state" and one["page"] == page))

    async def until_closed(self) -> int:
        await self.wait(lambda: self.closed is not None or None)
        assert self.closed is not None
        return self.closed

    async def wait(self, look: Callable[[], Any]) -> Any:
        """What a look finds, as soon as it finds something."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := look()) is None:
                assert self.closed is None, self.told[-1:]
                self._came.clear()
                await self._came.wait()
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LiveHouse]:
    with live_house(tmp_path) as made:
        yield made


@contextmanager
def live_house(folder: Path) -> Iterator[LiveHouse]:
    with town_hall(folder) as hall, listening("127.0.0.1", 0) as listener:
        house = LiveHouse(hall, listener)
        try:
            yield house
        finally:
            house.end()
