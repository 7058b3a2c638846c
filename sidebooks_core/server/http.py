"""One HTTP request and one response, as values; and how a request's path, headers and body are read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from typing import BinaryIO, TypeVar
from urllib.parse import parse_qs, quote, unquote

from msgspec import Struct, field
from starlette.types import Receive, Scope

from sidebooks_core.server.access import Operation
from sidebooks_core.server.limits import client_of
from sidebooks_core.server.statuses import Refused

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

MAX_BODY_BYTES = 16 << 10
BODY_TIMEOUT_S = 10.0
MAX_QUERY_CHARACTERS = 200
"""Of a parameter in the query; what is longer is cut."""
PIECE_BYTES = 128 << 10
"""Of a file: the client has to take most of one before the next is read, and is judged by what it takes."""

_RANGES = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})\Z")

_Result = TypeVar("_Result")


class FileRange(Struct):
    """A part of an open file, from where it stands: an original may be larger than the memory. The sender closes it."""

    file: BinaryIO
    count: int
    """Bytes that are left."""

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        piece = self.file.read(min(self.count, PIECE_BYTES))
        self.count -= len(piece)
        return piece

    @property
    def is_cut_short(self) -> bool:
        """After an empty piece: whether the file ended too early."""
        return self.count > 0


class HttpResponse(Struct):
    """What is sent for a request. The headers that all responses have are added when it is sent (`headers.ResponseHeaders`)."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    file: FileRange | None = None
    """Sent instead of `body`, piece by piece."""
    stream: AsyncGenerator[bytes, None] | None = None
    """Sent instead of `body`, as long as it lasts."""
    ended: Callable[[], None] | None = None
    """Called once it was sent, or could not be."""

    @property
    def has_body(self) -> bool:
        """Whether its status allows a body."""
        return self.status not in (204, 304)

    @property
    def length(self) -> int | None:
        """Of what is sent, in bytes. None: there is no body, or its length is not known."""
        if self.stream is not None or not self.has_body:
            return None
        return len(self.body) if self.file is None else self.file.count


class Gone(Exception):
    """The client went away: nobody waits for an answer."""


class HttpRequest(Struct, eq=False):
    """A request for one of the routes."""

    scope: Scope
    """As the ASGI server or the outer application gave it."""
    receive: Receive
    host: str
    """The Host header; "" if there is none."""
    base: str
    """What addresses in answers begin with: scheme, host, and the path at which the application is mounted."""
    generation: int = 0
    """Of the shelf, when the request came (`FastPath.generation`)."""
    params: dict[str, str] = field(default_factory=dict)
    """The parts of the path that the route names, decoded."""
    operation: Operation | None = None
    """Of its route, once it is known."""
    document_id: str | None = None
    """As the path names it."""
    source: str = "memory"
    """Where its image was found, for Server-Timing."""
    since_s: float = field(default_factory=time.perf_counter)

    @property
    def client(self) -> str:
        """Whose turn in the queue it takes: the address it came from."""
        return f"http {self.address}"

    @property
    def address(self) -> str:
        """The client's address (`limits.client_of`)."""
        return client_of(self.scope.get("client"))

    def header(self, name: bytes) -> str:
        """The value of a header; those of several, with commas between them. "": there is none."""
        return ", ".join(value.decode("latin-1") for key, value in self.scope["headers"] if key == name)

    def query(self, name: str) -> str:
        """A parameter of the query, the first of several. "": there is none."""
        given: bytes = self.scope.get("query_string", b"")
        return parse_qs(given.decode("latin-1")).get(name, [""])[0][:MAX_QUERY_CHARACTERS]

    def has_etag(self, tag: str) -> bool:
        """Whether the client says that it has this (If-None-Match)."""
        given = self.header(b"if-none-match")
        return bool(given) and (
            given.strip() == "*" or any(one.strip().removeprefix("W/") == f'"{tag}"' for one in given.split(","))
        )

    async def body(self) -> bytes:
        """The body, whole. Raises Refused if it is compressed, too long or too slow, and Gone."""
        if self.header(b"content-encoding") not in ("", "identity"):
            raise Refused(415, "bodies are not decompressed")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    body += message.get("body", b"")
                    if len(body) > MAX_BODY_BYTES:
                        raise Refused(413, f"a body is at most {MAX_BODY_BYTES} bytes")
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Refused(408, "the body took too long") from None

    async def unless_gone(self, wanted: asyncio.Future[_Result]) -> _Result:
        """The result of `wanted`. Raises Gone if the client leaves first: `wanted` goes on until its owner cancels it."""
        if not wanted.done():
            gone = asyncio.ensure_future(disconnected(self.receive))
            try:
                await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
            if not wanted.done():
                raise Gone
        return wanted.result()


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)  # the others go on, also if a server always has something to tell


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent, percent-encoded. ASGI servers need not give it: then as it must have been."""
    given: bytes | None = scope.get("raw_path")
    return given or quote(scope["path"], safe="/:@!$&'()*+,;=~-._", errors="surrogatepass").encode("ascii")


def root_and_path(scope: Scope) -> tuple[str, str]:
    """The path that the application is mounted at, and the path below it, both percent-encoded.

    A proxy in front may have taken the beginning of the root off the path: what the outermost application was told of that is
    its `app_root_path`.
    """
    root = _encoded(scope.get("root_path", ""))
    path = raw_path(scope).split(b"?")[0].decode("latin-1")
    for above in (root, root.removeprefix(_encoded(scope.get("app_root_path", "")))):
        if path == above or path.startswith(f"{above}/"):
            return root, path[len(above) :] or "/"
    return root, path


def _encoded(root: str) -> str:
    return quote(root.rstrip("/"), safe="/:@!$&'()*+,;=~-._%")


def family_of(scope: Scope) -> str:
    """The first part of the path: "iiif", "documents" and so on."""
    path = root_and_path(scope)[1]
    return unquote(path.split("/", 2)[1]) if path.startswith("/") else ""


def origin_of(scope: Scope) -> str:
    """The Origin header; "" if there is none."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None for the whole: no range, several, or units that nobody knows.

    Raises Refused (RFC 9110, 14.2: what cannot be read is as good as not said).
    """
    matched = _RANGES.match(text.strip())
    if matched is None or not (matched[1] or matched[2]):
        return None
    if not matched[1]:
        first, last = max(0, size - int(matched[2])), size - 1
    else:
        first, last = int(matched[1]), min(int(matched[2]) if matched[2] else size - 1, size - 1)
        if matched[2] and int(matched[2]) < first:
            return None
    if first > last:
        detail = f"the range is outside the file, which has {size} bytes"
        raise Refused(416, detail, (b"content-range", f"bytes */{size}".encode()))
    return first, last
