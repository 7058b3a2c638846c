"""WebSockets with limits: how much may wait for a client, and for how long."""

from __future__ import annotations

import asyncio
from asyncio.transports import BaseTransport
from collections.abc import Callable
from functools import lru_cache

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from sidebooks_core.server.live.sockets import SEND_NOW

MOST_UNSENT_BYTES = 16 << 10
"""If more waits in the process for a client to take it, nothing further is sent."""
TAKEN_WITHIN_S = 5.0
"""A client that takes nothing for so long while that is so is ended, as is one that takes no leave."""


@lru_cache(maxsize=8)
def framed(text: bytes) -> bytes:
    """A message as a server sends it. It is made once for all clients that are told the same."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class PatientSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol for a connection that has become a WebSocket."""

    taken_within_s = TAKEN_WITHIN_S
    on_lost: Callable[[], None] | None = None
    """Called once, when the connection is gone."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self.transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # else it was refused, and there is no scope
            self.scope["extensions"][SEND_NOW] = self.send_now  # type: ignore[assignment]

    def send_now(self, text: bytes) -> bool:
        """Send a text in UTF-8 before anything that waits. False: it would have to wait itself, or there is nobody."""
        may = self.handshake_complete and not self.close_sent and not self.disconnected and self.writable.is_set()
        if not may or self.transport.is_closing():
            return False
        self.transport.write(framed(text))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._takes()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._has_to_take()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self._takes()
        super().resume_writing()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:  # of the request itself: the library has no answer for it
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if self.transport.get_write_buffer_size():  # else a client that takes nothing would keep a closed connection
            self._has_to_take()

    def _has_to_take(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.taken_within_s, self.transport.abort)

    def _takes(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
