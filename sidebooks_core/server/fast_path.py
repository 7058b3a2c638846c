"""The short way to an image that was sent before and is still in memory: no parsing, no digests, no threads.

What a request means depends on its path and on the host it was sent to (links in headers), and on the documents that are
registered; nothing else. So its meaning is remembered; the bytes are not: they are the memory's, within its budget.
"""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict

from msgspec import Struct

from sidebooks_core.encoding.tileset import RecordUnreadable, tile_span
from sidebooks_core.server.exchange import IMMUTABLE, Headers, Scope, family_of, raw_path
from sidebooks_core.server.sharing import Sharing
from sidebooks_core.service import TileService
from sidebooks_core.stores.record import Record

MOST_PATHS = 8192
MOST_BYTES = 8 << 20
"""Of paths, hosts and headers that are remembered."""


class _Meaning(Struct):
    key: str
    column: int
    row: int
    etag: bytes
    """With its quotes."""
    headers: Headers
    """Of every answer but for the length and the time it took."""
    family: str
    found: tuple[weakref.ref[Record], slice] | None = None
    """The record that the bytes were in last, and where."""


class HotImages:
    """Belongs to the event loop, but for `forget`. It learns only from requests that were answered, whose host was accepted."""

    def __init__(self, service: TileService, sharing: Sharing) -> None:
        self._keeper = service.parts.images.keeper
        self._sharing = sharing
        self._known: OrderedDict[tuple[bytes, bytes], _Meaning] = OrderedDict()
        self._bytes = 0
        self.answered_s = 0.0
        """When an image was answered last, by `time.perf_counter`."""
        self.generation = 0
        """Of the documents that are served. Taken when a request comes, before its document is looked for."""

    def learn(
        self, generation: int, scope: Scope, key: str, column: int, row: int, media_type: str, tag: str, links: Headers
    ) -> None:
        """A request of that generation was answered with this tile of this record."""
        known = self._known  # before the generation is compared: `forget` puts another in its place after counting on
        host, _ = _host_and_etag(scope)
        path = raw_path(scope)
        if generation != self.generation or not host:
            return
        etag = f'"{tag}"'.encode()
        family = family_of(scope)
        headers = [
            *self._sharing.common(family),
            (b"content-type", media_type.encode()),
            (b"etag", etag),
            (b"cache-control", self._sharing.cache_control(IMMUTABLE)),
            *links,
        ]
        if not known:
            self._bytes = 0
        replaced = known.pop((path, host), None)
        if replaced is not None:
            self._bytes -= _size(path, host, replaced.headers)
        known[path, host] = _Meaning(key, column, row, etag, headers, family)
        self._bytes += _size(path, host, headers)
        while len(known) > MOST_PATHS or self._bytes > MOST_BYTES:
            (old_path, old_host), old = known.popitem(last=False)
            self._bytes -= _size(old_path, old_host, old.headers)

    def forget(self) -> None:
        """Documents came or went. Requests that came before this are not learned from any more."""
        self.generation += 1
        self._known = OrderedDict()

    def answer(self, scope: Scope) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body; None where it takes the long way."""
        host, given = _host_and_etag(scope)
        known = self._known.get((scope.get("raw_path") or raw_path(scope), host))
        if known is None:
            return None
        self.answered_s = started_s = time.perf_counter()
        record = self._keeper.store.get_memory(known.key)
        if record is None:
            return None
        headers = known.headers
        if self._sharing.depends_on_origin:
            headers = [*headers, *self._sharing.for_origin(known.family, _origin(scope))]
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


def _host_and_etag(scope: Scope) -> tuple[bytes, bytes]:
    """The headers `host` and `if-none-match`; empty where there is none. Of two hosts none: such a request is refused."""
    host = given = b""
    for name, value in scope["headers"]:
        if name == b"host":
            if host:
                return b"", b""
            host = value
        elif name == b"if-none-match":
            given = value
    return host, given


def _origin(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")


def _size(path: bytes, host: bytes, headers: Headers) -> int:
    """About what is held for one request, in bytes."""
    return 600 + len(path) + len(host) + sum(len(name) + len(value) for name, value in headers)
