"""One WebSocket, as the ASGI server gives it. Whatever goes wrong with sending means that the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from sidebooks_core.server.http import Headers

SEND_WITHIN_S = 5.0
"""A client that takes a message no sooner is gone."""
SEND_NOW = "sidebooks.send_now"
"""An extension of ASGI, by the server of this project only."""
_SCHEMES = {"ws": "http", "wss": "https"}


class SocketGone(Exception):
    """Nobody is at the other end."""


class Socket:
    """Belongs to the event loop."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, may_change: bool) -> None:
        """may_change: whether a page that asks may change something. Others may listen only."""
        self.may_change = may_change
        self.is_accepted = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_closed = False
        self.send_now: Callable[[bytes], bool] | None = scope.get("extensions", {}).get(SEND_NOW)
        """Sends a text in UTF-8, if that need not wait. None: the ASGI server cannot do that."""

    async def accept(self) -> None:
        """Raises SocketGone."""
        await self._begun()
        self.is_accepted = True
        await self._say({"type": "websocket.accept"})

    async def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer as to any other request, where the ASGI server can do that; else with 403. Raises SocketGone."""
        await self._begun()
        if "websocket.http.response" not in self._scope.get("extensions", {}):
            await self._say({"type": "websocket.close"})
            return
        await self._say({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._say({"type": "websocket.http.response.body", "body": body})

    async def hear(self) -> str | bytes:
        """The next message of the client. Raises SocketGone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._is_closed = True
            raise SocketGone
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def tell(self, data: bytes) -> None:
        """Send a text in UTF-8. Raises SocketGone, also if the client does not take it in time."""
        await self._say({"type": "websocket.send", "text": data.decode()})

    async def close(self, code: int) -> None:
        """Say that it ends, if anybody is there."""
        if not self._is_closed:
            self._is_closed = True
            await self._say({"type": "websocket.close", "code": code})

    async def _begun(self) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            raise SocketGone

    async def _say(self, message: dict[str, object]) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._send(message)
        except Exception as error:
            self._is_closed = True
            raise SocketGone from error


def as_request(scope: Scope) -> Scope:
    """The scope of a WebSocket as that of the request that asked for it: rules about requests hold for it, too."""
    return {**scope, "type": "http", "method": "GET", "scheme": _SCHEMES.get(scope.get("scheme", "ws"), "http")}
