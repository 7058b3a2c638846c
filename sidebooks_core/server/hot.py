"""The short way to an image that was sent before and is still in memory: no parsing, no digests, no threads.

What a request means depends on its path and on the host it was sent to (links in headers), and on the documents that are
registered; nothing else. So its meaning is remembered; the bytes are not: they are the memory's, within its budget.
"""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict

from msgspec import Struct

from sidebooks_core.caching.record import Record
from sidebooks_core.rendering.packing import RecordUnreadable, tile_span
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server.exchange import IMMUTABLE, Headers, Scope
from sidebooks_core.service import TileService

MOST_PATHS = 8192


class _Meaning(Struct):
    key: str
    column: int
    row: int
    etag: bytes
    """With its quotes."""
    headers: Headers
    """Of every answer but for the length and the time it took."""
    found: tuple[weakref.ref[Record], slice] | None = None
    """The record that the bytes were in last, and where."""


class HotImages:
    """Belongs to the event loop, but for `forget`."""

    def __init__(self, service: TileService, common: Headers) -> None:
        """common: headers of every answer."""
        self._service = service
        self._common = common
        self._known: OrderedDict[tuple[bytes, bytes], _Meaning] = OrderedDict()

    def learn(self, scope: Scope, key: str, column: int, row: int, media_type: str, tag: str, links: Headers) -> None:
        """A request was answered with this tile of this record."""
        etag = f'"{tag}"'.encode()
        headers = [
            *self._common,
            (b"content-type", media_type.encode()),
            (b"etag", etag),
            (b"cache-control", IMMUTABLE),
            *links,
        ]
        self._known[scope.get("raw_path", b""), _host_and_etag(scope)[0]] = _Meaning(key, column, row, etag, headers)
        if len(self._known) > MOST_PATHS:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Documents came or went."""
        self._known = OrderedDict()

    def answer(self, scope: Scope) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body; None where it takes the long way."""
        host, given = _host_and_etag(scope)
        known = self._known.get((scope.get("raw_path", b""), host))
        if known is None:
            return None
        started_s = time.perf_counter()
        record = self._service.store.get_memory(known.key)
        if record is None:
            return None
        if given == known.etag:
            return 304, known.headers, b""
        if known.found is None or known.found[0]() is not record:
            try:
                known.found = weakref.ref(record), tile_span(record.data, known.column, known.row)
            except RecordUnreadable:
                return None
        body = record.data[known.found[1]]
        took_s = time.perf_counter() - started_s
        self._service.records.count_hit("memory", took_s, known.key, Priority.VISIBLE)
        timing = (b"server-timing", b"memory;dur=%.1f" % (took_s * 1000))
        return 200, [*known.headers, timing, (b"content-length", b"%d" % len(body))], body


def _host_and_etag(scope: Scope) -> tuple[bytes, bytes]:
    """The headers `host` and `if-none-match`; empty where there is none."""
    host = given = b""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"if-none-match":
            given = value
    return host, given
