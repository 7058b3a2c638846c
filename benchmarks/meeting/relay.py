"""A network that can lose, hold, delay and crumble what goes through it. Belongs to one event loop.

A `Relay` listens on a port and makes a `Line` of each connection to it. It moves bytes and knows nothing of what they mean.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Literal, Self

Way = Literal["up", "down"]
"""up: from the client to the server."""
BOTH: tuple[Way, ...] = ("up", "down")
CHUNK_BYTES = 4096
BUFFER_BYTES = 8192
"""Of the kernel, for each socket, about. What waits in a network is little."""
CRUMB_BYTES = 7
CRUMB_PAUSE_S = 0.002
DEAD_KEPT_S = 120.0
"""A line that is half open is cut for good after this: both ends have given it up long before."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket whose close is a reset."""


class Line:
    """One connection through a relay."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near = near
        self.far = far
        self.dead: set[Way] = set()
        """Ways that pass nothing any more, and do not say so."""
        self.task: asyncio.Task[None] | None = None

    def cut(self, *, is_reset: bool) -> None:
        for one in (self.near, self.far):
            if is_reset:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()


class Relay:
    """Use it as an async context."""

    def __init__(self, target: Callable[[], int]) -> None:
        """target: the port at 127.0.0.1 that the next connection goes on to."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.delay_s = 0.0
        """Of each piece. A piece behind it waits, too."""
        self.is_in_crumbs = False
        self._passing: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in BOTH}
        self._lines: dict[Line, asyncio.Task[None]] = {}
        self._accepting: asyncio.Task[None] | None = None

    # What befalls it

    def hold(self, ways: Collection[Way]) -> None:
        """Nothing passes until `heal`. Connections stay open, and new ones reach nobody."""
        for way in ways:
            self._passing[way].clear()

    def half_open(self, ways: Collection[Way]) -> int:
        """The lines of now pass nothing for ever. New ones are good. Returns how many there are."""
        for line in self._lines:
            line.dead.update(ways)
            asyncio.get_running_loop().call_later(DEAD_KEPT_S, self._cut, line)
        return len(self._lines)

    def reset(self) -> int:
        """Both ends learn at once that the lines of now are gone. Returns how many there were."""
        for line in list(self._lines):
            self._cut(line)
        return len(self._lines)

    def heal(self) -> None:
        """What is not lost passes, at once and in whole pieces."""
        self.delay_s, self.is_in_crumbs = 0.0, False
        for event in self._passing.values():
            event.set()

    # Its work

    async def __aenter__(self) -> Self:
        self.heal()
        self._accepting = asyncio.create_task(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        self.reset()
        self._listener.close()
        await asyncio.gather(*self._lines.values(), return_exceptions=True)

    def _cut(self, line: Line) -> None:
        if (task := self._lines.get(line)) is not None:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(self._listener)
            far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            for one in (near, far):
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            line = Line(near, far)
            self._lines[line] = loop.create_task(self._serve(line))

    async def _serve(self, line: Line) -> None:
        """Until one end is through, or it is cut. Whatever breaks on one side is told to the other."""
        is_reset = True
        pumps: list[asyncio.Task[None]] = []
        try:
            for event in self._passing.values():
                await event.wait()
            await asyncio.get_running_loop().sock_connect(line.far, ("127.0.0.1", self._target()))
            pumps = [asyncio.create_task(self._carry(line, way)) for way in BOTH]
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            is_reset = any(one.exception() is not None for one in done)
        except OSError:
            pass  # nobody listens there: the near end is reset
        finally:
            for one in pumps:
                one.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            line.cut(is_reset=is_reset)
            del self._lines[line]

    async def _carry(self, line: Line, way: Way) -> None:
        """Raises OSError if an end is gone."""
        loop = asyncio.get_running_loop()
        source, sink = (line.near, line.far) if way == "up" else (line.far, line.near)
        while True:
            data = await loop.sock_recv(source, CHUNK_BYTES)
            await self._passing[way].wait()
            if way in line.dead:
                await loop.create_future()  # until it is cut
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if not data:
                return
            if not self.is_in_crumbs:
                await loop.sock_sendall(sink, data)
                continue
            for start in range(0, len(data), CRUMB_BYTES):
                await loop.sock_sendall(sink, data[start : start + CRUMB_BYTES])
                await asyncio.sleep(CRUMB_PAUSE_S)
