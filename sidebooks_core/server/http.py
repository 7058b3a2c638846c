"""One HTTP request and one response, as values; and how a request's path, headers and body are read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from typing import BinaryIO, TypeVar
from urllib.parse import parse_qs, quote, unquote

from msgspec import Struct, field
from starlette.types import Message, Receive, Scope

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.access.principals import CITIZEN, Principal
from sidebooks_core.server.limits import Kind, client_of
from sidebooks_core.server.shelf import Registered
from sidebooks_core.server.statuses import Refused
from sidebooks_core.shelf.standing import Standing

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

MAX_BODY_BYTES = 16 << 10
BODY_TIMEOUT_S = 10.0
MAX_QUERY_CHARACTERS = 200
"""The most characters of a query parameter, unless a handler takes more."""
PIECE_BYTES = 128 << 10
"""The size of the pieces in which a file is sent. The next piece is read when the client has taken most of the last one. So the
server sees how slow a client is."""

_RANGES = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})\Z")

_Result = TypeVar("_Result")


class FileRange(Struct):
    """A part of an open file, from its current position. It is sent in pieces, since an original may be larger than the memory.
    The sender closes the file.
    """

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
    """The response to a request. When it is sent, the headers that all responses have are added (`headers.ResponseHeaders`)."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    file: FileRange | None = None
    """Sent instead of `body`, piece by piece."""
    stream: AsyncGenerator[bytes, None] | None = None
    """Sent instead of `body`, as long as it lasts."""
    ended: Callable[[], None] | None = None
    """Called once, after the response was sent or sending has failed."""

    @property
    def has_body(self) -> bool:
        """Whether its status allows a body."""
        return self.status not in (204, 304)

    @property
    def length(self) -> int | None:
        """The bytes of the body. None: there is no body, or its length is not known."""
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
    """The beginning of all addresses in responses: scheme, host, and the path at which the application is mounted."""
    generation: int = 0
    """The generation of the shelf when the request came (`FastPath.generation`)."""
    params: dict[str, str] = field(default_factory=dict)
    """The parts of the path that the route names, decoded."""
    operation: Operation | None = None
    """The operation of its route. None until the route is known."""
    document_id: str | None = None
    """The document's id in the path. None: the path names no document."""
    principal: Principal = CITIZEN
    """Who asks. Set by the gate, as are the limits and the document."""
    limits: Limits = UNLIMITED
    standing: Standing | None = None
    """The paper, of those that show the document, by which the principal may see it."""
    standings: tuple[Standing, ...] | None = None
    """Where the document stood when the request was let in. None: the path names no document of a paper."""
    registered: Registered | None = None
    """The document that the path names. None: it names none."""
    opens: bool = False
    """Whoever gets the answer has opened the paper. The route says so, or the handler."""
    source: str = "memory"
    """The source of its image, for Server-Timing."""
    since_s: float = field(default_factory=time.perf_counter)

    @property
    def client(self) -> str:
        """The name under which it takes turns in the queue: the client's address."""
        return f"http {self.address}"

    @property
    def address(self) -> str:
        """The client's address (`limits.client_of`)."""
        return client_of(self.scope.get("client"))

    @property
    def share(self) -> tuple[str, Kind]:
        """Whose share it takes of what is shared out, and the kind. Guests have one for each login, others by address."""
        if self.principal.role == "guest":
            return self.principal.session, "guest"
        return self.address, "citizen" if self.principal.role == "citizen" else "known"

    def session(self, name: str) -> str:
        """The key of the reader that the client calls by a name. "" for "".

        Another person's or guest's reader has another key, even if it has the same name. If nobody known asks, the key belongs
        to the client's address (`limits.client_of`): clients that share an address and a name share the reader.
        """
        if not name:
            return ""
        principal = self.principal
        owner = f"person {principal.id}" if principal.id and not principal.signer else f"address {self.address}"
        return f"{owner}\n{name}"

    @property
    def is_resumed(self) -> bool:
        """Whether a stream of events is asked for again, or what changed since the last time. Clients do so by themselves."""
        return bool(self.header(b"last-event-id") or self.query("since"))

    def header(self, name: bytes) -> str:
        """The value of a header; those of several, with commas between them. "": there is none."""
        return ", ".join(value.decode("latin-1") for key, value in self.scope["headers"] if key == name)

    def query(self, name: str, most: int = MAX_QUERY_CHARACTERS) -> str:
        """A parameter of the query, the first of several. "": there is none. A longer one than `most` characters is cut."""
        given: bytes = self.scope.get("query_string", b"")
        return parse_qs(given.decode("latin-1")).get(name, [""])[0][:most]

    def has_etag(self, tag: str) -> bool:
        """Whether the client has the image with this tag already (If-None-Match)."""
        given = self.header(b"if-none-match")
        return bool(given) and (
            given.strip() == "*" or any(one.strip().removeprefix("W/") == f'"{tag}"' for one in given.split(","))
        )

    async def body(self, most_bytes: int = MAX_BODY_BYTES) -> bytes:
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
                    if len(body) > most_bytes:
                        raise Refused(413, f"a body is at most {most_bytes} bytes")
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Refused(408, "the body took too long") from None

    async def pieces(self, look_s: float, idle_s: float) -> AsyncGenerator[bytes, None]:
        """The body piece by piece, however long it is. After each `look_s` seconds without a piece there is an empty one.

        Raises Refused if it is compressed, or if no byte comes for `idle_s` seconds, and Gone.
        """
        if self.header(b"content-encoding") not in ("", "identity"):
            raise Refused(415, "bodies are not decompressed")
        waited_s = 0.0
        receiving: asyncio.Future[Message] | None = None
        try:
            while True:
                receiving = receiving or asyncio.ensure_future(self.receive())
                done, _ = await asyncio.wait((receiving,), timeout=look_s)
                if not done:
                    waited_s += look_s
                    if waited_s >= idle_s:
                        raise Refused(408, "the body took too long")
                    yield b""
                    continue
                message, receiving, waited_s = receiving.result(), None, 0.0
                if message["type"] == "http.disconnect":
                    raise Gone
                if message.get("body"):
                    yield message["body"]
                if not message.get("more_body"):
                    return
        finally:
            if receiving is not None:
                receiving.cancel()

    async def unless_gone(self, wanted: asyncio.Future[_Result]) -> _Result:
        """The result of `wanted`. Raises Gone if the client leaves first: `wanted` goes on until its owner cancels it."""
        return await unless_gone(self.receive, wanted)


async def unless_gone(receive: Receive, wanted: asyncio.Future[_Result]) -> _Result:
    """As `HttpRequest.unless_gone`, for the client that `receive` hears."""
    if not wanted.done():
        gone = asyncio.ensure_future(disconnected(receive))
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
        await asyncio.sleep(0)  # let other tasks run, also if a server always has a message


def base_of(scope: Scope) -> str:
    """The beginning of all addresses, as the request itself tells it: scheme, host, and the path of the mount."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if not host:
        server = scope.get("server") or ("localhost", None)
        name = f"[{server[0]}]" if ":" in str(server[0]) else str(server[0])
        host = f"{name}:{server[1]}" if server[1] else name
    return f"{scope.get('scheme', 'http')}://{host}{root_and_path(scope)[0]}"


def raw_path(scope: Scope) -> bytes:
    """The path as the client sent it, percent-encoded. If the ASGI server does not give it, the decoded path
    is encoded again.
    """
    given: bytes | None = scope.get("raw_path")
    return given or quote(scope["path"], safe="/:@!$&'()*+,;=~-._", errors="surrogatepass").encode("ascii")


def root_and_path(scope: Scope) -> tuple[str, str]:
    """The path that the application is mounted at, and the path below it, both percent-encoded.

    A proxy in front may have removed the beginning of the root from the path. The outermost application knows this beginning as
    `app_root_path`.
    """
    root = _encoded(scope.get("root_path", ""))
    path = raw_path(scope).split(b"?")[0].decode("latin-1")
    for above in (root, root.removeprefix(_encoded(scope.get("app_root_path", "")))):
        if path == above or path.startswith(f"{above}/"):
            return root, path[len(above) :] or "/"
    return root, path


SIGNED = "s"
"""The first part of the path of a signed address. Behind it comes the signature, and then an address like any other."""


def signature_of(path: str) -> tuple[str, str]:
    """The signature in a path below the mount, and the path without it. "": there is none."""
    parts = path.split("/", 3)
    if len(parts) == 4 and parts[1] == SIGNED and parts[2]:
        return parts[2], f"/{parts[3]}"
    return "", path


def _encoded(root: str) -> str:
    return quote(root.rstrip("/"), safe="/:@!$&'()*+,;=~-._%")


def family_of(scope: Scope) -> str:
    """The first part of the path: "iiif", "documents" and so on; of a signed address "s/iiif" and so on."""
    signature, path = signature_of(root_and_path(scope)[1])
    family = unquote(path.split("/", 2)[1]) if path.startswith("/") else ""
    return f"{SIGNED}/{family}" if signature else family


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
