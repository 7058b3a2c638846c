"""The short way to an image that was sent before and is still in memory: no routing, no parsing, no digests, no threads.

The meaning of a request depends only on its path, its host (for links in headers), and the registered documents. So the
meaning is remembered. The bytes are not: they belong to the memory store, within its budget. Access is checked for each
request.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct
from starlette.types import Scope

from sidebooks_core.access.operations import Operation
from sidebooks_core.encoding.tileset import RecordUnreadable, tile_span
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.images.tile import Tile
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
    media_type: str
    """Of the image. A record that was encoded anew has another one: then the meaning must be learned again."""
    headers: Headers
    """The headers of every response, without its length and timing."""
    family: str
    opens: bool
    """Whoever gets it has opened the paper."""
    found: tuple[weakref.ref[Record], slice] | None = None
    """The record that held the bytes at the last request, and their place in it."""


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

    def learn(self, request: HttpRequest, key: str, at: TilePlace, tile: Tile, own: Headers) -> None:
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
            request.operation,
            request.document_id,
            key,
            at.column,
            at.row,
            etag(tile.etag)[1],
            tile.media_type,
            headers,
            family,
            request.opens,
        )
        self._bytes += _size(path, host, headers)
        while len(known) > MOST_PATHS or self._bytes > MOST_BYTES:
            (old_path, old_host), old = known.popitem(last=False)
            self._bytes -= _size(old_path, old_host, old.headers)

    def forget(self) -> None:
        """Forget all meanings, since documents came or went. Nothing is learned from requests that came before this."""
        self.generation += 1
        self._known = OrderedDict()

    def answer(self, scope: Scope) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body. None if the request must take the long way, which also refuses access."""
        host, given = _host_and_etag(scope)
        known = self._known.get((scope.get("raw_path") or raw_path(scope), host))
        if known is None:
            return None
        try:
            if not self._allowed(scope, known.operation, known.document_id):
                return None
            if known.opens and not self._is_told_of(scope, known.document_id):
                return None
        except Exception:  # noqa: BLE001 - the long way asks again, and answers with the error
            _log.exception("the question of access failed")
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
                span, media_type = tile_span(record.data, known.column, known.row)
            except RecordUnreadable:
                return None
            if media_type != known.media_type:
                return None
            known.found = weakref.ref(record), span
        body = record.data[known.found[1]]
        took_s = time.perf_counter() - started_s
        self._keeper.count_key_shown(known.key, "memory", took_s)
        timing = (b"server-timing", b"memory;dur=%.1f" % (took_s * 1000))
        return 200, [*headers, timing, (b"content-length", b"%d" % len(body))], body


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
