"""Connections whose client takes for ever: to say what it wants, or to take what it gets. They are ended.

uvicorn limits how long a connection may be idle between two requests, and the size of headers; not how slowly they may come,
nor how long an answer may lie in the socket. A hundred such clients would keep a hundred connections and answers for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN_S = 10.0
"""From the first byte of a request, or from the connection, to the end of its headers."""
TAKEN_WITHIN_S = 60.0
"""For the client to take what lies in its socket: some 64 kB, over the slowest of networks."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to its patience. Timers only: nothing on the way of a request that is in time."""

    headers_within_s = HEADERS_WITHIN_S
    taken_within_s = TAKEN_WITHIN_S

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_in_headers = False
        self._expect("headers", self.headers_within_s)

    def connection_lost(self, exc: Exception | None) -> None:
        for what in list(self._timers):
            self._came(what)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Most requests come whole: they never see a timer.
        if self._is_in_headers and "headers" not in self._timers:
            self._expect("headers", self.headers_within_s)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers = True

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        if self._timers:
            self._came("headers")
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect("taken", self.taken_within_s)

    def resume_writing(self) -> None:
        self._came("taken")
        super().resume_writing()

    def _expect(self, what: str, within_s: float) -> None:
        self._came(what)
        self._timers[what] = self.loop.call_later(within_s, self._give_up)

    def _came(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
