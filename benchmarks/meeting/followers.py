"""Followers of a meeting that cost next to nothing: many of them in one process leave the processors to the server.

Each has a WebSocket of its own, takes only what is newer, fetches pages over HTTP as a browser does, and says when a page is on
its screen. It is as warm as the viewer is: pages next to the one that is shown are fetched, and decoded, before they are turned
to. All followers have the same screen, so a page is decoded once in a process for all of them; the time that this took is part
of the wait of each, since each tablet has a processor of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from PIL import Image

from benchmarks.meeting.connection import Connection
from benchmarks.meeting.serving import VIEW

CALM_S = 0.02
"""As in the viewer: on a jump, followers ask for the sharp page within this time, not at once."""
BUNDLE = 16
"""Previews that are fetched together, as in the viewer."""
PATIENCE_S = 60.0
HEADER = 2
TEXT, PING, PONG = 0x81, 0x89, 0x8A
"""First bytes of frames (RFC 6455, 5.2)."""
MASK = b"\0\0\0\0"
"""It leaves what it masks as it is."""
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_started = f"{os.getpid():x}"


@dataclass(slots=True)
class Paint:
    """A page on a screen. Times by `time.time`."""

    position: tuple[int, int]
    page: int
    arrived_s: float
    """When the state was there."""
    preview_s: float | None
    """When a coarse page was on the screen; None: the sharp one was there at once."""
    sharp_s: float


class Screens:
    """What the tablets of this process have decoded, by address: the seconds it took."""

    def __init__(self) -> None:
        self._took_s: dict[str, float] = {}

    def decode_s(self, path: str, body: bytearray) -> float:
        """Seconds that it takes to decode an image. It is decoded at the first call."""
        took_s = self._took_s.get(path)
        if took_s is None:
            started_s = time.perf_counter()
            with Image.open(io.BytesIO(body)) as image:
                image.load()
            took_s = self._took_s[path] = time.perf_counter() - started_s
        return took_s


class Browser:
    """A tablet's HTTP: one connection, and a cache for what is immutable. It keeps that a body was there, not the body."""

    def __init__(self, address: tuple[str, int], headers: str, screens: Screens) -> None:
        self._address = address
        self._headers = headers
        self._screens = screens
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self.kept: set[str] = set()
        self.decode_s: dict[str, float] = {}
        self.bytes = 0
        """Of bodies."""

    async def load(self, path: str) -> float:
        """Fetch an image if it is not there, and tell the seconds that decoding takes. Raises RuntimeError, OSError."""
        if path not in self.kept:
            body = await self.get(path)
            self.decode_s[path] = self._screens.decode_s(path, body)
            self.kept.add(path)
        return self.decode_s[path]

    async def get(self, path: str) -> bytearray:
        """A body. Raises RuntimeError for any other status than 200, and OSError."""
        async with self._turn:
            try:
                return await self._get(path)
            except OSError:  # closed by the server, since nobody used it for a while
                self._connection = None
                return await self._get(path)

    async def _get(self, path: str) -> bytearray:
        if self._connection is None:
            self._connection = await Connection.to(*self._address)
        request = f"GET {path} HTTP/1.1\r\n{self._headers}Accept-Encoding: identity\r\n\r\n"
        head, body = await self._connection.ask(request.encode())
        self.bytes += len(body)
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]}")
        return body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Wire(asyncio.Protocol):
    """The client's side of a WebSocket, for messages in one piece of at most 64 KiB, as this server's are."""

    def __init__(self, request: bytes, heard: Callable[[dict[str, Any]], None], lost: Callable[[], None]) -> None:
        self._request = request
        self._heard = heard
        self._lost = lost
        self._buffer = b""
        self._is_open = False
        self.transport: asyncio.Transport | None = None
        self.opened = asyncio.get_running_loop().create_future()
        self.bytes = 0
        """That came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        data = self._buffer + data if self._buffer else data
        if not self._is_open:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self._buffer = head
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.opened.set_exception(RuntimeError(head.decode("latin-1")))
                return
            self._is_open = True
            self.opened.set_result(None)
        while len(data) >= HEADER:
            length, at = data[1], HEADER
            if length == 126:
                length, at = int.from_bytes(data[2:4], "big"), 4
            elif length == 127:
                length, at = int.from_bytes(data[2:10], "big"), 10
            if len(data) < at + length:
                break
            body = data[at : at + length]
            if data[0] == TEXT:
                self._heard(_decoder.decode(body))
            elif data[0] == PING and self.transport is not None:
                self.transport.write(bytes((PONG, 0x80 | length)) + MASK + body)
            data = data[at + length :]
        self._buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(RuntimeError("the server took no WebSocket"))
            self.opened.exception()  # whoever waited may be gone
        self._lost()

    def say(self, message: dict[str, Any]) -> None:
        """Send a message, if there is a connection."""
        body = _encoder.encode(message)
        length = len(body)
        head = bytes((TEXT, 0x80 | length)) if length < 126 else bytes((TEXT, 0xFE)) + length.to_bytes(2, "big")
        if self.transport is not None:
            self.transport.write(head + MASK + body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where followers go."""

    host: str
    port: int
    meeting: str
    documents: dict[str, tuple[str, int]]
    """The document and the number of pages of each paper."""
    address: str
    pid: int
    """Of the server."""
    view: str = VIEW

    def page(self, paper: str, page: int) -> str:
        """The address of a page, as large as the screen."""
        return f"/documents/{self.documents[paper][0]}/pages/{page}/{self.view}"

    def preview(self, paper: str, page: int) -> str:
        """The address of a preview by itself."""
        return f"/documents/{self.documents[paper][0]}/pages/{page}/preview"

    def bundles(self, paper: str) -> list[str]:
        """The addresses of all previews of a paper, some in each answer."""
        document, count = self.documents[paper]
        starts = range(1, count + 1, BUNDLE)
        return [f"/documents/{document}/previews/{start}-{min(start + BUNDLE - 1, count)}" for start in starts]


class Follower:
    """One tablet in a meeting. Belongs to the event loop."""

    def __init__(self, place: Place, name: str, screens: Screens, *, port: int | None = None, loads_ahead: bool = True) -> None:
        """port: of a relay, for its WebSocket. loads_ahead: whether it fetches the pages next to the one that is shown."""
        self.place = place
        self.name = name
        self._headers = f"Host: {place.host}:{place.port}\r\nX-Remote-User: {name}\r\nX-Remote-Groups: members\r\n"
        self.browser = Browser((place.host, place.port), self._headers, screens)
        self._port = port or place.port
        self._loads_ahead = loads_ahead
        self._client = f"{_started}-{name}"[:24]
        self.wire: Wire | None = None
        self.state: dict[str, Any] | None = None
        self.progress: dict[str, Any] = {}
        self.paints: list[Paint] = []
        self._shown: tuple[str, int] | None = None
        self._painting: asyncio.Task[None] | None = None
        self.calm = True
        """On a jump it asks for the sharp page a little later. The presenter does not."""
        self._count = 0
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self.ahead: asyncio.Task[None] | None = None
        self.failures: list[str] = []
        self.previewed: set[str] = set()
        """Papers whose previews are there, decoded."""

    async def join(self) -> None:
        """Be in the meeting, with the page on the screen."""
        request = (
            f"GET /live?view={self.place.view} HTTP/1.1\r\n{self._headers}Connection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        _, self.wire = await loop.create_connection(lambda: Wire(request, self._heard, self._lost), self.place.host, self._port)
        await self.wire.opened
        self.wire.say({"kind": "hello", "protocol": 1, "meeting": self.place.meeting, "client": self._client})
        await self.until(lambda: self.state is not None)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that comes with a message or a paint. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def painted(self, position: tuple[int, int]) -> Paint | None:
        """The first page on the screen that is as new as a position. None: it did not come in `PATIENCE_S`."""

        def found() -> Paint | None:
            return next((one for one in self.paints if one.position >= position), None)

        with contextlib.suppress(TimeoutError):
            await self.until(lambda: found() is not None)
        return found()

    async def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Give a command, and wait for its answer."""
        assert self.state is not None
        assert self.wire is not None
        self._count += 1
        name = f"{self._client[:16]}-{self._count}"
        told = {"kind": kind, "id": name, "client": self._client, "count": self._count}
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        self.wire.say({**told, "epoch": self.state["epoch"], **fields})
        return await asyncio.wait_for(answer, PATIENCE_S)

    def close(self) -> None:
        for task in (self._painting, self.ahead):
            if task is not None:
                task.cancel()
        self.browser.close()
        if self.wire is not None and self.wire.transport is not None:
            self.wire.transport.abort()

    def _heard(self, message: dict[str, Any]) -> None:
        arrived_s = time.time()
        match message["kind"]:
            case "state":
                self._take(message, arrived_s)
            case "ping":
                epoch, seq = _position(self.state)
                assert self.wire is not None
                if (message["epoch"], message["seq"]) > (epoch, seq):
                    self.wire.say({"kind": "ask", "what": "state"})
                self.wire.say({"kind": "pong", "epoch": epoch, "seq": seq, "is_following": True})
            case "progress":
                self.progress = message
            case "farewell":
                self.failures.append(f"{self.name} was sent away: {message['why']}")
            case "done" | "refused":
                answer = self._answers.pop(message["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
        self._changed.set()

    def _lost(self) -> None:
        """The connection is gone. Nobody waits for its answers in vain."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RuntimeError(f"the connection of {self.name} is gone: {self.failures[-1:]}"))
        self._answers.clear()
        self._changed.set()

    def _take(self, state: dict[str, Any], arrived_s: float) -> None:
        if _position(state) <= _position(self.state):
            return
        self.state = state
        paper, page = state["paper"], state["page"]
        if paper not in self.place.documents:
            return
        path = self.place.page(paper, page)
        if path in self.browser.kept:
            self._paint(state, arrived_s, None, time.time())
        else:
            if self._painting is not None:
                self._painting.cancel()
            self._painting = asyncio.create_task(self._load(state, path, arrived_s))

    async def _load(self, state: dict[str, Any], path: str, arrived_s: float) -> None:
        """A page that is not there: first coarse, then sharp, as the viewer does."""
        preview_s = None
        try:
            if self.calm:
                decode_s = 0.0
                if state["paper"] not in self.previewed:
                    decode_s = await self.browser.load(self.place.preview(state["paper"], state["page"]))
                preview_s = time.time() + decode_s
                await asyncio.sleep(random.uniform(0, CALM_S))
            decode_s = await self.browser.load(path)
        except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"{path}: {error!r}")
            return
        self._paint(state, arrived_s, preview_s, time.time() + decode_s)

    def _paint(self, state: dict[str, Any], arrived_s: float, preview_s: float | None, sharp_s: float) -> None:
        epoch, seq = _position(state)
        assert self.wire is not None
        self.wire.say({"kind": "painted", "epoch": epoch, "seq": seq, "is_sharp": True})
        self.paints.append(Paint((epoch, seq), state["page"], arrived_s, preview_s, sharp_s))
        self._changed.set()

    async def load_previews(self) -> None:
        """Fetch all previews of the paper that is shown, as the viewer does soon after it has opened it."""
        assert self.state is not None
        paper = self.state["paper"]
        for path in self.place.bundles(paper):
            await self.browser.get(path)
        self.previewed.add(paper)

    def load_ahead(self, pages: Iterable[int]) -> Awaitable[None]:
        """Fetch pages of the paper that is shown, as the viewer does when a page is there."""
        assert self.state is not None
        paper = self.state["paper"]
        self.ahead = asyncio.create_task(self._load_ahead([self.place.page(paper, page) for page in pages]))
        return self.ahead

    async def _load_ahead(self, paths: list[str]) -> None:
        try:
            for path in paths:
                await self.browser.load(path)
        except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))


def _position(state: dict[str, Any] | None) -> tuple[int, int]:
    return (-1, -1) if state is None else (state["epoch"], state["seq"])
