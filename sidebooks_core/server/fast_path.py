"""The short way to an image that was sent before and is still in memory: no routing, no parsing, no digests, no threads.

The meaning of a request depends only on its path, its host (for links in headers), and the registered documents. So the
meaning is remembered. The bytes are not: they belong to the memory store, within its budget. Access is checked for each
request.

An image that is being drawn has a short way, too. A hundred tablets that turn to a new page ask for one address within some
milliseconds. The first request goes the long way; the others wait for its answer, if they may have it.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct
from starlette.types import Scope

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import UNLIMITED
from sidebooks_core.encoding.tileset import RecordUnreadable, tile_span
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.server.access import Allowed
from sidebooks_core.server.headers import ResponseHeaders, etag
from sidebooks_core.server.http import Headers, HttpRequest, family_of, origin_of, raw_path
from sidebooks_core.service import TileService
from sidebooks_core.stores.record import Record

MOST_PATHS = 8192
MOST_BYTES = 8 << 20
"""The most bytes of paths, hosts and headers that are remembered."""

_log = logging.getLogger("sidebooks_core.server")


class _Meaning(Struct):
    operation: Operation
    document_id: str | None
    key: str
    column: int
    row: int
    etag: bytes
    """With its quotes."""
    headers: Headers
    """The headers of every response, without its length and timing."""
    family: str
    opens: bool
    """Whoever gets it has opened the paper."""
    found: tuple[weakref.ref[Record], slice] | None = None
    """The record that held the bytes at the last request, and their place in it."""


Answer = tuple[Headers, bytes]
"""The headers that every response with an image has, and its body."""


class Expected(Struct, eq=False):
    """An image that a request waits for."""

    operation: Operation
    document_id: str | None
    family: str
    opens: bool
    generation: int
    answer: Callable[[], Awaitable[Answer | None]]
    headers: Headers | None = None
    """The headers of every response, without its length and timing. None: not known yet."""


class FastPath:
    """Belongs to the event loop, except `forget`. It learns only from answered requests, so their hosts were accepted."""

    def __init__(
        self,
        service: TileService,
        headers: ResponseHeaders,
        allowed: Allowed,
        is_told_of: Callable[[Scope, str | None], bool] = lambda _scope, _document: True,
    ) -> None:
        """is_told_of: whether the audit knows that the sender of a request has opened a document."""
        self._keeper = service.parts.images.keeper
        self._headers = headers
        self._sharing = headers.sharing
        self._depends_on_origin = headers.sharing.depends_on_origin
        self._allowed = allowed
        self._is_told_of = is_told_of
        self._known: OrderedDict[tuple[bytes, bytes], _Meaning] = OrderedDict()
        self._bytes = 0
        self._expected: dict[tuple[bytes, bytes], Expected] = {}
        self.answered_s = 0.0
        """When an image was answered last, by `time.perf_counter`."""
        self.generation = 0
        """A number that grows when the documents on the shelf change. A request takes it before it looks for its document."""

    def __len__(self) -> int:
        """Requests whose meaning is remembered."""
        return len(self._known)

    @property
    def held_bytes(self) -> int:
        """About the bytes that the remembered meanings take."""
        return self._bytes

    def learn(self, request: HttpRequest, key: str, at: TilePlace, tag: str, own: Headers) -> None:
        """A request was answered with this tile of the record with this key. own: the headers of every such answer."""
        known = self._known  # read before the generation: `forget` first changes the generation, and then replaces this
        host, _ = _host_and_etag(request.scope)
        path = raw_path(request.scope)
        if request.generation != self.generation or not host or request.operation is None:
            return
        family = family_of(request.scope)
        headers = self._headers.lasting(family, own)
        if not known:
            self._bytes = 0
        replaced = known.pop((path, host), None)
        if replaced is not None:
            self._bytes -= _size(path, host, replaced.headers)
        known[path, host] = _Meaning(
            request.operation, request.document_id, key, at.column, at.row, etag(tag)[1], headers, family, request.opens
        )
        self._bytes += _size(path, host, headers)
        while len(known) > MOST_PATHS or self._bytes > MOST_BYTES:
            (old_path, old_host), old = known.popitem(last=False)
            self._bytes -= _size(old_path, old_host, old.headers)

    def forget(self) -> None:
        """Forget all meanings, since documents came or went. Nothing is learned from requests that came before this."""
        self.generation += 1
        self._known = OrderedDict()

    @contextmanager
    def expecting(self, request: HttpRequest, answer: Callable[[], Awaitable[Answer | None]]) -> Iterator[None]:
        """For the time in which a request waits for an image: requests for the same address wait with it.

        answer: waits for the image as one request more, and gives the headers of every such response, and its body; None:
        nobody waits for it any more.
        """
        host, _ = _host_and_etag(request.scope)
        address = (raw_path(request.scope), host)
        is_for_all = bool(host) and request.limits == UNLIMITED and address not in self._expected
        if request.operation is None or not is_for_all:
            yield
            return
        family = family_of(request.scope)
        self._expected[address] = Expected(
            request.operation, request.document_id, family, request.opens, request.generation, answer
        )
        try:
            yield
        finally:
            del self._expected[address]

    def expected(self, scope: Scope) -> Expected | None:
        """The image that another request for the same address waits for. None: there is none, or it takes the long way."""
        if not self._expected:
            return None
        host, given = _host_and_etag(scope)
        found = self._expected.get((scope.get("raw_path") or raw_path(scope), host))
        if found is None or given or found.generation != self.generation:
            return None
        return found if self._may_have(scope, found.operation, found.document_id, opens=found.opens) else None

    async def joined(self, scope: Scope, expected: Expected) -> tuple[int, Headers, bytes] | None:
        """As `answer`, when the image is there. None also if documents came or went meanwhile. Raises SidebooksError.

        A client that leaves is not noticed before.
        """
        since_s = time.perf_counter()
        found = await expected.answer()
        if found is None or expected.generation != self.generation:
            return None
        own, body = found
        if expected.headers is None:
            expected.headers = self._headers.lasting(expected.family, own)
        headers = expected.headers
        if self._depends_on_origin:
            headers = headers + self._sharing.for_origin(expected.family, origin_of(scope))
        timing = (b"server-timing", b"render;dur=%.1f" % ((time.perf_counter() - since_s) * 1000))
        return 200, [*headers, timing, (b"content-length", b"%d" % len(body))], body

    def answer(self, scope: Scope) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body. None if the request must take the long way, which also refuses access."""
        host, given = _host_and_etag(scope)
        known = self._known.get((scope.get("raw_path") or raw_path(scope), host))
        if known is None:
            return None
        if not self._may_have(scope, known.operation, known.document_id, opens=known.opens):
            return None
        self.answered_s = started_s = time.perf_counter()
        record = self._keeper.store.get_memory(known.key)
        if record is None:
            return None
        headers = known.headers
        if self._depends_on_origin:
            headers = headers + self._sharing.for_origin(known.family, origin_of(scope))
        if given == known.etag:
            return 304, headers, b""
        if known.found is None or known.found[0]() is not record:
            try:
                known.found = weakref.ref(record), tile_span(record.data, known.column, known.row)
            except RecordUnreadable:
                return None
        body = record.data[known.found[1]]
        took_s = time.perf_counter() - started_s
        self._keeper.count_key_shown(known.key, "memory", took_s)
        timing = (b"server-timing", b"memory;dur=%.1f" % (took_s * 1000))
        return 200, [*headers, timing, (b"content-length", b"%d" % len(body))], body

    def _may_have(self, scope: Scope, operation: Operation, document_id: str | None, *, opens: bool) -> bool:
        """Whether a request may have what an earlier one got, as far as that is known without waiting."""
        try:
            return self._allowed(scope, operation, document_id) and not (opens and not self._is_told_of(scope, document_id))
        except Exception:  # noqa: BLE001 - the long way asks again, and answers with the error
            _log.exception("the question of access failed")
            return False


def _host_and_etag(scope: Scope) -> tuple[bytes, bytes]:
    """The headers `host` and `if-none-match`; empty if missing. Both are empty if there are two hosts: the long way refuses
    that.
    """
    host = given = b""
    for name, value in scope["headers"]:
        if name == b"host":
            if host:
                return b"", b""
            host = value
        elif name == b"if-none-match":
            given = value
    return host, given


def _size(path: bytes, host: bytes, headers: Headers) -> int:
    """About the bytes that one remembered request takes."""
    return 600 + len(path) + len(host) + sum(len(name) + len(value) for name, value in headers)
