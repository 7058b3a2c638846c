"""Asks an ASGI application as a server would, without a network."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from PIL import Image
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def ask_async(
    application: ASGIApp,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    leave_after: int = 1 << 30,
    leave_when: Callable[[bytes], bool] | None = None,
    client: str = "192.0.2.1",
) -> Reply:
    """leave_after: pieces of the body after which the client goes away. leave_when: it goes, too, once this holds of the body.

    client: the address that it comes from. A body is sent as JSON unless the headers say otherwise.
    """
    raw_path, _, query = path.partition("?")
    given = {"host": "test", **{name.lower(): value for name, value in (headers or {}).items()}}
    if method in ("POST", "PUT", "PATCH"):
        given.setdefault("content-type", "application/json")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "scheme": "http",
        "client": (client, 50000),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[dict[str, Any]] = []
    first = True
    enough = asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        body = b"".join(piece.get("body", b"") for piece in sent) if leave_when is not None else b""
        if len(sent) > leave_after or (leave_when is not None and leave_when(body)):
            enough.set()

    await application(scope, receive, send)
    start, *pieces = sent
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    names = {}
    for name, value in start["headers"]:
        key = name.decode()
        names[key] = f"{names[key]}, {value.decode()}" if key in names else value.decode()
    return Reply(start["status"], names, b"".join(piece["body"] for piece in pieces))


def ask_socket(application: ASGIApp, path: str, headers: dict[str, str] | None = None) -> Reply:
    """The status that a request for a WebSocket gets; 101: it was accepted, and the client has left at once."""
    raw_path, _, query = path.partition("?")
    given = {"host": "test", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope = {
        "type": "websocket", "path": unquote(raw_path), "raw_path": raw_path.encode(), "query_string": query.encode(),
        "scheme": "ws", "client": ("192.0.2.1", 50000), "subprotocols": [],
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    coming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))  # type: ignore[arg-type]
    if sent[0]["type"] == "websocket.accept":
        return Reply(101, {}, b"")
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], told, sent[1]["body"])


def ask(
    application: ASGIApp,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    leave_after: int = 1 << 30,
) -> Reply:
    return asyncio.run(ask_async(application, path, method, headers, body, leave_after=leave_after))


def image(reply: Reply) -> Image.Image:
    assert reply.status == 200, reply.body
    return Image.open(io.BytesIO(reply.body))
