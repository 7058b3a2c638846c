"""A client's connection that costs little: a body is received where it stays, without a copy.

The clients share the processors with the server, as no tablets do. With asyncio's streams, which copy each byte three times,
reading took the clients longer than sending took the server.
"""

from __future__ import annotations

import asyncio
import re

MOST_HEAD_BYTES = 1 << 16
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.I)


class Connection(asyncio.BufferedProtocol):
    """One connection, one request at a time. Each response states its length."""

    def __init__(self) -> None:
        self._head = bytearray(MOST_HEAD_BYTES)
        self._head_bytes = 0
        """Received of the head, and perhaps of the body behind it."""
        self._body: bytearray | None = None
        """None: the head is not whole yet."""
        self._body_bytes = 0
        self._end = 0
        self._answer: asyncio.Future[tuple[str, bytearray]] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, host: str, port: int) -> Connection:
        """A connection to a server. Raises OSError."""
        _, made = await asyncio.get_running_loop().create_connection(cls, host, port)
        return made

    async def ask(self, request: bytes) -> tuple[str, bytearray]:
        """The head of the response to a whole request, in lower case, and its body. Raises OSError if the connection ends."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection has ended")
        self._head_bytes, self._body = 0, None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        if self._body is None or self._body_bytes == len(self._body):
            return memoryview(self._head)[self._head_bytes :]
        return memoryview(self._body)[self._body_bytes :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were received there."""
        if self._body is not None:
            self._body_bytes += nbytes
        else:
            self._head_bytes += nbytes
            self._end = self._head.find(_END, 0, self._head_bytes)
            if self._end < 0:
                return
            found = _LENGTH.search(self._head, 0, self._end)
            begun = self._head[self._end + len(_END) : self._head_bytes]
            self._body, self._body_bytes = bytearray(int(found[1]) if found else 0), len(begun)
            self._body[: len(begun)] = begun
        if self._body_bytes == len(self._body) and self._answer is not None and not self._answer.done():
            self._answer.set_result((self._head[: self._end].decode("latin-1").lower(), self._body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))
