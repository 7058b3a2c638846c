"""Sends responses as ASGI messages. Errors become responses. Every response is counted, and is sent whole or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable

from starlette.types import Receive, Scope, Send

from sidebooks_core.errors import ServiceClosed, SidebooksError
from sidebooks_core.server import responses
from sidebooks_core.server.exits import Ending
from sidebooks_core.server.headers import ResponseHeaders
from sidebooks_core.server.http import FileRange, Gone, HttpResponse, disconnected
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.statuses import Refused, refusal_of

_log = logging.getLogger("sidebooks_core.server")


class Sender:
    """Belongs to the event loop."""

    def __init__(self, headers: ResponseHeaders, pools: Pools, ending: Ending) -> None:
        self._headers = headers
        self._pools = pools
        self._ending = ending
        self.counts: Counter[int] = Counter()
        """Responses by status."""

    async def respond(self, scope: Scope, receive: Receive, send: Send, making: Awaitable[HttpResponse]) -> None:
        """Send the response that `making` gives, or the response for its error. Nothing is sent if the client has left."""
        try:
            response = await making
        except asyncio.CancelledError:
            if not self._ending.has_begun:
                raise
            response = responses.refusal(refusal_of(ServiceClosed("the server ends")))
        except Gone:
            return
        except Refused as refused:
            response = responses.refusal(refused)
        except SidebooksError as error:
            response = responses.refusal(refusal_of(error))
        except Exception:  # noqa: BLE001 - whatever a request does, it gets an answer and the others go on
            _log.exception("a request failed")
            response = responses.refusal(Refused(500, "an error of the server, which its log tells more about"))
        await self.send(scope, receive, send, response)

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
