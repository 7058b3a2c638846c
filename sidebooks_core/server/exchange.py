"""One request and its answer: headers, conditions, bodies, ranges, and errors as problems."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qs, quote, unquote

from msgspec import Struct, field

from sidebooks_core.encoding.encode import EncodedImage
from sidebooks_core.errors import (
    PageNotFound,
    QueueFull,
    RenderTimeout,
    RequestDropped,
    RequestError,
    ServiceClosed,
    SidebooksError,
)
from sidebooks_core.images.tile import Tile
from sidebooks_core.server import told
from sidebooks_core.server.iiif import image_api as iiif
from sidebooks_core.server.limits import client_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_BODY_BYTES = 16 << 10
BODY_TIMEOUT_S = 10.0
RETRY_AFTER_S = 2
IMMUTABLE = b"public, max-age=31536000, immutable"
PASSING = b"public, max-age=2"
COMPRESSED_FROM_BYTES = 1024
COMPRESSED_BYTES = 16 << 20
"""Of compressed bodies that are kept."""
PIECE_BYTES = 128 << 10
"""Of a file: the client has to take most of one before the next is read, and is judged by what it takes."""

_PATH = re.compile(r"(?<![\w.])/[\w.+~@-]+/|\w/bin/|\b[A-Za-z]:\\|\bimport \w")
"""What an error must not say to a client: a path of this machine, or how a process is started."""
_RANGES = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})\Z")
_log = logging.getLogger("sidebooks_core.server")

_Result = TypeVar("_Result")


class FileRange(Struct):
    """A part of an open file, from where it stands: an original may be larger than the memory. Who sends it closes it."""

    file: BinaryIO
    count: int

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        piece = self.file.read(min(self.count, PIECE_BYTES))
        self.count -= len(piece)
        return piece

    @property
    def is_cut_short(self) -> bool:
        """After an empty piece: whether the file ended too early."""
        return self.count > 0


class Answer(Struct):
    """A response."""

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
    def length(self) -> int:
        """Of what is sent, in bytes."""
        return len(self.body) if self.file is None else self.file.count


class Gone(Exception):
    """The client went away."""


class Asked(Struct):
    """A request, and how it is answered."""

    scope: Scope
    receive: Receive
    base: str
    generation: int = 0
    """Of the shelf, when the request came (`HotImages.generation`)."""
    source: str = "memory"
    since_s: float = field(default_factory=time.perf_counter)

    @property
    def client(self) -> str:
        """Whose turn in the queue it takes: the address it came from."""
        return f"http {client_of(self.scope.get('client'))}"

    def header(self, name: bytes) -> str:
        return ", ".join(value.decode("latin-1") for key, value in self.scope["headers"] if key == name)

    def query(self, name: str) -> str:
        values = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get(name, [""])
        return str(values[0])[:200]

    def has_etag(self, tag: str) -> bool:
        given = self.header(b"if-none-match")
        return bool(given) and (
            given.strip() == "*" or any(one.strip().removeprefix("W/") == f'"{tag}"' for one in given.split(","))
        )

    def not_modified(self, tag: str, links: Headers) -> Answer:
        return Answer(304, headers=[(b"etag", f'"{tag}"'.encode()), (b"cache-control", IMMUTABLE), *links])

    def image(self, tile: Tile, links: Headers) -> Answer:
        wait_ms = (time.perf_counter() - self.since_s) * 1000
        return Answer(
            200,
            tile.data,
            [
                (b"content-type", tile.media_type.encode()),
                (b"etag", f'"{tile.etag}"'.encode()),
                (b"cache-control", IMMUTABLE),
                (b"server-timing", f"{self.source};dur={wait_ms:.1f}".encode()),
                *told.headers(tile.problems),
                *links,
            ],
        )

    def coarse_image(self, image: EncodedImage, resolution: float, problems: Sequence[str], links: Headers) -> Answer:
        """One in place of another, hence without its ETag and for a moment only."""
        headers = [
            (b"content-type", image.media_type.encode()),
            (b"cache-control", PASSING),
            (b"sidebooks-resolution", f"{resolution:.3f}".encode()),
            (b"server-timing", f"coarse;dur={(time.perf_counter() - self.since_s) * 1000:.1f}".encode()),
            *told.headers(problems),
            *links,
        ]
        return Answer(200, image.data, headers)

    def json(self, value: Any, media_type: str, cache_control: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
        return self.compressed(media_type, json_bytes(value), [*headers, (b"cache-control", cache_control)])

    def compressed(self, media_type: str, body: bytes, headers: Headers) -> Answer:
        tag = hashlib.blake2b(body, digest_size=16).hexdigest()
        headers = [(b"etag", f'"{tag}"'.encode()), (b"vary", b"Accept-Encoding"), *headers]
        if self.has_etag(tag):
            return Answer(304, headers=headers)
        if len(body) > COMPRESSED_FROM_BYTES and "gzip" in self.header(b"accept-encoding"):
            body = _gzipped(tag, body)
            headers.append((b"content-encoding", b"gzip"))
        return Answer(200, body, [(b"content-type", media_type.encode()), *headers])

    async def body_json(self) -> dict[str, Any]:
        """The request's body. Raises Refused."""
        if self.header(b"content-encoding") not in ("", "identity"):
            raise iiif.Refused(415, "bodies are not decompressed")
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    body += message.get("body", b"")
                    if len(body) > MAX_BODY_BYTES:
                        raise iiif.Refused(413, f"a body is at most {MAX_BODY_BYTES} bytes")
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise iiif.Refused(408, "the body took too long") from None
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise iiif.Refused(400, "the body must be a JSON object")
        return value

    async def unless_gone(self, wanted: asyncio.Future[_Result]) -> _Result:
        """What becomes of it. Raises Gone when the client goes away first; it goes on, and its owner may cancel it."""
        if not wanted.done():
            gone = asyncio.ensure_future(disconnected(self.receive))
            both: set[asyncio.Future[Any]] = {wanted, gone}
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
            if not wanted.done():
                raise Gone
        return wanted.result()


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)  # the others go on, also where a server always has something to tell


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent, percent-encoded. ASGI servers need not give it: then as it must have been."""
    given: bytes | None = scope.get("raw_path")
    return given or quote(scope["path"], safe="/:@!$&'()*+,;=~-._", errors="surrogatepass").encode("ascii")


def root_and_path(scope: Scope) -> tuple[str, str]:
    """The path that the application is mounted at, and the path below it, both as they came."""
    root = quote(scope.get("root_path", "").rstrip("/"), safe="/:@!$&'()*+,;=~-._%")
    path = raw_path(scope).split(b"?")[0].decode("latin-1")
    if path == root or path.startswith(f"{root}/"):
        path = path[len(root) :] or "/"
    return root, path


def family_of(scope: Scope) -> str:
    """The first part of the path: "iiif", "documents" and so on."""
    path = root_and_path(scope)[1]
    return unquote(path.split("/", 2)[1]) if path.startswith("/") else ""


def json_bytes(value: Any) -> bytes:
    """UTF-8. What a file name holds that is no text is a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def not_found() -> iiif.Refused:
    return iiif.Refused(404, "there is nothing at this address")


def of_error(error: SidebooksError) -> Answer:
    if isinstance(error, RequestError):
        return problem(400, str(error))
    if isinstance(error, PageNotFound):
        return problem(404, "there is nothing at this address")
    if isinstance(error, RenderTimeout):
        return problem(504, str(error))
    if isinstance(error, QueueFull | RequestDropped | ServiceClosed):
        answer = problem(503, "busy: try again soon")
        answer.headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
        return answer
    what = str(error)
    if _PATH.search(what):
        _log.error("an error that clients are not told of: %s", what)
        what = "it cannot be made, for a reason that the server's log tells"
    return problem(500, what)


def problem(status: int, detail: str) -> Answer:
    body = json_bytes({"type": "about:blank", "status": status, "detail": detail})
    return Answer(status, body, [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")])


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None for the whole: no range, several, or units that nobody knows.

    Raises Unsatisfiable (RFC 9110, 14.2: what cannot be read is as good as not said).
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
        raise Unsatisfiable(size)
    return first, last


class Unsatisfiable(Exception):
    """A range that is outside the file."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the range is outside the file, which has {size} bytes")
        self.size = size


class _Compressed:
    """Compressed bodies by their digest, within a budget. Thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    def __call__(self, tag: str, body: bytes) -> bytes:
        """Manifests of long documents take 20 ms, and all tablets ask for the same."""
        with self._lock:
            packed = self._bodies.get(tag)
            if packed is not None:
                self._bodies.move_to_end(tag)
                return packed
        packed = gzip.compress(body, 6, mtime=0)
        with self._lock:
            if tag not in self._bodies and len(packed) <= self._most_bytes:
                self._bodies[tag] = packed
                self._bytes += len(packed)
                while self._bytes > self._most_bytes:
                    self._bytes -= len(self._bodies.popitem(last=False)[1])
        return packed


_gzipped = _Compressed(COMPRESSED_BYTES)
