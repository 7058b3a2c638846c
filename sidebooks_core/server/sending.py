"""Sends responses as ASGI messages. Errors become responses. Every response is counted, and is sent whole or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from sidebooks_core.errors import ServiceClosed, SidebooksError
from sidebooks_core.server import responses
from sidebooks_core.server.exits import Ending
from sidebooks_core.server.headers import ResponseHeaders
from sidebooks_core.server.http import FileRange, Gone, HttpResponse, disconnected
from sidebooks_core.server.live.sockets import Socket, SocketGone
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.statuses import Refused, refusal_of

SOCKET_FAILED = 1011
"""The code with which a WebSocket is closed after an error of the server (RFC 6455)."""
_Made = TypeVar("_Made")
_log = logging.getLogger("sidebooks_core.server")


class Sender:
    """Belongs to the event loop."""

    def __init__(self, headers: ResponseHeaders, pools: Pools, ending: Ending) -> None:
        self._headers = headers
        self._pools = pools
        self._ending = ending
        self.counts: Counter[int] = Counter()
        """Responses by status."""
        self._sockets: set[asyncio.Future[None]] = set()
        """One for each that is served; it is cancelled at the end."""

    async def respond(self, scope: Scope, receive: Receive, send: Send, making: Awaitable[HttpResponse]) -> None:
        """Send the response that `making` gives, or the response for its error. Nothing is sent if the client has left."""
        try:
            response = await self.answered(making)
        except Gone:
            return
        await self.send(scope, receive, send, response)

    async def respond_to_socket(self, scope: Scope, socket: Socket, serving: Awaitable[None]) -> None:
        """Serve a WebSocket as long as it lasts. If it is refused, send the response for the error."""
        done = asyncio.get_running_loop().create_future()
        self._sockets.add(done)
        try:
            refusal = await self.answered(serving)
        except (Gone, SocketGone):
            return
        finally:
            self._sockets.discard(done)
            done.cancel()
        if refusal is not None:
            await self.refuse_socket(scope, socket, refusal)

    async def wait_sockets(self, timeout_s: float) -> None:
        """Wait until no WebSocket is served any more, at most so long."""
        if self._sockets:
            await asyncio.wait(tuple(self._sockets), timeout=timeout_s)

    async def refuse_socket(self, scope: Scope, socket: Socket, refusal: HttpResponse) -> None:
        """Send the response for an error in place of a WebSocket, or end one that was accepted."""
        self.counts[refusal.status] += 1
        with contextlib.suppress(SocketGone):
            if socket.is_accepted:  # its error is in the log
                await socket.close(SOCKET_FAILED)
            else:
                headers = self._headers.complete(scope, refusal.headers, refusal.length)
                await socket.refuse(refusal.status, headers, refusal.body)

    async def answered(self, making: Awaitable[_Made]) -> _Made | HttpResponse:
        """What `making` gives, or the response for its error. Raises Gone and SocketGone."""
        try:
            return await making
        except asyncio.CancelledError:
            if not self._ending.has_begun:
                raise
            return responses.refusal(refusal_of(ServiceClosed("the server ends")))
        except (Gone, SocketGone):
            raise
        except Refused as refused:
            return responses.refusal(refused)
        except SidebooksError as error:
            return responses.refusal(refusal_of(error))
        except Exception:  # noqa: BLE001 - whatever a request does, it gets an answer and the others go on
            _log.exception("a request failed")
            return responses.refusal(Refused(500, "an error of the server, which its log tells more about"))

    async def send(self, scope: Scope, receive: Receive, send: Send, response: HttpResponse) -> None:
        """Send a response. Then close its file and call its `ended`, even if sending failed."""
        self.counts[response.status] += 1
        try:
            await self._send(scope, receive, send, response)
        except asyncio.CancelledError:
            if not self._ending.has_begun:
                raise
        finally:
            if response.file is not None:
                response.file.file.close()
            if response.ended is not None:
                response.ended()

    async def _send(self, scope: Scope, receive: Receive, send: Send, response: HttpResponse) -> None:
        headers = self._headers.complete(scope, response.headers, response.length)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        is_bare = scope["method"] == "HEAD" or not response.has_body
        if response.file is not None and not is_bare:
            await self._send_file(receive, send, response.file)
            return
        if response.stream is not None and not is_bare:
            async with contextlib.aclosing(response.stream):
                async for piece in response.stream:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if is_bare else response.body})

    async def _send_file(self, receive: Receive, send: Send, file: FileRange) -> None:
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            while piece := await self._pools.run("originals", file.read):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if gone.done():  # else the ASGI server would take all pieces, although nobody receives them
                    break
        finally:
            gone.cancel()
        if file.is_cut_short and not gone.done():
            _log.warning("a file was cut short while it was sent: the connection ends")
            return  # without an end of the body: the client sees that there is more to come
        await send({"type": "http.response.body", "body": b""})
